"""What a reader receives: the content of a file and the facts that the user states about it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cardiograph.errors import EcgError, Issue

MAX_FILE_BYTES = 256 * 2**20
"""Largest ECG file that is read."""


@dataclass(frozen=True)
class ReadOptions:
    """Facts about a file that its format does not state. They are never guessed.

    Args:
        rate: Sampling rate in Hz.
        unit: Unit of the samples, ``mV``, ``uV`` or ``V``; or ``mm``-free numbers by ``gain``.
        gain: Number of units of the file per millivolt; excludes ``unit``.
        leads: Lead names of the channels, in the order of the file.
        page: Number of the page of a PDF, from 1.
    """

    rate: float | None = None
    unit: str | None = None
    gain: float | None = None
    leads: tuple[str, ...] = ()
    page: int = 1


@dataclass(frozen=True)
class EcgSource:
    """A file to read.

    Args:
        content: All bytes of the file.
        name: Name in messages.
        path: Path of the file, or None if only its bytes are at hand, as in a service; formats of several files, such
            as WFDB, need it.
        options: Facts stated by the user.
    """

    content: bytes
    name: str
    path: Path | None = None
    options: ReadOptions = ReadOptions()

    @property
    def suffix(self) -> str:
        """Suffix of the name in lower case, with the dot."""
        return Path(self.name).suffix.lower()

    def error(self, code: str, rule: str, remedy: str, *, value: str = "") -> EcgError:
        """Return an error about this file; see :class:`cardiograph.errors.Issue` for the arguments."""
        issue = Issue(f"ECG {self.name}", "", value, rule, remedy, code)
        return EcgError("An ECG file cannot be read.", [issue])
