"""What a reader receives: the content of a file and the facts that the user states about it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import NoReturn

from cardiograph.ecg.ecg import MAX_RATE_HZ, MAX_SAMPLES, MIN_RATE_HZ
from cardiograph.ecg.leads import LEADS, lead_name
from cardiograph.ecg.readers.codes import READER_CODES
from cardiograph.errors import EcgError, Issue

MAX_FILE_BYTES = 256 * 2**20
"""Largest ECG file that is read."""

MAX_TEXT_BYTES = 64 * 2**20
"""Largest file of a text format, which takes several times its size in memory."""

MAX_CHANNELS = 256
"""Largest number of channels in a file."""

MAX_VALUES = 12 * MAX_SAMPLES
"""Largest number of samples of all channels together."""

MILLIVOLTS = {"mv": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "nv": 1e-6, "v": 1e3}
"""Unit in lower case -> millivolts."""


@dataclass(frozen=True)
class ReadOptions:
    """Facts about a file that its format does not state. They are never guessed.

    Args:
        rate: Sampling rate in Hz, 20 to 20,000.
        unit: Unit of the samples: ``mV``, ``uV``, ``nV`` or ``V``.
        gain: Number of units of the file per millivolt, above 0; excludes ``unit``.
        leads: Lead names of the channels, in the order of the file.
        page: Number of the page of a PDF, from 1.
        fill: Whether a file that states a fact otherwise is read as it states it, as in a table of different files, instead
            of being refused.
    """

    rate: float | None = None
    unit: str | None = None
    gain: float | None = None
    leads: tuple[str, ...] = ()
    page: int = 1
    fill: bool = False

    def faults(self) -> Iterator[tuple[str, str, str]]:
        """Yield name, value and rule of each option that is of another type or out of range."""
        if other := list(self._other_types()):
            yield from other
            return
        if self.rate is not None and not MIN_RATE_HZ <= self.rate <= MAX_RATE_HZ:
            yield "rate", f"{self.rate:g}", f"allowed: {MIN_RATE_HZ:g} to {MAX_RATE_HZ:g} Hz"
        if self.unit is not None and self.unit.lower() not in MILLIVOLTS:
            yield "unit", repr(self.unit), "allowed: mV, uV, nV, V"
        if self.gain is not None and not (math.isfinite(self.gain) and self.gain > 0):
            yield "gain", f"{self.gain:g}", "allowed: units per millivolt, above 0"
        if self.unit is not None and self.gain is not None:
            yield "gain", f"{self.gain:g}", f"the unit {self.unit} is given, too, and one of the two suffices"
        if self.page < 1:
            yield "page", str(self.page), "pages are counted from 1"
        known = [lead for lead in (lead_name(text) for text in self.leads) if lead]
        if self.leads and not known:
            yield "leads", ", ".join(self.leads), f"at least one must be one of {', '.join(LEADS)}"
        if len({lead for lead, _ in known}) < len(known):
            yield "leads", ", ".join(self.leads), "a lead is named twice"

    def _other_types(self) -> Iterator[tuple[str, str, str]]:
        for name in ("rate", "gain", "page"):
            value = getattr(self, name)
            if not isinstance(value, Real | None):
                yield name, repr(value), "a number is needed"
        if not isinstance(self.unit, str | None):
            yield "unit", repr(self.unit), "a text is needed"
        if isinstance(self.leads, str):
            yield "leads", repr(self.leads), "names of leads are needed one by one, such as ('I', 'II')"


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

    def refuse(self, code: str, rule: str, remedy: str, *, value: str = "") -> NoReturn:
        """Raise an error about this file.

        Args:
            code: One of :data:`cardiograph.ecg.readers.codes.READER_CODES`.
            rule: What is wrong, and what is allowed.
            remedy: How to fix it.
            value: Invalid value; shortened to 80 characters.

        Raises:
            EcgError: Always.
        """
        if code not in READER_CODES:
            raise KeyError(code)
        issue = Issue(f"ECG {self.name}", "", value[:80], rule, remedy, code)
        headline = "An ECG file cannot be read."
        raise EcgError(headline, [issue])

    @contextmanager
    def reading(self, package: str) -> Iterator[None]:
        """Turn whatever a package raises on a damaged file into an error about this file.

        Packages for file formats raise nearly any class of exception on damaged content.
        """
        try:
            yield
        except EcgError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the package raises
            reason = " ".join(f"{type(error).__name__} {error}".split())[:200]
            self.refuse("damaged", f"{package} cannot read it ({reason})", "export the file again")

    def check_size(self, channels: int, samples: int) -> None:
        """Raise an error unless the numbers of channels and of samples in each are within the limits."""
        if channels < 1 or samples < 1:
            self.refuse(
                "no_waveform",
                f"it announces {channels} channels of {samples} samples",
                "export the file with its waveforms",
            )
        if channels > MAX_CHANNELS or samples > MAX_SAMPLES or channels * samples > MAX_VALUES:
            self.refuse(
                "too_large",
                f"it announces {channels:,} channels of {samples:,} samples, at most {MAX_CHANNELS} channels, "
                f"{MAX_SAMPLES:,} samples in each and {MAX_VALUES:,} samples in all are read",
                "cut the part that matters, such as 10 s, out of a long recording",
            )

    def rate(self, stated: float | None) -> float:
        """Return the sampling rate in Hz that the file states, or else the one of the options."""
        wanted = self.options.rate
        rate = wanted if stated is None else stated
        if rate is None:
            self.refuse("rate_missing", "it does not state the sampling rate", "state it with the option rate")
        if wanted is not None and not (self.options.fill or math.isclose(rate, wanted, rel_tol=1e-6)):
            self.refuse(
                "contradiction",
                f"it states {rate:g} Hz and the option rate {wanted:g} Hz",
                "leave out the option, or correct the file",
            )
        if not MIN_RATE_HZ <= rate <= MAX_RATE_HZ:
            self.refuse(
                "rate",
                f"the sampling rate is {rate:g} Hz, allowed are {MIN_RATE_HZ:g} to {MAX_RATE_HZ:g} Hz",
                "check the header of the file",
            )
        return rate

    def millivolts(self, stated: str | None) -> float:
        """Return how many millivolts one unit of the file is, from the unit that the file states or the options."""
        options = self.options
        wanted = MILLIVOLTS[options.unit.lower()] if options.unit else None
        wanted = 1 / options.gain if options.gain else wanted
        if stated is not None and stated.strip().lower() not in MILLIVOLTS:
            self.refuse(
                "unit_missing", "the unit of a lead must be mV, uV, nV or V", "correct it in the file", value=stated
            )
        factor = wanted if stated is None else MILLIVOLTS[stated.strip().lower()]
        if factor is None:
            self.refuse(
                "unit_missing",
                "it states neither the unit of its samples nor their number per millivolt",
                "state one of them with the option unit or gain",
            )
        if wanted is not None and not (options.fill or math.isclose(factor, wanted)):
            self.refuse(
                "contradiction",
                f"its samples are in {stated}, the options say otherwise",
                "leave out unit and gain, or correct the file",
            )
        return factor

    def lead_names(self, stated: Sequence[str] | None, channels: int) -> tuple[str, ...]:
        """Return the names of the channels that the file states, or else those of the options."""
        wanted = self.options.leads
        if stated is None and not wanted:
            self.refuse(
                "leads_missing", "it does not name its channels", "name them, in their order, with the option leads"
            )
        differs = [*map(lead_name, stated or ())] != [*map(lead_name, wanted)]
        if stated is not None and wanted and differs and not self.options.fill:
            self.refuse(
                "contradiction",
                f"its channels are {', '.join(stated)} and the option leads says {', '.join(wanted)}",
                "leave out the option, or correct the file",
            )
        names = wanted if stated is None else tuple(stated)
        if len(names) != channels:
            self.refuse("contradiction", f"{len(names)} lead names for {channels} channels", "name each channel once")
        return names
