"""The entry point of all writers, and the choice of the format by the suffix."""

from __future__ import annotations

from pathlib import Path

from cardiograph.ecg.ecg import Ecg
from cardiograph.registry import load_factory

_WRITERS = "cardiograph.ecg.writers"

WRITERS: dict[str, str] = {
    ".hea": f"{_WRITERS}.wfdb:write_wfdb",
    ".csv": f"{_WRITERS}.csv:write_csv",
    ".dcm": f"{_WRITERS}.dicom:write_dicom",
}
"""Suffix -> ``module:name`` of the writer, a callable (ecg, path, keep_start) -> None."""


def write_ecg(ecg: Ecg, path: Path, *, keep_start: bool = False) -> None:
    """Write an ECG in the format of the suffix: ``.hea`` (WFDB), ``.csv`` or ``.dcm`` (DICOM).

    No format gets a name, an identifier or another fact about the patient, because an :class:`Ecg` holds none. Samples
    that were not recorded stay so in WFDB (a reserved value), CSV (empty cells) and DICOM (a padding value).

    Args:
        ecg: ECG to write.
        path: New file; WFDB also gets a file of samples with the suffix ``.dat``.
        keep_start: Whether the start of the recording is written, which can identify a patient.

    Raises:
        ValueError: If the suffix is none of :data:`WRITERS`, or the ECG does not fit the format.
    """
    suffix = path.suffix.lower()
    if suffix not in WRITERS:
        message = f"ECG files cannot be written as {suffix or 'a file without suffix'}; use one of {', '.join(WRITERS)}"
        raise ValueError(message)
    load_factory(WRITERS[suffix])(ecg, path, keep_start=keep_start)
