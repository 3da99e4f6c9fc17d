import dataclasses
import shutil
from pathlib import Path
from types import SimpleNamespace

from cardiograph.inference import Predictor


def test_alive_and_ready(served):
    assert served.client.get("/healthz").json() == {"status": "alive"}
    assert served.client.get("/readyz").json() == {"status": "ready"}


def test_a_service_that_stops_is_alive_but_not_ready(served, values):
    served.app.state.serving.pool.closing = True
    assert served.client.get("/healthz").status_code == 200
    answer = served.client.get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert served.ask(values=values).status_code == 503


def test_a_model_whose_files_are_changed_in_place_answers_no_more(serve, finished_run, values, tmp_path):
    run = shutil.copytree(finished_run, tmp_path / "run")
    served = serve(run=run)
    served.app.state.serving = dataclasses.replace(served.app.state.serving, predictor=Predictor.load(run))
    assert served.ask(values=values).status_code == 201
    with (run / "bundle" / "reference.safetensors").open("r+b") as file:
        file.truncate(1000)
    answer = served.ask(values=values)
    assert (answer.status_code, answer.json()["code"]) == (503, "model_changed")
    assert served.client.get("/readyz").json()["code"] == "model_changed"
    assert served.client.get("/healthz").status_code == 200


def test_a_service_whose_records_were_removed_answers_nothing_more(served, values):
    assert served.ask(values=values).status_code == 201
    database = Path(served.records._database._url.database)
    database.rename(database.with_name("elsewhere"))
    for _ in range(2):
        answer = served.ask(values=values)
        assert (answer.status_code, answer.json()["code"]) == (503, "records")
    ready = served.client.get("/readyz")
    assert (ready.status_code, ready.json()["code"]) == (503, "not_ready")
    assert "removed or replaced" in ready.json()["detail"]
    assert served.client.get("/healthz").status_code == 200
    database.with_name("elsewhere").rename(database)
    assert served.ask(values=values).status_code == 201


def test_a_service_on_a_full_disk_is_not_ready(served, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    ready = served.client.get("/readyz")
    assert (ready.status_code, ready.headers["Retry-After"]) == (503, "10")
    assert "the disk is full" in ready.json()["detail"]


def test_every_answer_carries_the_headers(served):
    for path in ("/healthz", "/v1/model", "/nothing"):
        headers = served.client.get(path).headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert len(headers["X-Request-ID"]) == 32
        assert "server" not in headers
    assert served.client.get("/nothing").json()["status"] == 404
    assert served.client.put("/healthz").headers["Allow"] == "GET"
