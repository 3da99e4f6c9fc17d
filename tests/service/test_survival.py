"""A run with a time-to-event outcome is served with the numbers of the library."""

import json
import re
from datetime import datetime

import pandas as pd
import pytest
from tests.service.api.test_fhir import checked
from tests.service.conftest import RunningService, transport_to
from tests.service.web.test_routes import BROWSER, Form, typed

from cardiograph.client import ServiceClient
from cardiograph.containers import Query
from cardiograph.explain import explain
from cardiograph.inference.survival import load_predictor

VALUES = {"ef": 0.3, "age": 60}


@pytest.fixture(scope="module")
def predictor(survival_run):
    return load_predictor(survival_run)


@pytest.fixture(scope="module")
def served(survival_run, predictor, tmp_path_factory):
    running = RunningService(predictor, tmp_path_factory.mktemp("served"), run=survival_run)
    with running.client:
        yield running


@pytest.fixture(scope="module")
def answer(served):
    return served.ask(values=VALUES).json()


def test_an_answer_is_that_of_the_library(answer, predictor, served):
    assert answer["prediction"] == json.loads(json.dumps(predictor.predict(None, VALUES).as_dict()))
    assert served.client.get(answer["links"]["self"]).json() == answer
    line = json.dumps({"id": 1, "values": VALUES})
    found = served.client.post(
        "/v1/predictions/batch", content=line, headers={"Content-Type": "application/x-ndjson"}
    ).json()
    assert found["prediction"] == answer["prediction"]


def test_similar_records_have_their_follow_up(answer, survival_run):
    table = pd.read_csv(survival_run.parent / "cohort.csv").set_index("patient_id")
    words = {0: "censored", 1: "with the event", 2: "with a competing event"}
    for neighbour in answer["prediction"]["neighbours"]:
        row = table.loc[neighbour["record_id"]]
        assert (neighbour["time"], neighbour["event"]) == (row["time"], row["event"])
        assert neighbour["class_name"] == words[row["event"]]


def test_the_client_returns_the_prediction_of_the_library(served, predictor):
    service = ServiceClient("http://localhost", transport=transport_to(served))
    assert service.predict(Query(clinical=VALUES)) == predictor.predict(None, VALUES)
    facts = service.model()
    assert facts["kind"] == "survival"
    assert facts["follow_up"] == {"unit": "days", "horizons": [200.0, 400.0]}


def test_the_interface_is_documented_with_the_curve(served):
    schemas = served.client.get("/openapi.json").json()["components"]["schemas"]
    assert {"risks", "curve", "unit", "band"} <= set(schemas["SurvivalBody"]["required"])
    assert schemas["BatchAnswer"]["properties"]["prediction"] == {"$ref": "#/components/schemas/SurvivalBody"}
    assert "PredictionAnswer" not in schemas


def test_an_explanation_is_about_the_risk_by_the_last_horizon(served, answer, predictor):
    found = served.client.get(answer["links"]["explanation"]).json()
    assert found == json.loads(json.dumps(explain(predictor, Query(clinical=VALUES)).as_dict()))
    assert found["probability"] == answer["prediction"]["risks"][-1]["risk"]
    total = found["base"] + sum(found["blocks"].values())
    assert total == pytest.approx(found["probability"], abs=1e-9)


@pytest.mark.parametrize("query", ["class=A", "label=A"])
def test_a_class_or_label_is_refused(served, answer, query):
    found = served.client.get(f"{answer['links']['explanation']}?{query}")
    (issue,) = found.json()["issues"]
    assert (found.status_code, issue["column"]) == (422, query.partition("=")[0])
    assert "one outcome without classes" in issue["rule"]


def test_fhir_has_a_prediction_for_each_horizon_with_its_period_and_band(served, answer):
    found = served.client.get(answer["links"]["self"], headers={"Accept": "application/fhir+json"})
    resource = checked(found.json())
    points = [each for each in resource["prediction"] if "probabilityDecimal" in each]
    bands = [each for each in resource["prediction"] if "probabilityRange" in each]
    risks = answer["prediction"]["risks"]
    assert [each["probabilityDecimal"] for each in points] == pytest.approx([100 * each["risk"] for each in risks])
    assert [each["probabilityRange"]["high"]["value"] for each in bands] == pytest.approx(
        [100 * each["high"] for each in risks]
    )
    for each, days in zip(points, (200, 400), strict=True):
        start, end = (datetime.fromisoformat(each["whenPeriod"][name]) for name in ("start", "end"))
        assert (end - start).days == days
        assert each["whenPeriod"]["start"] == resource["occurrenceDateTime"]
    assert resource["status"] == "final"
    assert "death within 400 days" in resource["text"]["div"]


def test_the_page_has_a_sentence_a_curve_and_the_risks(served, answer):
    form = Form(served)
    assert "What is the risk of <em>death</em> over time?" in form.page
    assert "Uno’s C" in form.page
    text = form.send(**typed(VALUES)).text
    risks = answer["prediction"]["risks"]
    (sentence,) = re.findall(r'id="sentence">([^<]*)<', text)
    first = risks[0]
    low, count, high = (round(100 * first[name]) for name in ("low", "risk", "high"))
    assert f"about {count} are expected to die within 200 days ({low} to {high})" in sentence
    assert len(re.search(r'class="curve" points="([^"]*)"', text)[1].split()) == len(answer["prediction"]["curve"])
    assert float(re.search(r'id="probability" value="([^"]*)"', text)[1]) == risks[-1]["risk"]
    neighbour = answer["prediction"]["neighbours"][0]
    assert f"{neighbour['class_name']} after {neighbour['time']:,g} days" in text
    assert "Patient graph" not in text and 'class="gauge"' not in text


def test_the_explanation_on_the_page_says_which_risk_it_is_about(served, answer):
    text = served.client.get(f"/predictions/{answer['id']}/explanation", headers=BROWSER).text
    assert "in percentage points of the risk of death within 400 days" in text
    assert '<h2 id="why-title">Explanation</h2>' in text


def test_what_such_a_run_lacks_is_not_found(served):
    found = served.client.get("/graph")
    assert (found.status_code, found.json()["code"]) == (404, "no_map")
