"""A real server among damaged, endless and lying uploads: each refused with its status, memory bounded, still serving."""

import io
import json
import random
import socket
import struct
import threading
import time
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from urllib.parse import urlsplit

import httpx
import pytest
from PIL import Image
from tests.service.conftest import picture
from tests.service.processes import Process

MIB = 1 << 20


def png_of(width, height, data=b""):
    """A PNG whose header says what it likes."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def cut(page, rng):
    """Files that end too early, and the statuses that each may be refused with."""
    for kind in ("PNG", "TIFF", "BMP", "WEBP"):
        file = io.BytesIO()
        Image.open(io.BytesIO(page)).save(file, kind)
        content = file.getvalue()
        for _ in range(12):
            yield content[: rng.randrange(20, len(content) * 9 // 10)], {413, 415, 422}
    for _ in range(30):
        yield page[: rng.randrange(4, len(page) * 9 // 10)], {422}


def damaged(page, rng):
    """Files with wrong bits, of wrong kinds, and bombs."""
    for _ in range(40):
        broken = bytearray(page)
        for place in rng.choices(range(2, len(page)), k=200):
            broken[place] ^= 1 << rng.randrange(8)
        yield bytes(broken), {201, 413, 415, 422}
    for _ in range(15):
        yield rng.randbytes(rng.randrange(1, 5000)), {415}
    for mark in (b"%PDF-1.7", b"\0" * 128 + b"DICM"):  # formats of signals
        yield mark + rng.randbytes(2000), {422}
    for mark in (
        b"GIF89a",
        b"8BPS",
        b"%!PS-Adobe",
        b"\0\0\0\x18ftypheic",
        b"PK\3\4",
    ):
        yield mark + rng.randbytes(2000), {415}
    for side in (50_000, 100_000, 2**31 - 1):
        yield png_of(side, side), {413}
    for width, height in ((1, 1), (24_000, 1000), (4900, 4900)):  # within the pixels, and rows that are not there
        yield png_of(width, height, zlib.compress(b"\0" * 1000)), {422}
    for _ in range(4):  # within the pixels, and whole: a bomb of 72 MB in 0.1 MB
        yield png_of(4900, 4900, zlib.compress(b"\0" * (4900 * 3 + 1) * 4900)), {422}
    yield picture(6300, 6300, "TIFF"), {413}  # over 8 MiB
    yield picture(6400, 6400), {413}  # over 25 million pixels


def largest(page):
    """A form with the page, as large as pages may be."""
    file = io.BytesIO()
    Image.open(io.BytesIO(page)).resize((5700, 4380)).save(file, "JPEG", quality=60)
    return {"page": file.getvalue()}


def wrong_bodies():
    """Bodies that are no form, with their type and status."""
    deep = b'{"values": ' + b"[" * 30_000 + b"]" * 30_000 + b"}"
    for content, kind, status in (
        (b"", "application/json", 400),
        (deep, "application/json", 400),
        (b'{"values": {"ef": 1e999}}', "application/json", 422),
        (b"\xff\xfe", "application/json", 400),
        (b"x" * 1000, "multipart/form-data; boundary=b", 400),
        (b"--b\r\n" * 10_000, "multipart/form-data; boundary=b", 400),
        (b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n", "multipart/form-data; boundary=b", 400),
        (b"x", "multipart/form-data; boundary=" + "b" * 10_000, 400),
        (b"a=b", "application/x-www-form-urlencoded", 415),
        (b"<x/>", "text/xml", 415),
    ):
        yield content, {"Content-Type": kind}, status
    many = json.dumps({str(number): 0 for number in range(500_000)}).encode()
    yield many, {"Content-Type": "application/json"}, 413
    yield b"x" * (9 * MIB), {"Content-Type": "application/json"}, 413
    yield b"{}", {"Content-Type": "application/json", "Content-Encoding": "gzip"}, 422


def raw(url, head, *pieces, pause=0.0):
    """What comes back on a bare connection."""
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port), timeout=30) as connection:
        connection.sendall(head)
        try:
            for piece in pieces:
                time.sleep(pause)
                connection.sendall(piece)
        except OSError:
            pass
        try:
            return connection.recv(1000)
        except OSError:
            return b""


def head(length, kind="application/json"):
    return (
        f"POST /v1/predictions HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


@pytest.mark.slow
@pytest.mark.exhaustive
def test_a_server_survives_hundreds_of_bad_uploads(finished_run, tmp_path, page, values):
    server = Process(finished_run, tmp_path)
    rng, sent = random.Random(5), 0  # noqa: S311

    def good():
        answer = httpx.post(
            f"{server.url}/v1/predictions", files={"page": page, "values": (None, json.dumps(values))}, timeout=60
        )
        return answer.status_code

    try:
        assert good() == 201
        with httpx.Client(base_url=server.url, timeout=60) as client:
            for number, (content, allowed) in enumerate([*cut(page, rng), *damaged(page, rng)]):
                answer = client.post("/v1/predictions", files={"page": ("scan", content)})
                assert answer.status_code in allowed, (number, answer.text)
                sent += 1
            for content, headers, status in wrong_bodies():
                for _ in range(3):
                    answer = client.post("/v1/predictions", content=content, headers=headers)
                    assert answer.status_code == status, (content[:50], answer.text)
                    sent += 1
        assert good() == 201
        large = largest(page)
        with ThreadPoolExecutor(4) as clients:
            answers = clients.map(
                lambda _: httpx.post(f"{server.url}/v1/predictions", files=large, timeout=60), range(8)
            )
            assert {answer.status_code for answer in answers} == {201}
        for _ in range(2):
            big = httpx.post(f"{server.url}/v1/predictions", files={"page": b"\0" * (50 * MIB)}, timeout=60)
            pieces = (b"\0" * MIB for _ in range(50))
            headers = {"Content-Type": "multipart/form-data; boundary=b"}
            endless = httpx.post(f"{server.url}/v1/predictions", content=pieces, headers=headers, timeout=60)
            assert (big.status_code, endless.status_code) == (413, 413)
            sent += 2
        result = []
        late = head(1000)[:-2] + b"X: " + b"x" * 1_000_000 + b"\r\n\r\n"
        senders = [(head(1000), *[b" "] * 12), (b"POST /v1/pre", *[b"d"] * 30), (late,)]
        slow = [
            partial(lambda pieces: result.append(raw(server.url, *pieces, pause=0.5)), each) for each in senders * 3
        ]
        threads = [threading.Thread(target=sender) for sender in slow]
        for thread in threads:
            thread.start()
        time.sleep(1)
        assert good() == 201  # the slow hold nobody up
        for thread in threads:
            thread.join()
        statuses = Counter(answer[9:12] for answer in result)
        assert statuses[b"408"] == 3
        assert statuses[b"400"] + statuses[b""] == 6  # an answer to endless headers may be lost in their flood
        sent += len(slow)
        for _ in range(20):  # who hangs up in the middle gets nothing and leaves nothing
            place = urlsplit(server.url)
            with socket.create_connection((place.hostname, place.port)) as connection:
                connection.sendall(head(1000) + b"{")
            sent += 1
        assert sent >= 200
        assert good() == 201
        assert server.peak_mib < 1536
        assert '"status": 500' not in server.log.read_text()
    finally:
        status = server.stop()
    assert status == 0
