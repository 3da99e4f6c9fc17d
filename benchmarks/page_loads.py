"""How a browser loads each page of the service: first paint, bytes, requests, console messages, accessibility.

usage: python benchmarks/page_loads.py [RUN] [--repeats 3] [--browser /usr/bin/chromium]

RUN is the folder of a finished run; by default a demo of 200 patients is made. The run is served by ``cardiograph serve``,
test patients of the run are scored and their outcomes sent, so that every page has content. Each page is then opened in
English and French, on a desktop and a phone, each time by a new browser context with an empty cache. Times are medians;
``settled`` is the time until no request has been made for half a second, with the explanation or the map that a page
loads after itself, and those half seconds are taken off. Bytes are those of all responses, with their headers. Prints
one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
from playwright.sync_api import Browser, Page, Request, sync_playwright

AXE = Path(__file__).parents[1] / "tests" / "service" / "web" / "vendored" / "axe.min.js"
AXE_OPTIONS = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"], "iframes": False}
DEVICES: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1280, "height": 860}},
    "phone": {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 2, "is_mobile": True},
}
LANGUAGES = ("en", "fr")
QUIET_MS = 500.0
"""Time without a request after which Playwright calls the network idle."""

PATIENTS = 40
"""Patients who are scored, so that the monitoring page has something to show."""


@contextmanager
def serving(run: Path, folder: Path) -> Iterator[str]:
    """Serve a run in a process of its own; yields the address."""
    command = [sys.executable, "-m", "cardiograph", "serve", str(run), "--port", "0"]
    environment = os.environ | {
        "CARDIOGRAPH_DATABASE": str(folder / "records.sqlite"),
        "CARDIOGRAPH_KEEP_PAGES": "true",
        "CARDIOGRAPH_REQUESTS_PER_MINUTE": "1000000",
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=environment, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split(" on ")[1].strip()
    finally:
        process.terminate()
        process.wait(60)


def score_patients(url: str, run: Path) -> str:
    """Score test patients and send their outcomes; returns the id of the first prediction, which has an ECG."""
    cohort = pd.read_parquet(run / "cohort.parquet").set_index("record_id")
    split = pd.read_parquet(run / "predictions.parquet").query("part == 'test'")
    ids: list[str] = []
    outcomes: list[dict[str, Any]] = []
    names = [each["name"] for each in httpx.get(f"{url}/v1/model").json()["variables"]]
    for _, record in cohort.loc[split["record_id"]].head(PATIENTS).iterrows():
        values = {name: float(record[name]) for name in names if pd.notna(record[name])}
        files: list[tuple[str, Any]] = [("values", (None, json.dumps(values), "application/json"))]
        if not ids:
            ecg = Path(record["ecg"])
            files += [("page", (file.name, file.read_bytes())) for file in sorted(ecg.parent.glob(f"{ecg.stem}.*"))]
        answer = httpx.post(f"{url}/v1/predictions", files=files, timeout=60).raise_for_status().json()
        ids.append(answer["id"])
        outcomes.append({"id": answer["id"], "outcome": int(record["label"])})
    httpx.post(f"{url}/v1/outcomes", json=outcomes, timeout=60).raise_for_status()
    return ids[0]


def paths_of(prediction: str) -> dict[str, str]:
    """Page -> path."""
    return {
        "form": "/",
        "example": "/example",
        "answer": f"/predictions/{prediction}",
        "explanation": f"/predictions/{prediction}/explanation",
        "history": "/predictions",
        "map": "/graph",
        "map of a patient": f"/graph?prediction={prediction}",
        "report": "/report",
        "monitoring": "/monitoring",
        "not found": "/nothing",
    }


def load(browser: Browser, address: str, options: dict[str, Any], cookies: list[Any]) -> tuple[Page, dict[str, Any]]:
    """Open a page in a new context; returns it and what was measured."""
    context = browser.new_context(**options)
    context.add_cookies(cookies)
    window = context.new_page()
    finished: list[Request] = []
    console: list[str] = []
    window.on("requestfinished", lambda request: finished.append(request))
    window.on("requestfailed", lambda request: console.append(f"failed: {request.url}"))
    window.on("console", lambda message: console.append(message.text))
    window.on("pageerror", lambda error: console.append(str(error)))
    begun = time.perf_counter()
    window.goto(address, wait_until="networkidle")
    settled = 1e3 * (time.perf_counter() - begun) - QUIET_MS
    paint = window.evaluate("performance.getEntriesByType('paint').map(each => [each.name, each.startTime])")
    sizes = [request.sizes() for request in finished if request.url.startswith("http")]
    return window, {
        "first_paint_ms": dict(paint)["first-paint"],
        "settled_ms": settled,
        "bytes": sum(each["responseHeadersSize"] + each["responseBodySize"] for each in sizes),
        "requests": len(sizes),
        "console": console,
    }


def measured(
    browser: Browser, address: str, options: dict[str, Any], cookies: list[Any], repeats: int
) -> dict[str, Any]:
    """Load a page several times; axe-core looks at it once."""
    found = []
    for number in range(repeats):
        window, each = load(browser, address, options, cookies)
        found.append(each)
        if number == 0:
            window.evaluate(AXE.read_text(encoding="utf-8"))
            violations = window.evaluate("options => axe.run(document, options)", AXE_OPTIONS)["violations"]
        window.context.close()
    times = {name: round(statistics.median(each[name] for each in found)) for name in ("first_paint_ms", "settled_ms")}
    console = sorted({message for each in found for message in each["console"]})
    return {
        **times,
        "bytes": found[0]["bytes"],
        "requests": found[0]["requests"],
        "console": console,
        "axe_violations": [each["id"] for each in violations],
    }


def main() -> None:
    """Serve the run, load every page, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, nargs="?")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--browser", default="/usr/bin/chromium")
    given = parser.parse_args()
    pages: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        if given.run is None:
            demo = [sys.executable, "-m", "cardiograph", "demo", "--out", str(folder / "demo"), "--patients", "200"]
            subprocess.run(demo, check=True, stdout=sys.stderr)
        run = (given.run or folder / "demo" / "run").resolve()
        with serving(run, folder) as url:
            prediction = score_patients(url, run)
            browser = playwright.chromium.launch(executable_path=given.browser, args=["--no-sandbox"])
            cookies = [{"name": "cardiograph-predictions", "value": prediction, "url": url}]
            load(browser, url, DEVICES["desktop"], cookies)[0].context.close()  # the browser itself starts
            for page, path in paths_of(prediction).items():
                for device, options in DEVICES.items():
                    for language in LANGUAGES:
                        found = measured(browser, url + path, options | {"locale": language}, cookies, given.repeats)
                        pages.setdefault(page, {})[f"{device}, {language}"] = found
            browser.close()
    machine = {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    print(
        json.dumps({"machine": machine, "load": os.getloadavg()[0], "repeats": given.repeats, "pages": pages}, indent=1)
    )


if __name__ == "__main__":
    main()
