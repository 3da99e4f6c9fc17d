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
        signature: Pattern that the first 4096 bytes of a file of this format contain; None if only the suffix tells.
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
    "wfdb": ReaderSpec("WFDB", f"{_READERS}.wfdb:read_wfdb", (".hea", ".dat", ".mat")),
}
"""Name -> format, in the order in which they are tried."""
