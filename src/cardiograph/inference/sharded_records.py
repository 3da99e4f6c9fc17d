"""Reference records in shards that other processes, maybe on other machines, hold and serve over HTTP."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http import HTTPStatus
from http.client import HTTPException
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.artifacts.bundle import ModelBundle
from cardiograph.artifacts.shard_folders import ShardFacts
from cardiograph.containers import NearestNeighbours, SearchPoints
from cardiograph.errors import ServiceError
from cardiograph.graph.attach import Prior
from cardiograph.graph.ranking import Ranking, merged
from cardiograph.inference.own_records import QueryKeys, own_rows
from cardiograph.inference.reference_records import NeighbourInputs, RecordFacts
from cardiograph.inference.shard_access import ShardAccess
from cardiograph.inference.shard_connections import ShardConnections
from cardiograph.inference.shard_messages import Message, pack_ragged, unpack_ragged

ROWS_AT_ONCE = 8192
"""Largest number of queries, or of rows, in a request; groups and records of one patient are not limited."""

THREADS_FOR_A_SHARD = 16
"""Requests to each shard at a time."""

MAX_REASON_BYTES = 200
"""Number of bytes of a shard's refusal that the error quotes."""

_REFUSALS = {401: "refuses the key", 409: "holds another shard now"}
"""What a status of a shard means."""


