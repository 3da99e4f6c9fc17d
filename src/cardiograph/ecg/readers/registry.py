"""Registry of ECG file formats; to add one, write a module with a reader and add an entry here.

This module imports no reader, so that listing the formats is quick and a missing optional package does no harm.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class ReaderSpec:
    """A file format that holds an ECG as samples.

    Args:
        title: Display name.
        factory: ``module:name`` of the reader, a callable :class:`EcgSource` -> :class:`Ecg` that raises
            :class:`cardiograph.errors.EcgError`.
        suffixes: Usual file suffixes in lower case, with the dot.
        signature: Pattern that the first 16,384 bytes of a file of this format contain; None if only the suffix tells.
        extra: Optional dependency group of the package that the reader needs; empty if the base installation has it.
        tried_on_device_files: Whether a file of a real device or database was read, rather than only written ones.
    """

    title: str
    factory: str
    suffixes: tuple[str, ...]
    signature: re.Pattern[bytes] | None = None
    extra: str = ""
    tried_on_device_files: bool = True


_READERS = "cardiograph.ecg.readers"

READERS: dict[str, ReaderSpec] = {
    "wfdb": ReaderSpec(
        "WFDB",
        f"{_READERS}.wfdb:read_wfdb",
        (".hea", ".dat", ".mat", ".zip"),
        re.compile(rb"\APK\x03\x04.{0,16380}?\.(hea|dat|mat)", re.DOTALL),
    ),
    "dicom": ReaderSpec("DICOM", f"{_READERS}.dicom:read_dicom", (".dcm",), re.compile(rb"\A.{128}DICM", re.DOTALL)),
    "aecg": ReaderSpec("HL7 aECG", f"{_READERS}.aecg:read_aecg", (".xml",), re.compile(rb"<(\w+:)?AnnotatedECG\b")),
    "sierra": ReaderSpec(
        "Philips Sierra XML", f"{_READERS}.sierra:read_sierra", (".xml",), re.compile(rb"<(\w+:)?restingecgdata\b")
    ),
    "muse": ReaderSpec(
        "GE MUSE XML",
        f"{_READERS}.muse:read_muse",
        (".xml",),
        re.compile(rb"<RestingECG\b"),
        tried_on_device_files=False,
    ),
    "scp": ReaderSpec(
        "SCP-ECG", f"{_READERS}.scp:read_scp", (".scp",), re.compile(rb"\A.{8}\0\0.{4}..(SCPECG|\0{6})", re.DOTALL)
    ),
    "edf": ReaderSpec(
        "EDF",
        f"{_READERS}.edf:read_edf_file",
        (".edf",),
        re.compile(rb"\A(0       |\xffBIOSEMI)"),
        extra="ecg",
        tried_on_device_files=False,
    ),
    "hdf5": ReaderSpec(
        "HDF5", f"{_READERS}.hdf5:read_hdf5", (".h5", ".hdf5"), re.compile(rb"\A\x89HDF\r\n\x1a\n"), extra="ecg"
    ),
    "pdf": ReaderSpec("PDF", f"{_READERS}.pdf:read_pdf", (".pdf",), re.compile(rb"\A.{0,1024}?%PDF-", re.DOTALL)),
    "parquet": ReaderSpec("Parquet", f"{_READERS}.tables:read_parquet", (".parquet",), re.compile(rb"\APAR1")),
    "numpy": ReaderSpec("NumPy", f"{_READERS}.arrays:read_numpy", (".npy", ".npz"), re.compile(rb"\A\x93NUMPY")),
    "csv": ReaderSpec(
        "CSV",
        f"{_READERS}.tables:read_csv",
        (".csv", ".tsv", ".txt"),
        re.compile(rb"\A(\xef\xbb\xbf)?[\t -~]*[,;\t]\s*\"?(aV[RLF]|V[1-6])\b[^\n]*\n", re.IGNORECASE),
    ),
}
"""Name -> format, in the order in which they are tried."""
