"""The audit log: numbered entries, each with the hash of the one before; only ids and hashes.

The hash of an entry is SHA-256 over the JSON array ``[number, time, event, subject, key_id, details, previous]`` without
spaces, in ASCII; time as ``2026-11-25T17:49:00.000000+00:00``, details as the text that the table holds, previous as 64 hex
digits (64 noughts before the first entry).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal, get_args

from sqlalchemy import select
from sqlalchemy.orm import Session

from cardiograph.errors import RecordsError
from cardiograph.service.records.database import Database
from cardiograph.service.records.tables import HeadRow, LogRow, Seals
from cardiograph.service.records.verification import Verified, entry_hash, verify

Event = Literal[
    "service_started",
    "service_stopped",
    "key_created",
    "key_revoked",
    "prediction",
    "prediction_read",
    "page_read",
    "explanation_read",
    "predictions_deleted",
]
"""What can stand in the log."""

EVENTS: tuple[Event, ...] = get_args(Event)

_ID = re.compile(r"[0-9a-f]{8,64}")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
_KEY_ID = re.compile(r"[A-Za-z0-9._@:-]{1,64}")


class AuditLog:
    """The log of a database.

    Args:
        database: Where it lies.
        seals: Under the secret of the database.
    """

    def __init__(self, database: Database, seals: Seals) -> None:
        self._database, self._seals = database, seals

    def append(
        self, event: Event, subject: str, *, key_id: str | None = None, details: Mapping[str, str | int] | None = None
    ) -> None:
        """Add an entry, in a transaction of its own; it is on the disk when this returns.

        Args:
            event: What happened.
            subject: Id or hash of what it happened to: 8 to 64 hex digits.
            key_id: Key id of the API key, or of the person as another identity provider calls it; None for a local command.
            details: Further ids and hashes (8 to 64 hex digits) and counts, by names in small letters.

        Raises:
            ValueError: An event that is not known, or something that is no id, hash or count.
            RecordsError: The database cannot be written.
        """
        with self._database.writing() as session:
            append_entry(session, event, subject, key_id=key_id, details=details)

    def verify(self, *, known: tuple[int, str] | None = None) -> Verified:
        """Look at every entry, and at the rows that entries are about.

        Args:
            known: Number and hash of an entry, as they were noted elsewhere.
        """
        with self._database.reading(whole=True) as session:
            return verify(session, self._seals, known=known)


def append_entry(
    session: Session,
    event: Event,
    subject: str,
    *,
    key_id: str | None = None,
    details: Mapping[str, str | int] | None = None,
) -> None:
    """Add an entry in a transaction that is open for writing; see :meth:`AuditLog.append`."""
    _check(event, subject, key_id, details or {})
    head = locked_head(session)
    row = LogRow(
        number=head.number + 1,
        time=datetime.now(UTC),
        event=event,
        subject=subject,
        key_id=key_id,
        details=json.dumps(dict(details or {}), sort_keys=True, separators=(",", ":")),
        previous=head.hash,
    )
    row.hash = entry_hash(row)
    session.add(row)
    head.number, head.hash = row.number, row.hash
    session.flush()


def locked_head(session: Session) -> HeadRow:
    """The end of the log, which no other process can move before this transaction has ended.

    On SQLite the transaction holds the write lock already; PostgreSQL locks the row.
    """
    head = session.scalar(
        select(HeadRow).where(HeadRow.id == 1).with_for_update().execution_options(populate_existing=True)
    )
    if head is None or not isinstance(head.number, int):
        message = "the audit log has lost its end; see `cardiograph audit-log verify`, and restore a backup"
        raise RecordsError(message)
    return head


def _check(event: str, subject: str, key_id: str | None, details: Mapping[str, str | int]) -> None:
    texts = [subject, *(value for value in details.values() if not isinstance(value, int))]
    if event not in EVENTS:
        message = f"event {event!r} is not known to the audit log"
    elif not all(_ID.fullmatch(each) for each in texts) or not all(_NAME.fullmatch(name) for name in details):
        message = f"event {event!r}: the audit log takes ids and hashes of 8 to 64 hex digits, and counts"
    elif key_id is not None and not _KEY_ID.fullmatch(key_id):
        message = f"event {event!r}: a key id has 1 to 64 letters, digits or . _ @ : -"
    else:
        return
    raise ValueError(message)
