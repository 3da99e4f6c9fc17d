"""The entry point of all writers."""

from __future__ import annotations

from cardiograph.ecg.ecg import Ecg
from cardiograph.registry import load_factory

_WRITERS = "cardiograph.ecg.writers"

WRITERS: dict[str, str] = {
    "wfdb": f"{_WRITERS}.wfdb:wfdb_files",
    "csv": f"{_WRITERS}.csv:csv_files",
    "dicom": f"{_WRITERS}.dicom:dicom_files",
}
"""Format -> ``module:name`` of its writer."""


def ecg_files(ecg: Ecg, file_format: str, name: str, *, keep_start: bool = False) -> dict[str, bytes]:
    """Return the files of an ECG in another format, for the caller to write.

    No format gets a name, an identifier or another fact about the patient, because an :class:`Ecg` holds none. Samples
    that were not recorded stay so in WFDB (a reserved value), CSV (empty cells) and DICOM (a padding value).

    Args:
        ecg: ECG to write.
        file_format: One of :data:`WRITERS`.
        name: Name of the files, without a suffix.
        keep_start: Whether WFDB and DICOM state the start of the recording, which can identify a patient.

    Returns:
        File name -> content; the file to read again is the first.

    Raises:
        ValueError: If the format is unknown, or the name does not suit it.
    """
    if file_format not in WRITERS:
        message = f"ECGs cannot be written as {file_format!r}; the formats are {', '.join(WRITERS)}"
        raise ValueError(message)
    files: dict[str, bytes] = load_factory(WRITERS[file_format])(ecg, name, keep_start=keep_start)
    return files
