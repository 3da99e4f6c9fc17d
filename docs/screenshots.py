"""Screenshots of the documentation: the report and the web page of a finished run, and an audit.

usage: python docs/screenshots.py RUN [--audit AUDIT.html] [--out docs/images]

RUN is the run of `cardiograph demo`, after `cardiograph check-maps`, so that the explanation shows a map. Needs Debian's
package `chromium`. The images have a palette of 128 colours to keep them small.
"""

from __future__ import annotations

import argparse
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import uvicorn
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from cardiograph.service.app import create_app
from cardiograph.service.settings import ServiceSettings

COLOURS = 128
VALUES = ("ef", "nyha", "sbp", "age")
"""Values that are typed into the form; BNP stays empty, to show how a missing value is reported."""


@contextmanager
def serving(run: Path) -> Iterator[str]:
    """Serve a run on a free port, without keys; yields the address."""
    settings = ServiceSettings(run=run)
    server = uvicorn.Server(uvicorn.Config(create_app(settings), port=0, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.05)
        yield f"http://localhost:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def shrink(path: Path) -> None:
    """Reduce an image to a palette."""
    Image.open(path).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


def report_pictures(browser: Browser, run: Path, out: Path) -> None:
    """Take the top of the report, its graph and its curves."""
    page = browser.new_page(viewport={"width": 992, "height": 1000})
    page.goto((run / "report.html").resolve().as_uri())
    height = page.evaluate("document.querySelector('#headline').getBoundingClientRect().bottom + scrollY + 12")
    page.screenshot(path=out / "report.png", clip={"x": 0, "y": 0, "width": 992, "height": height}, full_page=True)
    for section, name in (("graph", "report-graph.png"), ("discrimination", "report-curves.png")):
        page.evaluate(f"document.querySelector('#{section} > details').open = true")
        page.wait_for_timeout(500)
        page.locator(f"#{section}").screenshot(path=out / name)


def score(page: Page, url: str, record: pd.Series) -> None:
    """Fill in the form with a record and wait for the explanation."""
    page.goto(url)
    for name in VALUES:
        page.fill(f"#value-{name}", f"{record[name]:g}")
    ecg = Path(record["ecg"])
    page.set_input_files("#page", sorted(ecg.parent.glob(f"{ecg.stem}.*")))  # a WFDB record has two files
    page.click("button[type=submit]")
    page.wait_for_selector("#why .effects", timeout=120_000)
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    page.wait_for_timeout(500)


def web_pictures(browser: Browser, run: Path, out: Path) -> None:
    """Take a prediction, its explanation, and the prediction in French and on a phone."""
    cohort = pd.read_parquet(run / "cohort.parquet").set_index("record_id")
    split = pd.read_parquet(run / "predictions.parquet").query("part == 'test'")
    records = cohort.loc[split["record_id"]].dropna(subset=["ecg", *VALUES])
    record = records.loc[records["ef"].idxmin()]
    with serving(run) as url:
        page = browser.new_page(viewport={"width": 1280, "height": 860})
        score(page, url, record)
        page.screenshot(path=out / "page-answer.png")
        page.locator("#why").screenshot(path=out / "page-why.png")
        french = browser.new_page(viewport={"width": 1280, "height": 860}, locale="fr")
        score(french, url, record)
        french.screenshot(path=out / "page-french.png")
        phone = browser.new_page(viewport={"width": 360, "height": 780}, device_scale_factor=2)
        score(phone, url, record)
        phone.screenshot(path=out / "page-phone.png")


def main() -> None:
    """Take all screenshots."""
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
            page.screenshot(path=options.out / "audit.png", full_page=True)
        browser.close()
    for path in options.out.glob("*.png"):
        if path.name.startswith(("report", "page-", "audit")):
            shrink(path)


if __name__ == "__main__":
    main()
