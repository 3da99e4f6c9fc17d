"""A comparison of models of several labels, and of the time to an event, from end to end."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from tests.run.survival_cohort import rows_of, write

from cardiograph import stages
from cardiograph.artifacts.cache import PageCache
from cardiograph.cli.app import main
from cardiograph.config import load_config
from cardiograph.errors import CohortError, ConfigError, RunError
from cardiograph.studies.compare.compare import compare
from cardiograph.studies.compare.fold_data import make_fold_data
from cardiograph.studies.compare.kinds import KINDS, FollowUp, class_aurocs
from cardiograph.studies.compare.options import CompareOptions, CompareRequest, options_of
from cardiograph.studies.compare.trial import Task, make_fit
from cardiograph.studies.faults.records import AugmentationPool
from cardiograph.studies.shared_cohort import SharedCohort
from cardiograph.survival.outcome import SurvivalOutcome

SMALL = {"model": {"epochs": 4, "width": 16, "members": 4}}
TIMED = {**SMALL, "outcome": {"name": "death", "time": "time"}}
LABELS = {**SMALL, "outcome": {"columns": ["MI", "CD", "HYP"]}}


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """Table of 120 patients with a time, competing events and a given split, which a comparison leaves out."""
    return write(tmp_path_factory.mktemp("followed") / "followed.csv", rows_of(count=120))


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """Table of 90 patients with three labels that depend on two values; every seventh cell of a label is unknown."""
    rng, count = np.random.default_rng(0), 90
    ef, age = rng.uniform(0.15, 0.65, count), rng.uniform(40, 85, count)
    values = {
        "MI": rng.random(count) < 1 / (1 + np.exp(-(0.4 - ef) * 12)),
        "CD": rng.random(count) < 1 / (1 + np.exp(-(age - 65) / 5)),
        "HYP": rng.random(count) < 0.4,
    }
    table = pd.DataFrame({"patient_id": [f"p{n}" for n in range(count)], "ef": ef.round(3), "age": age.round()})
    for place, (name, held) in enumerate(values.items()):
        table[name] = held.astype(int).astype(str)
        table.loc[np.arange(count) % 7 == place, name] = ""
    table["label"] = table["MI"]  # as imported cohorts have it
    path = tmp_path_factory.mktemp("labelled") / "labelled.csv"
    table.to_csv(path, index=False)
    return path


def fold_data_of(source, settings, tmp_path, folds=2):
    with PageCache(tmp_path / "cache") as cache:
        shared = SharedCohort(
            source, load_config(None, settings), cache, pool=AugmentationPool(0, None), any_outcome=True
        )
        return make_fold_data(shared, folds)


@pytest.fixture(scope="module")
def survival_result(followed, tmp_path_factory):
    out = tmp_path_factory.mktemp("compares") / "followed"
    options = options_of(
        CompareRequest("sign_cox,mlp,cox", folds=2, repeats=1, jobs=1), kind="survival", curves=(True, False)
    )
    return compare(followed, out, load_config(None, TIMED), options), out


def test_the_time_to_an_event_is_compared_by_concordance(survival_result, followed, tmp_path):
    result, out = survival_result
    fits = [json.loads(line) for line in (out / "fits.jsonl").read_text().splitlines()]
    fold_data = fold_data_of(followed, TIMED, tmp_path)
    for model in ("default", "sign_cox", "cox"):
        found = []
        for fold in (0, 1):
            truth = fold_data.truth((0, fold))
            (fit,) = (
                each for each in fits
                if (each["model"], each["place"], each["rewired"], each["condition"][0]) == (model, [0, fold], False, "")
            )  # fmt: skip
            found.append(concordance(truth.outcome, np.array(fit["scores"]["probabilities"])))
        row = next(row for row in result.rows if row.model == model)
        assert row.scores["harrell_c"].value == pytest.approx(np.mean(found))
    assert [row.scores["harrell_c"].value for row in result.rows] == sorted(
        (row.scores["harrell_c"].value for row in result.rows), reverse=True
    )
    assert options_of(CompareRequest(), kind="survival").models == (
        "default", "sign", "sign_cox", "mlp", "mlp_cox", "cox",
    )  # fmt: skip


def concordance(outcome, risk):
    """Harrell's C by its definition, pair by pair; a record with a competing event never has the event."""
    time = np.where(outcome.event > 1, np.inf, outcome.time)
    agree = pairs = 0.0
    for case in np.flatnonzero(outcome.event == 1):
        for other in range(len(risk)):
            censored_then = time[other] == time[case] and outcome.event[other] == 0
            if time[other] > time[case] or censored_then:
                pairs += 1
                agree += (risk[case] > risk[other]) + 0.5 * (risk[case] == risk[other])
    return agree / pairs


