"""A run of the preset `thesis` ends with a model that answers, and every answer says what the model is."""

import json

import numpy as np
import pandas as pd
import pytest
from tests.cli.commands import call, failed
from tests.service.conftest import RunningService
from tests.service.web.test_routes import Form, typed

from cardiograph.artifacts.bundle import ModelBundle
from cardiograph.artifacts.run import RunDirectory
from cardiograph.inference import Predictor
from cardiograph.inference.answers import REPRODUCTION
from cardiograph.studies.faults.steps import run_as_configured
from cardiograph.studies.faults.switches import FAULTS, load_settings

VALUES = {"ef": 0.34, "bnp": 463.0, "nyha": 3.0, "sbp": 132.0, "age": 70.0}
OPTIONS = [part for name, value in VALUES.items() for part in (f"--{name}", f"{value:g}")]


@pytest.fixture(scope="module")
def thesis(page_table, tmp_path_factory):
    """All seven stages need: the run of the preset on a few pages."""
    settings = {
        "cohort": {"positive": ["infarction", "old infarction"]},
        "encoder": {"weights": "random"},
        "evaluation": {"bootstrap": 100},
    }
    config = load_settings(None, settings, preset="thesis")
    return run_as_configured(page_table, tmp_path_factory.mktemp("runs") / "thesis", config).path


@pytest.fixture(scope="module")
def predictor(thesis):
    return Predictor.load(thesis)


def test_the_patient_is_attached_to_the_validation_records(thesis, predictor, pages):
    table, split = (pd.read_parquet(thesis / f"{name}.parquet") for name in ("cohort", "split"))
    validated = set(table["record_id"][(split["part"] == "val").to_numpy()])
    assert set(predictor.bundle.reference.record_ids) == validated
    answer = predictor.predict(pages[0], VALUES)
    assert {near.record_id for near in answer.neighbours} <= validated and answer.neighbours
    assert predictor.predict(pages[0], VALUES) == answer


def test_every_answer_names_what_it_is(predictor, pages):
    for query in ({"page": pages[0]}, {"clinical": VALUES}, {"page": pages[1], "clinical": VALUES}):
        answer = predictor.predict(**query)
        assert answer.warnings[0].startswith(REPRODUCTION) and all(fault in answer.warnings[0] for fault in FAULTS)
        assert answer.decision == "no estimate" and answer.low is None and answer.high is None
        assert answer.positive == (answer.probability >= answer.threshold)
        assert answer.provenance.startswith("reproduction of a faulty protocol")


def test_terminal_json_and_table_say_so(thesis, pages, tmp_path):
    status, output = call("predict", thesis, "--ecg", pages[0], *OPTIONS)
    assert status == 0
    assert REPRODUCTION in " ".join(output.split()) and "reproduces a faulty protocol" in " ".join(output.split())
    found = json.loads(call("predict", thesis, "--ecg", pages[0], *OPTIONS, "--json")[1])
    assert found["decision"] == "no estimate" and found["warnings"][0].startswith(REPRODUCTION)
    pd.DataFrame([{"ecg": str(pages[0]), **VALUES}]).to_csv(tmp_path / "new.csv", index=False)
    assert call("predict", thesis, "--table", tmp_path / "new.csv", "--out", tmp_path / "answers.csv")[0] == 0
    (row,) = pd.read_csv(tmp_path / "answers.csv").to_dict("records")
    assert row["decision"] == "no estimate" and row["warnings"].startswith(REPRODUCTION)
    assert row["probability"] == pytest.approx(found["probability"], abs=1e-9)  # the table's values were read


def test_service_fhir_and_page_say_so(thesis, predictor, pages, tmp_path):
    served = RunningService(predictor, tmp_path, run=thesis)
    with served.client:
        page = pages[0].read_bytes()
        answer = served.ask(page, VALUES).json()["prediction"]
        assert answer["warnings"][0].startswith(REPRODUCTION)
        resource = served.ask(page, VALUES, headers={"Accept": "application/fhir+json"}).json()
        assert resource["resourceType"] == "RiskAssessment" and resource["status"] == "preliminary"
        assert resource["meta"]["tag"][0]["code"] == "HTEST"
        assert any(note["text"].startswith(REPRODUCTION) for note in resource["note"])
        shown = Form(served).send(page, **typed(VALUES)).text
        assert "repeats a faulty study on purpose" in shown
        assert "No estimate" in shown and "Uncalibrated score" in shown


def test_it_is_neither_evaluated_nor_extended(thesis, page_table, tmp_path):
    for command in ("evaluate", "extend"):
        status, error = failed(command, thesis, page_table, "--out", tmp_path / command)
        assert status == 5 and "reproduces a faulty protocol" in error["error"]
        assert not (tmp_path / command).exists() or not list((tmp_path / command).iterdir())


def test_a_model_without_faults_is_not_marked(finished_run):
    assert ModelBundle.load(finished_run / "bundle").served.reproduces == ()
    assert RunDirectory(finished_run).read_json("run.json")["cautions"] == []


def test_one_other_fault_leaves_the_patient_with_the_training_records(values_table, tmp_path):
    config = load_settings(None, {"faults": {"separate_test_graph": True}, "model": {"epochs": 5, "width": 8}})
    run = run_as_configured(values_table, tmp_path / "run", config).path
    split = pd.read_parquet(run / "split.parquet")
    reference = Predictor.load(run).bundle.reference
    assert set(reference.record_ids) == set(split["record_id"][split["part"] == "train"])
    answer = Predictor.load(run).predict(None, {"ef": 0.4, "age": 70.0})
    assert answer.decision == "no estimate" and "separate_test_graph" in answer.warnings[0]
    assert np.isfinite(answer.probability)
