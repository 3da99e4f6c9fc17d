"""Whether the audit log is whole, and whether the rows it tells of are still what they were."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cardiograph.service.records.tables import HeadRow, KeyRow, LogRow, PredictionRow, Seals, utc_text

FIRST = "0" * 64
"""What stands as previous hash in the first entry."""

AT_ONCE = 1000

Stored = TypeVar("Stored", LogRow, PredictionRow, KeyRow)


@dataclass(frozen=True)
class Verified:
    """What came of looking.

    Args:
        entries: How many form a whole chain, from the first on.
        ok: Whether there is no fault.
        first_bad: Number of the first entry with a fault; None without one, or where no entry can be named.
        head_hash: Hash of the last sound entry: noted elsewhere with ``entries``, it shows if the log is exchanged.
        reason: What the fault is, in words; empty without one.
    """

    entries: int
    ok: bool
    first_bad: int | None
    head_hash: str
    reason: str = ""


def entry_hash(row: LogRow) -> str:
    """64 hex digits of an entry, over all its fields; :mod:`cardiograph.service.records.audit_log` tells the encoding."""
    content = [row.number, utc_text(row.time), row.event, row.subject, row.key_id, row.details, row.previous]
    return hashlib.sha256(json.dumps(content, separators=(",", ":")).encode("ascii")).hexdigest()


def verify(session: Session, seals: Seals, *, known: tuple[int, str] | None = None) -> Verified:
    """Look at every entry, and at the rows that entries are about.

    Args:
        session: Sees one state of the database.
        seals: Under the secret of the database.
        known: Number and hash of an entry, as they were noted elsewhere.
    """
    walk = _Walk(session, seals, known)
    rows = session.scalars(select(LogRow).order_by(LogRow.number).execution_options(yield_per=AT_ONCE))
    for part in rows.partitions():
        before = walk.number
        fault = walk.chain(part)
        fault = walk.predictions(part[: walk.number - before]) or fault
        if fault is not None:
            return walk.bad(*fault)
    fault = walk.end() or walk.keys() or walk.count()
    return Verified(walk.number, True, None, walk.last) if fault is None else walk.bad(*fault)


Fault = tuple[int | None, str]
"""Number of the entry, None where none can be named, and what is wrong with it."""


@dataclass
class _Walk:
    """Where a walk along the log is, and what it has to remember."""

    session: Session
    seals: Seals
    known: tuple[int, str] | None
    number: int = 0
    last: str = FIRST
    predicted: int = 0
    deleted: int = 0
    found: int = 0
    key_seals: dict[str, tuple[int, str]] = field(default_factory=dict)

    def bad(self, number: int | None, reason: str) -> Verified:
        return Verified(self.number, False, number, self.last, reason)

    def chain(self, rows: Sequence[LogRow]) -> Fault | None:
        for row in rows:
            expected = self.number + 1
            if not isinstance(row.number, int):
                return expected, "is missing, and another has no whole number"
            if row.number != expected:
                return (expected, "is missing") if row.number > expected else (row.number, "stands before the first")
            if row.hash != _computed(entry_hash, row):
                return expected, "was changed"
            if row.previous != self.last:
                return expected, "does not follow from the entry before it"
            if self.known is not None and expected == self.known[0] and row.hash != self.known[1]:
                return expected, "has another hash than the one noted elsewhere"
            self.number, self.last = expected, row.hash
            self._remember(row)
        return None

    def _remember(self, row: LogRow) -> None:
        if row.event == "predictions_deleted":
            count = _detail(row, "count")
            self.deleted += int(count) if re.fullmatch("[0-9]{1,18}", count) else 0
        elif row.event in ("key_created", "key_revoked"):
            self.key_seals[row.subject] = row.number, _detail(row, "seal")

    def predictions(self, rows: Sequence[LogRow]) -> Fault | None:
        """Those that are there; one that is not may have been deleted, see ``count``."""
        told = {row.subject: row for row in rows if row.event == "prediction"}
        self.predicted += sum(row.event == "prediction" for row in rows)
        there = self.session.scalars(select(PredictionRow).where(PredictionRow.id.in_(told))).all()
        self.found += len(there)
        bad = [
            told[each.id].number
            for each in there
            if _computed(self.seals.prediction, each) != _detail(told[each.id], "seal")
        ]
        return (min(bad), "tells of a prediction that was changed since") if bad else None

    def end(self) -> Fault | None:
        head = self.session.get(HeadRow, 1)
        if head is None:
            return None, "the row that keeps the end of the log is missing"
        if not isinstance(head.number, int):
            return None, "the row that keeps the end of the log has no whole number"
        if head.number > self.number:
            return self.number + 1, f"is missing: the log ended with entry {head.number}"
        if head.number < self.number:
            return head.number + 1, f"stands behind the end of the log, which is entry {head.number}"
        if head.hash != self.last:
            return self.number, "has another hash than the end of the log keeps"
        if self.known is not None and self.known[0] > self.number:
            return self.known[0], "is missing: it was noted elsewhere"
        return None

    def keys(self) -> Fault | None:
        there = {row.id: row for row in self.session.scalars(select(KeyRow))}
        strange = sorted(ascii(id_)[:40].strip("'") for id_ in set(there) - set(self.key_seals))
        if strange:
            return None, f"no entry tells of key {strange[0]}"
        for id_, (number, seal) in sorted(self.key_seals.items(), key=lambda each: each[1]):
            if id_ not in there or _computed(self.seals.key, there[id_]) != seal:
                return number, "tells of a key that was changed or removed since"
        return None

    def count(self) -> Fault | None:
        """Each prediction has its entry, one alone: else a row could be removed and another put in its place."""
        subjects = select(func.count(LogRow.subject.distinct())).where(LogRow.event == "prediction")
        if self.session.scalar(subjects) != self.predicted:
            return None, "two entries tell of the same prediction"
        there = self.session.scalar(select(func.count()).select_from(PredictionRow)) or 0
        if there != self.found:
            return None, f"no entry tells of {there - self.found} of the {there} predictions"
        if there != self.predicted - self.deleted:
            return None, f"{there} predictions are kept, {self.predicted - self.deleted} by the log"
        return None


def _detail(row: LogRow, name: str) -> str:
    try:
        details = json.loads(row.details)
    except (ValueError, TypeError, RecursionError):
        return ""
    return str(details.get(name, "")) if isinstance(details, dict) else ""


def _computed(hashed: Callable[[Stored], str], row: Stored) -> str | None:
    """The hash of a row; None if a cell is of a type that nobody writes there: SQLite lets any cell hold anything."""
    try:
        return hashed(row)
    except (ValueError, TypeError, AttributeError):
        return None
