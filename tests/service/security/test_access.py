"""Access is decided from the headers alone, before a body is read."""

import asyncio
import base64
import json
import threading

import anyio
import anyio.to_thread
import pytest
from starlette.datastructures import Headers

from cardiograph.errors import RecordsError
from cardiograph.service.records import Keys, Records
from cardiograph.service.security.access import ANYBODY, AccessMiddleware, RateLimit, scopes_of


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def guarded(serve):
    served = serve(require_key=True)
    served.both = served.key("predict", "read")
    served.reader = served.key("read")
    return served


def test_every_path_but_health_requires_a_key(guarded):
    client = guarded.client
    assert client.get("/healthz").status_code == 200
    for path in (
        "/",
        "/v1/model",
        "/v1/report",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "/nothing",
        "/v1/predictions/x",
    ):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer"), path
        assert client.get(path, headers=bearer("cg_wrong")).status_code == 401
    assert client.post("/v1/predictions", json={}).status_code == 401


def test_a_scope_is_required(guarded, values):
    client = guarded.client
    body = {"values": values}
    assert client.post("/v1/predictions", json=body, headers=bearer(guarded.reader)).status_code == 403
    answer = client.post("/v1/predictions", json=body, headers=bearer(guarded.both))
    assert answer.status_code == 201
    assert guarded.records.get(answer.json()["id"]).key_id == guarded.both.split("_")[1]
    assert client.get("/metrics", headers=bearer(guarded.reader)).status_code == 403
    assert client.get("/v1/model", headers=bearer(guarded.reader)).status_code == 200


def test_a_prediction_is_readable_with_the_key_that_made_it(guarded, values):
    answer = guarded.client.post("/v1/predictions", json={"values": values}, headers=bearer(guarded.both))
    links = answer.json()["links"]
    assert guarded.client.get(links["self"], headers=bearer(guarded.both)).json() == answer.json()
    for link in links.values():
        assert guarded.client.get(link, headers=bearer(guarded.reader)).status_code == 404
    assert len(guarded.log_entries("prediction_read")) == 1


@pytest.mark.parametrize(
    ("method", "path", "scopes"),
    [
        ("POST", "/v1/predictions", ("predict",)),
        ("POST", "/v1/predictions/batch", ("predict",)),
        ("POST", "/", ("predict",)),
        ("GET", "/v1/predictions/1", ("read",)),
        ("GET", "/v1/predictions/1/explanation", ("read",)),
        ("GET", "/metrics", ("metrics",)),
        ("GET", "/monitoring", ("metrics",)),
        ("POST", "/v1/outcomes", ("outcomes",)),
        ("GET", "/v1/model", ("predict", "read")),
        ("GET", "/v1/report", ("read",)),
        ("GET", "/report", ("read",)),
        ("GET", "/graph", ("read",)),
        ("GET", "/graph/content", ("read",)),
        ("GET", "/openapi.json", ()),
    ],
)
def test_scopes_of_routes(method, path, scopes):
    assert scopes_of(method, path) == scopes


def test_a_key_for_monitoring_sees_no_patient(guarded):
    watcher = bearer(guarded.key("metrics"))
    for path in ("/v1/model", "/v1/report", "/report", "/graph/content", "/v1/predictions/x"):
        assert guarded.client.get(path, headers=watcher).status_code == 403, path
    assert guarded.client.get("/metrics", headers=watcher).status_code == 200


def test_a_browser_may_send_the_key_as_a_password(guarded):
    sent = base64.b64encode(f"anyone:{guarded.both}".encode()).decode()
    assert guarded.client.get("/v1/model", headers={"Authorization": f"Basic {sent}"}).status_code == 200
    answer = guarded.client.get("/v1/report", headers={"Accept": "text/html"})
    assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")
    for broken in ("Basic", "Basic ???", "Bearer", "Bearer ", "Digest x", "Basic \xe9".encode("latin-1"), "x" * 5000):
        assert guarded.client.get("/v1/model", headers={"Authorization": broken}).status_code == 401


def test_a_wrong_key_is_refused_where_none_is_required(served):
    assert served.client.get("/v1/model", headers=bearer("cg_wrong")).status_code == 401