def test_the_report_of_a_time_to_an_event_names_its_scores_and_horizon(survival_result):
    result, out = survival_result
    facts, page = result.facts, (out / "compare.html").read_text()
    table_events = [each for each in rows_of(count=120) if each["event"] == "1"]
    horizon = np.quantile([float(each["time"]) for each in table_events], 0.75)
    assert (facts.kind, facts.positive, facts.unit) == ("survival", len(table_events), "days")
    assert facts.horizon == float(f"{horizon:.3g}")
    assert "Harrell's C" in result.verdict.sentence and "AUROC" not in result.verdict.sentence
    assert result.verdict.edges is not None
    assert f"by {facts.horizon:g} days" in result.notes[0]
    for text in ("Uno&#39;s C", "Risks are not calibrated further", "highest partial likelihood", "Few labels"):
        assert text in page
    assert "Each class" not in page and "et benefit" not in page
    assert set(result.differences[0].changes) == {"harrell_c", "uno_c", "brier"}
    assert len(result.scarcity) == 5 and result.scarcity[-1].labelled > result.scarcity[0].labelled


def test_the_default_is_scored_as_it_is_served_and_like_the_network(followed, tmp_path, monkeypatch):
    from cardiograph.studies.compare import fitting

    fold_data = fold_data_of(followed, TIMED, tmp_path)
    task = Task("clinical", (0, 0), "default", tuned=False)
    served = make_fit(fold_data, task)
    monkeypatch.setattr(fitting, "PRIMARY", "")
    network = make_fit(fold_data, task)
    assert served.log_loss == network.log_loss
    np.testing.assert_allclose(served.predicted, network.predicted, atol=1e-5)
    assert np.ptp(served.predicted) > 0.01
    rewired = make_fit(fold_data, dataclasses.replace(task, rewired=True))
    assert len(rewired.predicted) == len(served.predicted)


def test_poisoned_test_records_change_no_choice_on_the_time_to_an_event(followed, tmp_path):
    fold_data = fold_data_of(followed, TIMED, tmp_path)
    place = (0, 1)
    split = fold_data.split(place)
    table = fold_data.any_dataset.cohort.table.copy()
    test = split.rows("test")
    table.loc[test, "time"] = table.loc[test, "time"].to_numpy()[::-1] + 1
    dataset = fold_data.any_dataset
    dataset = dataclasses.replace(dataset, cohort=dataclasses.replace(dataset.cohort, table=table))
    other = dataclasses.replace(fold_data, datasets={"clinical": dataset}, given=split)
    for model in ("mlp", "cox"):
        task = Task("clinical", place, model)
        first, second = make_fit(fold_data, task), make_fit(other, task)
        assert (first.log_loss, first.probabilities) == (second.log_loss, second.probabilities)


@pytest.fixture(scope="module")
def label_result(labelled, tmp_path_factory):
    out = tmp_path_factory.mktemp("compares") / "labelled"
    options = CompareOptions(models=("default", "logistic", "knn_vote"), folds=2, repeats=1, workers=1, scarcity=True)
    return compare(labelled, out, load_config(None, LABELS), options), out


def test_several_labels_are_compared_by_the_mean_over_the_known_ones(label_result, labelled, tmp_path):
    result, out = label_result
    fits = [json.loads(line) for line in (out / "fits.jsonl").read_text().splitlines()]
    table, folds = pd.read_csv(labelled), fold_data_of(labelled, LABELS, tmp_path)
    each = []
    for place in ((0, 0), (0, 1)):
        (fit,) = (
            one for one in fits
            if one["model"] == "logistic" and one["place"] == list(place) and not one["condition"][0]
        )  # fmt: skip
        rows, chances = folds.split(place).rows("test"), np.array(fit["scores"]["probabilities"], float)
        aurocs = []
        for column, name in enumerate(("MI", "CD", "HYP")):
            truth = table[name].to_numpy()[rows]
            assert (np.isnan(truth) == np.isnan(chances[:, column])).all()
            known = ~np.isnan(truth)
            aurocs.append(roc_auc_score(truth[known], chances[known, column]))
        each.append(aurocs)
    row = next(row for row in result.rows if row.model == "logistic")
    assert row.scores["auroc"].value == pytest.approx(np.mean(each))
    assert [row.by_class[name].value for name in ("MI", "CD", "HYP")] == pytest.approx(np.mean(each, axis=0))
    assert row.by_class["CD"].value > 0.7
    lines = (out / "classes.csv").read_text().splitlines()
    assert lines[0] == "modality,model,title,class,value,low,high" and len(lines) == 1 + 3 * 3


