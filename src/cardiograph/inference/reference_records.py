"""The reference records as a predictor uses them: in this process, or in shards that other processes hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cardiograph.artifacts.bundle import ModelBundle
from cardiograph.artifacts.reference import Reference
from cardiograph.containers import NearestNeighbours, SearchPoints
from cardiograph.graph.attach import Prior, attach, label_prior
from cardiograph.inference.own_records import OwnRecords, QueryKeys, own_rows


@dataclass(frozen=True)
class NeighbourInputs:
    """What a network reads of reference records.

    Args:
        labels: [rows] int64 labels from 0, or -1.
        degree: [rows] float32 number of neighbours + 1.
        states: For each layer of the network, [rows, width] float32 input states.
    """

    labels: NDArray[np.int64]
    degree: NDArray[np.float32]
    states: tuple[NDArray[np.float32], ...]

    @classmethod
    def of(cls, reference: Reference, rows: NDArray[np.int64]) -> NeighbourInputs:
        """Return those of some rows of a reference."""
        return cls(reference.labels[rows], reference.degree[rows], tuple(each[rows] for each in reference.states))


@dataclass(frozen=True)
class RecordFacts:
    """What an answer says about reference records.

    Args:
        rows: [rows] int64 rows of the reference, ascending.
        record_ids: [rows] names.
        labels: [rows] int64 labels from 0, or -1.
        clinical: [rows, variables] float64 values in their units, NaN where missing.
        time: [rows] float64 follow-up, NaN without; None but for a time-to-event outcome.
        event: [rows] int64 what ended it, see :class:`cardiograph.artifacts.reference.Reference`.
    """

    rows: NDArray[np.int64]
    record_ids: tuple[str, ...]
    labels: NDArray[np.int64]
    clinical: NDArray[np.float64]
    time: NDArray[np.float64] | None
    event: NDArray[np.int64] | None

    @classmethod
    def of(cls, reference: Reference, rows: NDArray[np.int64]) -> RecordFacts:
        """Return those of some rows of a reference, ascending."""
        return cls(
            rows,
            tuple(reference.record_ids[row] for row in rows.tolist()),
            reference.labels[rows],
            reference.clinical[rows],
            None if reference.time is None else reference.time[rows],
            None if reference.event is None else reference.event[rows],
        )

    def position(self, row: int) -> int:
        """Return where the facts about a row of the reference are.

        Raises:
            KeyError: If there are none.
        """
        found = int(np.searchsorted(self.rows, row))
        if found == len(self.rows) or self.rows[found] != row:
            raise KeyError(row)
        return found

    def names(self, rows: Iterable[int]) -> tuple[str, ...]:
        """Return the names of records by their rows of the reference."""
        return tuple(self.record_ids[self.position(row)] for row in rows)


class ReferenceRecords(Protocol):
    """The reference records of a model, wherever they are held; a row is a number from 0."""

    @property
    def prior(self) -> Prior:
        """Prior share of each label in votes: that of the model, or the share in these records."""

    @property
    def medians(self) -> NDArray[np.float64]:
        """[variables] median of each clinical variable, NaN where no record has a value."""

    @property
    def stores_ecgs(self) -> bool:
        """Whether ECGs of the records are stored."""

    @property
    def unreached(self) -> tuple[str, ...]:
        """Addresses that did not answer at the start, with the reason; copies of what they hold did."""

    def __len__(self) -> int: ...

    def own(self, keys: QueryKeys) -> tuple[list[NDArray[np.int64]], tuple[tuple[str, ...], ...]]:
        """Return the rows that belong to each query itself, ascending, and the reasons."""

    def groups_of(self, rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """Return, for each row, all rows of its group, ascending."""

    def nearest(self, points: SearchPoints, forbidden: Sequence[NDArray[np.int64]]) -> NearestNeighbours:
        """Return the neighbours of queries; ``forbidden`` rows of each query are left out."""

    def inputs(self, rows: NDArray[np.int64]) -> NeighbourInputs:
        """Return the network inputs of reference records; ``rows`` are ascending and different."""

    def facts(self, rows: NDArray[np.int64]) -> RecordFacts:
        """Return the facts that a prediction shows about reference records; ``rows`` are ascending and different."""

    def ecg(self, record_id: str) -> NDArray[np.float32] | None:
        """Return the stored ECG of a record, see :meth:`Reference.ecg`."""

    def trouble(self) -> str:
        """Return why the records cannot be used now; empty if they can."""

    def watch(self, report: Callable[[str], None]) -> None:
        """Call ``report`` with a sentence, from now on, whenever an address that holds records does not answer."""


class HeldRecords:
    """Reference records of a bundle, in the memory of this process.

    Args:
        bundle: Model with its reference records.
    """

    unreached: tuple[str, ...] = ()

    def __init__(self, bundle: ModelBundle) -> None:
        self._reference, self._served = bundle.reference, bundle.served
        self._points, self._own = bundle.reference_points(), OwnRecords(bundle.reference)

    def __len__(self) -> int:
        return len(self._reference)

    @cached_property
    def prior(self) -> Prior:
        """Prior share of each label in votes: that of the model, or the share in these records."""
        kept = self._served.prior
        return label_prior(self._reference.labels, self._served.class_count) if kept is None else kept

    @cached_property
    def medians(self) -> NDArray[np.float64]:
        """[variables] median of each clinical variable, NaN where no record has a value."""
        columns = [column[~np.isnan(column)] for column in self._reference.clinical.T]
        return np.array([np.median(column) if len(column) else np.nan for column in columns])

    @property
    def stores_ecgs(self) -> bool:
        """Whether ECGs of the records are stored."""
        return self._reference.ecgs is not None

    def own(self, keys: QueryKeys) -> tuple[list[NDArray[np.int64]], tuple[tuple[str, ...], ...]]:
        """Return the rows that belong to each query itself, ascending, and the reasons."""
        return own_rows([self._own.matches(keys)], self._own.members)

    def groups_of(self, rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """Return, for each row, all rows of its group, ascending."""
        groups = self._reference.groups[rows].tolist()
        members = self._own.members(groups)
        return [members[group] for group in groups]

    def nearest(self, points: SearchPoints, forbidden: Sequence[NDArray[np.int64]]) -> NearestNeighbours:
        """Return the neighbours of queries; ``forbidden`` rows of each query are left out."""
        return attach(self._points, points, self._served.graph, forbidden)

    def inputs(self, rows: NDArray[np.int64]) -> NeighbourInputs:
        """Return what a network reads of some rows."""
        return NeighbourInputs.of(self._reference, rows)

    def facts(self, rows: NDArray[np.int64]) -> RecordFacts:
        """Return what an answer says about some rows, ascending."""
        return RecordFacts.of(self._reference, rows)

    def ecg(self, record_id: str) -> NDArray[np.float32] | None:
        """Return the stored ECG of a record, see :meth:`Reference.ecg`."""
        return self._reference.ecg(record_id)

    def trouble(self) -> str:
        """Return an empty text: these records are always there."""
        return ""

    def watch(self, report: Callable[[str], None]) -> None:
        """Do nothing: no address holds these records."""
