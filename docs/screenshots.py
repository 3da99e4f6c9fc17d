"""Pictures of the documentation: the report and the web page of a finished run, and an audit.

usage: python docs/screenshots.py RUN [--audit AUDIT.html] [--out docs/images]

RUN is the run of `cardiograph demo`, after `cardiograph check-maps`, so that the explanation shows a map. Each page of the
service is also shown on one sheet as people see it: on a desktop, in the dark, in French, on a phone and in print. Needs
Debian's package `chromium`.
"""

from __future__ import annotations

import argparse
import io
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas as pd
import uvicorn
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from cardiograph.inference import Predictor
from cardiograph.service.app import create_app
from cardiograph.service.observability import json_log
from cardiograph.service.records import PredictionEntry, Records
from cardiograph.service.settings import ServiceSettings

QUALITY = 65
"""Quality of the WebP files, 0 to 100."""

VALUES = ("ef", "nyha", "sbp", "age")
"""Values that are typed into the form; BNP stays empty, to show how a missing value is reported."""

DESKTOP = {"viewport": {"width": 1280, "height": 860}}
PHONE = {"viewport": {"width": 360, "height": 780}, "device_scale_factor": 2}
A4 = {"viewport": {"width": 794, "height": 1123}}
"""A sheet of paper at 96 pixels per inch."""

VARIANTS: tuple[tuple[dict[str, Any], ...], ...] = (
    (DESKTOP, {**DESKTOP, "color_scheme": "dark"}),
    ({**DESKTOP, "locale": "fr"}, PHONE, {**A4, "media": "print"}),
)
"""Browser contexts of a sheet, row by row; ``media`` is that of the style sheet."""

ROW_HEIGHT, GAP = 330, 10
"""Height of the pictures on a sheet and the space around them, pixels."""

BACKGROUND = (128, 134, 142)
"""Grey around the pictures, RGB."""

WEEKS, PATIENTS = 4, 80
"""What the monitoring page looks back on; in the second half the patients are older, and their BNP is in pmol/L."""

OLDER_YEARS, PMOL_PER_PG = 8.0, 0.289


@contextmanager
def serving(run: Path, records: Records) -> Iterator[str]:
    """Serve a run on a free port, without keys; yields the address."""
    app = create_app(ServiceSettings(run=run, keep_pages=True), records=records, log=json_log(io.StringIO()))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.05)
        yield f"http://localhost:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def store(picture: bytes | Image.Image, path: Path) -> None:
    """Write a picture of a browser as a small file."""
    shown = picture if isinstance(picture, Image.Image) else Image.open(io.BytesIO(picture))
    shown.convert("RGB").save(path, "WEBP", quality=QUALITY, method=6)


def report_pictures(browser: Browser, run: Path, out: Path) -> None:
    """Take the top of the report, its graph and its curves."""
    page = browser.new_page(viewport={"width": 992, "height": 1000})
    page.goto((run / "report.html").resolve().as_uri())
    height = page.evaluate("document.querySelector('#headline').getBoundingClientRect().bottom + scrollY + 12")
    top = page.screenshot(clip={"x": 0, "y": 0, "width": 992, "height": height}, full_page=True)
    store(top, out / "report.webp")
    for section, name in (("graph", "report-graph.webp"), ("discrimination", "report-curves.webp")):
        page.evaluate(f"document.querySelector('#{section} > details').open = true")
        page.wait_for_timeout(500)
        store(page.locator(f"#{section}").screenshot(), out / name)


def score(page: Page, url: str, record: pd.Series) -> str:
    """Fill in the form with a record, wait for the explanation, and return the path of the prediction."""
    page.goto(url)
    for name in VALUES:
        page.fill(f"#value-{name}", f"{record[name]:g}")
    ecg = Path(record["ecg"])
    page.set_input_files("#page", sorted(ecg.parent.glob(f"{ecg.stem}.*")))  # a WFDB record has two files
    page.click(".go button[type=submit]")
    page.wait_for_selector("#why .effects", timeout=120_000)
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    page.wait_for_timeout(500)
    return page.url.removeprefix(url).partition("#")[0]