def test_the_report_of_several_labels_names_each(label_result, labelled):
    result, out = label_result
    page, table = (out / "compare.html").read_text(), pd.read_csv(labelled)
    assert result.facts.classes == {name: int((table[name] == 1).sum()) for name in ("MI", "CD", "HYP")}
    assert (result.facts.kind, result.facts.positive, result.facts.outcome) == ("multilabel", None, "MI, CD, HYP")
    for text in ("Macro AUROC", "Each label", "mean log loss over the labels", f"{result.facts.classes['MI']} MI"):
        assert text in page
    assert "et benefit" not in page
    assert result.verdict.edges is not None and "macro AUROC" in result.verdict.sentence
    assert result.scarcity[0].labelled < result.scarcity[-1].labelled


def test_changed_cells_of_a_label_are_another_cohort(labelled, label_result, tmp_path):
    table = pd.read_csv(labelled, dtype=str, keep_default_na=False)
    rows = table.index[table["CD"] != ""][:2]
    table.loc[rows, "CD"] = table.loc[rows, "CD"].map({"0": "1", "1": "0"})
    table.to_csv(tmp_path / "labelled.csv", index=False)
    options = CompareOptions(models=("default", "logistic"), folds=2, repeats=1, workers=1)
    with pytest.raises(RunError, match="belongs to another configuration or cohort"):
        compare(tmp_path / "labelled.csv", label_result[1], load_config(None, LABELS), options)


def test_scores_on_paper():
    truth = np.array([[1, 0], [0, 1], [-1, 1], [1, 0]])
    chances = np.array([[0.9, 0.2], [0.4, 0.1], [np.nan, 0.8], [0.3, 0.3]])
    assert class_aurocs(truth, chances) == [0.5, 0.5]
    assert KINDS["multilabel"].scores["auroc"].value(truth, chances) == 0.5
    brier = np.mean([(0.01 + 0.16 + 0.49) / 3, (0.04 + 0.81 + 0.04 + 0.09) / 4])
    assert KINDS["multilabel"].scores["brier"].value(truth, chances) == pytest.approx(brier)
    classes = np.array([0, 1, 2, 0])
    each = np.array([[0.6, 0.2, 0.2], [0.3, 0.4, 0.3], [0.2, 0.2, 0.6], [0.2, 0.5, 0.3]])
    assert class_aurocs(classes, each) == [pytest.approx(0.625), pytest.approx(2 / 3), 1.0]
    outcome = SurvivalOutcome(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1, 0, 1, 0]))
    score = KINDS["survival"].scores["harrell_c"]
    assert score.value(FollowUp(outcome, 3.5), np.array([0.9, 0.1, 0.2, 0.3])) == pytest.approx(3 / 4)


@pytest.mark.parametrize(
    ("settings", "changes", "named"),
    [
        (TIMED, {"models": ("gcn", "mlp")}, r"'gcn' is not a model of the time to an event; allowed are default, sign"),
        (TIMED, {"models": ("sign_cox",)}, "no baseline to compare with; add one of mlp, mlp_cox, cox"),
        (TIMED, {"thresholds": (0.4,)}, "--net-benefit-at: .*, and this outcome is the time to an event"),
        (TIMED, {"own_split": True}, "--own-split: DeLong's .*, and this outcome is the time to an event"),
        ({**TIMED, "model": {"name": "gcn"}}, {}, "model.name = 'gcn' is for outcomes with classes"),
        ({**TIMED, "outcome": {"time": "time", "horizons": [5000]}}, {}, "5000 days is not before the last follow-up"),
    ],
)
def test_what_does_not_fit_the_time_to_an_event_is_named(followed, tmp_path, settings, changes, named):
    options = CompareOptions(folds=2, repeats=1, workers=1, **changes)
    with pytest.raises(ConfigError, match=named):
        compare(followed, tmp_path / "out", load_config(None, settings), options)


