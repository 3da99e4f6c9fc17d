"""Reader of HDF5 files through the package h5py: a dataset for each lead, or one of all leads."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.readers.arrays import check_shape, from_arrays
from cardiograph.ecg.readers.source import MAX_VALUES, EcgSource

MAX_OBJECTS = 1000


def read_hdf5(source: EcgSource) -> Ecg:
    """Read the datasets of a file; attributes of the file or of a dataset may state rate, unit and lead names."""
    import h5py

    arrays: dict[str, NDArray[Any]] = {}
    with source.reading("h5py"), h5py.File.in_memory(source.content) as file:
        for key, value in file.attrs.items():
            arrays[key] = np.asarray(value)
        pending: list[tuple[str, Any]] = [("", file)]
        seen = 0
        while pending:
            path, group = pending.pop()
            for key in group:
                seen += 1
                if seen > MAX_OBJECTS:
                    source.refuse("too_large", f"it holds more than {MAX_OBJECTS} objects", "store the ECG alone")
                link = group.get(key, getlink=True)
                if not isinstance(link, h5py.HardLink):
                    source.refuse("unsupported", "links to other objects or files are not followed", "store the data")
                item = group[key]
                if isinstance(item, h5py.Group):
                    pending.append((f"{path}{key}/", item))
                elif isinstance(item, h5py.Dataset):
                    arrays.update({name: np.asarray(value) for name, value in item.attrs.items()})
                    arrays[path + key] = _read(source, item)
    return from_arrays(source, arrays, file_format="hdf5")


def _read(source: EcgSource, dataset: Any) -> NDArray[Any]:  # noqa: ANN401 - h5py has no types
    """Read a dataset after the check of its size and kind."""
    if dataset.external or dataset.is_virtual:
        source.refuse("unsupported", "data in other files are not read", "store the data in the file")
    if dataset.shape is None:
        return np.zeros(0)
    check_shape(source, dataset.shape, dataset.dtype.itemsize)
    chunk = int(np.prod([float(size) for size in dataset.chunks or (1,)]))
    if chunk > MAX_VALUES:
        source.refuse("too_large", f"it stores blocks of {chunk:,} values", "store smaller blocks")
    if dataset.dtype.kind not in "iufbSO":
        source.refuse("not_numeric", "a dataset holds neither numbers nor text", "store numbers")
    if dataset.dtype.kind == "O":  # strings of any length: only few, as names of leads
        if dataset.size > 1000:
            source.refuse("not_numeric", "a dataset holds text in place of samples", "store numbers")
        return np.asarray(dataset.asstr()[()], dtype=np.str_)
    return np.asarray(dataset[()])
