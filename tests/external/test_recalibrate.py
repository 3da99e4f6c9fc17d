"""An extended run gets its calibration and threshold back from patients that its reference does not know."""

import json
import stat

import numpy as np
import pandas as pd
import pytest

from cardiograph.artifacts import files
from cardiograph.artifacts.files import sha256_of
from cardiograph.cli.app import main
from cardiograph.config import load_config
from cardiograph.errors import CohortError, ConfigError, RunError
from cardiograph.external.evaluate import evaluate_cohort
from cardiograph.external.extend import extend_run
from cardiograph.external.recalibrate import recalibrate_run
from cardiograph.inference import Predictor
from cardiograph.run.pipeline import run


def drawn(seed, count, name):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    return pd.DataFrame(
        {
            "record_id": [f"{name}{row}" for row in range(count)],
            "patient_id": [f"{name}{row // 2}" for row in range(count)],
            "label": labels,
            "ef": np.clip(0.6 - 0.15 * labels + rng.normal(0, 0.08, count), 0.1, 0.85).round(3),
            "sbp": rng.integers(100, 170, count),
            "age": rng.integers(40, 80, count),
        }
    )


def written(table, folder, name):
    table.to_csv(folder / name, index=False)
    return folder / name


@pytest.fixture(scope="module")
def cohorts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohorts")
    tables = {"first": drawn(0, 120, "a"), "more": drawn(1, 60, "b"), "third": drawn(2, 160, "c")}
    return {name: written(table, folder, f"{name}.csv") for name, table in tables.items()}


@pytest.fixture(scope="module")
def first_run(cohorts, settings, tmp_path_factory):
    return run(cohorts["first"], tmp_path_factory.mktemp("run") / "first", load_config(None, settings)).path


def extended(first_run, cohorts, folder):
    return extend_run(first_run, cohorts["more"], folder / "extended").path


