"""A run with several labels is served with one reading, one embedding and the numbers of each label."""

import dataclasses
import json
import re

import pytest
from tests.service.api.test_fhir import checked
from tests.service.conftest import RunningService, transport_to
from tests.service.web.test_routes import BROWSER, Form, typed

from cardiograph.client import ServiceClient
from cardiograph.containers import Query
from cardiograph.errors import RunError
from cardiograph.explain import explain
from cardiograph.inference import Predictor
from cardiograph.inference.labels import LabelsPredictor, load_any
from cardiograph.inference.table import score_table

VALUES = {"ef": 0.3, "age": 50}


@pytest.fixture(scope="module")
def predictor(labels_run):
    return load_any(labels_run)


@pytest.fixture(scope="module")
def alone(labels_run):
    return {name: Predictor.load(labels_run / name) for name in "AB"}


@pytest.fixture(scope="module")
def served(labels_run, predictor, tmp_path_factory):
    running = RunningService(predictor, tmp_path_factory.mktemp("served"), run=labels_run)
    with running.client:
        yield running


@pytest.fixture(scope="module")
def answer(served):
    return served.ask(values=VALUES).json()


def test_an_answer_has_the_prediction_of_each_label(answer, alone, served):
    assert answer["prediction"] == {
        "labels": {name: json.loads(json.dumps(each.predict(None, VALUES).as_dict())) for name, each in alone.items()}
    }
    assert answer["model"]["outcome"] == "A, B"
    assert served.client.get(answer["links"]["self"]).json() == answer


def test_a_patient_is_read_and_searched_once(predictor, monkeypatch):
    counts = dict.fromkeys(("read", "embed", "attach"), 0)

    def counted(name, method):
        def call(*args):
            counts[name] += 1
            return method(*args)

        return call

    for name in counts:
        monkeypatch.setattr(Predictor, name, counted(name, getattr(Predictor, name)))
    predictor.predict(None, VALUES)
    assert counts == {"read": 1, "embed": 1, "attach": 1}


def test_models_that_read_other_inputs_or_records_are_refused(alone):
    bundle = alone["B"].bundle
    reference = dataclasses.replace(bundle.reference, record_ids=bundle.reference.record_ids[::-1])
    served = dataclasses.replace(bundle.served, measured="2")
    for change in ({"reference": reference}, {"served": served}):
        other = Predictor(dataclasses.replace(bundle, **change))
        with pytest.raises(RunError, match="the model of label B reads other inputs"):
            LabelsPredictor({"A": alone["A"], "B": other})


def test_the_engine_of_an_encoder_is_loaded_once(finished_run):
    first = Predictor.load(finished_run)
    assert Predictor.load(finished_run, like=first).engine is first.engine


def test_the_hash_of_the_model_is_that_of_all_labels(predictor, alone):
    other = LabelsPredictor({"A": alone["A"], "C": alone["B"]})
    assert len({predictor.sha256, other.sha256, *(each.sha256 for each in alone.values())}) == 4


def test_a_table_has_the_columns_of_each_label(labels_run, alone):
    rows = score_table(labels_run, labels_run.parent / "cohort.csv").set_index("record_id")
    assert list(rows)[:4] == ["novelty", "missing", "neighbours", "warnings"]
    for name, each in alone.items():
        single = score_table(labels_run / name, labels_run.parent / "cohort.csv").set_index("record_id")
        assert rows[f"probability_{name}"].tolist() == pytest.approx(single["probability"].tolist(), abs=1e-12)
        assert rows[f"threshold_{name}"].unique().tolist() == [each.bundle.served.threshold]
    assert rows["neighbours"].tolist() == single["neighbours"].tolist()


def test_the_client_returns_the_predictions_of_the_library(served, predictor):
    service = ServiceClient("http://localhost", transport=transport_to(served))
    assert service.predict(Query(clinical=VALUES)) == predictor.predict(None, VALUES)
    facts = service.model()
    assert (facts["kind"], facts["threshold"], set(facts["labels"])) == ("multilabel", None, {"A", "B"})


def test_an_explanation_is_about_the_most_likely_label_or_the_named_one(served, answer, alone):
    labels = answer["prediction"]["labels"]
    likely = max(labels, key=lambda name: labels[name]["probability"])
    for query, name in (("", likely), ("?label=A", "A"), ("?label=B", "B")):
        found = served.client.get(answer["links"]["explanation"] + query).json()
        assert found == json.loads(json.dumps(explain(alone[name], Query(clinical=VALUES)).as_dict()))
        assert found["probability"] == labels[name]["probability"]


@pytest.mark.parametrize(("query", "rule"), [("label=C", "label is one of A, B"), ("class=A", "label is one of A, B")])
def test_an_unknown_label_is_refused(served, answer, query, rule):
    found = served.client.get(f"{answer['links']['explanation']}?{query}")
    (issue,) = found.json()["issues"]
    assert (found.status_code, issue["rule"]) == (422, rule)


def test_fhir_has_a_prediction_for_each_label(served, answer):
    found = served.client.get(answer["links"]["self"], headers={"Accept": "application/fhir+json"})
    resource = checked(found.json())
    shares = {each["outcome"]["text"]: each["probabilityDecimal"] for each in resource["prediction"]
              if "probabilityDecimal" in each}  # fmt: skip
    assert shares == {
        name: pytest.approx(100 * each["probability"]) for name, each in answer["prediction"]["labels"].items()
    }
    assert resource["code"]["text"] == "Estimated probabilities: A, B"


def test_the_page_has_a_table_of_labels(served, answer):
    form = Form(served)
    assert "How likely are <em>A, B</em>?" in form.page and "Macro AUROC" in form.page
    text = form.send(**typed(VALUES)).text
    labels = answer["prediction"]["labels"]
    order = sorted(labels, key=lambda name: -labels[name]["probability"])
    table = text[text.index('<table class="labels"') :]
    assert re.findall(r'<th scope="row">(\w) ', table[: table.index("</table>")]) == order
    assert float(re.search(r'id="probability" value="([^"]*)"', text)[1]) == labels[order[0]]["probability"]
    reached = [name for name in order if labels[name]["positive"]]
    words = {0: "No label reaches", 1: "reaches its threshold", 2: "reach their thresholds"}
    assert words[len(reached)] in text


def test_another_label_is_explained_on_the_page(served, answer):
    address = f"/predictions/{answer['id']}/explanation"
    for name, other in ("AB", "BA"):
        text = served.client.get(f"{address}?label={name}", headers=BROWSER).text
        assert f"Explanation of {name}" in text and f'{address}?label={other}#why">{other}</a>' in text
