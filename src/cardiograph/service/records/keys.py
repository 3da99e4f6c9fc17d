"""API keys: created, found by their token, revoked; only a hash of the secret is stored.

A secret has 256 random bits and cannot be guessed, so plain SHA-256 is enough; slow hashes are for passwords. The last
use of a key is not stored, because that would be a write for each request.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select

from cardiograph.errors import ConfigError
from cardiograph.service.records.audit_log import append_entry
from cardiograph.service.records.database import Database
from cardiograph.service.records.tables import KeyRow, Seals

SCOPES = ("predict", "read", "outcomes", "metrics")
"""Permissions that a key can have."""

NAME_LENGTH = 80

_ID = re.compile(r"[0-9a-f]{12}")
_NO_HASH = "0" * 64


@dataclass(frozen=True)
class Key:
    """A key without its secret.

    Args:
        id: 12 hex digits; part of the token, not secret.
        name: Name given at creation.
        scopes: Permissions, a subset of ``SCOPES``.
        created_at: Time of creation.
        expires_at: Time of expiry; None for never.
        revoked_at: Time of revocation; None if not revoked.
    """

    id: str
    name: str
    scopes: frozenset[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    def usable(self, now: datetime) -> bool:
        """Return whether the key is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class Keys:
    """API keys of a database.

    Args:
        database: Open database.
        seals: HMACs under the secret of the database.
    """

    def __init__(self, database: Database, seals: Seals) -> None:
        self._database, self._seals = database, seals

    def create(self, name: str, scopes: frozenset[str], expires_at: datetime | None) -> tuple[str, Key]:
        """Create a key.

        Returns:
            The token ``cg_ID_SECRET``, which is not stored anywhere, and the key.

        Raises:
            ConfigError: If the name, a scope or the expiry is invalid.
        """
        now = datetime.now(UTC)
        _check(name, scopes, expires_at, now)
        id_, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        row = KeyRow(
            id=id_,
            name=name,
            secret_sha256=_sha256(secret),
            scopes=" ".join(sorted(scopes)),
            created_at=now,
            expires_at=expires_at,
            revoked_at=None,
        )
        with self._database.writing() as session:
            session.add(row)
            append_entry(session, "key_created", id_, details={"seal": self._seals.key(row)})
        return f"cg_{id_}_{secret}", _key(row)

    def find(self, token: str) -> Key | None:
        """Return the key of a token; None if unknown, revoked or expired. Secrets are compared in constant time."""
        mark, _, rest = token.partition("_")
        id_, _, secret = rest.partition("_")
        with self._database.reading() as session:
            row = session.get(KeyRow, id_) if mark == "cg" and _ID.fullmatch(id_) else None
        same = hmac.compare_digest(_sha256(secret), _NO_HASH if row is None else row.secret_sha256)
        if row is None or not same:
            return None
        key = _key(row)
        return key if key.usable(datetime.now(UTC)) else None

    def list(self) -> tuple[Key, ...]:
        """Return all keys, oldest first, including revoked and expired ones."""
        with self._database.reading() as session:
            return tuple(_key(row) for row in session.scalars(select(KeyRow).order_by(KeyRow.created_at, KeyRow.id)))

    def revoke(self, id_: str) -> Key:
        """Revoke a key; a revoked key stays unchanged.

        Raises:
            ConfigError: If there is no such key.
        """
        with self._database.writing() as session:
            row = session.get(KeyRow, id_, with_for_update=True) if _ID.fullmatch(id_) else None
            if row is None:
                message = f"key {id_!r}: does not exist; `cardiograph keys list` shows all keys"
                raise ConfigError(message)
            if row.revoked_at is None:
                row.revoked_at = datetime.now(UTC)
                append_entry(session, "key_revoked", id_, details={"seal": self._seals.key(row)})
        return _key(row)


def _check(name: str, scopes: frozenset[str], expires_at: datetime | None, now: datetime) -> None:
    unknown = sorted(scopes - set(SCOPES))
    if not (name.strip() and name.isprintable() and len(name) <= NAME_LENGTH):
        message = f"key {name[:NAME_LENGTH]!r}: a name has 1 to {NAME_LENGTH} printable characters"
    elif unknown or not scopes:
        fault = f"scope {unknown[0]!r} is unknown" if unknown else "it has no scope"
        message = f"key {name!r}: {fault}; choose from {', '.join(SCOPES)}"
    elif expires_at is not None and expires_at <= now:
        message = f"key {name!r}: its expiry is in the past"
    else:
        return
    raise ConfigError(message)


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _key(row: KeyRow) -> Key:
    return Key(row.id, row.name, frozenset(row.scopes.split()), row.created_at, row.expires_at, row.revoked_at)
