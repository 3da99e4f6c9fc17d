"""Reference records of a bundle, and their files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cardiograph.artifacts import files
from cardiograph.artifacts.checked import CheckedFiles
from cardiograph.artifacts.reference_ecgs import ECGS, leads_in, read_ecgs, write_ecgs
from cardiograph.artifacts.shards import index_arrays, index_facts, index_from
from cardiograph.containers import NeighbourIndex

_TABLE, _KEYS, _LISTS = "reference.safetensors", "reference.json", "lists.safetensors"
_ARRAYS = ("features", "degree", "labels", "clinical", "groups", "perceptual_hashes")
_OPTIONAL = ("places", "time", "event")
_NAMES = ("record_ids", "patient_ids", "pixel_hashes")


@dataclass(frozen=True)
class Reference:
    """The reference records: possible neighbours of a query, with the keys that show whether a query is one of them.

    Args:
        features: [reference, features] float32 fused node features.
        present: [reference, blocks] bool, whether a record has a block.
        places: [reference, coordinates] float32 cross-fitted coordinates in a fitted space; None if the space is
            computed from the features.
        states: For each layer of the network, [reference, width] float32 input states; the first are the features.
        degree: [reference] float32 number of neighbours + 1.
        labels: [reference] int64 labels from 0, or -1.
        clinical: [reference, variables] float64 values in their units, NaN where missing.
        groups: [reference] int64 group numbers.
        record_ids: [reference] names.
        patient_ids: [reference] names, empty where not given.
        pixel_hashes: [reference] hex, empty without a page.
        perceptual_hashes: [reference, bytes] uint8; no columns without pages.
        lists: IVF index of the neighbour search, or those of its shards; None if the search is exact.
        time: [reference] float64 follow-up in the unit of the model, NaN without; None but for a time-to-event outcome.
        event: [reference] int64 what ended it: 0 censored, 1 the event, 2 and above competing events, -1 without.
        ecgs: [reference, 12, 250] int16 stored ECGs, memory-mapped, see :mod:`cardiograph.artifacts.reference_ecgs`; None
            if the run stores none.
    """

    features: NDArray[np.float32]
    present: NDArray[np.bool_]
    places: NDArray[np.float32] | None
    states: tuple[NDArray[np.float32], ...]
    degree: NDArray[np.float32]
    labels: NDArray[np.int64]
    clinical: NDArray[np.float64]
    groups: NDArray[np.int64]
    record_ids: tuple[str, ...]
    patient_ids: tuple[str, ...]
    pixel_hashes: tuple[str, ...]
    perceptual_hashes: NDArray[np.uint8]
    lists: NeighbourIndex | None = None
    time: NDArray[np.float64] | None = None
    event: NDArray[np.int64] | None = None
    ecgs: NDArray[np.int16] | None = None

    def __len__(self) -> int:
        return len(self.features)

    def ecg(self, record_id: str) -> NDArray[np.float32] | None:
        """Return the stored ECG of a record, [12, 250] in mV at 100 Hz, NaN where absent; None if none is stored."""
        row = None if self.ecgs is None else self._rows.get(record_id)
        return None if self.ecgs is None or row is None else leads_in(self.ecgs[row])

    @cached_property
    def _rows(self) -> dict[str, int]:
        """Row of each record by its name."""
        return {name: row for row, name in enumerate(self.record_ids)}

    def part(self, start: int, stop: int) -> Self:
        """Return the records of consecutive rows, without the index of the search."""
        ranged = [*_ARRAYS, *_NAMES, "present", *_OPTIONAL, "ecgs"]
        kept: dict[str, Any] = {
            name: each if (each := getattr(self, name)) is None else each[start:stop] for name in ranged
        }
        return replace(self, **kept, states=tuple(each[start:stop] for each in self.states), lists=None)

    def facts(self) -> dict[str, Any]:
        """Return the part of ``bundle.json`` that :meth:`read` needs."""
        return {"states": len(self.states), "lists": index_facts(self.lists)}

    def write(self, folder: Path, ecgs: Iterable[NDArray[np.int16]] | None = None) -> list[str]:
        """Write the records to files, and return the names of these.

        Args:
            folder: Folder of the bundle.
            ecgs: Stored ECG of each record in order; by default those of :attr:`ecgs`.
        """
        written = [_TABLE, _KEYS]
        files.write_arrays(folder / _TABLE, self._arrays())
        files.write_json(folder / _KEYS, {name: list(getattr(self, name)) for name in _NAMES})
        if self.lists is not None:
            files.write_arrays(folder / _LISTS, index_arrays(self.lists))
            written.append(_LISTS)
        ecgs = self.ecgs if ecgs is None else ecgs
        if ecgs is not None:
            write_ecgs(folder / ECGS, ecgs, len(self))
            written.append(ECGS)
        return written

    def _arrays(self) -> dict[str, NDArray[Any]]:
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        arrays["present"] = self.present.astype(np.uint8)
        arrays |= {name: getattr(self, name) for name in _OPTIONAL if getattr(self, name) is not None}
        later = enumerate(self.states[1:], start=1)  # the first states are the features
        return arrays | {f"state_{depth}": state for depth, state in later}

    @classmethod
    def read(cls, checked: CheckedFiles, content: Mapping[str, Any]) -> Self:
        """Read the records from files whose checksums were compared.

        Args:
            checked: Files of the bundle.
            content: ``bundle.json``, with :meth:`facts`.

        Raises:
            ValueError: If a part has another number of rows than the others.
        """
        arrays, names = checked.arrays(_TABLE), checked.json(_KEYS)
        later = [arrays.pop(f"state_{depth}") for depth in range(1, content["states"])]
        states = (arrays["features"], *later) if content["states"] else ()
        fields: dict[str, Any] = dict.fromkeys(_OPTIONAL) | arrays | {"states": states}
        fields["present"] = arrays["present"].astype(bool)
        fields["ecgs"] = read_ecgs(checked) if ECGS in checked else None
        fields |= {name: tuple(names[name]) for name in _NAMES}
        if content["lists"] is not None:
            fields["lists"] = index_from(checked.arrays(_LISTS), content["lists"])
        reference = cls(**fields)
        reference._check_lengths()
        return reference

    def _check_lengths(self) -> None:
        parts = [*_ARRAYS, *_NAMES, "present", *(name for name in _OPTIONAL if getattr(self, name) is not None)]
        lengths = {name: len(getattr(self, name)) for name in parts}
        lengths |= {f"state_{depth}": len(state) for depth, state in enumerate(self.states)}
        lengths |= {} if self.ecgs is None else {"ecgs": len(self.ecgs)}
        for name, length in lengths.items():
            if length != len(self):
                message = f"{name} has {length} rows, features have {len(self)}"
                raise ValueError(message)
