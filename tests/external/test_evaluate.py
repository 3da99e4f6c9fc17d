"""A second cohort is scored by what the run serves, and its page says what is not external about it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cardiograph.cli.app import main
from cardiograph.config import load_config
from cardiograph.errors import CohortError, ConfigError, PageError, RunError
from cardiograph.evaluate.bootstrap import Interval
from cardiograph.external.evaluate import evaluate_cohort
from cardiograph.external.scores import ExternalScores, cautions, evaluate_scores
from cardiograph.inference import Predictor, Query, Scores
from cardiograph.inline_scripts import report_script
from cardiograph.progress import NoProgress
from cardiograph.run.pipeline import run
from cardiograph.uncertainty.calibrators import Calibrator
from cardiograph.uncertainty.conformal import ConformalSets
from cardiograph.uncertainty.uncertainty import Uncertainty, UncertaintyOutput

VARIABLES = ["ef", "bnp", "nyha", "sbp", "age"]
COLUMNS = ["record_id", "patient_id", "label", "ecg", *VARIABLES]


def part_of_run(folder, part):
    """Rows of a part as a table of their own, in the order of the run."""
    cohort, split = (pd.read_parquet(folder / f"{name}.parquet") for name in ("cohort", "split"))
    return cohort[(split["part"] == part).to_numpy()][COLUMNS]


def written(table, folder, name="other.csv"):
    path = folder / name
    table.to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def own_tests(finished_run, tmp_path_factory):
    """The run's own test records, evaluated as if they were another cohort."""
    folder = tmp_path_factory.mktemp("own")
    return evaluate_cohort(finished_run, written(part_of_run(finished_run, "test"), folder), folder / "out")


@pytest.fixture(scope="module")
def other(finished_run, other_cohort, tmp_path_factory):
    return evaluate_cohort(finished_run, other_cohort, tmp_path_factory.mktemp("evaluations") / "other")


class Stages(NoProgress):
    def __init__(self):
        self.steps = []

    def start(self, stage, total, *, unit=""):
        self.stage, self.total = stage, total

    def advance(self, steps=1):
        if self.stage == "scoring":
            self.steps.append((steps, self.total))


