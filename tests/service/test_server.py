"""The process: where it listens, what it says, how it ends, and that nothing it answered is lost."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from unittest.mock import Mock

import httpx
import pytest
import uvicorn
from tests.service.processes import Process
from uvicorn.server import ServerState

from cardiograph.cli.serve import require_a_key
from cardiograph.errors import ConfigError
from cardiograph.service import server
from cardiograph.service.records import Records
from cardiograph.service.settings import ServiceSettings


@pytest.mark.parametrize(
    ("host", "key_required", "names"),
    [
        ("127.0.0.1", False, True),
        ("::1", False, True),
        ("localhost", False, True),
        ("0.0.0.0", True, False),  # noqa: S104
        ("192.168.1.2", True, False),
        ("ecg.example", True, False),
    ],
)
def test_only_this_machine_needs_no_key(host, key_required, names):
    settings = ServiceSettings(run=".", host=host)
    assert (settings.keys_required, bool(settings.hosts)) == (key_required, names)


def test_another_address_is_refused_without_a_valid_key(tmp_path):
    with Records.open(str(tmp_path / "records.sqlite")) as records:
        require_a_key(ServiceSettings(run="."), records)
        elsewhere = ServiceSettings(run=".", host="192.168.1.2")
        with pytest.raises(ConfigError, match="cardiograph keys create"):
            require_a_key(elsewhere, records)
        _, key = records.keys.create("ann", frozenset({"predict"}), None)
        require_a_key(elsewhere, records)
        records.keys.revoke(key.id)
        with pytest.raises(ConfigError):
            require_a_key(elsewhere, records)


ENDLESS = """
import asyncio, os, signal, threading, types
from fastapi import FastAPI
from cardiograph.service.worker_pool import ScoringPool
from cardiograph.service.server import Server
from cardiograph.service.settings import ServiceSettings

pool = ScoringPool(workers=1, waiting=0, timeout_seconds=0.1)
app = FastAPI(lifespan=lambda _: life())
app.state.serving = types.SimpleNamespace(settings=ServiceSettings(run=".", port=0), pool=pool)

class life:
    async def __aenter__(self):
        self.job = asyncio.create_task(pool.run(threading.Event().wait))
        self.job.add_done_callback(lambda ended: ended.exception())
    async def __aexit__(self, *_):
        await pool.close()
        print("closed")

