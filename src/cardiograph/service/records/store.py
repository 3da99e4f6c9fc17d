"""Predictions that were answered: kept, read again, deleted when their time is over."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from sqlalchemy import delete, select, update
from sqlalchemy.orm import undefer

from cardiograph.errors import RecordsError
from cardiograph.service.records.audit_log import AuditLog, append_entry, locked_head
from cardiograph.service.records.database import Database, database_url
from cardiograph.service.records.keys import Keys
from cardiograph.service.records.sqlite_files import NoRoomError, ReplacedError
from cardiograph.service.records.tables import HeadRow, PredictionRow, Seals, SettingRow, given

AT_ONCE = 500
"""Predictions that are deleted in one transaction, so that others are not kept waiting."""

PAGES_AT_ONCE = 20
"""As many where pages are kept, which are overwritten when they go."""

_ID, _HASH = re.compile(r"[0-9a-f]{32}"), re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class PredictionEntry:
    """One answered prediction.

    Args:
        id: 32 hex digits (``uuid4().hex``).
        created_at: When, with a time zone; kept in UTC to the microsecond.
        model_sha256: Of the bundle's ``bundle.json``, 64 hex digits.
        key_id: Key id of the API key; None without one.
        page_sha256: Of the page's bytes, 64 hex digits; None without a page.
        values_hmac: Values hmac of the clinical values, by :meth:`Records.hmac_of`.
        answer: ``Prediction.as_dict()``.
        page: The page's bytes; None unless pages are kept.
        clinical: The clinical values; None unless pages are kept. A missing one is not kept.
    """

    id: str
    created_at: datetime
    model_sha256: str
    key_id: str | None
    page_sha256: str | None
    values_hmac: str
    answer: Mapping[str, Any]
    page: bytes | None = None
    clinical: Mapping[str, float | None] | None = None

    def __post_init__(self) -> None:
        hashes = (self.model_sha256, self.values_hmac, *([self.page_sha256] if self.page_sha256 is not None else []))
        if not _ID.fullmatch(self.id) or not all(_HASH.fullmatch(each) for each in hashes):
            message = "a prediction has an id of 32 hex digits and hashes of 64"
            raise ValueError(message)
        if self.created_at.tzinfo is None:
            message = "a prediction's time has a time zone"
            raise ValueError(message)


class Records:
    """The records of a service; safe for several threads, beside other processes.

    Args:
        database: Open and up to date.

    Raises:
        RecordsError: The database has lost its secret.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        with database.reading() as session:
            secret = session.get(SettingRow, "secret")
        try:
            self._seals = Seals(bytes.fromhex("" if secret is None else secret.value))
        except (ValueError, TypeError):
            secret = None
        if secret is None:
            message = "the records have lost their secret; restore a backup"
            raise RecordsError(message)
        self.keys = Keys(database, self._seals)
        self.log = AuditLog(database, self._seals)

    @classmethod
    def open(cls, url: str | None = None, *, create: bool = True, spend_reserve: bool = False) -> Self:
        """Open a database and bring its tables up to date.

        Args:
            url: As :func:`cardiograph.service.records.database.database_url` takes it.
            create: Whether to make the file or the tables where there are none.
            spend_reserve: Whether to free the reserve of disk space first, which opening on a full disk needs.

        Raises:
            ConfigError: The URL is none, or its driver is not installed.
            RecordsError: The database cannot be used.
        """
        return cls(Database(database_url(url), create=create, spend_reserve=spend_reserve))

    def hmac_of(self, values: Mapping[str, float | None]) -> str:
        """64 hex digits by which equal clinical values can be told as equal, by who has the database."""
        return self._seals.values(values)

    def add(self, entry: PredictionEntry) -> None:
        """Keep a prediction and tell the audit log of it, both or neither; they are on the disk when this returns."""
        row = PredictionRow(
            id=entry.id,
            created_at=entry.created_at,
            model_sha256=entry.model_sha256,
            key_id=entry.key_id,
            page_sha256=entry.page_sha256,
            values_hmac=entry.values_hmac,
            answer=_json(entry.answer),
            clinical=None if entry.clinical is None else _json(given(entry.clinical)),
            page=entry.page,
        )
        details = {"seal": self._seals.prediction(row), "model": entry.model_sha256}
        with self._database.writing() as session:
            session.add(row)
            append_entry(session, "prediction", entry.id, key_id=entry.key_id, details=details)

    def get(self, id_: str) -> PredictionEntry | None:
        """A prediction by its id, None if there is none (any more)."""
        if not _ID.fullmatch(id_):
            return None
        with self._database.reading() as session:
            row = session.get(PredictionRow, id_, options=[undefer(PredictionRow.page)])
        try:
            return None if row is None else _entry(row)
        except (ValueError, TypeError):
            message = f"prediction {id_}: cannot be read; see `cardiograph audit-log verify`, and restore a backup"
            raise RecordsError(message) from None

    def prune(self, before: datetime) -> int:
        """Delete predictions with all that was kept of them; the log stays, and tells how many and a hash of their ids.

        Args:
            before: Those made earlier go.

        Returns:
            How many went.
        """
        total = 0
        self._database.spend_reserve()
        try:
            with contextlib.suppress(NoRoomError):
                self._database.forget()  # on a full disk the write-ahead log has to begin again in the space it has
            while count := self._prune_some(before, AT_ONCE):
                total += count
        except NoRoomError:
            total += self._prune_singly(before)
        finally:
            self._database.forget()
            self._database.lay_reserve()
        return total

    def _prune_singly(self, before: datetime) -> int:
        """Delete predictions one by one, each with the write-ahead log to itself, which takes the least space."""
        total = 0
        self._database.forget()
        while self._prune_some(before, 1):
            self._database.forget()
            total += 1
        return total

    def forget(self) -> bool:
        """Try again what readers of an SQLite database held up when predictions were deleted.

        Returns:
            Whether nothing of them is left in its write-ahead log.
        """
        if not self._database.forgotten:
            self._database.forget()
        return self._database.forgotten

    def _prune_some(self, before: datetime, at_once: int) -> int:
        old = select(PredictionRow.id, PredictionRow.page.is_not(None)).where(PredictionRow.created_at < before)
        with self._database.writing() as session:
            locked_head(session)  # another process that prunes waits here and then finds these gone
            rows = session.execute(old.order_by(PredictionRow.created_at).limit(at_once)).all()
            most = min(PAGES_AT_ONCE, at_once) if any(page for _, page in rows) else at_once
            ids = sorted(id_ for id_, _ in rows[:most])
            if ids:
                session.execute(delete(PredictionRow).where(PredictionRow.id.in_(ids)))
                digest = hashlib.sha256("\n".join(ids).encode("ascii")).hexdigest()
                append_entry(session, "predictions_deleted", digest, details={"count": len(ids)})
        return len(ids)

    def lay_reserve(self) -> None:
        """Set disk space aside for deleting predictions when the disk is full; where there is little, nothing is."""
        self._database.lay_reserve()

    def trouble(self) -> str:
        """Why no prediction can be recorded now; empty where one can: the database took a write and has room for more."""
        try:
            if not self._database.has_room():
                return "the disk is full: free some space, or run `cardiograph records prune`"
            with self._database.writing() as session:
                written = session.execute(update(HeadRow).values(number=HeadRow.number).returning(HeadRow.id)).all()
            return "" if written else "the audit log has lost its end: restore a backup"
        except NoRoomError:
            return "the disk is full: free some space, or run `cardiograph records prune`"
        except ReplacedError:
            return "the database file was removed or replaced: put it back and restart the service"
        except RecordsError:
            return "the database cannot be reached or written"

    def close(self) -> None:
        """Close all connections."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _entry(row: PredictionRow) -> PredictionEntry:
    return PredictionEntry(
        row.id,
        row.created_at,
        row.model_sha256,
        row.key_id,
        row.page_sha256,
        row.values_hmac,
        json.loads(row.answer),
        row.page,
        None if row.clinical is None else json.loads(row.clinical),
    )


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, separators=(",", ":"), allow_nan=False)
