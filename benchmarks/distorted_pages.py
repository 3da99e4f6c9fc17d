"""Measures how truly distorted pages are digitised: hundreds of our own, turned ones, and ones distorted by a library.

The sets: `own`, every layout in turn with the next of our own distortions; `turned`, the same pages turned by 180, 90, 180
and 270 degrees; `library`, layouts, colours and distortions drawn at random, the distortions by Albumentations
(`benchmarks/library_distortions.py`). The scores are those of `benchmarks/digitize.py`; refused pages count. A layout is
right if rows, columns, order and strips are those of the page. Each page is a line of the state file as soon as it is
scored, so that a run can be stopped and continued. Prints JSON over the pages of the state file. Usage:

    python benchmarks/distorted_pages.py --set own --pages 500 --state own.jsonl [--half development|final] [--seconds 400]
    python benchmarks/distorted_pages.py --set library --pages 200 --seed 3 --state library-3.jsonl
    python benchmarks/distorted_pages.py --set own --failing --state failing.jsonl

Seed 0 has a half for development. Every other seed draws pages that no one has seen, all of them for a last look.
`--failing` takes the pages of `benchmarks/failing_pages.csv`: pages of the development half that were not read rightly, with
the cause that is seen on the picture.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

from digitize import page_scores
from library_distortions import library_page
from printed_pages import DISTORTIONS, HALVES, LAYOUTS, TURNS, Printed, own_page, turned

Scores = dict


PAGES_OF_SEED = 10_000
"""Page numbers of a seed; those of seed 0 come first."""


def own(number: int) -> Printed:
    """Page ``number`` of our own: every layout in turn, each time with the next distortion."""
    distortion = DISTORTIONS[(number + number // len(LAYOUTS)) % len(DISTORTIONS)]
    return own_page(number, list(LAYOUTS)[number % len(LAYOUTS)], distortion)


def own_turned(number: int) -> Printed:
    """Page ``number`` of our own, turned."""
    return turned(own(number), TURNS[number // 2 % len(TURNS)])


SETS: dict[str, Callable[[int], Printed]] = {"own": own, "turned": own_turned, "library": library_page}


def half_of(number: int) -> str:
    """Half of a page: of seed 0, the first eight of 16 are for development; no page of another seed is."""
    return HALVES[number // len(LAYOUTS) % 2] if number < PAGES_OF_SEED else HALVES[1]


def scored(name: str, number: int) -> Scores:
    """Scores of one page, with its kind and the layout that it has."""
    page = SETS[name](number)
    printed = page.name.split(" ", 1)[1].split(", ")[0]
    facts = {"set": name, "number": number, "page": page.name, "printed": printed, "group": page.group}
    try:
        return facts | page_scores(page) | {"half": half_of(number)}
    except Exception as error:  # noqa: BLE001 - a fault of the digitiser is what the benchmark looks for
        nothing = {"leads": {}, "layout": "", "upright": False, "wrong": [], "seconds": 0.0}
        return facts | nothing | {"half": half_of(number), "refused": f"FAULT {type(error).__name__}: {error}"}


def read_state(path: Path, name: str) -> list[Scores]:
    """Scores of the pages of a set that were scored before; a line that a stop cut off is left out."""
    rows = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        if row["set"] == name:
            rows.append(row)
    return rows


def run(name: str, numbers: list[int], path: Path, seconds: float) -> None:
    """Score pages and append them to the state file until the time is over."""
    end = time.monotonic() + seconds
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with path.open("a") as state, Progress(*columns, console=Console(stderr=True)) as progress:
        state.write("\n")  # ends a line that was cut off
        for number in progress.track(numbers, description=f"{name} pages"):
            if time.monotonic() > end:
                break
            state.write(json.dumps(scored(name, number)) + "\n")
            state.flush()


def failing_numbers(name: str) -> list[int]:
    """Numbers of the listed pages of a set that were not read rightly."""
    with Path(__file__).with_name("failing_pages.csv").open(newline="") as file:
        return [int(row["number"]) for row in csv.DictReader(file) if row["set"] == name]


def figures(rows: list[Scores]) -> dict[str, object]:
    """Figures of some pages."""
    snr = np.array([value for row in rows for value, _ in row["leads"].values()] or [np.nan])
    correlation = [value for row in rows for _, value in row["leads"].values()] or [np.nan]
    return {
        "pages": len(rows),
        "layout_right": sum(row["layout"] == row["printed"] for row in rows),
        "all_names_right": sum(not row["wrong"] and not row["refused"] for row in rows),
        "a_lead_misnamed": sum(any("no name" not in each and ":" in each for each in row["wrong"]) for row in rows),
        "upright": sum(row["upright"] for row in rows),
        "refused": dict(Counter(row["refused"] for row in rows if row["refused"]).most_common()),
        "snr_db_median_5_25": np.percentile(snr, (50, 5, 25)).round(1).tolist(),
        "median_correlation": round(float(np.median(correlation)), 3),
        "median_seconds": round(float(np.median([row["seconds"] for row in rows])), 2),
    }


def report(rows: list[Scores]) -> dict[str, object]:
    """Figures of all pages, and of each half, kind and layout; the pages that fail."""
    result: dict[str, object] = {"all": figures(rows)}
    for key in ("half", "group", "printed"):
        parts: dict[str, list[Scores]] = defaultdict(list)
        for row in rows:
            parts[row[key]].append(row)
        result[f"by_{key}"] = {part: figures(parts[part]) for part in sorted(parts)}
    result["failing"] = {
        row["page"]: row["refused"] or f"{row['layout']}: {', '.join(row['wrong'])}"
        for row in rows
        if row["refused"] or row["wrong"] or not row["upright"]
    }
    return result


def main() -> None:
    """Score the pages that are missing, and print the figures of all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", choices=SETS, default="own")
    parser.add_argument("--pages", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0, help="pages of another seed were never seen, 0 to 999")
    parser.add_argument("--half", choices=(*HALVES, "all"), default="all")
    parser.add_argument("--failing", action="store_true", help="the listed failing pages only")
    parser.add_argument("--state", type=Path, help="file with a line for each page; default: results/SET.jsonl")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no page after this time")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    path = options.state or Path(__file__).with_name("results") / f"{options.set}.jsonl"
    path.parent.mkdir(exist_ok=True)
    first = options.seed * PAGES_OF_SEED
    numbers = failing_numbers(options.set) if options.failing else list(range(first, first + options.pages))
    wanted = [number for number in numbers if options.half in ("all", half_of(number))]
    done = {row["number"] for row in read_state(path, options.set)}
    run(options.set, [number for number in wanted if number not in done], path, options.seconds)
    rows = [row for row in read_state(path, options.set) if row["number"] in wanted]
    print(json.dumps(report(sorted(rows, key=lambda row: row["number"])), indent=1))


if __name__ == "__main__":
    main()