class ShardedRecords:
    """Reference records of a model whose shards answer over HTTP; a copy of a shard answers if another does not.

    Answers are those of the same records in one process: distances are merged as float64, and ties by row.

    Args:
        bundle: Model without its reference records.
        access: Where its shards are.

    Raises:
        ServiceError: If a shard has no address that answers, or an address holds something else.
    """

    def __init__(self, bundle: ModelBundle, access: ShardAccess) -> None:
        if bundle.shards is None:
            message = "this model holds its reference records itself; leave out the addresses of shards"
            raise ServiceError(message)
        self._facts: ShardFacts = bundle.shards
        self._graph, self._bounds = bundle.served.graph, np.array(bundle.shards.bounds)
        self._connections = ShardConnections({} if access.key is None else {"authorization": f"Bearer {access.key}"})
        self._recent = threading.local()
        self._report: Callable[[str], None] = lambda fault: None
        self._threads = [ThreadPoolExecutor(THREADS_FOR_A_SHARD) for _ in self._facts.sha256]
        self._copies, self._unreached = self._found(access.addresses)

    def __len__(self) -> int:
        return int(self._bounds[-1])

    @property
    def unreached(self) -> tuple[str, ...]:
        """Addresses that did not answer at the start, with the reason; copies of what they hold did."""
        return tuple(f"{address} ({reason})" for address, reason in self._unreached.items())

    @property
    def prior(self) -> Prior:
        """Prior share of each label in votes."""
        found = self._facts.prior
        return found if isinstance(found, float) else np.array(found)

    @property
    def medians(self) -> NDArray[np.float64]:
        """[variables] median of each clinical variable, NaN where no record has a value."""
        return np.array([np.nan if each is None else each for each in self._facts.medians])

    @property
    def stores_ecgs(self) -> bool:
        """Whether the shards store ECGs."""
        return self._facts.stores_ecgs

    def own(self, keys: QueryKeys) -> tuple[list[NDArray[np.int64]], tuple[tuple[str, ...], ...]]:
        """Return the rows that belong to each query itself, ascending, and the reasons."""
        hashed = [number for number, each in enumerate(keys.hashes) if each is not None]
        arrays: dict[str, NDArray[Any]] = {"hashed": np.array(hashed, np.int64)}
        if hashed:
            arrays["hashes"] = np.stack([each for each in keys.hashes if each is not None])
        request = Message(arrays, {"patients": list(keys.patients), "pixels": list(keys.pixels)})
        found = [answer.facts["matches"] for answer in self._ask_all("matches", request)]
        matches = [[tuple(frozenset(groups) for groups in match) for match in part] for part in found]
        return own_rows(matches, self._members)

    def groups_of(self, rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """Return, for each row, all rows of its group, ascending."""
        ordered, places = np.unique(rows, return_inverse=True)
        groups = np.concatenate([each.arrays["groups"] for each in self._ask_rows("groups", ordered)])
        members = self._members(groups.tolist())
        return [members[group] for group in groups[places].tolist()]

    def nearest(self, points: SearchPoints, forbidden: Sequence[NDArray[np.int64]]) -> NearestNeighbours:
        """Return the neighbours of queries; ``forbidden`` rows of each query are left out."""
        parts = []
        for start in range(0, max(1, len(points)), ROWS_AT_ONCE):
            some = slice(start, start + ROWS_AT_ONCE)
            arrays: dict[str, NDArray[Any]] = {
                **pack_ragged(forbidden[some], "forbidden"),
                "values": points.values[some],
            }
            arrays["present"] = points.present[some].astype(np.uint8)
            request = Message(arrays, {"k": self._graph.k, "metric": self._graph.metric})
            found = self._ask_all("nearest", request)
            ranked = [Ranking(each.arrays["index"], each.arrays["value"], each.facts["measure"]) for each in found]
            parts.append(merged(ranked).neighbours())
        return NearestNeighbours.stacked(parts)

    def inputs(self, rows: NDArray[np.int64]) -> NeighbourInputs:
        """Return what a network reads of some rows, ascending."""
        found = self._ask_rows("records", rows)
        columns = {name: np.concatenate([each.arrays[name] for each in found]) for name in found[0].arrays}
        names = tuple(itertools.chain.from_iterable(each.facts["names"] for each in found))
        labels, time, event = columns["labels"], columns.get("time"), columns.get("event")
        self._recent.facts = RecordFacts(rows, names, labels, columns["clinical"], time, event)
        states = tuple(columns[f"state_{depth}"] for depth in range(sum(each.startswith("state_") for each in columns)))
        return NeighbourInputs(labels, columns["degree"], states)

    def facts(self, rows: NDArray[np.int64]) -> RecordFacts:
        """Return what an answer says about some rows, ascending; those of the last :meth:`inputs` are known already."""
        recent: RecordFacts | None = getattr(self._recent, "facts", None)
        if recent is None or not np.array_equal(recent.rows, rows):
            self.inputs(rows)
            recent = self._recent.facts
        return recent

    def ecg(self, record_id: str) -> NDArray[np.float32] | None:
        """Return the stored ECG of a record, see :meth:`Reference.ecg`."""
        found = (each.arrays.get("leads") for each in self._ask_all("ecg", Message({}, {"record": record_id})))
        return next((leads for leads in found if leads is not None), None)

    def trouble(self) -> str:
        """Return why the records cannot be used now; empty if every shard answers."""
        try:
            self._ask_all("members", Message({"groups": np.zeros(0, np.int64)}, {}))
        except ServiceError as error:
            return str(error)
        return ""

    def watch(self, report: Callable[[str], None]) -> None:
        """Call ``report`` with a sentence, from now on, whenever an address of a shard does not answer."""
        self._report = report

    def _members(self, groups: Collection[int]) -> dict[int, NDArray[np.int64]]:
        asked = sorted(set(groups))
        answers = self._ask_all("members", Message({"groups": np.array(asked, np.int64)}, {}))
        parts = zip(*(unpack_ragged(answer, "rows", len(asked)) for answer in answers), strict=True)
        return {group: np.concatenate(rows) for group, rows in zip(asked, parts, strict=True)}

    def _ask_all(self, operation: str, request: Message) -> list[Message]:
        """Ask every shard the same, and return their answers in order."""
        content = request.packed()
        return self._ask_each([(number, content) for number in range(len(self._copies))], operation)

    def _ask_rows(self, operation: str, rows: NDArray[np.int64]) -> list[Message]:
        """Ask each shard about those of the ascending rows that it holds; the first shard, if there are none."""
        ends = np.searchsorted(rows, self._bounds)
        asked = [
            (number, rows[start : min(start + ROWS_AT_ONCE, stop)])
            for number, (first, stop) in enumerate(itertools.pairwise(ends.tolist()))
            for start in range(first, stop, ROWS_AT_ONCE)
        ] or [(0, rows)]
        return self._ask_each([(number, Message({"rows": some}, {}).packed()) for number, some in asked], operation)

    def _ask_each(self, requests: Sequence[tuple[int, bytes]], operation: str) -> list[Message]:
        """Ask shards at the same time, each by threads of its own, so that it sees few connections."""
        asked = [self._threads[number].submit(self._ask, number, operation, content) for number, content in requests]
        return [each.result() for each in asked]

    def _ask(self, number: int, operation: str, content: bytes) -> Message:
        """Ask one shard: the copy that answered last, then each other copy, also those that were down at the start.

        Raises:
            ServiceError: If no copy answers the request.
        """
        copies, faults = self._copies[number], list[str]()
        headers = {"x-shard": self._facts.sha256[number]}
        for address in itertools.chain(copies, self._returned(number)):
            try:
                status, found = self._connections.ask(address, f"/v1/{operation}", content, headers)
                if status == HTTPStatus.OK:
                    answer = Message.unpacked(found)
                    if faults:
                        self._report(f"{self._name(number)}: {address} answers in place of {', '.join(faults)}")
                    if address != copies[0]:
                        self._copies[number] = [address, *(each for each in copies if each != address)]
                    return answer
                reason = found[:MAX_REASON_BYTES].decode(errors="replace")
                faults.append(f"{address} ({_REFUSALS.get(status, f'status {status}: {reason}')})")
            except (OSError, HTTPException, ValueError) as error:
                faults.append(f"{address} ({type(error).__name__})")
        message = f"{self._name(number)} cannot be used: {', '.join(dict.fromkeys(faults))}"
        self._report(message)
        raise ServiceError(message)

    def _returned(self, number: int) -> Iterator[str]:
        """Yield the addresses that did not answer at the start and now hold this shard."""
        for address in self._unreached:
            with suppress(OSError, HTTPException, ValueError, ServiceError):
                if self._described(address).get("sha256") == self._facts.sha256[number]:
                    yield address

    def _name(self, number: int) -> str:
        return f"shard {number} (records {self._bounds[number]}-{self._bounds[number + 1] - 1})"

    def _found(self, addresses: Iterable[str]) -> tuple[list[list[str]], dict[str, str]]:
        """Return the addresses of each shard, and those that do not answer with the reason.

        Raises:
            ServiceError: See the class.
        """
        copies: list[list[str]] = [[] for _ in self._facts.sha256]
        unreached = dict[str, str]()
        for address in dict.fromkeys(each.rstrip("/") for each in addresses):
            try:
                sha256 = self._described(address).get("sha256")
            except (OSError, HTTPException, ValueError) as error:
                unreached[address] = type(error).__name__
                continue
            if sha256 not in self._facts.sha256:
                message = f"{address}: holds a shard of another model or of another cut; give the shards of this model"
                raise ServiceError(message)
            copies[self._facts.sha256.index(sha256)].append(address)
        missing = [self._name(number) for number, each in enumerate(copies) if not each]
        if missing:
            silent = ", ".join(f"{address} ({reason})" for address, reason in unreached.items())
            tried = f"; no answer from {silent}" if silent else ""
            message = f"no address holds {', '.join(missing)}; start `cardiograph shards serve` for each{tried}"
            raise ServiceError(message)
        return copies, unreached

    def _described(self, address: str) -> Mapping[str, Any]:
        status, found = self._connections.ask(address, "/v1/shard")
        if status == HTTPStatus.UNAUTHORIZED:
            message = f"{address}: refuses the key; set CARDIOGRAPH_SHARD_KEY to the key of the shards"
            raise ServiceError(message)
        try:
            content = json.loads(found) if status == HTTPStatus.OK else None
        except ValueError:
            content = None
        if not isinstance(content, dict):
            message = f"{address}: is no shard of a reference; give the address that `cardiograph shards serve` prints"
            raise ServiceError(message)
        return content
