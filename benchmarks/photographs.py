"""Compares what the digitiser reads from photographs and scans of ECG paper with a list that was written by eye.

`benchmarks/photographs.csv` states for each shared photograph its rows of leads, whether a person can read all traces,
and the heart rate counted on its grid; it was committed before the digitiser was first run for this comparison. A page is
right if every visible lead stands in its row and column and `measure` finds the heart rate within 5 beats a minute. The
first 13 files by name are for development, the last 13 were only scored. Prints JSON. Usage:

    python benchmarks/photographs.py [--half development|final|all]
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import time
from pathlib import Path

import cv2
import numpy as np

from cardiograph.ecg.digitize.digitize import digitize
from cardiograph.ecg.measure.measure import measure
from cardiograph.errors import EcgError
from digitize import names_read
from printed_pages import HALVES, RATE_HZ, Printed, opened

RATE_TOLERANCE = 5.0


def listed(folder: Path) -> list[tuple[dict[str, str], Printed]]:
    """The line of each photograph in the list, and its picture."""
    with Path(__file__).with_suffix(".csv").open() as handle:
        lines = sorted(csv.DictReader(handle), key=lambda line: line["file"])
    unknown = np.full((12, 10 * RATE_HZ), np.nan)
    result = []
    for number, line in enumerate(lines):
        rows = tuple(tuple(row.split()) for row in line["rows"].split(" / "))
        half = HALVES[number >= len(lines) // 2]
        result.append((line, Printed(line["file"], half, opened(folder / line["file"]), rows, unknown)))
    return result


def outcome(line: dict[str, str], page: Printed) -> dict[str, object]:
    """What was read from a photograph, and whether it is right."""
    begin = time.process_time()
    try:
        read = digitize(page.pixels, name=page.name)
    except EcgError as error:
        return {"right": False, "refused": error.issues[0].code, "found": error.issues[0].value}
    rate = measure(read.ecg).values["heart_rate"].value
    names = names_read(page, read)
    wrong = [f"{lead}: {found or 'no name'}" for lead, found in names if lead != found]
    rows = len({place.row for place in read.layout.placements})
    if rows != len(page.rows):
        wrong.append(f"{rows} rows of {len(page.rows)}")
    near = abs(rate - float(line["heart_rate"])) <= RATE_TOLERANCE
    return {
        "right": bool(near and not wrong),
        "layout": read.layout.name,
        "confidence": round(read.layout.confidence, 2),
        "wrong_names": wrong,
        "heart_rate": [float(line["heart_rate"]), None if np.isnan(rate) else round(rate, 1)],
        "rate_right": bool(near),
        "seconds": round(time.process_time() - begin, 2),
    }


def main() -> None:
    """Compare, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=(*HALVES, "all"), default="all")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    shared = Path(os.environ.get("CARDIOGRAPH_SHARED", Path(__file__).resolve().parents[2] / "shared"))
    pages = listed(shared / "data" / "pages-photographed")
    results: dict[str, object] = {}
    for half in HALVES if options.half == "all" else (options.half,):
        found = {page.name: outcome(line, page) for line, page in pages if page.half == half}
        readable = [page.name for line, page in pages if page.half == half and line["readable"] == "yes"]
        results[half] = {
            "photographs": len(found),
            "readable": len(readable),
            "readable_right": sum(bool(found[name]["right"]) for name in readable),
            "names_right": sum(not found[name].get("wrong_names", True) for name in readable),
            "rate_right": sum(bool(found[name].get("rate_right")) for name in readable),
            "pages": found,
        }
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
