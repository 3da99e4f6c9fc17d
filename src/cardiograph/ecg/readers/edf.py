"""Reader of EDF and EDF+ files through the package edfio. Tried on written files only.

The package shortens a file that was cut and warns; here the length is checked first.

Source: B. Kemp et al., Electroenceph. clin. Neurophysiol. 82 (1992) 391; EDF+ specification, 2003.
"""

from __future__ import annotations

import io
import re
from datetime import datetime
from typing import Any

import numpy as np

from cardiograph.ecg.ecg import DeviceFilters, Ecg
from cardiograph.ecg.leads import lead_name
from cardiograph.ecg.readers.build import build_ecg
from cardiograph.ecg.readers.source import EcgSource

_SIGNAL_HEADER = 256
_RECORDS_AT, _SAMPLES_AT = 236, 216
"""Places of the number of data records, and of the samples in each record among the fields of a signal."""


def read_edf_file(source: EcgSource) -> Ecg:
    """Read the leads of an EDF file; other signals are left out with a note."""
    import edfio

    _check_length(source)
    with source.reading("edfio"):
        edf = edfio.read_edf(io.BytesIO(source.content))
        signals = [*edf.signals]
        names = source.lead_names([signal.label for signal in signals], len(signals))
        leads = [(name, each) for name, each in zip(names, signals, strict=True) if lead_name(name)]
        others = [name for name in names if not lead_name(name)]
        rates = {float(signal.sampling_frequency) for _, signal in leads}
        if len(rates) > 1:
            source.refuse("rate", "its leads have different sampling rates", "resample them to one rate before")
        source.check_size(len(leads) + len(others), max((len(each.digital) for _, each in leads), default=1))
        rows = [_millivolts(source, signal) for _, signal in leads]
        rows += [np.full(rows[0].shape if rows else 1, np.nan, dtype=np.float32) for _ in others]
        filters = _filters(leads[0][1].prefiltering) if leads else DeviceFilters()
        start = _start(edf)
    return build_ecg(
        source,
        [*(name for name, _ in leads), *others],
        np.array(rows),
        rates.pop() if leads else 500.0,
        file_format="edf",
        start=start,
        filters=filters,
    )


def _start(edf: Any) -> datetime | None:  # noqa: ANN401 - a file of edfio
    try:
        return datetime.combine(edf.startdate, edf.starttime)
    except ValueError:  # an anonymised date, too
        return None


def _check_length(source: EcgSource) -> None:
    """Compare the length of the file with its header."""
    content = source.content
    try:
        records, number = int(content[_RECORDS_AT : _RECORDS_AT + 8]), int(content[252:256])
        source.check_size(number, max(records, 1))
        start = _SIGNAL_HEADER + _SAMPLES_AT * number
        samples = [int(content[start + 8 * index : start + 8 * index + 8]) for index in range(number)]
    except ValueError:
        source.refuse("damaged", "a count in its header is no number", "export the file again")
    if records < 0:
        source.refuse("truncated", "its recording was not finished: the number of records is -1", "export it again")
    if min(samples) < 0:
        source.refuse("damaged", "a number of samples is below 0", "export the file again")
    needed = _SIGNAL_HEADER * (number + 1) + 2 * records * sum(samples)
    if len(content) != needed:
        code = "truncated" if len(content) < needed else "damaged"
        source.refuse(code, f"it has {len(content):,} bytes, its header announces {needed:,}", "copy it again")
    if content[192:236].strip().startswith(b"EDF+D"):
        source.refuse("unsupported", "recordings with gaps (EDF+D) are not read", "export it without gaps")


def _millivolts(source: EcgSource, signal: Any) -> np.ndarray[Any, np.dtype[np.float32]]:  # noqa: ANN401 - of edfio
    if signal.physical_max == signal.physical_min or not signal.digital_max > signal.digital_min:
        source.refuse("unit_missing", "a lead has an empty range, so its gain is unknown", "export the file again")
    factor = source.millivolts(signal.physical_dimension.strip() or None)
    values: np.ndarray[Any, np.dtype[np.float32]] = (signal.data * factor).astype(np.float32)
    return values


def _filters(text: str) -> DeviceFilters:
    found = dict(re.findall(r"\b(HP|LP|N)\s*:\s*(\d+(?:\.\d+)?)\s*Hz", text, re.IGNORECASE))
    numbers = {key.upper(): float(value) or None for key, value in found.items()}
    return DeviceFilters(numbers.get("HP"), numbers.get("LP"), numbers.get("N"))
