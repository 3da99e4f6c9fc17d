"""Measures how truly pages are digitised: signal-to-noise ratio, correlation and names of the leads.

The signal-to-noise ratio of a lead is 10 log10(sum of truth^2 / sum of (truth - read)^2) over the printed samples, after
the median offset is removed and the reading is shifted by at most 0.2 s; no gain is fitted. A missing or misnamed lead
and every lead of a refused page count 0 dB. Every second page by file name is for development, the others for the final
figure. Prints JSON. Usage:

    python benchmarks/digitize.py [--sets pages-ludb,pages-ptb-xl] [--half development|final|all] [--worst 5]
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cardiograph.ecg.digitize.digitize import digitize
from cardiograph.ecg.leads import LEADS
from cardiograph.errors import EcgError

SHIFT_S = 0.2
RATE_HZ = 500


@dataclass(frozen=True)
class Printed:
    """A page with the signal that it shows: [12, samples] in mV at 500 Hz, NaN where a lead is not printed."""

    name: str
    half: str
    pixels: NDArray[np.uint8]
    truth: NDArray[np.float64]


def wfdb_signal(header: Path) -> NDArray[np.float64]:
    """[12, 5000] in mV at 500 Hz of a WFDB record."""
    import wfdb

    record = wfdb.rdrecord(str(header.with_suffix("")))
    names = [name.upper() for name in record.sig_name]
    rows = np.stack([record.p_signal[:, names.index(lead.upper())] for lead in LEADS])
    if record.fs != RATE_HZ:
        time_s = np.arange(10 * RATE_HZ) / RATE_HZ
        rows = np.stack([np.interp(time_s, np.arange(rows.shape[1]) / record.fs, row) for row in rows])
    return rows


def standard_print(signal: NDArray[np.float64], rhythm: str | None = "II") -> NDArray[np.float64]:
    """What a 3 x 4 page shows of 10 s: 2.5 s of each lead, and all of the rhythm strip."""
    shown = np.full_like(signal, np.nan)
    quarter = signal.shape[1] // 4
    for number, lead in enumerate(LEADS):
        column = number // 3
        part = slice(None) if lead == rhythm else slice(column * quarter, (column + 1) * quarter)
        shown[number, part] = signal[number, part]
    return shown


def opened(file: Path) -> NDArray[np.uint8]:
    """RGB pixels of a file."""
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"))


def ludb_pages(data: Path) -> Iterator[Printed]:
    """Pages of ecg-miner; all file numbers are odd, so every second file in their order is for development."""
    for number, file in enumerate(sorted((data / "pages-ludb").glob("*.png"))):
        truth = standard_print(wfdb_signal(data / "ludb" / "data" / f"{int(file.stem)}.hea"))
        yield Printed(file.name, ("development", "final")[number % 2], opened(file), truth)


def ptb_pages(data: Path) -> Iterator[Printed]:
    """Pages of ecg-image-kit; even record numbers are for development."""
    for file in sorted((data / "pages-ptb-xl").rglob("*.png")):
        truth = standard_print(wfdb_signal(file.with_name(f"{file.stem[:8]}.hea")))
        yield Printed(file.name, ("development", "final")[int(file.stem[:5]) % 2], opened(file), truth)


SETS = {"pages-ludb": ludb_pages, "pages-ptb-xl": ptb_pages}


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


def page_scores(page: Printed) -> dict[str, object]:
    """Scores of a page: SNR and correlation of each printed lead, names, and processor time."""
    printed = [number for number in range(12) if np.isfinite(page.truth[number]).any()]
    begin = time.process_time()
    try:
        digitized = digitize(page.pixels, name=page.name)
    except EcgError as error:
        seconds = time.process_time() - begin
        zero = {LEADS[number]: 0.0 for number in printed}
        return {"snr": zero, "correlation": zero, "refused": error.issues[0].code, "seconds": seconds, "layout": ""}
    seconds = time.process_time() - begin
    read = digitized.ecg.signal.astype(np.float64)
    scores = {LEADS[number]: lead_score(page.truth[number], read[number]) for number in printed}
    return {
        "snr": {lead: score[0] for lead, score in scores.items()},
        "correlation": {lead: score[1] for lead, score in scores.items()},
        "refused": "",
        "seconds": seconds,
        "layout": digitized.layout.name,
    }


def summary(pages: list[tuple[str, dict]], worst: int) -> dict[str, object]:
    """Figures of one set."""
    snr = np.array([value for _, page in pages for value in page["snr"].values()])
    correlation = np.array([value for _, page in pages for value in page["correlation"].values()])
    mean = sorted((float(np.mean(list(page["snr"].values()))), name, page) for name, page in pages)
    return {
        "pages": len(pages),
        "median_snr_db": round(float(np.median(snr)), 2),
        "snr_db_percentiles_5_25": [round(float(value), 2) for value in np.percentile(snr, (5, 25))],
        "median_correlation": round(float(np.median(correlation)), 4),
        "all_leads_named": sum(min(page["snr"].values()) > 0 for _, page in pages),
        "refused": {name: page["refused"] for name, page in pages if page["refused"]},
        "median_seconds": round(float(np.median([page["seconds"] for _, page in pages])), 2),
        "worst": {
            name: {"layout": page["layout"], **{k: round(v, 1) for k, v in page["snr"].items()}}
            for _, name, page in mean[:worst]
        },
    }


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default=",".join(SETS), help=f"of {', '.join(SETS)}")
    parser.add_argument("--half", choices=("development", "final", "all"), default="all")
    parser.add_argument("--worst", type=int, default=5, help="pages listed with the score of each lead")
    parser.add_argument("--only", default="*", help="pattern of page names")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    shared = Path(os.environ.get("CARDIOGRAPH_SHARED", Path(__file__).resolve().parents[2] / "shared"))
    results: dict[str, object] = {}
    for name in options.sets.split(","):
        halves: dict[str, list[tuple[str, dict]]] = {}
        for page in SETS[name](shared / "data"):
            if options.half in ("all", page.half) and fnmatch(page.name, options.only):
                halves.setdefault(page.half, []).append((page.name, page_scores(page)))
        results[name] = {half: summary(pages, options.worst) for half, pages in halves.items()}
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
