"""Recordings of LUDB with the boundaries that cardiologists drew in each lead."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import wfdb
from numpy.typing import NDArray

from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.leads import LEADS

SHARED = Path(os.environ.get("CARDIOGRAPH_SHARED", Path(__file__).resolve().parents[3] / "shared"))


@dataclass(frozen=True)
class LeadWaves:
    """Waves that were drawn in a lead; rows are onset, peak and end in samples at 500 Hz, NaN where not drawn.

    Args:
        p: [waves, 3].
        qrs: [waves, 3].
        t: [waves, 3].
        span: First and last mark of the lead.
    """

    p: NDArray[np.float64]
    qrs: NDArray[np.float64]
    t: NDArray[np.float64]
    span: tuple[int, int]


@dataclass(frozen=True)
class Record:
    """A recording with its annotations, in the order of the leads."""

    number: int
    ecg: Ecg
    waves: tuple[LeadWaves, ...]


def read_records(folder: Path = SHARED / "data" / "ludb" / "data") -> Iterator[Record]:
    """Read all recordings in the order of their numbers."""
    for header in sorted(folder.glob("*.hea"), key=lambda path: int(path.stem)):
        name = str(header.with_suffix(""))
        record = wfdb.rdrecord(name)
        ecg = Ecg.from_leads(record.sig_name, record.p_signal.T, record.fs, source="wfdb")
        yield Record(int(header.stem), ecg, tuple(_waves(name, lead) for lead in LEADS))


def _waves(name: str, lead: str) -> LeadWaves:
    marks = wfdb.rdann(name, lead.lower())
    symbols, samples = ["", *marks.symbol, ""], [0, *marks.sample, 0]
    rows: dict[str, list[tuple[float, float, float]]] = {"p": [], "N": [], "t": []}
    for k, symbol in enumerate(symbols):
        if symbol in rows:
            onset = samples[k - 1] if symbols[k - 1] == "(" else np.nan
            end = samples[k + 1] if symbols[k + 1] == ")" else np.nan
            rows[symbol].append((onset, samples[k], end))
    p, qrs, t = (np.array(rows[kind], dtype=np.float64).reshape(-1, 3) for kind in ("p", "N", "t"))
    return LeadWaves(p, qrs, t, (int(marks.sample[0]), int(marks.sample[-1])))
