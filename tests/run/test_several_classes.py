"""A run with several classes, from the table to the answer, the explanation, the FHIR resource and the report."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pytest

import cardiograph as cg
from cardiograph.artifacts.run import RunDirectory
from cardiograph.config import load_config
from cardiograph.errors import ConfigError, RunError
from cardiograph.external.evaluate import evaluate_cohort
from cardiograph.inference import Predictor, Query
from cardiograph.inference.table import score_table
from cardiograph.report.figures_classes import class_calibration, class_confusion_matrix, class_roc
from cardiograph.run.pipeline import run
from cardiograph.run.report import report_content
from cardiograph.service.api.fhir import ModelFacts, risk_assessment
from cardiograph.service.api.schemas import PredictionBody
from cardiograph.service.web.wording import decision_of

CLASSES = ("block", "infarct", "normal")
SETTINGS = {
    "outcome": {"name": "diagnosis"},
    "model": {"name": "logistic", "baselines": ["knn_vote"]},
    "evaluation": {"bootstrap": 100},
}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    rng = np.random.default_rng(0)
    lines = ["patient_id,label,ef,age"]
    for number in range(210):
        label = number % 3
        ef, age = np.clip(rng.normal([0.3, 0.45, 0.6][label], 0.07), 0.1, 0.8), np.clip(rng.normal(60, 10), 20, 95)
        lines.append(f"p{number},{CLASSES[label]},{ef:.3f},{age:.0f}")
    path = tmp_path_factory.mktemp("classes") / "cohort.csv"
    path.write_text("\n".join(lines))
    return path


@pytest.fixture(scope="module")
def finished(table):
    return run(table, table.parent / "run", load_config(None, SETTINGS))


@pytest.fixture(scope="module")
def predictor(finished):
    return Predictor.load(finished.path)


@pytest.fixture(scope="module")
def answer(predictor):
    return predictor.predict(None, {"ef": 0.62, "age": 50}, patient_id="new")


def test_the_report_speaks_of_classes_and_of_no_threshold(finished):
    report = (finished.path / "report.html").read_text()
    assert "Macro AUROC on the test records".lower() in report.lower()
    assert all(f'<th scope="row">{name}</th>' in report for name in CLASSES)
    for word in ("decision-curve", "At or above", "net benefit of", "Sensitivity", ">nan"):
        assert word not in report.replace("no net benefit", ""), word
    assert "each class against the rest" in (finished.path / "model_card.md").read_text().lower()
    assert finished.metrics.test["auroc"].value > 0.8


def test_the_figures_show_every_class(finished):
    content = report_content(RunDirectory(finished.path))
    for draw in (class_roc, class_confusion_matrix, class_calibration):
        svg = draw(content).svg
        assert all(name in svg for name in CLASSES)


def test_an_answer_has_a_probability_for_each_class(answer):
    assert tuple(answer.classes) == CLASSES
    assert sum(answer.classes.values()) == pytest.approx(1)
    assert (answer.likely, answer.outcome) == ("normal", "diagnosis")
    assert answer.probability == max(answer.classes.values())
    assert (answer.positive, answer.threshold, answer.low) == (None, None, None)
    assert answer.decision == "too few" or answer.likely == answer.conformal_set[0]
    assert {each.class_name for each in answer.neighbours} <= set(CLASSES)
    assert not any("extended" in warning for warning in answer.warnings)
    assert PredictionBody.model_validate(answer.as_dict()).classes == answer.classes
    assert cg.Prediction.from_dict(json.loads(json.dumps(answer.as_dict()))) == answer


def test_a_table_gets_the_probabilities_of_its_rows(finished, table, answer):
    new = table.parent / "new.csv"
    new.write_text("patient_id,ef,age\nnew,0.62,50\n")
    row = score_table(finished.path, new).iloc[0]
    assert row["likely"] == "normal"
    for name, share in answer.classes.items():
        assert row[f"probability_{name}"] == pytest.approx(share, abs=1e-9)
    assert not {"threshold", "positive", "low"} & set(row.index)


def test_effects_explain_the_class_that_is_named(predictor, answer):
    query = Query(None, {"ef": 0.62, "age": 50}, patient_id="new")
    likely, other = cg.explain(predictor, query), cg.explain(predictor, query, class_name="block")
    assert (likely.class_name, other.class_name) == ("normal", "block")
    assert (likely.probability, other.probability) == (answer.probability, answer.classes["block"])
    for found in (likely, other):
        assert found.base + sum(found.blocks.values()) == pytest.approx(found.probability)
    effects = [found.clinical.effects[0].effect for found in (likely, other)]
    assert effects[0] > 0 > effects[1]
    with pytest.raises(ConfigError, match="its classes are block, infarct, normal"):
        cg.explain(predictor, query, class_name="flutter")


def test_the_fhir_resource_has_a_prediction_for_each_class(predictor, answer):
    entry = SimpleNamespace(
        id="0" * 32,
        created_at=datetime.now(UTC),
        model_sha256="a",
        page_sha256=None,
        answer=answer.as_dict(),
        clinical={},
    )
    resource = risk_assessment(entry, ModelFacts.of(predictor.bundle, sha256="a", columns={}))
    assert resource["status"] == "final"
    found = {each["outcome"]["text"]: each["probabilityDecimal"] / 100 for each in resource["prediction"]}
    assert found == pytest.approx(answer.classes)
    assert "normal" in resource["text"]["div"]


def test_the_web_page_names_the_set_and_no_risk(answer):
    shown = decision_of({**answer.as_dict(), "decision": "several classes", "conformal_set": ["normal", "block"]}, 0.9)
    assert "2 classes" in shown.title
    assert "“normal”, “block”" in shown.text


def test_another_cohort_cannot_evaluate_it_yet(finished, table):
    with pytest.raises(RunError, match="several classes"):
        evaluate_cohort(finished.path, table, table.parent / "evaluation")


@pytest.mark.parametrize("setting", [{"graph": {"space": "learnt"}}, {"encoder": {"finetune": True}}])
def test_settings_for_two_classes_are_refused(table, tmp_path, setting):
    with pytest.raises(ConfigError, match="this cohort has several classes"):
        run(table, tmp_path / "run", load_config(None, SETTINGS | setting))