def watch(records: Records, run: Path, patients: pd.DataFrame) -> None:
    """Store predictions of some weeks and their outcomes; the patients of the second half differ."""
    predictor = Predictor.load(run)
    variables = [each.name for each in predictor.bundle.scaler.variables]  # type: ignore[union-attr]
    now, outcomes = datetime.now(UTC), {}
    chosen = patients.sample(PATIENTS, replace=len(patients) < PATIENTS, random_state=1)
    for number, (_, row) in enumerate(chosen.iterrows()):
        week = number * WEEKS // PATIENTS
        values = {name: float(row[name]) for name in variables if pd.notna(row[name])}
        if week >= WEEKS // 2:
            values |= {"age": min(values.get("age", 70) + OLDER_YEARS, 120)}
            values |= {"bnp": max(values["bnp"] * PMOL_PER_PG, 1)} if "bnp" in values else {}
        prediction = predictor.predict(row["ecg"], values).as_dict()
        moment = now - timedelta(weeks=WEEKS - 1 - week, minutes=number)
        id_ = uuid4().hex
        hashed = records.hmac_of(values)
        records.add(
            PredictionEntry(id_, moment, predictor.sha256, None, f"{number:064x}", hashed, prediction, None, values)
        )
        outcomes[id_] = {"outcome": int(row["label"])}
    records.outcomes.add(outcomes, key_id=None)


def shot(browser: Browser, address: str, options: dict[str, Any], cookies: list[Any]) -> Image.Image:
    """Open a page in a context of its own and take a picture of its window."""
    context = browser.new_context(**{key: value for key, value in options.items() if key != "media"})
    context.add_cookies(cookies)
    page = context.new_page()
    page.goto(address, wait_until="networkidle")
    page.emulate_media(media=options.get("media"))
    page.wait_for_timeout(500)
    picture = Image.open(io.BytesIO(page.screenshot()))
    context.close()
    return picture.convert("RGB")


def sheet(browser: Browser, address: str, cookies: list[Any]) -> Image.Image:
    """Take a page in each variant and put the pictures on a sheet, each row at one height."""
    rows = []
    for row in VARIANTS:
        shots = [shot(browser, address, options, cookies) for options in row]
        rows.append(
            [
                each.resize((each.width * ROW_HEIGHT // each.height, ROW_HEIGHT), Image.Resampling.LANCZOS)
                for each in shots
            ]
        )
    width = max(sum(each.width + GAP for each in row) for row in rows) + GAP
    found = Image.new("RGB", (width, len(rows) * (ROW_HEIGHT + GAP) + GAP), BACKGROUND)
    for place, row in enumerate(rows):
        left = GAP
        for each in row:
            found.paste(each, (left, GAP + place * (ROW_HEIGHT + GAP)))
            left += each.width + GAP
    return found


def explanation(page: Page) -> Image.Image:
    """Take the explanation, which is long, as two columns: the second one begins with the map."""
    shown = Image.open(io.BytesIO(page.locator("#why").screenshot())).convert("RGB")
    edge = "selector => document.querySelector(selector).getBoundingClientRect().top"
    cut = round(page.evaluate(edge, "#why .map") - page.evaluate(edge, "#why"))
    found = Image.new("RGB", (2 * shown.width + GAP, max(cut, shown.height - cut)), "white")
    found.paste(shown.crop((0, 0, shown.width, cut)), (0, 0))
    found.paste(shown.crop((0, cut, shown.width, shown.height)), (shown.width + GAP, 0))
    return found


def web_pictures(browser: Browser, run: Path, out: Path) -> None:
    """Take a prediction and its explanation at full size, and every page on a sheet."""
    cohort = pd.read_parquet(run / "cohort.parquet").set_index("record_id")
    split = pd.read_parquet(run / "predictions.parquet").query("part == 'test'")
    records = cohort.loc[split["record_id"]].dropna(subset=["ecg", *VALUES])
    with tempfile.TemporaryDirectory() as folder:
        kept = Records.open(str(Path(folder) / "records.sqlite"))
        watch(kept, run, records)
        with serving(run, kept) as url:
            page = browser.new_page(**DESKTOP)
            path = score(page, url, records.loc[records["ef"].idxmin()])
            store(page.screenshot(), out / "page-answer.webp")
            store(explanation(page), out / "page-why.webp")
            cookies = page.context.cookies()
            pages = {
                "form": "/",
                "answer": path,
                "explanation": f"{path}/explanation#why",
                "graph": f"/graph?prediction={path.rpartition('/')[2]}",
                "history": "/predictions",
                "monitoring": "/monitoring",
                "report": "/report",
            }
            for name, address in pages.items():
                store(sheet(browser, url + address, cookies), out / f"sheet-{name}.webp")


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--audit", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "images")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        report_pictures(browser, options.run, options.out)
        web_pictures(browser, options.run, options.out)
        if options.audit is not None:
            page = browser.new_page(viewport={"width": 800, "height": 1000})
            page.goto(options.audit.resolve().as_uri())
            store(page.screenshot(full_page=True), options.out / "audit.webp")
        browser.close()


if __name__ == "__main__":
    main()
