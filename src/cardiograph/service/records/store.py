"""Store of predictions: add, read, delete after the retention time."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from sqlalchemy import delete, select, update
from sqlalchemy.orm import undefer

from cardiograph.errors import RecordsError
from cardiograph.service.records.audit_log import AuditLog, append_entry, locked_head
from cardiograph.service.records.database import Database, database_url
from cardiograph.service.records.keys import Keys
from cardiograph.service.records.outcomes import Outcomes
from cardiograph.service.records.sqlite_files import NoRoomError, ReplacedError
from cardiograph.service.records.tables import HeadRow, OutcomeRow, PredictionRow, Seals, SettingRow, given

DELETE_ROWS = 500
"""Predictions that are deleted in one transaction, so that other writers do not wait long."""

DELETE_PAGE_ROWS = 20
"""The same for predictions with stored pages, which are overwritten when deleted."""

_ID, _HASH = re.compile(r"[0-9a-f]{32}"), re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class PredictionEntry:
    """One stored prediction.

    Args:
        id: 32 hex digits (``uuid4().hex``).
        created_at: Time with a time zone; stored in UTC to the microsecond.
        model_sha256: SHA-256 of the bundle's ``bundle.json``, 64 hex digits.
        key_id: Id of the API key; None without a key.
        page_sha256: SHA-256 of the image file, 64 hex digits; None without a page.
        values_hmac: HMAC of the clinical values, see :meth:`Records.hmac_of`.
        answer: ``Prediction.as_dict()``.
        page: Bytes of the image file; None unless pages are stored.
        clinical: Clinical values without missing ones; None unless pages are stored.
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
            message = "the id of a prediction has 32 hex digits and its hashes have 64"
            raise ValueError(message)
        if self.created_at.tzinfo is None:
            message = "the time of a prediction needs a time zone"
            raise ValueError(message)


class Records:
    """Records of a service; safe for several threads and processes.

    Args:
        database: Open database.

    Raises:
        RecordsError: If the secret of the database is missing.
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
            message = "the secret of the records is missing; restore a backup"
            raise RecordsError(message)
        self.keys = Keys(database, self._seals)
        self.outcomes = Outcomes(database, self._seals)
        self.log = AuditLog(database, self._seals)

    @classmethod
    def open(cls, url: str | None = None, *, create: bool = True, spend_reserve: bool = False) -> Self:
        """Open a database and migrate its tables.

        Args:
            url: URL or path, see :func:`cardiograph.service.records.database.database_url`.
            create: Whether to create missing files and tables.
            spend_reserve: Whether to free the disk space reserve first, as needed to open the database on a full disk.

        Raises:
            ConfigError: If the URL is invalid, or its driver is not installed.
            RecordsError: If the database cannot be used.
        """
        return cls(Database(database_url(url), create=create, spend_reserve=spend_reserve))

    def hmac_of(self, values: Mapping[str, float | None]) -> str:
        """Return 64 hex digits that are equal for equal clinical values, computed with the secret of the database."""
        return self._seals.values(values)

    def add(self, entry: PredictionEntry) -> None:
        """Store a prediction and its audit log entry, both or neither; they are on disk when this returns."""
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
        """Return a prediction by its id; None if there is none."""
        if not _ID.fullmatch(id_):
            return None
        with self._database.reading() as session:
            row = session.get(PredictionRow, id_, options=[undefer(PredictionRow.page)])
        try:
            return None if row is None else _entry(row)
        except (ValueError, TypeError):
            message = f"prediction {id_}: cannot be read; run `cardiograph audit-log verify` and restore a backup"
            raise RecordsError(message) from None

    def answers(self, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return the answers of stored predictions by id, without those that do not exist."""
        found: dict[str, dict[str, Any]] = {}
        with self._database.reading() as session:
            for start in range(0, len(ids), DELETE_ROWS):
                some = select(PredictionRow.id, PredictionRow.answer).where(
                    PredictionRow.id.in_(ids[start : start + DELETE_ROWS])
                )
                found.update({id_: json.loads(answer) for id_, answer in session.execute(some)})
        return found

    def prune(self, before: datetime) -> int:
        """Delete predictions with all that belongs to them; the audit log keeps their number and a hash of their ids.

        Args:
            before: Predictions made before this time are deleted.

        Returns:
            Number of deleted predictions.
        """
        total = 0
        self._database.spend_reserve()
        try:
            with contextlib.suppress(NoRoomError):
                self._database.forget()  # on a full disk the write-ahead log must reuse its space
            while count := self._prune_some(before, DELETE_ROWS):
                total += count
        except NoRoomError:
            total += self._prune_singly(before)
        finally:
            self._database.forget()
            self._database.lay_reserve()
        return total

    def _prune_singly(self, before: datetime) -> int:
        """Delete predictions one by one, emptying the write-ahead log each time, which needs the least space."""
        total = 0
        self._database.forget()
        while self._prune_some(before, 1):
            self._database.forget()
            total += 1
        return total

    def forget(self) -> bool:
        """Empty SQLite's write-ahead log if readers prevented it when predictions were deleted.

        Returns:
            Whether the log contains no deleted predictions.
        """
        if not self._database.forgotten:
            self._database.forget()
        return self._database.forgotten

    def _prune_some(self, before: datetime, max_rows: int) -> int:
        old = select(PredictionRow.id, PredictionRow.page.is_not(None)).where(PredictionRow.created_at < before)
        with self._database.writing() as session:
            locked_head(session)  # other processes that prune wait here and then do not find these rows
            rows = session.execute(old.order_by(PredictionRow.created_at).limit(max_rows)).all()
            count = min(DELETE_PAGE_ROWS, max_rows) if any(page for _, page in rows) else max_rows
            ids = sorted(id_ for id_, _ in rows[:count])
            if ids:
                session.execute(delete(OutcomeRow).where(OutcomeRow.prediction_id.in_(ids)))
                session.execute(delete(PredictionRow).where(PredictionRow.id.in_(ids)))
                digest = hashlib.sha256("\n".join(ids).encode("ascii")).hexdigest()
                append_entry(session, "predictions_deleted", digest, details={"count": len(ids)})
        return len(ids)

    def lay_reserve(self) -> None:
        """Reserve disk space for deleting predictions when the disk is full, if there is enough."""
        self._database.lay_reserve()

    def trouble(self) -> str:
        """Return why no prediction can be stored now; empty if a test write succeeds and there is space."""
        try:
            if not self._database.has_room():
                return "the disk is full: free some space, or run `cardiograph records prune`"
            with self._database.writing() as session:
                written = session.execute(update(HeadRow).values(number=HeadRow.number).returning(HeadRow.id)).all()
            return "" if written else "the end of the audit log is missing: restore a backup"
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
