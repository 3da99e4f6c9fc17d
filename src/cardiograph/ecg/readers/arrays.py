"""Readers of NumPy files, and the interpretation of named arrays that NumPy and HDF5 files share."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.leads import lead_name
from cardiograph.ecg.readers.columns import from_columns
from cardiograph.ecg.readers.source import MAX_CHANNELS, EcgSource

RATE_NAMES = ("rate", "fs", "sampling_rate", "sampling_frequency", "sample_rate", "samplerate")
UNIT_NAMES = ("unit", "units")
LEAD_NAMES = ("leads", "lead_names", "channels", "channel_names", "sig_name")


MAX_ITEM_BYTES = 64
"""Largest item of an array: a lead name of 16 letters."""


def read_numpy(source: EcgSource) -> Ecg:
    """Read an array (.npy) or several named ones (.npz); nothing is unpickled."""
    if source.content.startswith(b"\x93NUMPY"):
        return from_arrays(source, {"": _array(source, source.content)}, file_format="numpy")
    arrays = {}
    with source.reading("zipfile"), zipfile.ZipFile(io.BytesIO(source.content)) as archive:
        entries = archive.infolist()
        if len(entries) > MAX_CHANNELS:
            source.refuse("too_large", f"it holds {len(entries)} arrays", f"keep at most {MAX_CHANNELS}")
        for entry in entries:
            with archive.open(entry) as handle:
                header = _header(source, io.BytesIO(handle.read(12_000)))
            with archive.open(entry) as handle:
                content = handle.read(header[0] + header[1] + 1)
            arrays[entry.filename.removesuffix(".npy")] = _array(source, content)
    return from_arrays(source, arrays, file_format="numpy")


def _header(source: EcgSource, handle: io.BytesIO) -> tuple[int, int]:
    """Check the header of an array; return its length and that of the samples in bytes."""
    from numpy.lib import format as npy

    with source.reading("NumPy"):
        version = npy.read_magic(handle)
        reader = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = reader(handle)
    if dtype.hasobject or dtype.kind not in "iufUSb":
        source.refuse(
            "not_numeric", "an array holds objects or other types than numbers", "store numbers", value=str(dtype)
        )
    if any(size < 0 for size in shape):
        source.refuse("damaged", "an array has a negative size", "export the file again")
    size = 1
    for each in shape:
        size *= each
    check_shape(source, shape, dtype.itemsize)
    return handle.tell(), size * dtype.itemsize


def check_shape(source: EcgSource, shape: tuple[int, ...], item_bytes: int) -> None:
    """Raise an error unless an array can hold the leads of an ECG, or a fact about it."""
    if len(shape) > 2:
        source.refuse("unsupported", "arrays of more than two axes are not read", "store one ECG", value=str(shape))
    if shape:
        source.check_size(min(shape) if len(shape) == 2 else 1, max(shape))
    if item_bytes > MAX_ITEM_BYTES:
        source.refuse("not_numeric", f"an array holds items of {item_bytes:,} bytes", "store numbers")


def _array(source: EcgSource, content: bytes) -> NDArray[Any]:
    length, size = _header(source, io.BytesIO(content[:12_000]))
    if len(content) < length + size:
        source.refuse("truncated", f"it has {len(content):,} of {length + size:,} bytes", "copy the file again")
    with source.reading("NumPy"):
        array: NDArray[Any] = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    return array


def from_arrays(source: EcgSource, arrays: Mapping[str, NDArray[Any]], *, file_format: str) -> Ecg:
    """Interpret named arrays: a row for each lead, or one array of all leads.

    Entries called ``rate``, ``unit`` or ``leads``, and other usual names of these, state the facts that the options
    state otherwise.

    Raises:
        EcgError: If the arrays are not an ECG.
    """
    facts = {name.rpartition("/")[2].lower(): value for name, value in arrays.items()}
    rate = next((_scalar(facts[name]) for name in RATE_NAMES if name in facts), None)
    unit = next((_text(facts[name]) for name in UNIT_NAMES if name in facts), None)
    leads = next(([*map(_text, facts[name].ravel()[:MAX_CHANNELS])] for name in LEAD_NAMES if name in facts), None)
    rows = {
        name.rpartition("/")[2]: each
        for name, each in arrays.items()
        if each.ndim == 1 and lead_name(name.rpartition("/")[2])
    }
    tables = [each for each in arrays.values() if each.ndim == 2]
    if (rows and tables) or len(tables) > 1:
        source.refuse("unsupported", "it holds several arrays that may be the leads", "store one array of all leads")
    if rows:
        if len({len(each) for each in rows.values()}) > 1:
            source.refuse("truncated", "its leads have different numbers of samples", "export the file again")
        names, table = tuple(rows), np.array([*rows.values()])
    elif tables:
        names, table = _oriented(source, tables[0], leads)
    else:
        source.refuse("no_waveform", "it holds no array of two axes, leads and samples", "store the leads as one array")
    if table.dtype.kind not in "iufb":
        source.refuse("not_numeric", "its samples are not numbers", "store numbers", value=str(table.dtype))
    return from_columns(source, names, table, rate=rate, unit=unit, file_format=file_format)


def _oriented(source: EcgSource, table: NDArray[Any], leads: list[str] | None) -> tuple[tuple[str, ...], NDArray[Any]]:
    """Return the lead names and the array as [leads, samples]; the names decide which axis is which."""
    number = len(leads or source.options.leads or source.lead_names(None, 0))
    names = source.lead_names(leads, number)
    if table.shape[0] == table.shape[1] or number not in table.shape:
        source.refuse(
            "contradiction",
            f"an array of shape {table.shape} does not have one axis of {number} leads",
            "name each lead",
        )
    return names, table if table.shape[0] == number else table.T


def _scalar(value: NDArray[Any]) -> float | None:
    try:
        return float(np.asarray(value).ravel()[0])
    except (ValueError, TypeError, IndexError):
        return None


def _text(value: Any) -> str:  # noqa: ANN401 - a string or bytes of NumPy or HDF5
    item = np.asarray(value).ravel()[0] if np.asarray(value).size else ""
    return item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item)
