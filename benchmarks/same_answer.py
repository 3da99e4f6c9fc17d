"""One recording in every format that cardiograph reads: the same ECG, the same measurements, the same answer of a model.

A model with the default encoder, and with measurements as a block of features, is trained on synthetic recordings.
Patients that it has not seen are then written in each format, read, measured and scored. Compared with the ECG that was
written are the voltages, against the step of the format, the measurements, and the probability; a PDF, which prints no zero
line, is compared after the median of each lead is removed. Prints JSON. Usage:

    python benchmarks/same_answer.py [--patients 60] [--new 5] [--run FOLDER]
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from functools import partial
from pathlib import Path

import numpy as np

from cardiograph.config import load_config
from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.leads import LEADS, LIMB_WEIGHTS
from cardiograph.ecg.measure.measure import measure
from cardiograph.ecg.measure.reference import MEASUREMENTS
from cardiograph.ecg.readers import read_ecg
from cardiograph.inference import Predictor
from cardiograph.run.pipeline import run
from cardiograph.synthesis.cohort import write_cohort
from cardiograph.synthesis.heart import RATE_HZ, record_ecg
from cardiograph.synthesis.patients import patient_records
from ecg_files.formats import FORMATS, STEP_UV, pdf

SEED = 11
WRITERS = {**FORMATS, "pdf": partial(pdf, simplified=False), "pdf, points left out": pdf}


def new_ecg(number: int) -> Ecg:
    """Ten seconds of a patient of another cohort, in whole steps of 2.5 uV, also in the derived limb leads."""
    heart = patient_records(SEED + 1, number)[0].heart
    signal = record_ecg(heart, np.random.default_rng(number))[:, : 10 * round(RATE_HZ)]
    steps = 2 * np.round(signal * 1000 / (2 * STEP_UV))
    for lead, (one, two) in LIMB_WEIGHTS.items():
        steps[LEADS.index(lead)] = one * steps[0] + two * steps[1]
    return Ecg((steps * STEP_UV / 1000).astype(np.float32), RATE_HZ, "simulated")


def largest_difference(ecg: Ecg, read: Ecg, *, centred: bool) -> float:
    """Largest difference of the voltages in mV."""
    times = np.arange(read.signal.shape[1]) / read.rate
    wanted = np.stack([np.interp(times, np.arange(ecg.signal.shape[1]) / ecg.rate, row) for row in ecg.signal])
    difference = read.signal - wanted
    if centred:
        difference = difference - np.nanmedian(difference, axis=1, keepdims=True)
    return float(np.nanmax(np.abs(difference)))


def figures_of(name: str, ecgs: list[Ecg], predictor: Predictor, folder: Path) -> dict[str, object]:
    """Figures of one format over all new patients."""
    voltages, measured, answers, unlike = [], [], [], set()
    for number, ecg in enumerate(ecgs):
        place = folder / f"{name}-{number}"
        place.mkdir()
        files = WRITERS[name](ecg)
        for file, content in files.items():
            (place / file).write_bytes(content)
        path = place / next(iter(files))
        read = read_ecg(path)
        voltages.append(largest_difference(ecg, read, centred=name.startswith("pdf")))
        before, after = (measure(each).vector([*MEASUREMENTS]) for each in (ecg, read))
        same = np.isclose(before, after, atol=1e-6, rtol=1e-6, equal_nan=True)
        measured.append(int(same.sum()))
        unlike |= {key for key, is_same in zip(MEASUREMENTS, same, strict=True) if not is_same}
        answers.append(predictor.predict(path).probability)
    return {
        "largest_difference_uv": round(1000 * max(voltages), 4),
        "measurements_equal": f"{sum(measured)} of {len(ecgs) * len(MEASUREMENTS)}",
        "measurements_unlike": len(unlike),
        "probabilities": [round(answer, 6) for answer in answers],
    }


def trained(folder: Path, patients: int) -> Path:
    """Folder of a run with the default encoder and a block of measurements, on synthetic recordings."""
    os.environ.setdefault("CARDIOGRAPH_CACHE", str(folder / "cache"))
    table = write_cohort(folder / "cohort", patients=patients, seed=SEED, files="signals")
    settings = {"fusion": {"measurements": 1.0}, "model": {"epochs": 30}, "evaluation": {"bootstrap": 200}}
    return run(table, folder / "run", load_config(None, settings)).path


def main() -> None:
    """Train, compare, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=60, help="synthetic patients of the model")
    parser.add_argument("--new", type=int, default=5, help="new patients")
    parser.add_argument("--run", type=Path, help="finished run to use instead of a new one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        predictor = Predictor.load(options.run or trained(folder, options.patients))
        ecgs = [new_ecg(number) for number in range(options.new)]
        formats = {name: figures_of(name, ecgs, predictor, folder) for name in WRITERS}
    first = np.array(formats["wfdb"]["probabilities"])
    for figures in formats.values():
        difference = np.abs(np.array(figures["probabilities"]) - first).max()
        figures["probability_differs_by_at_most"] = round(float(difference), 6)
    print(
        json.dumps({"encoder": predictor.bundle.served.encoder.architecture, "formats": formats}, indent=1, default=str)
    )


if __name__ == "__main__":
    main()
