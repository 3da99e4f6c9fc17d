"""The map of the patient graph in a browser without a screen: time to the first view, and pictures a second.

usage: python benchmarks/map_speed.py [--records 20000] [--seconds 4] [--browser /usr/bin/chromium]

A page with made-up records (five neighbours each, five values) is opened as a file, as a report is. The map is then moved
and zoomed in every animation frame, and the frames that the browser drew are counted. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Template
from playwright.sync_api import Page, sync_playwright

from cardiograph.patient_map.assets import STYLE, asset, embedded, map_script
from cardiograph.patient_map.content import Column, PatientMap

FRAMES = """async ([event, seconds]) => {
  const canvas = document.querySelector("[data-map=canvas]"), box = canvas.getBoundingClientRect();
  const at = (x, y) => ({ clientX: box.left + x, clientY: box.top + y, pointerId: 1, bubbles: true });
  canvas.setPointerCapture = () => {};
  const end = performance.now() + 1000 * seconds;
  let frames = 0, step = 0;
  const longest = { value: 0 };
  if (event === "pan") canvas.dispatchEvent(new PointerEvent("pointerdown", at(200, 200)));
  let last = performance.now();
  while (performance.now() < end) {
    step += 1;
    if (event === "pan") canvas.dispatchEvent(new PointerEvent("pointermove", at(200 + 60 * Math.sin(step / 9), 200)));
    else canvas.dispatchEvent(new WheelEvent("wheel", { ...at(200, 200), deltaY: 40 * Math.sin(step / 20) }));
    await new Promise(requestAnimationFrame);
    longest.value = Math.max(longest.value, performance.now() - last);
    last = performance.now();
    frames += 1;
  }
  if (event === "pan") canvas.dispatchEvent(new PointerEvent("pointerup", at(200, 200)));
  return { per_second: frames / seconds, longest_ms: longest.value };
}"""


def page(records: int) -> str:
    """A page with the map of made-up records."""
    rng = np.random.default_rng(0)
    columns = [Column("Class", rng.integers(0, 2, records).astype(float), words=("no", "yes"))]
    columns += [Column(f"value {place}", rng.normal(size=records)) for place in range(5)]
    shown = PatientMap(
        rows=np.arange(records),
        xy=rng.normal(size=(records, 2)).clip(-3, 3) / 3,
        part=rng.choice(["train", "val", "test"], records, p=[0.7, 0.15, 0.15]),
        neighbours=rng.integers(0, records, (records, 5)),
        distances=np.sort(rng.uniform(1, 9, (records, 5))),
        records=records,
    )
    content = shown.plain([f"P{row:06d}" for row in range(records)], columns, {"k": 5, "metric": "euclidean"})
    markup = Template(asset("patient-map.html")).render(_=str)
    return (
        f"<!DOCTYPE html><html><head><style>{asset(STYLE)}</style></head><body>{markup}"
        f'<script type="application/json" id="patient-map-content">{embedded(content)}</script>'
        f"<script>{map_script()}</script></body></html>"
    )


def measured(opened: Page, seconds: float) -> dict[str, Any]:
    """Frames while the map is moved and zoomed, with the links of one record and with all links."""
    found: dict[str, Any] = {}
    for links in ("chosen", "all"):
        opened.select_option("[data-map=links]", links)
        for event in ("pan", "zoom"):
            found[f"{event}, links {links}"] = opened.evaluate(FRAMES, [event, seconds])
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--browser", default="/usr/bin/chromium")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder) / "map.html"
        file.write_text(page(given.records), encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=given.browser, args=["--no-sandbox"])
        opened = browser.new_page(viewport={"width": 1280, "height": 900})
        begun = time.perf_counter()
        opened.goto(file.as_uri())
        opened.wait_for_selector("[data-patient-map][data-ready]")
        first = time.perf_counter() - begun
        frames = measured(opened, given.seconds)
        browser.close()
        megabytes = file.stat().st_size / 1e6
    print(
        json.dumps({"records": given.records, "first_view_seconds": first, "megabytes": megabytes, **frames}, indent=1)
    )


if __name__ == "__main__":
    main()
