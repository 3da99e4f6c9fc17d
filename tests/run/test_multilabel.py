"""Several labels at once: masked loss, heads, columns of the table, and a run from the table to the answer."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from cardiograph.artifacts.run import RunDirectory
from cardiograph.cli.app import app
from cardiograph.cohort.label_columns import read_label_columns
from cardiograph.config import RunConfig, load_config
from cardiograph.containers import Groups, Split
from cardiograph.errors import CohortError, ConfigError, RunError
from cardiograph.inference import Predictor
from cardiograph.models.build import build
from cardiograph.models.examples import Examples
from cardiograph.models.multilabel import LabelExamples, binary_head
from cardiograph.models.neighbour_table import NeighbourTable
from cardiograph.run import multilabel, pipeline
from cardiograph.run.audit import audit_cohort
from cardiograph.run.multilabel import run_labels

SETTINGS = {
    "outcome": {"columns": ["A", "B"]},
    "model": {"name": "mlp", "baselines": ["logistic"], "epochs": 3, "width": 8, "heads": 1, "members": 1},
    "evaluation": {"bootstrap": 100},
}


def write(path, change=lambda row, cells: cells):
    rng = np.random.default_rng(0)
    lines = ["patient_id,A,B,ef,age"]
    for row in range(120):
        a, b = rng.random(2) < 0.4
        cells = [f"p{row}", str(int(a)), str(int(b)) if row % 5 else "", f"{rng.normal(0.6 - 0.2 * a, 0.04):.3f}"]
        lines.append(",".join(change(row, [*cells, f"{np.clip(rng.normal(50 + 20 * b, 4), 20, 95):.0f}"])))
    path.write_text("\n".join(lines))
    return path


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labels")
    with pytest.MonkeyPatch.context() as patch:  # the report of one label has its own tests and takes seconds
        patch.setattr(pipeline, "write_report", lambda _: None)
        patch.setattr(multilabel, "SHUFFLES", 1)
        patch.setattr(pipeline, "measure_optimism", lambda *_: None)
        return run_labels(write(folder / "cohort.csv"), folder / "run", load_config(None, SETTINGS))


def examples(targets):
    rows = len(targets)
    ones = torch.ones(rows, 1)
    table = NeighbourTable(torch.zeros(rows, 1, dtype=torch.int64), ones > 0, 2 * ones[:, 0], 2 * ones, 0 * ones[:, 0])
    found = Examples(torch.randn(rows, 3), table, torch.zeros(rows, dtype=torch.int64), torch.ones(rows))
    return LabelExamples.of_targets(found, targets)


def test_the_loss_is_the_mean_over_known_labels():
    found = examples(torch.tensor([[1, -1], [0, 1], [-1, -1]]))
    logits = torch.tensor([[0.0, 50.0], [0.0, 0.0], [9.0, 9.0]])
    assert float(found.loss(logits)) == pytest.approx(np.log(2))
    assert float(found.loss(logits[:, None].expand(3, 4, 2))) == pytest.approx(np.log(2))
    assert found.weights.tolist() == [1, 1, 0]
    assert found.of_label(1).weights.tolist() == [0, 1, 0]


@pytest.mark.parametrize("name", ["sign", "gcn", "gat", "sage", "mlp"])
def test_a_head_has_the_logit_of_its_label(name):
    config = RunConfig().model
    network = build(name, 4, config, classes=3).eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight.normal_(std=0.3)
    own = torch.randn(6, 4)
    table = examples(torch.zeros(6, 1, dtype=torch.int64)).neighbour_table
    with torch.no_grad():
        logits = network(own, table)[0]
        head = binary_head(name, network, 2, width_in=4, config=config)(own, table)[0]
    assert torch.allclose(head[:, 1] - head[:, 0], logits[:, 2], atol=1e-5)


def test_labels_share_split_reference_and_network(finished):
    one, other = (Predictor.load(finished.path / name).bundle for name in "AB")
    shared = [key for key in one.network.state_dict() if not key.startswith("head")]
    assert all(torch.equal(one.network.state_dict()[key], other.network.state_dict()[key]) for key in shared)
    assert not torch.equal(one.network.head.weight, other.network.head.weight)
    assert one.reference.record_ids == other.reference.record_ids
    assert np.array_equal(one.reference.features, other.reference.features)
    splits = [RunDirectory(finished.path / name).read_table("split.parquet") for name in "AB"]
    assert splits[0].equals(splits[1])


def test_the_summary_has_scores_and_controls(finished):
    labels = finished.summary["labels"]
    assert labels["A"]["known"] > labels["B"]["known"]
    for found in labels.values():
        auroc = found["scores"]["logistic"]["auroc"]
        assert auroc["low"] <= auroc["value"] <= auroc["high"]
        assert 0 < found["threshold"] < 1
    means = [labels[name]["scores"]["logistic"]["auroc"]["value"] for name in "AB"]
    assert finished.summary["macro_auroc"]["logistic"]["value"] == pytest.approx(np.mean(means))
    assert finished.summary["macro_auroc"]["logistic"]["value"] > 0.8
    assert 'href="A/report.html"' in (finished.path / "report.html").read_text()
    joined = RunDirectory(finished.path).read_table("predictions.parquet")
    assert joined["label_B"].isna().any()
    assert joined["probability_A"].between(0, 1).all()


def test_an_answer_has_a_probability_for_each_label(finished):
    found = CliRunner().invoke(app, ["predict", str(finished.path), "--ef", "0.3", "--age", "50", "--json"])
    answers = json.loads(found.stdout)["labels"]
    alone = {name: Predictor.load(finished.path / name).predict(None, {"ef": 0.3, "age": 50}) for name in "AB"}
    assert {name: each["probability"] for name, each in answers.items()} == {
        name: each.probability for name, each in alone.items()
    }


def test_other_readers_of_a_cohort_want_one_label(tmp_path):
    with pytest.raises(ConfigError, match="--map label=A"):
        audit_cohort(write(tmp_path / "c.csv"), load_config(None, SETTINGS))


def test_other_commands_want_one_label(finished):
    with pytest.raises(RunError, match="give the folder of a label"):
        Predictor.load(finished.path)
    with pytest.raises(RunError, match="give the folder of a label"):
        RunDirectory(finished.path).require_finished()


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [(1, "2", "A"), (1, "yes", "A"), (2, "", "B"), (2, "0", "B")],
)
def test_a_bad_value_or_one_class_names_row_column_and_value(tmp_path, column, value, words):
    def change(row, cells):
        if column == 2 or row == 7:
            cells[column] = value
        return cells

    with pytest.raises(CohortError) as error:
        read_label_columns(write(tmp_path / "c.csv", change), load_config(None, SETTINGS))
    (issue,) = error.value.issues
    assert issue.column == words
    if column == 1:
        assert (issue.value, "9" in issue.where) == (value, True)


def test_a_label_that_is_only_in_the_given_test_part_is_named(tmp_path):
    columns = read_label_columns(write(tmp_path / "c.csv"), load_config(None, SETTINGS))
    part = np.array(["train", "val", "test"], dtype=str)[np.arange(len(columns.values)) % 3]
    values = columns.values.copy()
    values[(part != "test") & (values[:, 1] == 1), 1] = 0
    split = Split(part, Groups(np.arange(len(part))), "given")
    with pytest.raises(CohortError, match="label 'B' has only 0 in 'train'; train, val and test need records with 1"):
        dataclasses.replace(columns, values=values).require_both(split)


def test_strata_join_rare_labels(tmp_path):
    columns = read_label_columns(write(tmp_path / "c.csv"), load_config(None, SETTINGS))
    values = columns.values.copy()
    values[:, 1] = np.arange(len(values)) < 2
    strata = dataclasses.replace(columns, values=values).strata(Groups(np.arange(len(values))))
    assert set(strata.tolist()) == {0, 1}


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"balance": {"mode": "weights"}}, "balance.mode"),
        ({"graph": {"space": "learnt"}}, "graph.space"),
        ({"model": {"votes": True}}, "model.votes"),
    ],
)
def test_settings_of_one_label_are_refused(tmp_path, setting, words):
    with pytest.raises(ConfigError, match=words):
        run_labels(write(tmp_path / "c.csv"), tmp_path / "run", load_config(None, SETTINGS | setting))


@pytest.mark.parametrize(
    "outcome", [{"kind": "multilabel"}, {"columns": ["A"]}, {"columns": ["A", "a"]}, {"columns": ["A", "../B"]}]
)
def test_columns_that_cannot_be_used_are_refused(outcome):
    with pytest.raises(ConfigError, match="outcome"):
        load_config(None, {"outcome": outcome})


def test_a_binary_outcome_keeps_its_configuration():
    assert "columns" not in RunConfig().to_toml()
    assert "columns" not in RunConfig().model_dump(mode="json")["outcome"]
