"""Lines in, lines out: each as it would be alone."""

import asyncio
import base64
import json
import threading
from functools import partial
from types import SimpleNamespace

import pytest

from cardiograph.service.api import batch, json_body, predictions
from cardiograph.service.api.batch import _read, lines_of
from cardiograph.service.api.json_body import read_line
from cardiograph.service.api.problems import ProblemError
from cardiograph.service.security.access import ANYBODY
from cardiograph.service.settings import ServiceSettings
from cardiograph.service.state import Serving
from cardiograph.service.web import routes

KIND = {"Content-Type": "application/x-ndjson"}


def lines(*contents):
    return b"\n".join(each if isinstance(each, bytes) else json.dumps(each).encode() for each in contents)


def post(served, *contents):
    answer = served.client.post("/v1/predictions/batch", content=lines(*contents), headers=KIND)
    assert answer.status_code == 200
    return [json.loads(line) for line in answer.text.splitlines()]


def test_a_line_is_answered_as_it_is_alone(served, page, values):
    text = base64.b64encode(page).decode()
    patients = [{"id": "a", "page": text, "values": values}, {"id": 2, "values": values}, {"page": text}] * 3
    result = post(served, *patients)
    alone = [served.ask(page, values), served.ask(values=values), served.ask(page)] * 3
    assert [each["id"] for each in result] == ["a", 2, None] * 3
    for line, single in zip(result, alone, strict=True):
        expected = single.json()["prediction"]
        assert line["prediction"]["probability"] == pytest.approx(expected["probability"], abs=1e-12)
        assert line["prediction"]["low"] == pytest.approx(expected["low"], abs=1e-12)
        assert served.records.get(line["links"]["self"].rpartition("/")[2]).answer == line["prediction"]


def test_a_bad_line_does_not_end_the_others(served, values):
    result = post(
        served, {"id": 1, "values": values}, b"{", {"id": 3, "page": "???"}, {"values": {"ef": 9}}, {"values": values}
    )
    assert [each["line"] for each in result] == [1, 2, 3, 4, 5]
    assert [each["problem"]["status"] if "problem" in each else 201 for each in result] == [201, 400, 422, 422, 201]


def test_a_line_is_small_but_for_its_page(served, values):
    long = base64.b64encode(b"\xff" * 75_000).decode()
    assert len(long) == long.count("/") == 100_000
    patient = {"page": long, "values": values}
    escaped = json.dumps(patient).replace("/", "\\/").encode()
    more = {f"n{number}": 0 for number in range(20_000)}
    large = {"page": long, "values": more}
    result = post(served, patient, escaped, large, {"values": more}, {"page": [long]}, [long], {"page": ""})
    # the first two are read, and then are no picture
    assert [each["problem"]["status"] for each in result] == [415, 415, 413, 413, 413, 413, 422]


def test_the_limit_of_a_line_holds_for_what_was_sent_and_before_it_is_parsed(monkeypatch):
    def parsed(content):
        pytest.fail("a line above the limit was parsed")

    monkeypatch.setattr(json_body, "parse_json", parsed)
    keys = ",".join(f'"{number}":0' for number in range(10_000)).encode()
    slashes = b"/" * 200_000
    for line in (
        b'{"page":"' + slashes + b'","values":{' + keys + b"}}",  # not escaped: one byte each
        b'{"page":"' + b"\\/" * 100_000 + b'\\\\","values":{' + keys + b"}}",
        b'{"values":{' + keys + b'},"page":"' + slashes + b'"}',
        b'{"page":"","page":"' + slashes + b'"}',
        b'{"page":"' + slashes,
    ):
        with pytest.raises(ProblemError) as caught:
            read_line(line)
        assert (caught.value.status, caught.value.code) == (413, "too_large")


def test_requests_are_parsed_outside_the_event_loop(served, page, values, monkeypatch):
    threads = []

    def noted(work, *given):
        threads.append(threading.current_thread())
        return work(*given)

    for module, name in ((batch, "read_line"), (batch, "_page"), (predictions, "query_of"), (routes, "parts_of")):
        monkeypatch.setattr(module, name, partial(noted, getattr(module, name)))
    loop = []
    monkeypatch.setattr(Serving, "score", lambda *_, **__: loop.append(threading.current_thread()) or asyncio.sleep(0))
    served.client.post("/v1/predictions/batch", content=lines({"values": values}), headers=KIND)
    served.ask(page, values)
    served.client.post("/", files={"token": (None, "x")})
    assert len(threads) == 4
    assert not set(threads) & set(loop)


def test_there_are_as_many_lines_as_allowed_and_no_more(serve, values):
    result = post(serve(batch_lines=2), *[{"id": number, "values": values} for number in range(4)])
    assert [each["id"] for each in result] == [0, 1, None]
    assert result[-1]["problem"]["code"] == "too_many_lines"


def test_only_so_many_batches_run(serve, values):
    served = serve(batches=1)
    asyncio.run(served.app.state.batches.acquire())
    answer = served.client.post("/v1/predictions/batch", content=lines({"values": values}), headers=KIND)
    assert (answer.status_code, answer.json()["code"]) == (429, "line_full")
    served.app.state.batches.release()
    assert post(served, {"values": values})[0]["line"] == 1
    assert not served.app.state.batches.locked()


def collected(*pieces, **limits):
    async def body():
        for piece in pieces:
            yield piece

    async def collect():
        return [line async for line in lines_of(body(), ServiceSettings(run=".", **limits))]

    return asyncio.run(collect())


def test_lines_are_found_wherever_the_pieces_end():
    assert collected(b"ab", b"c\nd", b"\n\n", b"e\r\nfg") == [b"abc", b"d", b"e", b"fg"]


def test_a_line_that_is_too_long_is_refused_before_it_ends():
    with pytest.raises(ProblemError) as caught:
        collected(*[b"x" * 40_000] * 3, upload_bytes=3)
    assert caught.value.code == "line_too_large"


def test_empty_lines_are_counted():
    assert collected(b"\n\na\n", batch_lines=3) == [b"a"]
    with pytest.raises(ProblemError) as caught:
        collected(b"\n" * 4, batch_lines=3)
    assert caught.value.code == "too_many_lines"


def test_a_batch_that_goes_on_for_too_long_is_ended():
    async def endless():
        while True:
            yield b" "
            await asyncio.sleep(0.001)

    async def read():
        serving = SimpleNamespace(settings=ServiceSettings(run=".", batch_seconds=0.05))
        work = asyncio.Queue()
        await asyncio.wait_for(_read(serving, SimpleNamespace(stream=endless), ANYBODY, work), 5)
        return await work.get_nowait(), work.get_nowait()

    result, end = asyncio.run(read())
    assert (result["line"], result["problem"]["status"], result["problem"]["code"], end) == (1, 408, "too_slow", None)