def test_what_does_not_fit_several_labels_is_named(labelled, tmp_path):
    options = CompareOptions(models=("default", "logistic"), folds=2, repeats=1, workers=1)
    for settings, changes, named in (
        ({**LABELS, "graph": {"space": "learnt"}}, {}, "graph.space = 'learnt'.*multilabel outcome cannot use it"),
        (LABELS, {"thresholds": (0.4,)}, "--net-benefit-at: .*, and this cohort has 3 labels"),
    ):
        with pytest.raises(ConfigError, match=named):
            compare(labelled, tmp_path / "out", load_config(None, settings), dataclasses.replace(options, **changes))
    rare = pd.read_csv(labelled, dtype=str, keep_default_na=False).assign(HYP=["1", "1"] + ["0"] * 88)
    rare.to_csv(tmp_path / "rare.csv", index=False)
    with pytest.raises(CohortError, match=r"label 'HYP' has only 0 in '(train|val|test)'"):
        compare(tmp_path / "rare.csv", tmp_path / "out", load_config(None, LABELS), options)


def test_a_ladder_is_for_a_binary_outcome_and_says_so(labelled, followed):
    for source, settings, named in (
        (followed, TIMED, "outcome.kind is 'survival', but a ladder compares scores of a binary outcome"),
        (labelled, LABELS, "outcome.columns names several labels, but a ladder compares .* --map label=MI"),
    ):
        with pytest.raises(ConfigError, match=named):
            SharedCohort(source, load_config(None, settings), None, pool=AugmentationPool(0, None))


def test_the_command_takes_a_time_and_labels(followed, labelled, tmp_path, capsys):
    config = tmp_path / "fast.toml"
    config.write_text("[model]\nwidth = 16\nepochs = 2\nmembers = 4\n")
    common = ["--config", str(config), "--jobs", "1", "--folds", "2", "--repeats", "1", "--no-tuning"]
    timed = ["compare", str(followed), "--time", "time", "--models", "cox", "--out", str(tmp_path / "a"), *common]
    labels = ["compare", str(labelled), "--label", "MI,CD,HYP", "--models", "logistic", "--out", str(tmp_path / "b")]
    for command, shown in ((timed, ("Harrell's C", "Uno's C")), ([*labels, *common], ("AUROC", "AUPRC"))):
        with pytest.raises(SystemExit) as done:
            main(command)
        assert done.value.code == 0
        found = capsys.readouterr().out
        assert all(each in found for each in (*shown, "Brier", "compare.html"))


def test_recordings_are_embedded_as_a_run_embeds_them(shared, tmp_path, cache_folder):
    """The default encoder reads leads, not the picture of a page."""
    records = pd.read_csv(shared / "data/ptb-xl/records.csv").head(24)
    ecgs = [str(shared / "data/ptb-xl" / each) for each in records["record"]]
    records[["NORM", "CD"]].assign(ecg=ecgs).to_csv(tmp_path / "recordings.csv", index=False)
    fold_data = fold_data_of(tmp_path / "recordings.csv", {"outcome": {"columns": ["NORM", "CD"]}}, tmp_path)
    config = load_config(None, {"cohort": {"map": {"label": "NORM"}}, "outcome": {"kind": "binary"}})
    cohort = stages.read_cohort(tmp_path / "recordings.csv", config)
    dataset = stages.embed(cohort, stages.split_cohort(cohort, config), None, config)
    assert fold_data.any_dataset.inputs.image.shape == (24, 512)
    np.testing.assert_allclose(fold_data.any_dataset.inputs.image, dataset.inputs.image, rtol=1e-5)


def with_finetune(settings):
    encoder = settings.encoder.model_copy(update={"finetune": True})
    return settings.model_copy(update={"encoder": encoder})


def test_an_encoder_is_not_adapted_to_the_labels_of_all_folds(labelled, tmp_path):
    settings = with_finetune(load_config(None, {**SMALL, "cohort": {"map": {"label": "MI"}}}))
    table = pd.read_csv(labelled).drop(columns="label")
    table.to_csv(tmp_path / "one.csv", index=False)
    with pytest.raises(ConfigError, match=r"encoder\.finetune adapts the encoder .* once for all folds"):
        compare(tmp_path / "one.csv", tmp_path / "out", settings, CompareOptions(folds=2, repeats=1, workers=1))