def test_a_cohort_that_is_scored_in_parts_gets_the_same_scores(
    finished_run, other_cohort, other, tmp_path, monkeypatch
):
    monkeypatch.setattr("cardiograph.inference.predictor.SCORED_AT_ONCE", 7)
    progress = Stages()
    found = evaluate_cohort(finished_run, other_cohort, tmp_path / "parts", progress=progress)
    count = found.content["counts"]["records"]
    assert [steps for steps, _ in progress.steps] == [7] * (count // 7) + [count % 7] * (count % 7 > 0)
    assert {total for _, total in progress.steps} == {count}
    assert (found.path / "predictions.csv").read_bytes() == (other.path / "predictions.csv").read_bytes()
    assert found.content["scores"] == other.content["scores"]


def test_test_records_get_the_scores_of_the_run(finished_run, own_tests):
    there = pd.read_parquet(finished_run / "predictions.parquet").set_index("record_id")
    here = pd.read_csv(own_tests.path / "predictions.csv").set_index("record_id")
    name = own_tests.content["model"]
    test = there[there["part"] == "test"]
    assert here.index.tolist() == test.index.tolist()
    np.testing.assert_allclose(here["probability"], test[f"probability_{name}"], atol=1e-5)
    np.testing.assert_allclose(here["novelty"], test["novelty"], atol=1e-5)
    assert here["decision"].tolist() == test["decision"].tolist()
    metrics = json.loads((finished_run / "metrics.json").read_text())
    for score, internal in metrics["test"].items():
        for end in ("value", "low", "high"):
            assert own_tests.content["scores"][score][end] == pytest.approx(internal[end], abs=1e-4), score
    assert own_tests.content["threshold"] == metrics["thresholds"][name]
    assert own_tests.content["internal"]["scores"] == metrics["test"]
    counts = {key: own_tests.content["counts"][key] for key in ("records", "positive", "groups")}
    assert counts == metrics["counts"]["test"]


def test_test_records_of_the_run_are_not_called_external(own_tests):
    assert own_tests.content["met"]["records"] == own_tests.content["counts"]["records"]
    assert "are not new to the run" in own_tests.content["cautions"][0]
    assert "among the run's validation or test records" in own_tests.content["cautions"][0]


def test_other_patients_are_new_and_get_the_answers_that_are_served(finished_run, other, other_cohort):
    content = other.content
    assert content["met"] == {"records": 0, "reasons": {}, "scores_without": None}
    rows = pd.read_csv(other_cohort)
    here = pd.read_csv(other.path / "predictions.csv", keep_default_na=False)
    assert len(here) == len(rows) == content["counts"]["records"]
    predictor = Predictor.load(finished_run)
    queries = [
        Query(
            other_cohort.parent / row.ecg, {name: getattr(row, name) for name in VARIABLES}, patient_id=row.patient_id
        )
        for row in rows.head(5).itertuples()
    ]
    for answer, (_, result) in zip(predictor.predict_many(queries), here.iterrows(), strict=False):
        assert result["probability"] == pytest.approx(answer.probability, abs=1e-5)
        assert result["decision"] == answer.decision
        assert result["neighbours"] == "; ".join(each.record_id for each in answer.neighbours)


def test_files_say_the_same_and_nothing_is_undefined_by_accident(other):
    assert {path.name for path in other.path.iterdir()} == {"evaluation.html", "evaluation.json", "predictions.csv"}
    content = json.loads((other.path / "evaluation.json").read_text())
    assert content == json.loads(json.dumps(other.content))
    page = (other.path / "evaluation.html").read_text()
    assert f"{content['scores']['auroc']['value']:.3f}" in page
    assert content["comparison"].replace("'", "&#39;") in page
    assert "://" not in page.replace("http://www.w3.org", "")
    assert page.count("<script") == 1 and report_script() in page
    assert content["subgroups"]["ward"]["levels"][0]["level"] == "east"
    assert np.sum(content["confusion"]) == content["counts"]["records"]
    assert sum(level["records"] for level in content["subgroups"]["ward"]["levels"]) == content["counts"]["records"]


def test_training_records_are_reported_and_scored_without_their_group(finished_run, other_cohort, tmp_path):
    rows = pd.read_csv(other_cohort)
    rows["ecg"] = [str(other_cohort.parent / page) for page in rows["ecg"]]
    train = part_of_run(finished_run, "train").head(12)
    train = train.assign(record_id=[f"again {row}" for row in range(12)], patient_id=None)
    mixed = written(pd.concat([rows, train]).drop(columns="record_id", errors="ignore"), tmp_path)
    found = evaluate_cohort(finished_run, mixed, tmp_path / "out").content
    assert found["met"]["reasons"] == {"this page is in the reference": 12}
    assert found["cautions"][0].startswith(f"12 of {len(rows) + 12} records are not new to the run")
    here = pd.read_csv(tmp_path / "out" / "predictions.csv", keep_default_na=False)
    again = here[here["met"] != ""]
    split = pd.read_parquet(finished_run / "split.parquet").set_index("record_id")["group"]
    original = part_of_run(finished_run, "train").head(12)["record_id"]
    for name, neighbours in zip(original, again["neighbours"], strict=True):
        assert split[name] not in {split[each] for each in neighbours.split("; ")}
    without = found["met"]["scores_without"]["auroc"]["value"]
    new = here[here["met"] == ""]
    from sklearn.metrics import roc_auc_score

    assert without == pytest.approx(roc_auc_score(new["label"], new["probability"]))


def test_patients_with_the_same_numbers_can_be_distinguished(finished_run, other, other_cohort, tmp_path):
    rows = pd.read_csv(other_cohort)
    rows["ecg"] = [str(other_cohort.parent / page) for page in rows["ecg"]]
    rows["patient_id"] = "'" + rows["patient_id"].str.removeprefix("other ")  # as Excel keeps an id
    path = written(rows, tmp_path)
    found = evaluate_cohort(finished_run, path, tmp_path / "alike").content
    assert found["met"]["reasons"]["this patient is in the reference"] > 10
    assert "--other-ids" in found["cautions"][0]
    found = evaluate_cohort(finished_run, path, tmp_path / "apart", other_ids=True).content
    assert found["met"]["records"] == 0
    assert found["scores"] == other.content["scores"]


def test_names_and_units_of_the_second_cohort_can_be_others(finished_run, other, other_cohort, tmp_path):
    rows = pd.read_csv(other_cohort)
    rows["ecg"] = [str(other_cohort.parent / page) for page in rows["ecg"]]
    rows["EFproc"], rows["label"] = rows["ef"] * 100, np.where(rows["label"] == 1, "HF", "none")
    path = written(rows.drop(columns="ef"), tmp_path)
    settings = {"cohort": {"map": {"ef": "EFproc"}, "convert": {"ef": "percent"}, "positive": ["HF"]}}
    found = evaluate_cohort(finished_run, path, tmp_path / "out", overrides=settings).content
    assert found["scores"]["auroc"] == other.content["scores"]["auroc"]
    assert any("ef was converted from percent" in note for note in found["notes"])


def test_unlabelled_records_are_named_or_left_out(finished_run, other, other_cohort, tmp_path):
    rows = pd.read_csv(other_cohort)
    rows["ecg"] = [str(other_cohort.parent / page) for page in rows["ecg"]]
    rows["record_id"] = [f"x{row}" for row in range(len(rows))]
    rows["label"] = rows["label"].astype(object)
    rows.loc[[3, 7], "label"] = ""
    path = written(rows, tmp_path)
    with pytest.raises(CohortError, match="records have no label") as caught:
        evaluate_cohort(finished_run, path, tmp_path / "out")
    assert [(issue.where, issue.code) for issue in caught.value.issues] == [
        ("record 'x3'", "unlabelled"),
        ("record 'x7'", "unlabelled"),
    ]
    assert not (tmp_path / "out").exists()
    found = evaluate_cohort(finished_run, path, tmp_path / "out", skip_unlabelled=True)
    assert found.content["counts"]["records"] == len(rows) - 2
    assert "left out: 2 records without a label" in found.content["notes"]
    here = pd.read_csv(found.path / "predictions.csv").set_index("record_id")
    whole = pd.read_csv(other.path / "predictions.csv")
    np.testing.assert_allclose(here["probability"], whole["probability"].drop([3, 7]), atol=1e-5)
    assert found.content["subgroups"]["ward"]


def test_what_the_cohort_lacks_is_reported(finished_run, other_cohort, tmp_path):
    rows = pd.read_csv(other_cohort)
    path = written(rows.drop(columns=["ecg", "bnp"]), tmp_path)
    found = evaluate_cohort(finished_run, path, tmp_path / "out").content
    assert found["lacking"] == {"image": len(rows)}
    assert any("do not have an ECG page" in caution for caution in found["cautions"])
    assert "the cohort lacks columns that the model reads: bnp" in found["notes"]


def test_a_record_of_which_nothing_is_known_is_refused(tmp_path, settings):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 90)
    values = pd.DataFrame({"label": labels, "ef": np.clip(0.6 - 0.15 * labels + rng.normal(0, 0.08, 90), 0.1, 0.85)})
    made = run(written(values.round(3), tmp_path, "first.csv"), tmp_path / "run", load_config(None, settings)).path
    with pytest.raises(CohortError, match="30 of 90 records have nothing that this model reads"):
        table = values.assign(ef=[*[""] * 30, *values["ef"].round(3)[30:]], age=60)
        evaluate_cohort(made, written(table, tmp_path), tmp_path / "out")
    found = evaluate_cohort(made, written(values.assign(age=60).round(3), tmp_path), tmp_path / "out").content
    assert "the model does not read these columns: age" in found["notes"]


