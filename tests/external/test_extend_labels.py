"""A run with several labels with more reference records: the same records for each label, with the labels known of each."""

import json

import numpy as np
import pytest
from tests.run.labels_cohort import HEADER, rows_of, run_on, write

from cardiograph.artifacts.bundle import ModelBundle
from cardiograph.cli.app import main
from cardiograph.errors import CohortError, RunError
from cardiograph.external.evaluate import evaluate_cohort
from cardiograph.external.extend_labels import extend_labels
from cardiograph.external.recalibrate import recalibrate_run
from cardiograph.inference import Query
from cardiograph.inference.answers import VOID
from cardiograph.inference.labels import LabelsPredictor


def others(prefix, seed, count=60):
    return [[f"{prefix} {row[0]}", *row[1:]] for row in rows_of(seed=seed)][:count]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return run_on(tmp_path_factory.mktemp("labels"), rows_of())


@pytest.fixture(scope="module")
def extended(run):
    return extend_labels(run, write(run.parent / "more.csv", others("new", seed=5)), run.parent / "larger")


def test_each_label_gets_the_new_records_with_what_is_known_of_it(run, extended):
    rows = others("new", seed=5)
    for place, name in ((1, "A"), (2, "B")):
        old, new = (ModelBundle.load(path / name / "bundle") for path in (run, extended.path))
        count = len(old.reference)
        for field in ("features", "labels", "degree", "groups", "record_ids"):
            np.testing.assert_array_equal(getattr(new.reference, field)[:count], getattr(old.reference, field))
        assert new.reference.labels[count:].tolist() == [int(row[place] or -1) for row in rows]
        assert new.served.provenance.endswith("60 reference records added since")
        assert extended.facts["labels"][name]["added"] == 60
    summary = json.loads((extended.path / "labels.json").read_text())
    assert summary["before"] == json.loads((run / "labels.json").read_text())
    assert list(summary["labels"]) == ["A", "B"]


def test_answers_are_void_and_change_only_with_a_new_neighbour(run, extended):
    old, new = LabelsPredictor.load(run), LabelsPredictor.load(extended.path)
    changed = 0
    for row in others("asked", seed=7, count=30):
        query = Query(clinical={"ef": float(row[3]), "age": float(row[4])})
        before, after = (next(iter(each.predict_many([query]))).labels for each in (old, new))
        neighbours = [[each.record_id for each in answers["A"].neighbours] for answers in (before, after)]
        changed += neighbours[0] != neighbours[1]
        for answer in after.values():
            assert answer.warnings[0] == VOID
            assert (answer.decision, answer.threshold) == ("void", None)
    assert 0 < changed < 30


def test_renewed_by_label_it_is_calibrated_again(run, extended):
    third = write(run.parent / "third.csv", others("third", seed=11, count=120))
    with pytest.raises(RunError, match="give the folder of a label"):
        recalibrate_run(extended.path, third, run.parent / "renewed")
    for name in ("A", "B"):
        found = recalibrate_run(extended.path / name, third, run.parent / "renewed" / name, skip_unlabelled=True)
        assert found.content["threshold"] is not None
    query = Query(clinical={"ef": 0.4, "age": 60.0})
    answers = next(iter(LabelsPredictor.load(extended.path).predict_many([query]))).labels
    assert all(answer.threshold is not None and VOID not in answer.warnings for answer in answers.values())
    fourth = write(run.parent / "fourth.csv", others("fourth", seed=13))
    assert evaluate_cohort(extended.path / "A", fourth, run.parent / "fourth").content["counts"]["records"] == 60


def test_faults_of_every_column_are_named_before_anything_is_written(run, tmp_path):
    rows = others("bad", seed=3, count=10)
    rows[2][1], rows[4][2] = "yes", "7"
    with pytest.raises(CohortError) as caught:
        extend_labels(run, write(tmp_path / "bad.csv", rows), tmp_path / "larger")
    assert {issue.column for issue in caught.value.issues} == {"A", "B"}
    assert not (tmp_path / "larger").exists()


def test_the_command_reads_other_names_and_empty_labels(extended, tmp_path, capsys):
    rows = [[row[0], "", "1", *row[3:]] for row in others("again", seed=9, count=20)]
    table = write(tmp_path / "again.csv", rows, header=[*HEADER[:4], "years", "split"])
    command = [
        "extend",
        str(extended.path),
        str(table),
        "--out",
        str(tmp_path / "again"),
        "--map",
        "age=years",
        "--json",
    ]
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["labels"]["A"]["labels"] == {"0": 0, "1": 0, "none": 20}
    assert facts["labels"]["B"]["labels"] == {"0": 0, "1": 20, "none": 0}
    before = json.loads((tmp_path / "again" / "labels.json").read_text())["before"]
    assert "macro_auroc" in before
