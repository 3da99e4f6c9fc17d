"""Verification of the audit log: whether it is complete, and whether the rows it refers to are unchanged."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cardiograph.service.records.tables import HeadRow, KeyRow, LogRow, OutcomeRow, PredictionRow, Seals, utc_text

FIRST = "0" * 64
"""Previous hash of the first entry."""

CHUNK_ROWS = 1000

Stored = TypeVar("Stored", LogRow, PredictionRow, OutcomeRow, KeyRow)


@dataclass(frozen=True)
class Verified:
    """Result of a verification.

    Args:
        entries: Number of entries that form an intact chain from the first entry.
        ok: Whether there is no fault.
        first_bad: Number of the first faulty entry; None if there is none or the fault is not in an entry.
        head_hash: Hash of the last intact entry. Noted elsewhere with ``entries``, it reveals a replaced log.
        reason: Description of the fault; empty if there is none.
    """

    entries: int
    ok: bool
    first_bad: int | None
    head_hash: str
    reason: str = ""


def entry_hash(row: LogRow) -> str:
    """Return the hash of an entry; see :mod:`cardiograph.service.records.audit_log` for the encoding."""
    content = [row.number, utc_text(row.time), row.event, row.subject, row.key_id, row.details, row.previous]
    return hashlib.sha256(json.dumps(content, separators=(",", ":")).encode("ascii")).hexdigest()


def verify(session: Session, seals: Seals, *, known: tuple[int, str] | None = None) -> Verified:
    """Verify every entry and the rows that entries refer to.

    Args:
        session: Session that sees one state of the database.
        seals: HMACs under the secret of the database.
        known: Number and hash of an entry, as noted outside the database.
    """
    walk = _Walk(session, seals, known)
    rows = session.scalars(select(LogRow).order_by(LogRow.number).execution_options(yield_per=CHUNK_ROWS))
    for part in rows.partitions():
        before = walk.number
        fault = walk.chain(part)
        fault = walk.predictions(part[: walk.number - before]) or fault
        if fault is not None:
            return walk.bad(*fault)
    fault = walk.end() or walk.keys() or walk.outcomes() or walk.count()
    return Verified(walk.number, True, None, walk.last) if fault is None else walk.bad(*fault)


Fault = tuple[int | None, str]
"""Number of the entry (None if the fault is not in an entry) and description."""


@dataclass
class _Walk:
    """State of a pass over the log."""

    session: Session
    seals: Seals
    known: tuple[int, str] | None
    number: int = 0
    last: str = FIRST
    predicted: int = 0
    deleted: int = 0
    found: int = 0
    key_seals: dict[str, tuple[int, str]] = field(default_factory=dict)
    outcome_seals: dict[str, tuple[int, str]] = field(default_factory=dict)

    def bad(self, number: int | None, reason: str) -> Verified:
        return Verified(self.number, False, number, self.last, reason)

    def chain(self, rows: Sequence[LogRow]) -> Fault | None:
        for row in rows:
            expected = self.number + 1
            if not isinstance(row.number, int):
                return expected, "is missing, and another entry has no integer number"
            if row.number != expected:
                return (expected, "is missing") if row.number > expected else (row.number, "precedes the first entry")
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
        elif row.event == "outcome":
            self.outcome_seals[row.subject] = row.number, _detail(row, "seal")

    def predictions(self, rows: Sequence[LogRow]) -> Fault | None:
        """Check the stored predictions; missing ones may have been deleted, see ``count``."""
        entries = {row.subject: row for row in rows if row.event == "prediction"}
        self.predicted += sum(row.event == "prediction" for row in rows)
        there = self.session.scalars(select(PredictionRow).where(PredictionRow.id.in_(entries))).all()
        self.found += len(there)
        bad = [
            entries[each.id].number
            for each in there
            if _computed(self.seals.prediction, each) != _detail(entries[each.id], "seal")
        ]
        return (min(bad), "refers to a prediction that was changed since") if bad else None

    def end(self) -> Fault | None:
        head = self.session.get(HeadRow, 1)
        if head is None:
            return None, "the row with the end of the log is missing"
        if not isinstance(head.number, int):
            return None, "the row with the end of the log has no integer number"
        if head.number > self.number:
            return self.number + 1, f"is missing: the log ended with entry {head.number}"
        if head.number < self.number:
            return head.number + 1, f"follows the end of the log, which is entry {head.number}"
        if head.hash != self.last:
            return self.number, "has another hash than the end of the log"
        if self.known is not None and self.known[0] > self.number:
            return self.known[0], "is missing: it was noted elsewhere"
        return None

    def keys(self) -> Fault | None:
        there = {row.id: row for row in self.session.scalars(select(KeyRow))}
        strange = sorted(ascii(id_)[:40].strip("'") for id_ in set(there) - set(self.key_seals))
        if strange:
            return None, f"no entry refers to key {strange[0]}"
        for id_, (number, seal) in sorted(self.key_seals.items(), key=lambda each: each[1]):
            if id_ not in there or _computed(self.seals.key, there[id_]) != seal:
                return number, "refers to a key that was changed or removed since"
        return None

    def outcomes(self) -> Fault | None:
        """Check the stored outcomes; only those of deleted predictions may be missing."""
        seen, bad = set[str](), []
        rows = self.session.scalars(select(OutcomeRow).execution_options(yield_per=CHUNK_ROWS))
        for row in rows:
            if row.prediction_id not in self.outcome_seals:
                return None, "a stored outcome has no entry"
            number, seal = self.outcome_seals[row.prediction_id]
            seen.add(row.prediction_id)
            bad += [] if _computed(self.seals.outcome, row) == seal else [number]
        missing = sorted(set(self.outcome_seals) - seen)
        for start in range(0, len(missing), CHUNK_ROWS):
            there = select(PredictionRow.id).where(PredictionRow.id.in_(missing[start : start + CHUNK_ROWS]))
            bad += [self.outcome_seals[id_][0] for id_ in self.session.scalars(there)]
        return (min(bad), "refers to an outcome that was changed or removed since") if bad else None

    def count(self) -> Fault | None:
        """Check that each prediction has exactly one entry; otherwise a row could be replaced by another."""
        subjects = select(func.count(LogRow.subject.distinct())).where(LogRow.event == "prediction")
        if self.session.scalar(subjects) != self.predicted:
            return None, "two entries refer to the same prediction"
        there = self.session.scalar(select(func.count()).select_from(PredictionRow)) or 0
        if there != self.found:
            return None, f"no entry refers to {there - self.found} of the {there} predictions"
        if there != self.predicted - self.deleted:
            return None, f"{there} predictions are stored, but {self.predicted - self.deleted} according to the log"
        return None


def _detail(row: LogRow, name: str) -> str:
    try:
        details = json.loads(row.details)
    except (ValueError, TypeError, RecursionError):
        return ""
    return str(details.get(name, "")) if isinstance(details, dict) else ""


def _computed(hashed: Callable[[Stored], str], row: Stored) -> str | None:
    """Return the hash of a row; None if a cell has a wrong type, since SQLite does not enforce column types."""
    try:
        return hashed(row)
    except (ValueError, TypeError, AttributeError):
        return None
