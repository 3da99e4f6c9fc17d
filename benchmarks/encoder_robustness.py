"""The ECG encoder under noise, missing leads and short recordings, and one patient found again from a page.

    python benchmarks/encoder_robustness.py > encoder_robustness.json
    python benchmarks/encoder_robustness.py --pages 100 > encoder_robustness.json

Scores: a probe learns the five superclasses of PTB-XL from the earlier 1,075 recordings as they are, and is tested on the
later 462 after each change. Retrieval: recordings are embedded among the first 1,000 of PTB-XL; the changed embedding of a
recording should have the unchanged one as its nearest. With ``--pages N``, N of them are also drawn as pages of 3 x 4 leads
with a strip, clean and as in a photograph, digitised and looked up; a page that is refused counts as not found.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from cardiograph.ecg.digitize.digitize import digitize
from cardiograph.ecg.draw.paper import PaperLayout, draw_page
from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.read_any import read_any
from cardiograph.ecg.resample import resample
from cardiograph.encoders.ecg_network import ecg_network
from cardiograph.encoders.leads_input import INPUT_RATE_HZ, input_of
from cardiograph.errors import EcgError
from encoders import CLASSES, EARLIER, probe
from rectify import CASES, distort

SHARED = Path(__file__).resolve().parents[2] / "shared"
AMONG = 1000
PHOTOGRAPH = "photo"
"""Distortion of the drawn pages that stand for photographs, from ``rectify.py``."""


def with_noise(sd_mv: float) -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    """White noise in every lead."""
    return lambda signal, rng: signal + sd_mv * rng.standard_normal(signal.shape).astype(np.float32)


def without(count: int) -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    """Leads that are missing, chosen at random."""

    def change(signal: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        changed = signal.copy()
        changed[rng.choice(len(signal), count, replace=False)] = np.nan
        return changed

    return change


def page_columns(signal: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What a page of 3 x 4 leads with a strip of lead II shows."""
    shown = np.full_like(signal, np.nan)
    for lead in range(12):
        part = slice(lead // 3 * 250, lead // 3 * 250 + 250)
        shown[lead, part] = signal[lead, part]
    shown[1] = signal[1]
    return shown


CHANGES: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "as recorded": lambda signal, rng: signal,
    "noise of 0.02 mV": with_noise(0.02),
    "noise of 0.05 mV": with_noise(0.05),
    "noise of 0.1 mV": with_noise(0.1),
    "noise of 0.2 mV": with_noise(0.2),
    "1 lead missing": without(1),
    "3 leads missing": without(3),
    "6 leads missing": without(6),
    "2.5 s of each lead": lambda signal, rng: signal[:, :250],
    "columns of a page": page_columns,
}


def embed(signals: list[np.ndarray]) -> np.ndarray:
    """Embeddings of leads at 100 Hz."""
    network = ecg_network()
    with torch.inference_mode():
        return np.concatenate([network(torch.from_numpy(input_of(each)[None])).numpy() for each in signals])


def found_again(changed: np.ndarray, rows: np.ndarray, reference: np.ndarray) -> float:
    """Share of changed embeddings whose nearest reference, by standardised distance, is their own."""
    middle, spread = reference.mean(0), reference.std(0) + 1e-6
    known, asked = (reference - middle) / spread, (changed - middle) / spread
    distance = (asked**2).sum(1)[:, None] + (known**2).sum(1) - 2 * asked @ known.T
    return float((distance.argmin(1) == rows).mean())


def pages(ecgs: list[Ecg], reference: np.ndarray) -> dict[str, float]:
    """Share of patients found again from a drawn page, clean and as in a photograph."""
    layout, found = PaperLayout(), {}
    for kind in ("clean", "photograph"):
        hits = 0
        for row, ecg in enumerate(ecgs):
            pixels = np.asarray(draw_page(ecg.signal.astype(np.float64), ecg.rate, layout=layout).pixels)
            if kind == "photograph":
                pixels = distort(pixels, layout.pixels_per_mm, CASES[PHOTOGRAPH], np.random.default_rng(row)).pixels
            try:
                read = digitize(pixels, name=f"page {row}").ecg
            except EcgError:
                continue
            changed = embed([resample(read.signal, read.rate, INPUT_RATE_HZ)])
            hits += int(found_again(changed, np.array([row]), reference))
        found[kind] = round(hits / len(ecgs), 3)
    return found


def main() -> None:
    """Score, look up, and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=SHARED, help="folder of shared data")
    parser.add_argument("--pages", type=int, default=0, help="number of recordings that are drawn and digitised")
    arguments = parser.parse_args()
    folder = arguments.shared / "data" / "ptb-xl"
    with (folder / "records.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    ecgs = [read_any(folder / row["record"]) for row in rows]
    signals = [resample(ecg.signal, ecg.rate, INPUT_RATE_HZ) for ecg in ecgs]
    labels = np.array([[int(row[name]) for name in CLASSES] for row in rows])
    clean = embed(signals)
    probes = [probe(clean[:EARLIER], labels[:EARLIER, column]) for column in range(len(CLASSES))]
    found: dict[str, Any] = {}
    for name, change in CHANGES.items():
        rng = np.random.default_rng(0)
        changed = embed([change(signal, rng) for signal in signals])
        scores = {
            label: round(
                float(roc_auc_score(labels[EARLIER:, at], probes[at].predict_proba(changed[EARLIER:])[:, 1])), 3
            )
            for at, label in enumerate(CLASSES)
        }
        again = found_again(changed[:AMONG], np.arange(AMONG), clean[:AMONG])
        found[name] = {"auroc": scores, "found_again": round(again, 3)}
    if arguments.pages:
        found["pages"] = pages(ecgs[: arguments.pages], clean[:AMONG])
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
