"""Clinical columns that leak the label are reported with the reason."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from cardiograph.audit.circular import probe_columns
from cardiograph.audit.findings import Finding, Probe
from cardiograph.features.simulate import simulate_blind, simulate_from_label
from cardiograph.schema import DEFAULT_VARIABLES

LABELS = np.arange(200) % 2
FIVE = tuple(variable.name for variable in DEFAULT_VARIABLES)


def look(audited):
    found = list(probe_columns(audited))
    findings = {each.code: each for each in found if isinstance(each, Finding)}
    return findings, {each.name: each for each in found if isinstance(each, Probe)}


def test_a_column_alone_is_its_auroc_either_way_round(audited, rng):
    values = rng.normal(120 - 8 * LABELS, 10)
    _, probes = look(audited(LABELS, values=values, names=("sbp",)))
    assert probes["sbp alone"].auroc == pytest.approx(roc_auc_score(LABELS, -values))
    assert probes["sbp alone"].how == "lower values go with label 1"
    values[:50] = np.nan
    _, probes = look(audited(LABELS, values=values, names=("sbp",)))
    assert probes["sbp alone"].records == 150


def test_a_column_that_predicts_the_label(audited, rng):
    findings, _ = look(audited(LABELS, values=rng.normal(120 - 50 * LABELS, 10), names=("sbp",)))
    assert (findings["column_predicts_label"].column, findings["column_predicts_label"].severity) == ("sbp", "warn")
    assert not look(audited(LABELS, values=rng.normal(120 - 10 * LABELS, 10), names=("sbp",)))[0]


def test_columns_that_only_together_predict_the_label(audited, rng):
    hidden = rng.normal(0, 20, 200)
    values = np.stack([120 + hidden, 60 + hidden + 12 * LABELS], axis=1)
    findings, _ = look(audited(LABELS, values=values, names=("sbp", "age")))
    assert set(findings) == {"columns_predict_label"}


def test_the_published_simulator_is_reported_with_its_auroc(audited):
    labels = np.arange(2000) % 2
    table = simulate_from_label(labels, np.random.default_rng(0))
    drawn = audited(labels, values=table.values, names=FIVE, provenance="simulated from the label")
    findings, probes = look(drawn)
    assert findings["simulated_from_label"].severity == "warn"
    assert probes["all clinical columns together"].auroc == pytest.approx(0.9987, abs=0.001)
    assert "looks_simulated" not in findings  # it is known already


def test_simulated_columns_in_a_table_are_recognised(audited, rng):
    labels = np.arange(600) % 2
    drawn = simulate_from_label(labels, rng).values
    assert "looks_simulated" in look(audited(labels, values=drawn, names=FIVE))[0]
    assert "looks_simulated" not in look(audited(labels, values=drawn + np.array([0.02, 0, 0, 3, 0]), names=FIVE))[0]
    assert "looks_simulated" not in look(audited(labels, values=simulate_blind(600, 0.5, rng).values, names=FIVE))[0]


def test_the_synthetic_cohort_does_not_look_simulated_from_the_label(audited, cohort_table):
    import pandas as pd

    table = pd.read_csv(cohort_table).dropna()
    labels = table["label"].to_numpy()
    assert "looks_simulated" not in look(audited(labels, values=table[list(FIVE)].to_numpy(), names=FIVE))[0]


def test_simulation_blind_to_the_label_is_a_warning_too(audited, rng):
    values = simulate_blind(200, 0.5, rng).values
    findings, probes = look(audited(LABELS, values=values, names=FIVE, provenance="simulated blind to the label"))
    assert set(findings) == {"simulated_blind"}
    assert abs(probes["all clinical columns together"].auroc - 0.5) < 0.15


def test_a_column_that_defines_the_label_blocks_where_it_is_read(audited, rng):
    values = rng.normal(0.5, 0.1, 200)
    read = audited(LABELS, values=values, names=("ef",), label_definition=("ef",))
    assert look(read)[0]["defines_label"].severity == "block"
    unread = audited(LABELS, unread={"ef": list(values)}, label_definition=("ef",))
    assert not look(unread)[0]
    assert "EF" in look(audited(LABELS, label_definition=("EF",)))[0]["definition_unknown"].text
