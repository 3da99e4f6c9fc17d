"""A shard of reference records that this process holds, and the requests that it answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cardiograph.artifacts.shard_folders import ShardFolder
from cardiograph.containers import SearchPoints
from cardiograph.graph.shards import search_shard
from cardiograph.inference.own_records import OwnRecords, QueryKeys
from cardiograph.inference.reference_records import NeighbourInputs, RecordFacts
from cardiograph.inference.shard_messages import Message, pack_ragged, unpack_ragged

MOST_NEIGHBOURS = 4096
"""Largest ``k`` of a search."""

METRICS = ("euclidean", "cosine")


class HeldShard:
    """Answers requests about one shard. All row numbers refer to the whole reference.

    Args:
        folder: The shard as it was read.
    """

    def __init__(self, folder: ShardFolder) -> None:
        self._shard, self._reference, self._sha256 = folder.shard, folder.reference, folder.sha256
        self._own = OwnRecords(folder.reference)
        self._operations: dict[str, Callable[[Message], Message]] = {
            "matches": self._matches,
            "members": self._members,
            "groups": self._groups,
            "nearest": self._nearest,
            "records": self._records,
            "ecg": self._ecg,
        }

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read and check the folder of a shard; errors as for :meth:`ShardFolder.read`."""
        return cls(ShardFolder.read(folder))

    @property
    def extent(self) -> tuple[int, int]:
        """Row of the first record, and the row after the last."""
        return self._shard.first, self._shard.first + len(self._reference)

    @property
    def operations(self) -> frozenset[str]:
        """Names of the operations of :meth:`answer`."""
        return frozenset(self._operations)

    def described(self) -> dict[str, Any]:
        """Return what a service asks first: which shard this is."""
        return {"sha256": self._sha256, "first": self.extent[0], "records": len(self._reference)}

    def answer(self, operation: str, request: Message) -> Message:
        """Answer a request.

        Args:
            operation: Name of the operation.
            request: Its arrays and facts.

        Raises:
            KeyError: There is no such operation, see :attr:`operations`.
            ValueError: The request lacks an array, or has one of another shape, or a value that is not allowed.
        """
        return self._operations[operation](request)

    def _matches(self, request: Message) -> Message:
        patients, pixels = _texts(request, "patients"), _texts(request, "pixels")
        hashed = request.array("hashed", np.int64, axes=1)
        hashes: list[NDArray[np.uint8] | None] = [None] * len(patients)
        if len(hashed):
            given = request.array("hashes", np.uint8, axes=2)
            for number, own in zip(_within(hashed, 0, len(patients)).tolist(), given, strict=True):
                hashes[number] = own
        found = self._own.matches(QueryKeys(patients, pixels, hashes))
        return Message({}, {"matches": [[sorted(groups) for groups in match] for match in found]})

    def _members(self, request: Message) -> Message:
        groups = request.array("groups", np.int64, axes=1).tolist()
        found = self._own.members(groups)
        none = np.zeros(0, np.int64)
        return Message(pack_ragged([found.get(group, none) + self._shard.first for group in groups], "rows"), {})

    def _groups(self, request: Message) -> Message:
        return Message({"groups": self._reference.groups[self._rows(request)]}, {})

    def _nearest(self, request: Message) -> Message:
        values, present = request.array("values", np.float32, axes=2), request.array("present", np.uint8, axes=2)
        own, k, metric = self._shard.points, request.facts.get("k"), request.facts.get("metric")
        if values.shape[1] != own.values.shape[1] or present.shape != (len(values), len(own.blocks)):
            message = f"points of {values.shape[1]} coordinates; this shard has {own.values.shape[1]}"
            raise ValueError(message)
        if type(k) is not int or not 1 <= k <= MOST_NEIGHBOURS or metric not in METRICS:
            message = f"k is {k!r} and the metric {metric!r}; allowed 1-{MOST_NEIGHBOURS}, and {' or '.join(METRICS)}"
            raise ValueError(message)
        if not np.isfinite(values).all():
            message = "a coordinate is not finite"
            raise ValueError(message)
        queries = SearchPoints(values, present.astype(bool), own.blocks, own.scales)
        forbidden = unpack_ragged(request, "forbidden", len(values))
        found = search_shard(self._shard, queries, k=k, metric=metric, forbidden=forbidden)
        return Message({"index": found.index, "value": found.value}, {"measure": found.measure})

    def _records(self, request: Message) -> Message:
        rows = self._rows(request)
        inputs, facts = NeighbourInputs.of(self._reference, rows), RecordFacts.of(self._reference, rows)
        states = {f"state_{depth}": state for depth, state in enumerate(inputs.states)}
        followed = {name: each for name in ("time", "event") if (each := getattr(facts, name)) is not None}
        arrays = {"labels": inputs.labels, "degree": inputs.degree, "clinical": facts.clinical, **states, **followed}
        return Message(arrays, {"names": facts.record_ids})

    def _ecg(self, request: Message) -> Message:
        found = self._reference.ecg(str(request.facts.get("record")))
        return Message({} if found is None else {"leads": found}, {})

    def _rows(self, request: Message) -> NDArray[np.int64]:
        """Return the rows of a request, counted from the first record of this shard."""
        return _within(request.array("rows", np.int64, axes=1), *self.extent) - self._shard.first


def _within(rows: NDArray[np.int64], start: int, stop: int) -> NDArray[np.int64]:
    if len(rows) and not start <= rows.min() <= rows.max() < stop:
        message = f"rows {rows.min()} to {rows.max()}; allowed {start} to {stop - 1}"
        raise ValueError(message)
    return rows


def _texts(request: Message, name: str) -> list[str]:
    found = request.facts.get(name)
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        message = f"{name} is no list of texts"
        raise ValueError(message)
    return found
