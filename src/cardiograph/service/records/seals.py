"""Hashes under the secret of a database: they tell whether something is the same, and not what it is."""

from __future__ import annotations

import hashlib
import hmac
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime

from cardiograph.service.records.tables import KeyRow, PredictionRow

_PREDICTION = ("id", "created_at", "model_sha256", "key_id", "page_sha256", "values_hmac", "answer", "clinical")
_KEY = ("id", "name", "secret_sha256", "scopes", "created_at", "expires_at", "revoked_at")


class Seals:
    """HMAC-SHA-256 (RFC 2104) of values and of rows.

    A plain hash of five clinical values can be guessed by trying them all; this one only by who has the secret, too.

    Args:
        secret: Random bytes that the database keeps.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def values(self, values: Mapping[str, float | None]) -> str:
        """64 hex digits of clinical values by name, in any order; one that is None or NaN is as one that is not given."""
        return self._of("values", given(values))

    def prediction(self, row: PredictionRow) -> str:
        """64 hex digits of a prediction as it was answered; a kept page is in them by its own hash."""
        return self._of("prediction", {name: getattr(row, name) for name in _PREDICTION})

    def key(self, row: KeyRow) -> str:
        """64 hex digits of a key with its rights, its end, and when it was revoked."""
        return self._of("key", {name: getattr(row, name) for name in _KEY})

    def _of(self, kind: str, content: Mapping[str, object]) -> str:
        text = json.dumps([kind, content], sort_keys=True, separators=(",", ":"), allow_nan=False, default=utc_text)
        return hmac.new(self._secret, text.encode("ascii"), hashlib.sha256).hexdigest()


def given(values: Mapping[str, float | None]) -> dict[str, float]:
    """The values that are not missing."""
    return {name: float(value) for name, value in values.items() if value is not None and not math.isnan(value)}


def utc_text(moment: datetime) -> str:
    """A moment as it stands in what is hashed: ``2026-11-25T17:49:00.000000+00:00``."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
