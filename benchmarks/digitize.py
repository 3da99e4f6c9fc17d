"""Measures how truly pages are digitised: signal-to-noise ratio, correlation, names of the leads, and which way up.

The signal-to-noise ratio of a lead is 10 log10(sum of truth^2 / sum of (truth - read)^2) over the printed samples, after
the median offset is removed and the reading is shifted by at most 0.2 s; no gain is fitted. A missing or misnamed lead
and every lead of a refused page count 0 dB. The names are compared row by row with those that the page shows. The sets
and their halves are in `benchmarks/printed_pages.py`; the set `no-ecg` is the gallery of other pictures, all of which
should be refused: with `--pages 1000`, every one of them. Prints JSON. Usage:

    python benchmarks/digitize.py [--sets pages-ludb,own,no-ecg] [--half development|final|all] [--pages 24] [--worst 5]
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.digitize.digitize import DigitizedPage, digitize
from cardiograph.ecg.leads import LEADS
from cardiograph.errors import EcgError
from gallery import Picture, fresh_pictures, further_pictures, look_alikes, other_pictures, unseen_pictures
from printed_pages import RATE_HZ, SETS, Printed

SHIFT_S = 0.2

GALLERY_HALVES = {"development": ("tuning",), "final": ("scoring", "fresh", "unseen")}

GALLERY = 350
"""About as many pictures that are no ECG are in each half of their gallery."""


def lead_score(truth: NDArray[np.float64], read: NDArray[np.float64]) -> tuple[float, float]:
    """Signal-to-noise ratio in dB and correlation of one lead; 0 dB if nothing of it was read."""
    printed = np.flatnonzero(np.isfinite(truth))
    reach = round(SHIFT_S * RATE_HZ)
    padded = np.full(len(truth) + 2 * reach, np.nan)
    length = min(len(read), len(truth) + reach)
    padded[reach : reach + length] = read[:length]
    target = truth[printed] - np.median(truth[printed])

    def at(shift: int) -> tuple[float, float]:
        other = padded[printed + shift]
        known = np.isfinite(other)
        if known.mean() < 0.5:
            return 0.0, 0.0
        # printed samples that were not read count with their whole power
        difference = target[known] - other[known]
        noise = np.square(difference - np.median(difference)).sum() + np.square(target[~known]).sum()
        ratio = float(10 * np.log10(np.square(target).sum() / max(float(noise), 1e-12)))
        return ratio, float(np.corrcoef(target[known], other[known])[0, 1])

    coarse = max(range(0, 2 * reach + 1, 4), key=lambda shift: at(shift)[0])
    ratio, correlation = max(at(shift) for shift in range(max(coarse - 4, 0), min(coarse + 4, 2 * reach) + 1))
    return max(ratio, 0.0), correlation


def names_read(page: Printed, read: DigitizedPage) -> list[tuple[str, str]]:
    """Name on the page and name read, empty if none was read, of each place from left to right and row by row."""
    rows: dict[int, list[str]] = {}
    for place in sorted(read.layout.placements, key=lambda place: place.start):
        rows.setdefault(place.row, []).append(place.lead.removeprefix("-"))
    pairs = []
    for number, leads in enumerate(page.rows):
        found = rows.get(number, [])
        found = found if len(found) == len(leads) else [""] * len(leads)
        pairs += list(zip(leads, found, strict=True))
    return pairs


def is_upright(page: Printed, read: DigitizedPage) -> bool:
    """Whether the page was read the right way up: its axes within 45 degrees of those of the picture before turning."""
    height, width = read.rectified.pixels.shape[:2]
    middle = np.array([width / 2, height / 2])
    corner, across, down = read.rectified.page_points(middle + np.array([[0.0, 0.0], [20.0, 0.0], [0.0, 20.0]]))
    turn = np.linalg.matrix_power(np.array([[0, 1], [-1, 0]]), page.turns)
    # picture coordinates: y points down, so that a turn counter-clockwise takes x to -y
    axes = np.stack([turn @ [1, 0], turn @ [0, 1]])
    seen = np.stack([across - corner, down - corner])
    return bool(((axes * seen).sum(axis=1) > 0.7 * np.linalg.norm(seen, axis=1)).all())


def page_scores(page: Printed) -> dict:
    """Scores of a page: SNR and correlation of each printed lead, names, way up, and processor time."""
    printed = [LEADS[number] for number in range(12) if np.isfinite(page.truth[number]).any()]
    scores: dict = {"half": page.half, "group": page.group, "refused": "", "layout": "", "upright": False, "wrong": []}
    begin = time.process_time()
    try:
        read = digitize(page.pixels, name=page.name)
    except EcgError as error:
        nothing = dict.fromkeys(printed, (0.0, 0.0))
        return scores | {"leads": nothing, "refused": error.issues[0].code, "seconds": time.process_time() - begin}
    seconds = time.process_time() - begin
    names = names_read(page, read)
    right = {lead for lead, found in names if lead == found}
    signal = read.ecg.signal.astype(np.float64)
    leads = {}
    for lead in printed:
        number = LEADS.index(lead)
        leads[lead] = lead_score(page.truth[number], signal[number]) if lead in right else (0.0, 0.0)
    wrong = [f"{lead}: {found or 'no name'}" for lead, found in names if lead != found]
    if len({place.row for place in read.layout.placements}) != len(page.rows):
        wrong.append(read.layout.name)
    found = {"leads": leads, "layout": read.layout.name, "upright": is_upright(page, read), "wrong": wrong}
    return scores | found | {"seconds": seconds}


def summary(pages: dict[str, dict], worst: int) -> dict[str, object]:
    """Figures of one set."""
    values = np.array([score for page in pages.values() for score in page["leads"].values()]).reshape(-1, 2)
    result: dict[str, object] = {
        "pages": len(pages),
        "all_leads_named": sum(not page["wrong"] and not page["refused"] for page in pages.values()),
        "misnamed": {
            name: page["wrong"] for name, page in pages.items() if any("no name" not in part for part in page["wrong"])
        },
        "upright": sum(page["upright"] for page in pages.values()),
        "refused": {name: page["refused"] for name, page in pages.items() if page["refused"]},
        "median_seconds": round(float(np.median([page["seconds"] for page in pages.values()])), 2),
    }
    if len(values):
        snr = np.percentile(values[:, 0], (50, 5, 25)).round(2).tolist()
        result |= {"snr_db_median_5_25": snr, "median_correlation": round(float(np.median(values[:, 1])), 4)}
        mean = {name: float(np.mean([snr for snr, _ in page["leads"].values()])) for name, page in pages.items()}
        result["worst"] = {
            name: {"layout": pages[name]["layout"], **{k: round(v, 1) for k, (v, _) in pages[name]["leads"].items()}}
            for name in sorted(mean, key=lambda name: mean[name])[:worst]
        }
    return result


def set_figures(name: str, data: Path, options: argparse.Namespace) -> dict[str, object]:
    """Figures of each half of a set, and of each group of its pages."""
    pages = {
        page.name: page_scores(page)
        for page in SETS[name](data, options.pages)
        if options.half in ("all", page.half) and fnmatch(page.name, options.only)
    }
    result: dict[str, object] = {}
    for half in sorted({page["half"] for page in pages.values()}):
        result[half] = summary({key: page for key, page in pages.items() if page["half"] == half}, options.worst)
    groups: dict[str, list[dict]] = {}
    for page in pages.values():
        groups.setdefault(page["group"], []).append(page)
    if len(groups) > 1:
        result["groups"] = {group: _group(parts) for group, parts in groups.items()}
    return result


def _group(pages: list[dict]) -> dict[str, object]:
    snr = [value for page in pages for value, _ in page["leads"].values()]
    return {
        "pages": len(pages),
        "all_leads_named": sum(not page["wrong"] and not page["refused"] for page in pages),
        "upright": sum(page["upright"] for page in pages),
        "refused": dict(Counter(page["refused"] for page in pages if page["refused"])),
        "median_snr_db": round(float(np.median(snr)), 2) if snr else None,
    }


def no_ecg(half: str, pages: int) -> dict[str, object]:
    """Count the refusals of pictures that are no ECG, in halves by recipe; later recipes are all in the final half."""
    step = max(GALLERY // pages, 1)
    result: dict[str, object] = {}
    for name, parts in GALLERY_HALVES.items():
        if half in ("all", name):
            drawn = itertools.chain(other_pictures(), further_pictures(), fresh_pictures(), unseen_pictures())
            result[name] = refusals(itertools.islice((each for each in drawn if each.half in parts), 0, None, step))
    return result | {"other_signals_on_ecg_paper": refusals(look_alikes())}


def refusals(pictures: Iterable[Picture]) -> dict[str, object]:
    """Numbers of pictures and of refusals, by kind and by code, and the pictures that were read as an ECG."""
    kinds: dict[str, Counter[str]] = {}
    read = {}
    for picture in pictures:
        kind = kinds.setdefault(picture.kind, Counter())
        try:
            found = digitize(picture.pixels, name=picture.source)
        except EcgError as error:
            kind[error.issues[0].code] += 1
        else:
            kind["read"] += 1
            name = f"{picture.kind}, {picture.source}, {picture.number}"
            read[name] = f"{found.layout.name}, confidence {found.layout.confidence:.2f}"
            sys.stderr.write(f"read: {name}\n")
    codes = sum(kinds.values(), Counter())
    number = codes.total()
    refused = number - codes["read"]
    share = round(refused / max(number, 1), 4)
    return {"pictures": number, "share_refused": share, "codes": codes, "kinds": kinds, "read": read}


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default="pages-ludb,pages-ptb-xl", help=f"of {', '.join(SETS)}, no-ecg")
    parser.add_argument("--half", choices=("development", "final", "all"), default="all")
    parser.add_argument("--pages", type=int, default=24, help="pages of our own, shared pages of each half, pictures")
    parser.add_argument("--worst", type=int, default=5, help="pages listed with the score of each lead")
    parser.add_argument("--only", default="*", help="pattern of page names")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    shared = Path(os.environ.get("CARDIOGRAPH_SHARED", Path(__file__).resolve().parents[2] / "shared"))
    results = {
        name: no_ecg(options.half, options.pages) if name == "no-ecg" else set_figures(name, shared / "data", options)
        for name in options.sets.split(",")
    }
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
