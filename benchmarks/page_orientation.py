"""Measures how many upright pages are refused as upside down or mirrored, and how many turned and mirrored pages are.

The view of each page is judged as it is, turned by 180 degrees, and mirrored both ways. Views that the gate refuses as no
ECG are not counted. The half `tuning` gave the weights and limits of `imaging/orientation.py`.
Pages are the shared ones ($CARDIOGRAPH_SHARED, default ../shared), pages of the synthetic cohort, and, where `soundfile` is
installed to decode them, recordings of PTB-XL and CODE-15% drawn on several layouts. Prints JSON. Usage:

    python benchmarks/page_orientation.py [--records 800] [--patients 40] [--fit]
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cardiograph.config_reading import PagesConfig
from cardiograph.ecg.draw.paper import draw_page
from cardiograph.ecg.draw.scan import draw_scan_style, scan_page
from cardiograph.errors import PageError
from cardiograph.imaging.ecg_check import Traces, find_traces, not_an_ecg, trace_evidence
from cardiograph.imaging.grid import select_view
from cardiograph.imaging.orientation import lie_of, read_signs
from gallery.ecg_pages import LAYOUTS, halves, opened, synthetic
from gallery.source import Pixels

CHANGES = {
    "upright": lambda page: page,
    "upside_down": lambda page: page[::-1, ::-1],
    "left_right": lambda page: page[:, ::-1],
    "top_bottom": lambda page: page[::-1],
}
DRAWN = ("3 x 4",) * 6 + ("6 x 2", "12 x 1", "three strips", "8 px/mm")
RIDGE = 3.0

Source = Iterator[tuple[str, str, Pixels]]
"""Set, half and pixels of each page."""


def shared_pages(data: Path) -> Source:
    """The shared pages by half, and the sets that are held out whole."""
    for half, files in halves(sorted((data / "ecg-pages" / "images").glob("*.jpg"))).items():
        yield from (("ecg-pages", half, opened(file)) for file in files)
    for name in ("pages-ludb", "pages-ptb-xl", "pages-photographed"):
        for file in sorted((data / name).rglob("*")):
            if file.suffix in (".png", ".jpg", ".jpeg", ".bmp"):
                yield name, "scoring", opened(file)


def recordings(data: Path, name: str, count: int) -> Source:
    """Recordings drawn on layouts in turn; every second one of PTB-XL is for tuning, less those of `pages-ptb-xl`."""
    try:
        import soundfile
    except ImportError:
        return
    seen = {int(file.stem[:5]) for file in (data / "pages-ptb-xl").rglob("*.png")}
    rows = list(csv.DictReader((data / name / "records.csv").open()))[:count]
    for number, row in enumerate(rows):
        header = (data / name / row["record"]).with_suffix(".hea")
        if name == "ptb-xl" and int(header.stem) in seen:
            continue
        first, *leads = [line.split() for line in header.read_text().splitlines()[:13]]
        parts = [soundfile.read(header.parent / file, dtype="int16")[0] for file in dict.fromkeys(p[0] for p in leads)]
        signal = np.hstack(parts).T / np.array([float(lead[2].split("(")[0]) for lead in leads])[:, None]
        rate = float(first[2])
        if signal.shape[1] >= 10 * rate:
            half = ("tuning", "scoring")[number % 2] if name == "ptb-xl" else "scoring"
            layout = DRAWN[number // 2 % len(DRAWN)]
            level = signal - np.median(signal, axis=1, keepdims=True)
            rng = np.random.default_rng(number)
            page = draw_page(level, rate, layout=LAYOUTS[layout], header=("12-LEAD ECG", "ID 4711"))
            yield f"{name}, {layout}", half, scan_page(page, draw_scan_style(rng), rng).pixels


def view_of(page: Pixels) -> Pixels | None:
    """The view of a page on which a grid is found."""
    try:
        return select_view(page, PagesConfig())[1]
    except PageError:
        return None


def traces_of(view: Pixels | None) -> Traces | None:
    """The traces of a view that the gate takes for an ECG."""
    traces = None if view is None else find_traces(np.ascontiguousarray(view))
    return traces if traces is not None and not_an_ecg(trace_evidence(traces)) is None else None


def measured(source: Source) -> dict[str, object]:
    """Pages and refusals by set and half, and the processor time of the decision."""
    table: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    seconds = []
    for name, half, page in source:
        view = view_of(page)
        for change, changed in CHANGES.items():
            traces = None if view is None else traces_of(changed(view))
            if traces is None:
                continue
            begin = time.process_time()
            lie = lie_of(traces)
            seconds.append(time.process_time() - begin)
            for group in (f"{name} ({half})", f"all ({half})"):
                found = table[group][change]
                found.update(["pages", *(["refused"] if lie else []), *(["named"] if lie == change else [])])
    return {
        "sets": {name: {change: dict(n) for change, n in changes.items()} for name, changes in sorted(table.items())},
        "cpu_ms": {"median": round(1000 * float(np.median(seconds)), 1), "largest": round(1000 * max(seconds), 1)},
    }


def fitted(source: Source) -> dict[str, list[float]]:
    """Weights of the signs: a softmax over the four orientations, fitted to upright pages of the tuning half.

    An upright page is enough: the other three change signs only, so that they give the same loss.
    """
    from scipy.optimize import minimize

    every = [
        read_signs(traces) for _, half, page in source if half == "tuning" and (traces := traces_of(view_of(page)))
    ]
    known = [signs for signs in every if signs and signs.clear]
    values = np.array([np.concatenate([s.time, s.polarity, s.both]) for s in known])
    scale = np.sqrt(np.square(values).mean(axis=0))
    sizes = [len(known[0].time), len(known[0].polarity), len(known[0].both)]
    turns = np.repeat([[1, 1, 1], [-1, -1, 1], [-1, 1, -1], [1, -1, -1]], sizes, axis=1)

    def loss(weights: NDArray[np.float64]) -> float:
        score = (values / scale * weights) @ turns.T
        return float((np.logaddexp.reduce(score, axis=1) - score[:, 0]).sum() + RIDGE * weights @ weights)

    weights = minimize(loss, np.zeros(sum(sizes)), method="L-BFGS-B").x / scale
    time_weights, polarity, both = (part.round(2).tolist() for part in np.split(weights, np.cumsum(sizes)[:-1]))
    return {"time": time_weights, "polarity": polarity, "both": both}


def pages(data: Path, records: int, patients: int) -> Source:
    """All sources, one after the other."""
    if (data / "ecg-pages").exists():
        yield from shared_pages(data)
        yield from recordings(data, "ptb-xl", records)
        yield from recordings(data, "code-15", records // 4)
    for half, name, pixels in synthetic(patients):
        yield name.split(",")[0], half, pixels


def main() -> None:
    """Measure or fit, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=800, help="of PTB-XL, and a quarter of it of CODE-15%%")
    parser.add_argument("--patients", type=int, default=40, help="of the synthetic cohort")
    parser.add_argument("--fit", action="store_true", help="print weights fitted to the tuning half instead")
    options = parser.parse_args()
    shared = Path(os.environ.get("CARDIOGRAPH_SHARED", Path(__file__).resolve().parents[2] / "shared"))
    cv2.setNumThreads(1)
    source = pages(shared / "data", options.records, options.patients)
    print(json.dumps(fitted(source) if options.fit else measured(source), indent=2))


if __name__ == "__main__":
    main()
