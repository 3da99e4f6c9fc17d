"""The audit log: numbered entries with ids and hashes only, each chained to the previous one by its hash.

The hash of an entry is SHA-256 over the JSON array ``[number, time, event, subject, key_id, details, previous]``
without spaces, in ASCII; time as ``2026-11-25T17:49:00.000000+00:00``, details as the text in the table, previous as
64 hex digits (64 zeros for the first entry).
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
    "outcome",
]
"""Events of the audit log."""

EVENTS: tuple[Event, ...] = get_args(Event)

_ID = re.compile(r"[0-9a-f]{8,64}")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
_KEY_ID = re.compile(r"[A-Za-z0-9._@:-]{1,64}")


class AuditLog:
    """Audit log of a database.

    Args:
        database: Open database.
        seals: HMACs under the secret of the database.
    """

    def __init__(self, database: Database, seals: Seals) -> None:
        self._database, self._seals = database, seals

    def append(
        self, event: Event, subject: str, *, key_id: str | None = None, details: Mapping[str, str | int] | None = None
    ) -> None:
        """Add an entry in its own transaction; it is on disk when this returns.

        Args:
            event: Event.
            subject: Id or hash of the object of the event, 8 to 64 hex digits.
            key_id: Id of the API key, or name of the caller by another identity provider; None for a local command.
            details: Additional ids and hashes (8 to 64 hex digits) and counts, by names in lower case.

        Raises:
            ValueError: If the event is unknown, or a value is not an id, hash or count.
            RecordsError: If the database cannot be written.
        """
        with self._database.writing() as session:
            append_entry(session, event, subject, key_id=key_id, details=details)

    def verify(self, *, known: tuple[int, str] | None = None) -> Verified:
        """Verify every entry and the rows that entries refer to.

        Args:
            known: Number and hash of an entry, as noted outside the database.
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
    """Add an entry in an open write transaction; see :meth:`AuditLog.append`."""
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
    """Lock the end of the log until this transaction ends, and return it.

    On SQLite the transaction already holds the write lock; PostgreSQL locks the row.
    """
    head = session.scalar(
        select(HeadRow).where(HeadRow.id == 1).with_for_update().execution_options(populate_existing=True)
    )
    if head is None or not isinstance(head.number, int):
        message = "the end of the audit log is missing; run `cardiograph audit-log verify` and restore a backup"
        raise RecordsError(message)
    return head


def _check(event: str, subject: str, key_id: str | None, details: Mapping[str, str | int]) -> None:
    texts = [subject, *(value for value in details.values() if not isinstance(value, int))]
    if event not in EVENTS:
        message = f"event {event!r} is unknown to the audit log"
    elif not all(_ID.fullmatch(each) for each in texts) or not all(_NAME.fullmatch(name) for name in details):
        message = f"event {event!r}: the audit log accepts only ids and hashes of 8 to 64 hex digits, and counts"
    elif key_id is not None and not _KEY_ID.fullmatch(key_id):
        message = f"event {event!r}: a key id has 1 to 64 letters, digits or . _ @ : -"
    else:
        return
    raise ValueError(message)
