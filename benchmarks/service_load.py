"""A service under load: clients that ask for different pages as fast as they are answered, on the machine that serves.

usage: python benchmarks/service_load.py [--run RUN --pages FOLDER] [--clients 16] [--seconds 60]

Without a run, one is made on 600 synthetic patients (random weights). What it costs to decode and to encode a page is
measured first, alone: the ceiling is cores / (CPU seconds of a page), ``share`` is the answers a second over it. Clients are
processes of their own on the same cores; ``share_less_clients`` leaves out the cores that they took, and ``cpu_share`` is
the CPU of a page over the server's CPU for an answer, which a busy machine changes least. Each answer is recorded on the
disk before it is returned; nothing is cached. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import collections
import http.client
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from cardiograph.inference import Predictor, Query
from cardiograph.threads import available_threads, set_threads

PROGRAM = (sys.executable, "-c", "from cardiograph.cli.app import main; main()")
VALUES = {"ef": 0.34, "bnp": 463, "nyha": 3, "sbp": 132, "age": 70}


def form(page: bytes) -> tuple[bytes, dict[str, str]]:
    """A form with a page and values."""
    parts = ((b'name="page"; filename="a"', page), (b'name="values"', json.dumps(VALUES).encode()))
    body = b"".join(
        b"--b\r\nContent-Disposition: form-data; " + kind + b"\r\n\r\n" + each + b"\r\n" for kind, each in parts
    )
    return body + b"--b--\r\n", {"Content-Type": "multipart/form-data; boundary=b"}


def client(url: str, paths: list[Path], seconds: float, together: Any, result: Any) -> None:  # noqa: ANN401
    """Ask for one page after another, from when all are ready; report seconds of answers, statuses, and own CPU."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
    requests = [form(path.read_bytes()) for path in paths]
    together.wait()
    end, took, statuses, turn = time.monotonic() + seconds, [], collections.Counter(), 0
    begun = time.process_time()
    while time.monotonic() < end:
        start = time.perf_counter()
        connection.request("POST", "/v1/predictions", *requests[turn % len(requests)])
        answer = connection.getresponse()
        answer.read()
        statuses[answer.status] += 1
        turn += 1
        if answer.status == 201:
            took.append(time.perf_counter() - start)
        elif answer.status == 429:
            time.sleep(min(1.0, float(answer.headers["Retry-After"])))
    result.put((took, dict(statuses), time.process_time() - begun))


def page_cpu_seconds(run: Path, paths: list[Path]) -> dict[str, float]:
    """CPU seconds of a page, decoded and encoded, in one process."""
    set_threads(1)
    predictor = Predictor.load(run)
    queries = [Query(path.read_bytes(), VALUES) for path in paths]
    predictor.embed(queries[:2], [predictor.read(query) for query in queries[:2]])
    start = time.process_time()
    read = [predictor.read(query) for query in queries]
    decoded = time.process_time()
    predictor.embed(queries, read)
    ended = time.process_time()
    return {"decode": (decoded - start) / len(paths), "encode": (ended - decoded) / len(paths)}


def serve(run: Path, folder: Path) -> tuple[subprocess.Popen[str], str]:
    """A service on a free port, and where it is."""
    environment = os.environ | {"CARDIOGRAPH_DATABASE": str(folder / "records.sqlite")}
    command = [*PROGRAM, "serve", str(run), "--port", "0", "--rate", "1000000"]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
    assert server.stdout is not None
    return server, server.stdout.readline().split(" on ")[1].strip()


def cpu_seconds(pid: int) -> float:
    """CPU seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mib(pid: int) -> int:
    """Most memory that a process has held."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) // 1024


def load(server: int, url: str, paths: list[Path], clients: int, seconds: float) -> dict[str, Any]:
    """Measure the answers to this number of clients in this number of seconds."""
    context = multiprocessing.get_context("spawn")
    result, together = context.Queue(), context.Barrier(clients + 1)
    shares = [(url, paths[number::clients], seconds, together, result) for number in range(clients)]
    asking = [context.Process(target=client, args=share) for share in shares]
    for process in asking:
        process.start()
    together.wait()
    before, start = cpu_seconds(server), time.monotonic()
    results = [result.get() for _ in asking]
    wall, spent = time.monotonic() - start, cpu_seconds(server) - before
    statuses: collections.Counter[int] = collections.Counter()
    for _, each, _ in results:
        statuses.update(each)
    took = [second for each, _, _ in results for second in each]
    return {
        "answers": len(took),
        "statuses": dict(statuses),
        "p50_seconds": round(float(np.quantile(took, 0.5)), 3),
        "p99_seconds": round(float(np.quantile(took, 0.99)), 3),
        "answers_per_second": round(len(took) / wall, 2),
        "cores_of_clients": round(sum(cpu for *_, cpu in results) / wall, 3),
        "cores_of_server": round(spent / wall, 3),
        "server_cpu_seconds_of_an_answer": round(spent / len(took), 4),
        "server_peak_mib": peak_mib(server),
    }


def main() -> None:
    """Serve, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path)
    parser.add_argument("--pages", type=Path)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        run, pages = options.run, options.pages
        if run is None:
            program = [
                sys.executable,
                "-c",
                "from cardiograph.cli.app import main; main()",
                "demo",
                "--out",
                str(folder / "demo"),
            ]
            subprocess.run(program, check=True, stdout=subprocess.DEVNULL)
            run, pages = folder / "demo" / "run", folder / "demo" / "cohort" / "pages"
        paths = sorted(pages.iterdir())
        cpu = page_cpu_seconds(run, paths[:40])
        server, url = serve(run, folder)
        try:
            load(server.pid, url, paths, 2, 3)
            result = load(server.pid, url, paths, options.clients, options.seconds)
        finally:
            server.terminate()
            server.wait(60)
    cores, cost = available_threads(), sum(cpu.values())
    share = result["answers_per_second"] * cost / cores
    facts = {
        "clients": options.clients,
        "cores": cores,
        "cpu_seconds_of_a_page": {name: round(seconds, 4) for name, seconds in cpu.items()},
        "ceiling_per_second": round(cores / cost, 2),
        "share": round(share, 3),
        "share_less_clients": round(share * cores / (cores - result["cores_of_clients"]), 3),
        "cpu_share": round(cost / result["server_cpu_seconds_of_an_answer"], 3),
    }
    print(json.dumps(result | facts, indent=2))


if __name__ == "__main__":
    main()
