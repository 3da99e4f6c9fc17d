"""Tables of the records in the current schema, and HMACs of their rows."""

from __future__ import annotations

import hashlib
import hmac
import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, LargeBinary, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

VERSION_TABLE = "cardiograph_version"
"""Table in which Alembic stores the schema revision."""

UNREADABLE = datetime.min.replace(tzinfo=UTC)
"""Replaces an invalid stored time: keys have expired by then, and no seal or hash matches."""


class Instant(TypeDecorator[datetime]):
    """Time in UTC, to the microsecond; SQLite stores no time zone, so the zone is added when it is read."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert a time to be written; a time without a zone is ambiguous and raises ValueError."""
        if value is None:
            return None
        if value.tzinfo is None:
            message = "a time in the records needs a time zone"
            raise ValueError(message)
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert a time that was read."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], datetime | None] | None:
        """Return a converter that also accepts invalid times: SQLite does not enforce column types."""
        read = super().result_processor(dialect, coltype)

        def moment(value: Any) -> datetime | None:  # noqa: ANN401 - whatever the cell holds
            try:
                return value if read is None else read(value)
            except (ValueError, TypeError, OverflowError):
                return UNREADABLE

        return moment


class Table(DeclarativeBase):
    """Base of all tables; names begin with ``cardiograph_``, because a PostgreSQL database may have other tables."""


class SettingRow(Table):
    """A setting of the database: ``secret``, 32 random bytes in hex."""

    __tablename__ = "cardiograph_settings"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[str] = mapped_column(Text)


class PredictionRow(Table):
    """One prediction."""

    __tablename__ = "cardiograph_predictions"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(Instant, index=True)
    model_sha256: Mapped[str] = mapped_column(String(64))
    key_id: Mapped[str | None] = mapped_column(String(64))
    page_sha256: Mapped[str | None] = mapped_column(String(64))
    values_hmac: Mapped[str] = mapped_column(String(64))
    answer: Mapped[str] = mapped_column(Text)
    clinical: Mapped[str | None] = mapped_column(Text)
    page: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)


class OutcomeRow(Table):
    """The outcome of one prediction, which became known later."""

    __tablename__ = "cardiograph_outcomes"

    prediction_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    recorded_at: Mapped[datetime] = mapped_column(Instant)
    key_id: Mapped[str | None] = mapped_column(String(64))
    content: Mapped[str] = mapped_column(Text)


class KeyRow(Table):
    """One API key, without its secret."""

    __tablename__ = "cardiograph_keys"

    id: Mapped[str] = mapped_column(String(12), primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    secret_sha256: Mapped[str] = mapped_column(String(64))
    scopes: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime | None] = mapped_column(Instant)
    revoked_at: Mapped[datetime | None] = mapped_column(Instant)


class LogRow(Table):
    """One entry of the audit log."""

    __tablename__ = "cardiograph_audit_log"

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    time: Mapped[datetime] = mapped_column(Instant)
    event: Mapped[str] = mapped_column(String(40))
    subject: Mapped[str] = mapped_column(String(64))
    key_id: Mapped[str | None] = mapped_column(String(64))
    details: Mapped[str] = mapped_column(Text)
    previous: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class HeadRow(Table):
    """The end of the audit log, one row: how many entries there are and the hash of the last one."""

    __tablename__ = "cardiograph_audit_head"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[str] = mapped_column(String(64))


_PREDICTION = ("id", "created_at", "model_sha256", "key_id", "page_sha256", "values_hmac", "answer", "clinical")

_OUTCOME = ("prediction_id", "recorded_at", "key_id", "content")

_KEY = ("id", "name", "secret_sha256", "scopes", "created_at", "expires_at", "revoked_at")


class Seals:
    """HMAC-SHA-256 (RFC 2104) of values and of rows.

    A plain hash of five clinical values could be reversed by trying all values; an HMAC also needs the secret.

    Args:
        secret: Random bytes stored in the database.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def values(self, values: Mapping[str, float | None]) -> str:
        """Return the HMAC of clinical values, in any order; None and NaN count as missing."""
        return self._of("values", given(values))

    def prediction(self, row: PredictionRow) -> str:
        """Return the HMAC of a prediction, which includes a stored page by its hash."""
        return self._of("prediction", {name: getattr(row, name) for name in _PREDICTION})

    def outcome(self, row: OutcomeRow) -> str:
        """Return the HMAC of an outcome."""
        return self._of("outcome", {name: getattr(row, name) for name in _OUTCOME})

    def key(self, row: KeyRow) -> str:
        """Return the HMAC of a key with its scopes, expiry and revocation."""
        return self._of("key", {name: getattr(row, name) for name in _KEY})

    def _of(self, kind: str, content: Mapping[str, object]) -> str:
        text = json.dumps([kind, content], sort_keys=True, separators=(",", ":"), allow_nan=False, default=utc_text)
        return hmac.new(self._secret, text.encode("ascii"), hashlib.sha256).hexdigest()


def given(values: Mapping[str, float | None]) -> dict[str, float]:
    """Return the values that are not missing."""
    return {name: float(value) for name, value in values.items() if value is not None and not math.isnan(value)}


def utc_text(moment: datetime) -> str:
    """Format a time for hashing: ``2026-11-25T17:49:00.000000+00:00``."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
