"""Writer of WFDB records: a header and a file of samples in format 16."""

from __future__ import annotations

import re

import numpy as np

from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.leads import LEADS
from cardiograph.ecg.writers.steps import to_steps


def wfdb_files(ecg: Ecg, name: str, *, keep_start: bool = False) -> dict[str, bytes]:
    """Return the header and the file of samples of a record.

    Raises:
        ValueError: If the name holds other characters than letters, digits, ``_`` and ``-``.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        message = f"a WFDB record cannot be called {name!r}; use letters, digits, _ and -"
        raise ValueError(message)
    steps, step = to_steps(ecg)
    start = f"{ecg.start:%H:%M:%S %d/%m/%Y}" if keep_start and ecg.start else ""
    lines = [f"{name} {len(LEADS)} {ecg.rate:.10g} {steps.shape[1]} {start}".strip()]
    for lead, row in zip(LEADS, steps, strict=True):
        checksum = int(row.sum(dtype=np.int64)) % 65536
        checksum -= 65536 if checksum >= 32768 else 0
        lines.append(f"{name}.dat 16 {1000 / step:g}(0)/mV 16 0 {row[0]} {checksum} 0 {lead}")
    header = "\n".join(lines) + "\n"
    return {f"{name}.hea": header.encode(), f"{name}.dat": np.ascontiguousarray(steps.T, dtype="<i2").tobytes()}
