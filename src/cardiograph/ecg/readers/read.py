"""The entry point of all readers: find the format of a file and read it."""

from __future__ import annotations

from pathlib import Path

from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.readers.registry import READERS, ReaderSpec
from cardiograph.ecg.readers.source import EcgSource, ReadOptions
from cardiograph.registry import load_factory


def find_format(source: EcgSource) -> str | None:
    """Return the name of the format by the content of the file, else by its suffix; None if no reader fits."""
    raise NotImplementedError


def read_ecg(
    source: Path | str | bytes, *, name: str = "", file_format: str | None = None, options: ReadOptions | None = None
) -> Ecg:
    """Read an ECG file of any known format.

    Args:
        source: Path of a file, or its bytes.
        name: Name in messages; by default the path.
        file_format: Name of the format; by default found from the content and the suffix.
        options: Facts about the file that its format does not state.

    Raises:
        EcgError: If the file cannot be read as at least one lead; the message says why and what to do.
    """
    raise NotImplementedError


__all__ = ["READERS", "Ecg", "EcgSource", "ReadOptions", "ReaderSpec", "find_format", "load_factory", "read_ecg"]