def test_inputs_that_cannot_be_used_end_with_their_own_error(finished_run, other_cohort, tmp_path):
    rows = pd.read_csv(other_cohort)
    with pytest.raises(RunError, match="not a finished run"):
        evaluate_cohort(tmp_path / "nowhere", other_cohort, tmp_path / "out")
    with pytest.raises(CohortError) as caught:
        evaluate_cohort(finished_run, written(rows.drop(columns="label"), tmp_path), tmp_path / "out")
    assert "no_label" in {issue.code for issue in caught.value.issues}
    rows["ecg"] = [str(other_cohort.parent / page) for page in rows["ecg"]]
    rows.loc[4, "ecg"] = "gone.png"
    path = written(rows, tmp_path)
    with pytest.raises(PageError) as caught:
        evaluate_cohort(finished_run, path, tmp_path / "out")
    assert [issue.code for issue in caught.value.issues] == ["missing"]
    found = evaluate_cohort(finished_run, path, tmp_path / "out", overrides={"pages": {"skip_bad": True}}).content
    assert found["counts"]["records"] == len(rows) - 1
    assert "left out: 1 record with a page that cannot be used" in found["notes"]


def test_an_evaluation_is_not_written_over_another(finished_run, own_tests, other_cohort, tmp_path):
    with pytest.raises(ConfigError, match="of another model or cohort"):
        evaluate_cohort(finished_run, other_cohort, own_tests.path)
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="holds other files"):
        evaluate_cohort(finished_run, other_cohort, tmp_path)
    with pytest.raises(ConfigError, match="is inside the cohort"):
        evaluate_cohort(finished_run, other_cohort.parent, other_cohort.parent / "out")