@pytest.fixture(scope="module")
def recalibrated(first_run, cohorts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("renewed")
    path = extended(first_run, cohorts, folder)
    before = Predictor.load(path), sha256_of(path / "bundle" / "bundle.json")
    return path, before, recalibrate_run(path, cohorts["third"], folder / "out")


def test_a_renewed_run_decides_again_and_its_scores_stay(recalibrated):
    path, (before, digest), found = recalibrated
    after = Predictor.load(path)
    assert sha256_of(path / "bundle" / "bundle.json") != digest
    assert found.content["bundle"] == sha256_of(path / "bundle" / "bundle.json")
    values = {"ef": 0.3, "sbp": 120, "age": 60}
    void, answer = before.predict(None, values), after.predict(None, values)
    assert (void.threshold, void.decision) == (None, "void")
    assert answer.positive == (answer.probability >= answer.threshold)
    assert answer.threshold == found.content["threshold"]
    assert answer.decision != "void"
    assert not any("extended" in warning for warning in answer.warnings)
    assert answer.low <= answer.high
    assert 0 <= answer.novelty <= 1
    assert answer.neighbours == void.neighbours


def test_no_patient_is_in_both_halves_and_the_scores_are_of_one(recalibrated, cohorts):
    path, _, found = recalibrated
    fitted = pd.read_parquet(path / "renewed.parquet")
    judged = pd.read_csv(found.path / "predictions.csv")
    every = pd.read_csv(cohorts["third"]).set_index("record_id")
    assert {*fitted["record_id"], *judged["record_id"]} == set(every.index)
    assert not set(fitted["patient_id"]) & set(every.loc[judged["record_id"], "patient_id"])
    assert abs(len(fitted) - len(judged)) < 20
    metrics = json.loads((path / "metrics.json").read_text())
    assert metrics["test"] == found.content["scores"]
    assert metrics["counts"]["test"]["records"] == len(judged)
    assert found.content["met"]["records"] == 0
    from sklearn.metrics import roc_auc_score

    assert metrics["test"]["auroc"]["value"] == pytest.approx(roc_auc_score(judged["label"], judged["probability"]))


def test_the_scores_of_the_run_before_stand_next_to_them(recalibrated, first_run):
    own = json.loads((first_run / "metrics.json").read_text())
    assert recalibrated[2].content["internal"] == {"counts": own["counts"]["test"], "scores": own["test"]}
    assert any("before it was extended" in note for note in recalibrated[2].content["notes"])


def test_the_same_command_shows_what_is_there_and_another_cohort_is_refused(recalibrated, cohorts, tmp_path):
    path, _, found = recalibrated
    digest = sha256_of(path / "bundle" / "bundle.json")
    assert recalibrate_run(path, cohorts["third"], found.path).content == found.content
    with pytest.raises(RunError, match=r"was renewed by third\.csv"):
        recalibrate_run(path, written(drawn(5, 100, "e"), tmp_path, "other.csv"), tmp_path / "out")
    assert sha256_of(path / "bundle" / "bundle.json") == digest


def test_a_renewed_run_is_evaluated_and_knows_who_renewed_it(recalibrated, cohorts, tmp_path):
    path, _, found = recalibrated
    whole = evaluate_cohort(path, cohorts["third"], tmp_path / "whole").content
    fitted = pd.read_parquet(path / "renewed.parquet")
    assert whole["met"]["records"] == len(fitted)
    assert set(whole["met"]["reasons"]) == {"this patient is among the run's records that renewed it"}
    assert whole["met"]["scores_without"]["auroc"] == found.content["scores"]["auroc"]
    new = evaluate_cohort(path, written(drawn(7, 80, "f"), tmp_path, "new.csv"), tmp_path / "new").content
    assert new["met"]["records"] == 0
    assert new["internal"]["scores"] == found.content["scores"]


def test_a_renewal_that_was_killed_goes_on(first_run, cohorts, recalibrated, tmp_path, monkeypatch):
    path = extended(first_run, cohorts, tmp_path)

    def killed(*_args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("cardiograph.external.recalibrate.write_evaluation", killed)
        with pytest.raises(KeyboardInterrupt):
            recalibrate_run(path, cohorts["third"], tmp_path / "out")
    found = recalibrate_run(path, cohorts["third"], tmp_path / "out")
    assert found.content["scores"] == recalibrated[2].content["scores"]
    assert Predictor.load(path).bundle.served.threshold == recalibrated[2].content["threshold"]


def finished_after_kills(monkeypatch, command, *, step=1):
    """The result of a command that is killed at its first write, then at a later one, and so on, and whether it was.

    Each kill leaves a temporary file, as ``kill -9`` does.
    """
    plain = files.written_whole
    for allowed in range(0, 100, step):
        writes = []

        def write(target, writes=writes, allowed=allowed):
            if len(writes) == allowed:
                files.make_folder(target.parent)
                (target.parent / f".{target.name}.abcd1234.cardiograph.partial").write_text("half of")
                raise KeyboardInterrupt
            writes.append(target)
            return plain(target)

        with monkeypatch.context() as patched:
            patched.setattr(files, "written_whole", write)
            try:
                return command(), allowed > 0
            except KeyboardInterrupt:
                continue
    raise AssertionError


@pytest.mark.exhaustive
def test_an_evaluation_that_was_killed_at_any_write_goes_on(first_run, cohorts, tmp_path, monkeypatch):
    found, killed = finished_after_kills(
        monkeypatch, lambda: evaluate_cohort(first_run, cohorts["third"], tmp_path / "out")
    )
    assert killed
    assert {path.name for path in found.path.iterdir()} == {"evaluation.html", "evaluation.json", "predictions.csv"}
    assert json.loads((found.path / "evaluation.json").read_text()) == json.loads(json.dumps(found.content))
    assert {stat.S_IMODE(path.stat().st_mode) for path in found.path.iterdir()} == {0o600}
    assert stat.S_IMODE(found.path.stat().st_mode) == 0o700


def test_an_unfinished_evaluation_of_another_cohort_is_refused(first_run, cohorts, tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr("cardiograph.external.evaluate.write_evaluation", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            evaluate_cohort(first_run, cohorts["third"], tmp_path / "out")
    with pytest.raises(ConfigError, match=r"of another model or cohort .*unfinished evaluation"):
        evaluate_cohort(first_run, cohorts["more"], tmp_path / "out")


@pytest.mark.exhaustive
def test_an_extension_and_a_renewal_that_were_killed_at_any_write_go_on(
    first_run, cohorts, recalibrated, tmp_path, monkeypatch
):
    path, (_, digest), found = recalibrated
    _, killed = finished_after_kills(
        monkeypatch, lambda: extend_run(first_run, cohorts["more"], tmp_path / "extended"), step=3
    )
    assert killed
    assert sha256_of(tmp_path / "extended" / "bundle" / "bundle.json") == digest
    again, killed = finished_after_kills(
        monkeypatch, lambda: recalibrate_run(tmp_path / "extended", cohorts["third"], tmp_path / "out"), step=2
    )
    assert killed
    assert again.content["scores"] == found.content["scores"]
    whole = path / "bundle", tmp_path / "extended" / "bundle"
    one, other = ({each.name: sha256_of(each) for each in folder.iterdir()} for folder in whole)
    assert one == other
    assert not [*(tmp_path / "extended").rglob("*.partial"), *(tmp_path / "out").rglob("*.partial")]


def test_cohorts_that_cannot_renew_are_refused(first_run, cohorts, tmp_path):
    path = extended(first_run, cohorts, tmp_path)
    digest = sha256_of(path / "bundle" / "bundle.json")
    with pytest.raises(CohortError, match="60 of 60 records cannot renew the run") as caught:
        recalibrate_run(path, cohorts["more"], tmp_path / "out")
    assert {issue.code for issue in caught.value.issues} == {"known_to_run"}
    with pytest.raises(CohortError, match="too few groups"):
        recalibrate_run(
            path, written(drawn(3, 6, "d").assign(label=[0, 0, 1, 1, 0, 0]), tmp_path, "few.csv"), tmp_path / "few"
        )
    assert sha256_of(path / "bundle" / "bundle.json") == digest
    with pytest.raises(ConfigError, match="was not extended"):
        recalibrate_run(first_run, cohorts["third"], tmp_path / "first")
    with pytest.raises(RunError, match="--renew"):
        evaluate_cohort(path, cohorts["third"], tmp_path / "out")


def test_the_command_renews(first_run, cohorts, tmp_path, capsys):
    path = extended(first_run, cohorts, tmp_path)
    arguments = ["evaluate", str(path), str(cohorts["third"]), "--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--renew", "--json"])
    assert ended.value.code == 0
    assert json.loads(capsys.readouterr().out)["threshold"] is not None
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--renew", "--other-ids"])
    assert ended.value.code == 2
