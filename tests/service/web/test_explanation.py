"""The explanation of a prediction, while its input is available."""

import dataclasses
import json

import pytest

import cardiograph.explain
from cardiograph.explain import explain as explain_really
from cardiograph.inference import Predictor, Query
from cardiograph.service.state import limit_pixels


class Explained:
    """Explains as much as these tests look at."""

    def __init__(self, predictor, query, class_name=None):
        self.probability = next(iter(predictor.predict_many([query]))).probability

    def as_dict(self):
        return {"probability": self.probability}


@pytest.fixture(autouse=True)
def explained(monkeypatch):
    monkeypatch.setattr(cardiograph.explain, "explain", Explained, raising=False)


def ask(served, page, values, **fields):
    files = {
        "page": page,
        "values": (None, json.dumps(values)),
        **{name: (None, text) for name, text in fields.items()},
    }
    return served.client.post("/v1/predictions", files=files).json()


def explain(served, answer):
    return served.client.get(answer["links"]["explanation"])


def test_an_explanation_is_logged(served, page, values):
    answer = ask(served, page, values)
    result = explain(served, answer)
    assert (result.status_code, result.json()["probability"]) == (200, answer["prediction"]["probability"])
    assert [entry.subject for entry in served.log_entries("explanation_read")] == [answer["id"]]
    assert served.records.log.verify().ok


def test_the_interface_explains_as_the_library_does(served, predictor, monkeypatch, page, values):
    monkeypatch.setattr(cardiograph.explain, "explain", explain_really)
    result = explain(served, ask(served, page, values)).json()
    expected = explain_really(predictor, Query(page, values)).as_dict()
    assert result == json.loads(json.dumps(expected))
    assert len(result["clinical"]["effects"]) == len(values)


def test_what_is_not_held_any_more_is_gone(serve, page, values):
    served = serve(hold_bytes=1000)
    result = explain(served, ask(served, page, values))
    assert (result.status_code, result.json()["code"]) == (410, "not_held")
    assert served.client.get(f"/v1/predictions/{'0' * 32}/explanation").status_code == 404


def test_kept_pages_are_explained_later_unless_a_patient_id_decided(serve, page, values, finished_run):
    served = serve(hold_bytes=1000, keep_pages=True)
    answer = ask(served, page, values)
    assert explain(served, answer).json()["probability"] == answer["prediction"]["probability"]
    reference = Predictor.load(finished_run).bundle.reference
    nearest = reference.record_ids.index(answer["prediction"]["neighbours"][0]["record_id"])
    named = ask(served, page, values, patient_id=reference.patient_ids[nearest])
    assert explain(served, named).status_code == 410


def test_what_is_over_the_limits_by_now_is_refused_and_no_fault_of_the_service(served, page, values):
    answer = ask(served, page, values)
    serving = served.app.state.serving
    served.app.state.serving = dataclasses.replace(serving, predictor=limit_pixels(serving.predictor, 1000))
    result = explain(served, answer)
    assert (result.status_code, result.json()["code"]) == (413, "cannot_be_scored")
    shown = served.client.get(f"/predictions/{answer['id']}/explanation", headers={"Accept": "text/html"})
    assert (shown.status_code, "Try again" in shown.text) == (200, True)


def test_an_answer_of_another_model_is_not_explained_whatever_is_held(serve, page, values):
    served = serve(hold_bytes=0)
    answer = ask(served, page, values)
    assert answer["model"]["run"] is not None
    served.app.state.serving = dataclasses.replace(served.app.state.serving, model_sha256="b" * 64)
    result = explain(served, answer)
    assert (result.status_code, result.json()["code"]) == (410, "another_model")
    again = served.client.get(answer["links"]["self"]).json()
    assert again == {**answer, "model": {**answer["model"], "run": None}}