def test_the_run_is_left_as_it_was(finished_run, other, tmp_path):
    copied = tmp_path / "run"
    shutil.copytree(finished_run, copied)
    before = {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()}
    table = written(part_of_run(copied, "val"), tmp_path)
    evaluate_cohort(copied, table, tmp_path / "out")
    assert before == {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()}


def test_the_command_prints_and_writes(finished_run, other, other_cohort, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", str(finished_run), str(other_cohort), "--json"])
    assert ended.value.code == 0
    result = json.loads(capsys.readouterr().out)
    assert result["page"] == "evaluations/renamed/evaluation.html"
    assert Path(result["page"]).exists()
    assert result["scores"] == other.content["scores"]
    with pytest.raises(SystemExit):
        main(["evaluate", str(finished_run), str(other_cohort)])
    shown = capsys.readouterr().out
    assert "own test records" in shown and "report: evaluations/renamed/evaluation.html" in shown
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", "nowhere", str(other_cohort), "--json"])
    assert ended.value.code == 5
    assert "not a finished run" in json.loads(capsys.readouterr().out)["error"]


# By hand


def answered(labels, probabilities, **others):
    """Answers without a model; the sets are computed from raw scores."""
    count = len(labels)
    result = UncertaintyOutput(
        probabilities,
        *np.full((2, count), np.nan),
        others.pop("decisions", ("positive",) * count),
        np.full((count, 2), np.nan),
        others.pop("novelty", np.full(count, np.nan)),
        others.pop("novel", np.zeros(count, bool)),
    )
    scores = Scores(
        np.stack([1 - probabilities, probabilities], 1), probabilities, None, ((),) * count, result, ((),) * count
    )
    sets = ConformalSets(np.linspace(-2, 1, 120), np.linspace(-1, 2, 120), 0.9)
    given = {
        "model": "gcn",
        "threshold": 0.5,
        "groups": np.arange(count),
        "uncertainty": Uncertainty(Calibrator("none", {}), conformal=sets),
        "seen_reasons": ((),) * count,
    }
    return ExternalScores(labels=labels, scores=scores, **given | others)


def test_coverage_is_the_share_of_a_class_whose_set_holds_it():
    labels = np.array([0] * 20 + [1] * 20)
    decisions = ("negative",) * 10 + ("can't tell",) * 5 + ("positive",) * 5
    decisions += ("positive",) * 8 + ("unlike both",) * 2 + ("negative",) * 6 + ("can't tell",) * 4
    settings = load_config(None, {"evaluation": {"bootstrap": 400}}).evaluation
    found = evaluate_scores(answered(labels, np.linspace(0, 1, 40), decisions=decisions), settings, 0)["conformal"]
    assert found["coverage"]["0"]["value"] == 15 / 20
    assert found["coverage"]["1"]["value"] == 12 / 20
    assert found["decisions"] == {"positive": 13, "negative": 16, "can't tell": 9, "unlike both": 2}
    assert found["decisions_by_label"]["1"] == {"positive": 8, "unlike both": 2, "negative": 6, "can't tell": 4}
    spread = 1.96 * np.sqrt(0.75 * 0.25 / 20)  # groups of one record: a binomial share
    assert found["coverage"]["0"]["low"] == pytest.approx(0.75 - spread, abs=0.06)
    assert found["coverage"]["0"]["high"] == pytest.approx(0.75 + spread, abs=0.06)


def test_cautions_are_silent_where_there_is_nothing_to_say():
    labels = np.array([0, 1] * 20)
    settings = load_config(None, {"evaluation": {"bootstrap": 100}}).evaluation
    found = evaluate_scores(answered(labels, np.linspace(0.1, 0.9, 40)), settings, 0)
    assert cautions(found) == []
    found["scores"]["auroc"] = Interval(0.7, np.nan, np.nan).as_dict()
    found["novelty"] = {"judged": 40, "novel": 8, "share": 0.2, "quantile": 0.99}
    novelty, few = cautions(found)
    assert novelty.startswith(
        "8 of 40 records are unlike the training records; among similar patients about 1 % would be"
    )
    assert few.startswith("Too few groups")