Server(app, announce=lambda _: os.kill(os.getpid(), signal.SIGTERM)).listen()
print("Python would end, and wait for the thread")
"""


def test_a_job_without_end_does_not_keep_the_process():
    ended = subprocess.run([sys.executable, "-c", ENDLESS], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout) == (0, "closed\n"), ended.stderr


async def connections_left(*, reads):
    """Connections of a server whose answer is larger than its buffers, once the client has read it or been hung up on."""

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": bytes(20_000_000)})

    made, lost = [], asyncio.Event()

    class Watched(server.TimeoutProtocol):
        def connection_made(self, transport):
            made.append(self)
            super().connection_made(transport)

        def connection_lost(self, exc):
            super().connection_lost(exc)
            lost.set()

    config = uvicorn.Config(app, lifespan="off", log_config=None)
    config.load()
    state = ServerState()
    listening = await asyncio.get_running_loop().create_server(lambda: Watched(config, state, {}), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * (1 if reads else 50))
    try:
        async with asyncio.timeout(20):
            if reads:
                left = 20_000_000
                while left > 0:
                    left -= len(await reader.read(1 << 20))
            else:
                await lost.wait()
        return len(state.connections), made[0]._unread
    finally:
        writer.transport.abort()
        listening.close()


def test_who_reads_nothing_is_hung_up_on(monkeypatch):
    monkeypatch.setattr(server, "UNREAD_SECONDS", 0.05)
    assert asyncio.run(connections_left(reads=False)) == (0, None)


def test_who_reads_some_of_it_gets_more_time(monkeypatch):
    monkeypatch.setattr(server, "UNREAD_BYTES", 1000)
    left, connection = [5000, 4000, 3001], server.TimeoutProtocol.__new__(server.TimeoutProtocol)
    connection.transport, connection.loop = Mock(), Mock()
    connection.transport.get_write_buffer_size = lambda: left[0]
    connection._wait_for_reader()
    for aborts in (0, 1):
        left.pop(0)
        _, look, before = connection.loop.call_later.call_args.args
        look(before)
        assert connection.transport.abort.call_count == aborts


def test_who_reads_is_not(monkeypatch):
    monkeypatch.setattr(server, "UNREAD_SECONDS", 60)
    assert asyncio.run(connections_left(reads=True)) == (1, None)


@contextmanager
def listening():
    """The port of a server that reads bodies and answers."""

    async def app(scope, receive, send):
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"{}"})

    config = uvicorn.Config(app, http=server.TimeoutProtocol, lifespan="off", log_config=None, access_log=False)
    running, place = uvicorn.Server(config), socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [place]}, daemon=True)
    thread.start()
    while not running.started:
        threading.Event().wait(0.01)
    yield place.getsockname()[1]
    running.should_exit = True
    thread.join(10)


def test_a_kept_connection_does_not_wait_for_acknowledgements():
    with listening() as port, httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        took = []
        for _ in range(20):
            start = time.perf_counter()
            client.get("/")
            took.append(time.perf_counter() - start)
    assert min(took[1:]) < 0.02, "Linux acknowledges after 40 ms what no further packet follows"


CHUNKED = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_a_body_of_very_many_tiny_chunks_is_refused_and_holds_nobody_up():
    with listening() as port, socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        with suppress(OSError):  # it hangs up
            connection.sendall(CHUNKED + b"1\r\nx\r\n" * 500_000)
        start = time.perf_counter()
        assert httpx.get(f"http://127.0.0.1:{port}/", timeout=20).status_code == 200
        assert time.perf_counter() - start < 2


def test_lines_that_come_each_in_a_chunk_of_its_own_are_read():
    line = b'{"id": 1, "values": {"ef": 0.3}}\n'
    pieces = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in [line, b"\n"] * 1000)
    large = b"20000\r\n" + bytes(0x20000) + b"\r\n"
    for body in (pieces, large * 8, (pieces[: len(pieces) // 2] + large) * 3):
        with listening() as port, socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(CHUNKED + body + b"0\r\n\r\n")
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")


@pytest.mark.slow
def test_a_server_says_where_it_is_and_ends_well(finished_run, tmp_path, values):
    server = Process(finished_run, tmp_path)
    assert "research use only" in server.notice
    answer = httpx.post(f"{server.url}/v1/predictions", json={"values": values}, timeout=60)
    assert (answer.status_code, "server" in answer.headers) == (201, False)
    port = int(server.url.rpartition(":")[2])
    with pytest.raises(AssertionError, match="cannot listen"):
        Process(finished_run, tmp_path, "--port", str(port))
    assert server.stop() == 0
    with Records.open(server.database) as records:
        assert records.log.verify().ok
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=5)


@pytest.mark.slow
def test_what_is_in_work_is_answered_before_the_end(finished_run, tmp_path, page, values):
    server = Process(finished_run, tmp_path, "--waiting", "50")
    answers = ask_many(server, page, values, clients=8, each=1)
    answers.begun.wait(60)
    assert server.stop() == 0
    answers.join()
    assert set(answers.statuses) <= {201, 503, None}
    assert answers.ids == kept(server, answers.ids)


@pytest.mark.slow
def test_every_answer_survives_a_kill_under_load(finished_run, tmp_path, page, values):
    server = Process(finished_run, tmp_path)
    answers = ask_many(server, page, values, clients=8, each=1000)
    while len(answers.ids) < 30:
        threading.Event().wait(0.05)
    assert server.stop(signal.SIGKILL) == -signal.SIGKILL
    answers.join()
    assert len(answers.ids) >= 30
    assert answers.ids == kept(server, answers.ids)
    with Records.open(server.database) as records:
        assert records.log.verify().ok
    again = Process(finished_run, tmp_path)
    last = httpx.get(f"{again.url}/v1/predictions/{answers.ids[-1]}", timeout=60)
    assert last.status_code == 200
    assert again.stop() == 0


def kept(server, ids):
    with Records.open(server.database) as records:
        return [name for name in ids if records.get(name) is not None]


class ask_many:  # noqa: N801 - reads as what it does
    """Clients that send requests until they are stopped, and the answers."""

    def __init__(self, server, page, values, *, clients, each):
        self.ids, self.statuses, self.begun = [], [], threading.Event()
        self.fields = {"page": page, "values": (None, json.dumps(values))}
        self.threads = [threading.Thread(target=self.client, args=(server.url, each)) for _ in range(clients)]
        for thread in self.threads:
            thread.start()

    def client(self, url, each):
        with httpx.Client(base_url=url, timeout=60) as client:
            for _ in range(each):
                self.begun.set()
                try:
                    answer = client.post("/v1/predictions", files=self.fields)
                except httpx.HTTPError:
                    self.statuses.append(None)
                    return
                self.statuses.append(answer.status_code)
                if answer.status_code == 201:
                    self.ids.append(answer.json()["id"])

    def join(self):
        for thread in self.threads:
            thread.join(60)
