"""Stored ECGs of reference records: a row of a memory-mapped file for each record, to be shown and never scored.

A stored ECG has 2.5 s of each of the twelve leads, as a page of 3 x 4 leads does: 6 kB. The leads are prepared as the
encoder of leads prepares them, so that the median of each lead is 0 and a lead of a printed page starts at its own time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cardiograph.artifacts import files
from cardiograph.artifacts.checked import CheckedFiles
from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.leads import LEADS
from cardiograph.ecg.resample import resample
from cardiograph.encoders.leads_input import INPUT_RATE_HZ, recording_of

ECGS: Final = "ecgs.safetensors"
RATE_HZ: Final = INPUT_RATE_HZ
SAMPLES: Final = 250
"""Samples of a lead: 2.5 s."""

SHAPE: Final = (len(LEADS), SAMPLES)
ABSENT: Final = -32768
"""Sample where nothing was recorded."""

_MICROVOLTS = 1000
_LARGEST = 32767
_ARRAY = "microvolts"


def stored(ecg: Ecg | None) -> NDArray[np.int16]:
    """Return an ECG as it is stored.

    Args:
        ecg: ECG of any length and layout; None for a record without readable leads.

    Returns:
        [12, 250] int16 in microvolts at 100 Hz, :data:`ABSENT` where nothing was recorded; values beyond 32.767 mV, which
        no ECG reaches, are limited to it.
    """
    samples = np.full(SHAPE, ABSENT, np.int16)
    if ecg is not None:
        leads = recording_of(resample(ecg.signal, ecg.rate, RATE_HZ), samples=SAMPLES)
        there = np.isfinite(leads)
        samples[there] = np.clip(np.round(leads[there] * _MICROVOLTS), -_LARGEST, _LARGEST)
    return samples


def leads_in(samples: NDArray[np.int16]) -> NDArray[np.float32] | None:
    """Return a stored ECG as [12, 250] float32 in mV, NaN where nothing was recorded; None if no lead was."""
    there = samples != ABSENT
    return np.where(there, samples / np.float32(_MICROVOLTS), np.float32(np.nan)) if there.any() else None


def write_ecgs(target: Path, ecgs: Iterable[NDArray[np.int16]], count: int) -> None:
    """Write stored ECGs one by one as a safetensors file, so that those of a large cohort need no memory.

    Args:
        target: File.
        ecgs: Stored ECG of each record, see :func:`stored`.
        count: Number of records.

    Raises:
        RunError: If the file cannot be written.
        ValueError: If there are more or fewer ECGs than records.
    """
    size = count * SHAPE[0] * SHAPE[1] * np.dtype(np.int16).itemsize
    header = {_ARRAY: {"dtype": "I16", "shape": [count, *SHAPE], "data_offsets": [0, size]}}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with files.written_whole(target) as temporary, temporary.open("wb") as handle:
        handle.write(len(text).to_bytes(8, "little") + text)
        for _, samples in zip(range(count), ecgs, strict=True):
            handle.write(np.ascontiguousarray(samples.reshape(SHAPE), "<i2").tobytes())


def read_ecgs(checked: CheckedFiles) -> NDArray[np.int16]:
    """Return the [records, 12, 250] int16 stored ECGs of a bundle, on the memory that was checked.

    Raises:
        ValueError: If the file holds an array of another shape or type.
    """
    found = checked.arrays(ECGS)[_ARRAY]
    if found.dtype != np.int16 or found.shape[1:] != SHAPE:
        message = f"{ECGS} has {found.dtype} of shape {list(found.shape)}, needed int16 of shape [records, 12, 250]"
        raise ValueError(message)
    return found