def test_the_body_of_a_stranger_is_not_read(guarded):
    """On the wire, the answer is whole before any of the body is taken."""
    scope = {"type": "http", "method": "POST", "path": "/v1/predictions", "query_string": b"", "state": {}}
    scope["headers"] = [(b"host", b"localhost"), (b"content-length", b"100"), (b"content-type", b"application/json")]
    happened = []

    async def receive():
        happened.append("read")
        return {"type": "http.request", "body": b"{", "more_body": False}

    async def send(message):
        happened.append((message["type"], message.get("status"), message.get("more_body")))

    asyncio.run(guarded.app(scope, receive, send))
    assert happened[0] == ("http.response.start", 401, None)
    assert happened[1][0] == "http.response.body"
    assert happened[2:] == ["read", ("http.response.body", None, False)]


def test_only_names_of_this_service_are_answered(serve):
    served = serve(allowed_hosts=("ecg.example",))
    for host, status in {
        "localhost": 200,
        "LOCALHOST:8000": 200,
        "127.0.0.1:9": 200,
        "[::1]:8000": 200,
        "ecg.example": 200,
        "evil.example": 400,
        "localhost.evil.example": 400,
        "localhost@evil": 400,
        "": 400,
    }.items():
        assert served.client.get("/healthz", headers={"Host": host}).status_code == status, host


def test_another_provider_can_identify_clients(finished_run, predictor, values, tmp_path):
    from starlette.testclient import TestClient

    from cardiograph.service.app import create_app
    from cardiograph.service.security.access import Caller
    from cardiograph.service.settings import ServiceSettings

    class Proxy:
        def caller(self, headers):
            name = headers.get("authorization", "").removeprefix("Bearer ")
            return Caller(name, frozenset({"predict"})) if name == "ann" else None

    records = Records.open(str(tmp_path / "records.sqlite"))
    settings = ServiceSettings(run=finished_run, require_key=True)
    app = create_app(settings, predictor=predictor, records=records, authenticator=Proxy())
    with TestClient(app, base_url="http://localhost") as client:
        answer = client.post("/v1/predictions", json={"values": values}, headers=bearer("ann"))
        assert records.get(answer.json()["id"]).key_id == "ann"
        assert client.post("/v1/predictions", json={"values": values}, headers=bearer("eve")).status_code == 401


def test_records_that_cannot_be_reached_let_nobody_in(guarded, monkeypatch):
    def broken(*_):
        message = "the database is gone"
        raise RecordsError(message)

    monkeypatch.setattr(Keys, "find", broken)
    answer = guarded.client.get("/v1/model", headers=bearer(guarded.both))
    assert (answer.status_code, answer.json()["code"]) == (503, "records")
    assert "database" not in answer.text


def test_a_bucket_refills_evenly_and_is_nobody_elses():
    now = [0.0]
    rate = RateLimit(60, clock=lambda: now[0])
    assert [rate.wait_seconds("a") for _ in range(60)] == [0.0] * 60
    assert rate.wait_seconds("a") == pytest.approx(1.0)
    assert rate.wait_seconds("b") == 0.0
    now[0] = 0.5
    assert rate.wait_seconds("a") == pytest.approx(0.5)
    now[0] = 1.0
    assert rate.wait_seconds("a") == 0.0


def test_too_many_requests_get_a_retry_time(serve):
    served = serve(requests_per_minute=2)
    answers = [served.client.get("/v1/model") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 31
    assert json.loads(answers[-1].text)["code"] == "too_often"
    assert served.client.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    ("settings", "required"),
    [
        ({}, False),
        ({"require_key": True}, True),
        ({"host": "192.0.2.1"}, True),
        ({"allowed_hosts": ("ecg.example",)}, True),
    ],
)
def test_keys_are_required_wherever_others_may_reach_it(settings, required):
    from cardiograph.service.settings import ServiceSettings

    assert ServiceSettings(run="run", **settings).keys_required is required


def test_a_key_is_looked_up_while_all_threads_of_the_records_wait():
    class Anybody:
        def caller(self, headers):
            return ANYBODY

    middleware = AccessMiddleware(None, hosts=(), authenticator=Anybody(), required=True, rate=RateLimit(60))
    free = threading.Event()

    async def look():
        anyio.to_thread.current_default_thread_limiter().total_tokens = 1
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.to_thread.run_sync, free.wait)
            await anyio.wait_all_tasks_blocked()
            try:
                with anyio.fail_after(5):
                    return await middleware._caller(Headers({}))
            finally:
                free.set()

    assert anyio.run(look) == ANYBODY
