"""Nothing of a patient reaches logs, metrics, error texts of others, or the disk."""

import json
import tempfile
from pathlib import Path

import pytest
from tests.service.conftest import picture

MARK = "zebra8472"


@pytest.fixture
def watched(serve, tmp_path, monkeypatch):
    """A service whose temporary files would all be seen, if there were any."""
    made = []

    def caught(*_, **__):
        made.append("temporary file")
        message = "no temporary file may be made"
        raise AssertionError(message)

    for name in ("SpooledTemporaryFile", "TemporaryFile", "NamedTemporaryFile", "mkstemp"):
        monkeypatch.setattr(tempfile, name, caught)
    monkeypatch.setattr("starlette.formparsers.SpooledTemporaryFile", caught)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    served = serve()
    served.made, served.folder = made, tmp_path
    return served


def test_requests_leave_no_trace_of_a_patient(watched, page):
    large = page + MARK.encode() * 300_000  # bytes after the end of a JPEG; over 1 MB, where others spool to the disk
    files = {"page": (f"{MARK}.jpg", large), "values": (None, '{"ef": 0.4321987}'), "patient_id": (None, MARK)}
    client = watched.client
    first = client.post("/v1/predictions", files=files)
    assert first.status_code == 201
    answers = [
        client.post("/v1/predictions", files={"page": (f"{MARK}.jpg", MARK.encode())}),
        client.post("/v1/predictions", json={"values": {MARK: 1}}),
        client.post("/v1/predictions", json={"values": {"ef": 43.21987}}),
        client.post("/v1/predictions", content=MARK.encode(), headers={"Content-Type": f"text/{MARK}"}),
        client.post(f"/v1/{MARK}?{MARK}", headers={"Authorization": f"Bearer {MARK}"}),
        client.get(f"/v1/predictions/{MARK}"),
        client.get(f"/{MARK}", headers={"Host": f"{MARK}.example"}),
        client.post(
            "/v1/predictions/batch",
            content=json.dumps({"id": MARK, "values": {"ef": 43.21987}}).encode(),
            headers={"Content-Type": "application/x-ndjson"},
        ),
    ]
    assert [answer.status_code for answer in answers] == [415, 422, 422, 415, 401, 404, 400, 200]
    result = watched.log.getvalue() + client.get("/metrics").text
    assert len(watched.log.getvalue().splitlines()) == 10
    for secret in (MARK, "4321987", "43.21", first.json()["id"]):
        assert secret not in result
    assert watched.made == []
    assert list(Path(watched.folder).iterdir()) == []


def test_an_internal_error_is_logged_by_its_location_alone(watched, monkeypatch):
    def broken(_):
        raise RuntimeError(MARK)

    monkeypatch.setattr(type(watched.app.state.serving.predictor), "read", lambda _, query: broken(query))
    answer = watched.ask(picture(400, 300))
    assert (answer.status_code, answer.json()["code"]) == (500, "failed")
    assert MARK not in answer.text + watched.log.getvalue()
    failed = json.loads(watched.log.getvalue().splitlines()[0])
    assert failed["error"] == "RuntimeError"
    assert any("broken" in place for place in failed["at"])
    assert answer.headers["X-Request-ID"] == failed["request_id"]
    assert "X-Frame-Options" in answer.headers


def test_metrics_count_by_template_and_status(served, values):
    served.ask(values=values)
    served.client.get("/v1/predictions/1")
    served.client.get("/v1/predictions/2")
    result = served.client.get("/metrics").text
    assert 'cardiograph_requests_total{method="POST",route="/v1/predictions",status="201"} 1.0' in result
    assert 'cardiograph_requests_total{method="GET",route="/v1/predictions/{prediction_id}",status="404"} 2.0' in result


def test_a_method_that_nobody_knows_is_no_label_of_its_own(served):
    assert served.client.request("BREW", "/healthz").status_code == 405
    assert '"method": "OTHER"' in served.log.getvalue()
