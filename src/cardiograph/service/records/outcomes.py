"""Store of the outcomes of predictions, which become known later."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from cardiograph.service.records.audit_log import append_entry, locked_head
from cardiograph.service.records.database import Database
from cardiograph.service.records.tables import OutcomeRow, PredictionRow, Seals

Content = Mapping[str, Any]
"""Outcome of a prediction: ``{"outcome": 1}``, ``{"outcome": "NAME"}``, or ``{"time": 2.5, "event": 0}``."""

CHUNK = 500
"""Ids in one query."""


@dataclass(frozen=True)
class Added:
    """What became of a list of outcomes; nothing was stored if ``unknown`` or ``conflicts`` is not empty.

    Args:
        stored: Number of outcomes that are new or replaced.
        unchanged: Number of outcomes that were stored already with the same content.
        unknown: Ids without a prediction, in order.
        conflicts: Id -> other content that is stored already.
    """

    stored: int
    unchanged: int
    unknown: tuple[str, ...]
    conflicts: Mapping[str, Content]


class Watched(NamedTuple):
    """A stored prediction with what is known of its patient: time, hashes of page and values, answer, values, outcome."""

    created_at: datetime
    input: tuple[str | None, str]
    answer: dict[str, Any]
    clinical: dict[str, float] | None
    outcome: Content | None


class Outcomes:
    """Outcomes of a database; safe for several threads and processes.

    Args:
        database: Open database.
        seals: HMACs under the secret of the database.
    """

    def __init__(self, database: Database, seals: Seals) -> None:
        self._database, self._seals = database, seals

    def add(self, outcomes: Mapping[str, Content], *, key_id: str | None, replace: bool = False) -> Added:
        """Store outcomes with their entries in the audit log, all or none; they are on disk when this returns.

        Args:
            outcomes: Id of a prediction -> its outcome.
            key_id: Id of the API key; None without a key.
            replace: Whether to replace stored outcomes of other content, which is a conflict otherwise.

        Raises:
            RecordsError: If the database cannot be read or written.
        """
        now = datetime.now(UTC)
        with self._database.writing() as session:
            locked_head(session)  # other processes that add outcomes or delete predictions wait here
            ids = list(outcomes)
            predicted = _predicted(session, ids)
            unknown = tuple(id_ for id_ in ids if id_ not in predicted)
            before = {id_: _content(row) for id_, row in _stored(session, ids).items()}
            other = {id_: content for id_, content in before.items() if content != dict(outcomes[id_])}
            conflicts = {} if replace else other
            if unknown or conflicts:
                return Added(0, 0, unknown, conflicts)
            new = [id_ for id_ in ids if id_ not in before or id_ in other]
            for id_ in new:
                row = OutcomeRow(
                    prediction_id=id_, recorded_at=now, key_id=key_id, content=json.dumps(outcomes[id_], sort_keys=True)
                )
                session.merge(row)
                append_entry(session, "outcome", id_, key_id=key_id, details={"seal": self._seals.outcome(row)})
        return Added(len(new), len(ids) - len(new), (), {})

    def with_predictions(self, model_sha256: str, since: datetime, *, most: int) -> Iterator[Watched]:
        """Yield the predictions of a model, newest first, with their outcomes where they are known.

        Args:
            model_sha256: SHA-256 of the model.
            since: Predictions made before this time are left out.
            most: Maximum number of predictions.
        """
        columns = (PredictionRow.created_at, PredictionRow.page_sha256, PredictionRow.values_hmac, PredictionRow.answer)
        newest = (
            select(*columns, PredictionRow.clinical, OutcomeRow.content)
            .join(OutcomeRow, OutcomeRow.prediction_id == PredictionRow.id, isouter=True)
            .where(PredictionRow.model_sha256 == model_sha256, PredictionRow.created_at >= since)
            .order_by(PredictionRow.created_at.desc())
            .limit(most)
            .execution_options(yield_per=CHUNK)
        )
        with self._database.reading(whole=True) as session:
            for made, page, values, answer, clinical, outcome in session.execute(newest):
                known = None if clinical is None else json.loads(clinical)
                yield Watched(
                    made, (page, values), json.loads(answer), known, None if outcome is None else json.loads(outcome)
                )

    def get(self, prediction_id: str) -> Content | None:
        """Return the outcome of a prediction; None if it is not known."""
        with self._database.reading() as session:
            row = session.get(OutcomeRow, prediction_id)
        return None if row is None else _content(row)


def _predicted(session: Session, ids: list[str]) -> set[str]:
    """Return the ids that a prediction has."""
    found: set[str] = set()
    for start in range(0, len(ids), CHUNK):
        some = select(PredictionRow.id).where(PredictionRow.id.in_(ids[start : start + CHUNK]))
        found.update(session.scalars(some))
    return found


def _stored(session: Session, ids: list[str]) -> dict[str, OutcomeRow]:
    """Return the stored outcomes by the id of their prediction."""
    found: dict[str, OutcomeRow] = {}
    for start in range(0, len(ids), CHUNK):
        some = select(OutcomeRow).where(OutcomeRow.prediction_id.in_(ids[start : start + CHUNK]))
        found.update({row.prediction_id: row for row in session.scalars(some)})
    return found


def _content(row: OutcomeRow) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(row.content)
    return found
