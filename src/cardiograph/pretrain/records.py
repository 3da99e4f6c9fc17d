"""Real recordings without diagnoses for pretraining."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.resample import resample
from cardiograph.encoders.leads_input import INPUT_RATE_HZ, SAMPLES
from cardiograph.errors import EcgError, InputError, Issue

MAX_AGE = 110
"""Oldest credible age in years; a larger value is a code for an unknown age."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Records:
    """Recordings in memory.

    Args:
        signal: [records, 12, 1000] float32 in mV at 100 Hz, NaN where nothing was recorded.
        age: [records] years, NaN if unknown.
        male: [records] 1 for male, 0 for female, NaN if unknown.
        measurements: [records, measurements] in the order of
            :data:`cardiograph.ecg.measure.reference.MEASUREMENTS`, NaN where one cannot be measured.
        hashes: Content hash of each recording.
    """

    signal: Floats
    age: Floats
    male: Floats
    measurements: Floats
    hashes: tuple[str, ...]


def read_records(folder: Path, *, each: Callable[[], None] = lambda: None) -> Records:
    """Read and measure every WFDB recording of a folder and its subfolders, with age and sex.

    Age and sex are read from ``records.csv`` in the folder (columns ``record``, ``age``, ``sex``) if there is one, and
    otherwise from comments of the headers such as ``# Age: 63``.

    Args:
        folder: Folder of ``.hea`` files and their signals.
        each: Called after each recording.

    Raises:
        InputError: If the folder holds no recording, or some cannot be read; the message names each.
    """
    from cardiograph.ecg.read_any import read_any

    paths = sorted(folder.rglob("*.hea"))
    if not paths:
        message = f"records {folder}: no WFDB header (.hea) below this folder; give a folder of WFDB recordings"
        raise InputError(message)
    signals: list[Floats] = []
    measured: list[Floats] = []
    hashes: list[str] = []
    issues: list[Issue] = []
    for path in paths:
        try:
            ecg = read_any(path)
        except EcgError as error:
            issues += error.issues
        else:
            signals.append(_ten_seconds(ecg))
            measured.append(ecg.measure().vector().astype(np.float32))
            hashes.append(ecg.content_hash())
        each()
    if issues:
        message = f"records {folder}: {len(issues)} of {len(paths)} recordings cannot be read; repair or remove them"
        raise InputError(message, issues)
    known = _age_and_sex(folder, paths)
    return Records(np.stack(signals), known[:, 0], known[:, 1], np.stack(measured), tuple(hashes))


def _ten_seconds(ecg: Ecg) -> Floats:
    """Return [12, 1000] leads at 100 Hz with a median of 0, NaN where nothing was recorded."""
    signal = resample(ecg.signal, ecg.rate, INPUT_RATE_HZ)[:, :SAMPLES]
    found = np.full((len(signal), SAMPLES), np.nan, dtype=np.float32)
    found[:, : signal.shape[1]] = signal
    for row in found:
        if np.isfinite(row).any():
            row -= np.nanmedian(row)
    return found


def _age_and_sex(folder: Path, paths: list[Path]) -> NDArray[np.float32]:
    """Return [records, 2] age and sex (1 male) from ``records.csv`` if the folder has it, else from the headers."""
    table = folder / "records.csv"
    known = {}
    if table.is_file():
        with table.open(encoding="utf-8-sig", errors="replace", newline="") as handle:
            known = {(folder / row["record"]).resolve(): row for row in csv.DictReader(handle) if row.get("record")}
    return np.array([_values(known.get(path.resolve()) or _comments(path)) for path in paths], dtype=np.float32)


def _comments(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    pairs = (line.lstrip("# ").partition(":") for line in lines if line.startswith("#"))
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _values(facts: Mapping[str, str | None]) -> tuple[float, float]:
    age, sex = (facts.get("age") or "").strip(), (facts.get("sex") or "").strip().lower()
    years = float(age) if age.isdigit() and int(age) <= MAX_AGE else float("nan")
    return years, {"m": 1.0, "male": 1.0, "f": 0.0, "female": 0.0}.get(sex, float("nan"))
