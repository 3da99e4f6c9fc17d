"""Whatever a service answers, the client gives a prediction that is one, or an error that says what is wrong."""

import gzip
import json
import math
import socket
import threading
import tracemalloc
from contextlib import contextmanager

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.test_client import PREDICTION, URL, Service, answered, problem

from cardiograph import client as module
from cardiograph.cli.app import main
from cardiograph.client import ServiceClient
from cardiograph.containers import Query
from cardiograph.errors import CardiographError, ConfigError, InputError, ServiceError

VALUES = Query(clinical={"ef": 0.34})


@contextmanager
def served(*pieces, endless=b""):
    """Address of a server that answers each connection with these bytes, and then without end with ``endless``."""
    place = socket.create_server(("127.0.0.1", 0))
    stopped = threading.Event()

    def answer(connection):
        with connection:
            try:
                connection.recv(65536)
                for piece in pieces:
                    connection.sendall(piece)
                while endless and not stopped.is_set():
                    connection.sendall(endless)
            except OSError:
                pass

    def run():
        while True:
            try:
                connection, _ = place.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    threading.Thread(target=run, daemon=True).start()
    yield f"http://127.0.0.1:{place.getsockname()[1]}"
    stopped.set()
    place.close()


def head(*lines, status="200 OK"):
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode()


def test_a_compressed_answer_is_refused_before_it_is_unpacked():
    bomb = gzip.compress(bytes(200 << 20), 9)
    result = [head("Content-Encoding: gzip", f"Content-Length: {len(bomb)}"), bomb]
    tracemalloc.start()
    try:
        with served(*result) as url, pytest.raises(ServiceError, match="compressed, which was not requested"):
            ServiceClient(url).model()
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()


def test_compression_is_not_requested():
    service = Service(answered)
    service.client.predict(VALUES)
    assert service.requests[0].headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    ("result", "endless", "message"),
    [
        (head("Content-Type: application/json"), b"[" * 65536, "longer than 4 MiB"),
        (head("Transfer-Encoding: chunked"), b"10000\r\n" + b"[" * 65536 + b"\r\n", "longer than 4 MiB"),
        (head(status="500 No"), b"x" * 65536, "longer than 4 MiB"),
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 100, "no response"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n", "incomplete after 1 s"),
        (head("Content-Length: 9999999"), b"", "no response"),
        (b"\x00\xff" * 100, b"", "no response"),
        (b"", b"", "no response"),
    ],
    ids=["no length", "chunked", "of an error", "headers", "interim answers", "cut off", "no HTTP", "nothing"],
)
def test_an_answer_without_end_or_beginning_is_an_error(result, endless, message, monkeypatch):
    monkeypatch.setattr(module, "ANSWER_SECONDS", 1.0)
    with served(result, endless=endless) as url, pytest.raises(ServiceError, match=message):
        ServiceClient(url).model()


def test_a_service_that_sends_on_elsewhere_is_not_followed():
    for status in (301, 302, 307, 308):
        service = Service(lambda _, s=status: httpx.Response(s, headers={"Location": "https://elsewhere.example/"}))
        with pytest.raises(ServiceError, match=rf"redirects to another address \({status}\).*address of the service"):
            service.client.predict(VALUES)
        assert [request.url.host for request in service.requests] == [httpx.URL(URL).host]


WRONG = {
    "probability": ["NaN", "Infinity", "-0.1", "1.1", "null", '"0.5"', "true", "1e999"],
    "threshold": ["NaN", '"0.5"', "[]"],
    "low": ["NaN", "-1"],
    "high": ["2", "{}"],
    "novelty": ["NaN", "2"],
    "positive": ["1", '"yes"'],
    "outcome": ["null", "1"],
    "decision": ["null", "1"],
    "warnings": ["null", '"text"', "[1]"],
    "neighbours": ["{}", "[null]", '[{"record_id": "a", "distance": NaN, "label": 1, "clinical": {}}]'],
}


