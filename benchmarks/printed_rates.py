"""Compares the heart rate measured on digitised pages with the rate that is printed on them.

`benchmarks/printed_rates.csv` holds the rate printed on 100 of the shared pages, spread evenly over their names, read by
eye. The device may average other beats than the 10 s on the page. Refused pages, and pages without a rate, count as
wrong. Prints JSON. Usage:

    python benchmarks/printed_rates.py [--cache FOLDER]
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
from pathlib import Path

import cv2

from cached_ecgs import read_cached
from cardiograph.ecg.measure.measure import measure
from cardiograph.errors import EcgError

TOLERANCE = 3.0


def difference(page: Path, printed: float, cache: Path | None) -> float | str:
    """Measured rate minus printed rate, or why there is none."""
    try:
        rate = measure(read_cached(page, cache)).values["heart_rate"]
    except EcgError as error:
        return error.issues[0].code
    return rate.reason if math.isnan(rate.value) else round(rate.value - printed, 1)


def main() -> None:
    """Compare, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, help="folder that keeps the digitised pages")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    shared = Path(os.environ.get("CARDIOGRAPH_SHARED", Path(__file__).resolve().parents[2] / "shared"))
    folder = shared / "data" / "ecg-pages" / "images"
    with Path(__file__).with_suffix(".csv").open() as handle:
        lines = list(csv.DictReader(handle))
    found = {
        line["file"]: difference(folder / line["file"], float(line["printed_rate"]), options.cache) for line in lines
    }
    numbers = [value for value in found.values() if not isinstance(value, str)]
    near = {name: not isinstance(value, str) and abs(value) <= TOLERANCE for name, value in found.items()}
    result = {
        "pages": len(found),
        f"within_{TOLERANCE:g}_a_minute": sum(near.values()),
        "mean_absolute_difference": round(sum(map(abs, numbers)) / len(numbers), 2),
        "beyond": {
            line["file"]: [float(line["printed_rate"]), found[line["file"]]] for line in lines if not near[line["file"]]
        },
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