@pytest.mark.parametrize(("name", "wrong"), [(name, each) for name, several in WRONG.items() for each in several])
def test_a_prediction_that_is_none_is_an_error_and_never_shown(name, wrong):
    whole = json.dumps({"id": 0, "prediction": {**PREDICTION.as_dict(), name: "HERE"}}).replace('"HERE"', wrong)
    service = Service(lambda _: httpx.Response(200, content=whole))
    with pytest.raises(ServiceError, match="unexpected response for this version of cardiograph"):
        service.client.predict(VALUES)
    with pytest.raises(ServiceError, match="unexpected response for this version of cardiograph"):
        list(service.client.predict_many([VALUES]))


def test_nan_is_an_error_of_the_command(capsys):
    body = json.dumps({"prediction": {**PREDICTION.as_dict(), "probability": math.nan}}).encode()
    result = head("Content-Type: application/json", f"Content-Length: {len(body)}"), body
    with served(*result) as url, pytest.raises(SystemExit) as ended:
        main(["predict", "--url", url, "--ef", "0.34", "--json"])
    assert ended.value.code == 9
    assert "nan" not in capsys.readouterr().out.lower().replace("service", "")


def test_texts_of_a_service_are_cut():
    service = Service(lambda _: problem(500, detail="x" * 1_000_000))
    with pytest.raises(ServiceError) as caught:
        service.client.predict(VALUES)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    "variables",
    [1, [1], ["name"], [{}], [{"name": "label", "unit": "", "low": 0, "high": 1}], "text", {"name": "a"},
     [{"name": "a", "unit": "", "low": 0, "high": 1}] * 2],
)  # fmt: skip
def test_a_model_whose_variables_are_none_is_an_error(variables, tmp_path, capsys):
    (tmp_path / "patients.csv").write_text("ef\n0.34\n")
    body = json.dumps({"model": "sign", "variables": variables}).encode()
    with served(head(f"Content-Length: {len(body)}"), body) as url, pytest.raises(SystemExit) as ended:
        main(["predict", "--url", url, "--table", str(tmp_path / "patients.csv"), "--json"])
    assert ended.value.code in (3, 9), capsys.readouterr().out


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
ISSUE_KEYS = ("where", "column", "value", "rule", "remedy", "code")


def nearly(whole):
    """An object with some of its values replaced by anything, or left out."""
    changed = st.dictionaries(st.sampled_from(sorted(whole)), anything, max_size=3)
    gone = st.sets(st.sampled_from(sorted(whole)), max_size=1)
    return st.builds(lambda new, old: {k: v for k, v in {**whole, **new}.items() if k not in old}, changed, gone)


predictions = nearly(PREDICTION.as_dict())
problems = nearly({"status": 422, "detail": "No.", "issues": [dict.fromkeys(ISSUE_KEYS, "x")]})
answers = st.one_of(
    st.builds(lambda result: {"id": 0, "prediction": result}, predictions | anything),
    st.builds(lambda number, result: {"id": number, "problem": result}, anything, problems | anything),
    problems,
    anything,
)
bodies = st.one_of(
    st.builds(lambda result: json.dumps(result).encode(), answers),
    st.builds(lambda several: b"\n".join(json.dumps(each).encode() for each in several), st.lists(answers, max_size=3)),
    st.binary(max_size=200),
    st.builds(lambda depth: b"[" * depth, st.integers(1, 100_000)),
)
headers = st.dictionaries(
    st.sampled_from(["Retry-After", "Content-Type", "Content-Encoding", "Location", "WWW-Authenticate", "Set-Cookie"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=30),
    max_size=2,
)


@settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(
    status=st.sampled_from([200, 201, 204, 302, 304, 400, 401, 403, 422, 429, 500, 503, 599]), body=bodies, more=headers
)
def test_any_answer_is_a_prediction_or_an_error_of_ours(status, body, more):
    lines = [(name, value.encode("latin-1")) for name, value in more.items()]
    service = Service(lambda _: httpx.Response(status, headers=lines, stream=httpx.ByteStream(body)))
    for ask in (
        lambda: [service.client.predict(VALUES)],
        lambda: list(service.client.predict_many([VALUES])),
        service.client.model,
    ):
        try:
            found = ask()
        except (ServiceError, ConfigError, InputError) as error:
            assert isinstance(error, CardiographError)
            assert len(str(error)) < 10_000
        else:
            for each in found if isinstance(found, list) else []:
                assert 0 <= each.probability <= 1
                json.dumps(each.as_dict(), allow_nan=False)
