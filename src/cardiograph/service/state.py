"""Application state shared by the routes: scores a request and stores the result before returning it."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import Any, TypeVar

import anyio.to_thread
from starlette.requests import Request

from cardiograph.containers import Prediction
from cardiograph.containers.labels import LabelsPrediction
from cardiograph.errors import CardiographError, InputError, Issue, RunError, ServiceError
from cardiograph.inference import Predictor, Query
from cardiograph.inference.labels import LabelsPredictor
from cardiograph.service.api.kinds import outcome_of
from cardiograph.service.api.problems import ProblemError, refused
from cardiograph.service.observability import Metrics
from cardiograph.service.recent_queries import RecentQueries
from cardiograph.service.records import PredictionEntry, Records
from cardiograph.service.security.access import Caller
from cardiograph.service.settings import ServiceSettings
from cardiograph.service.worker_pool import ScoringPool, unless_gone

Done = TypeVar("Done")

NOTICE = "For research use only: not a medical device, and no basis for the care of a patient."


@dataclass(frozen=True)
class Serving:
    """A loaded model and everything that routes need to serve it.

    Args:
        settings: Settings of the server.
        predictor: Loaded model with the pixel limit of the service.
        records: Store of predictions, keys and audit log.
        pool: Worker pool that runs the model.
        held: Queries of the last minutes, in memory.
        metrics: Prometheus metrics of this server.
        log: structlog logger that writes JSON lines.
        model_sha256: SHA-256 of ``bundle.json``, which lists the SHA-256 of every other file; of several labels that of
            all of them.
    """

    settings: ServiceSettings
    predictor: Predictor | LabelsPredictor
    records: Records
    pool: ScoringPool
    held: RecentQueries
    metrics: Metrics
    log: Any
    model_sha256: str

    async def score(self, query: Query, caller: Caller, *, patient: bool = False) -> PredictionEntry:
        """Score a patient and store the prediction; it is on disk when this returns.

        Args:
            query: ECG page and clinical values.
            caller: Authenticated caller.
            patient: Whether to wait when the queue is full instead of failing.

        Raises:
            ProblemError: If the input cannot be scored, the queue is full, or the records cannot be written.
        """
        prediction = await self.pool.run(partial(_predict, self.predictor, query), patient=patient)
        entry = await self.with_records(lambda: self._record(query, prediction, caller))
        self.held.put(entry.id, query)
        return entry

    @cached_property
    def columns(self) -> Mapping[str, str] | None:
        """Column mapping of the run, read once; see :func:`cardiograph.service.api.fhir.columns_of`."""
        from cardiograph.service.api.fhir import columns_of

        return columns_of(self.settings.run)

    async def parsed(self, work: Callable[[], Done]) -> Done:
        """Parse a request on a thread, so that it does not block other requests."""
        return await anyio.to_thread.run_sync(work, limiter=self._parsers)

    @cached_property
    def _parsers(self) -> anyio.CapacityLimiter:
        """Limit to few threads: each busy thread delays the event loop."""
        return anyio.CapacityLimiter(2)

    async def with_records(self, work: Callable[[], Done]) -> Done:
        """Run database work on a thread.

        Raises:
            ProblemError: 503, if the records cannot be reached, read or written.
        """
        try:
            return await anyio.to_thread.run_sync(work)
        except (CardiographError, OSError) as error:
            self.log.error("records", error=type(error).__name__)
            message = "The prediction store is unavailable; try again later."
            raise ProblemError(503, "records", message, headers={"Retry-After": "10"}) from error

    def require_model(self) -> None:
        """Raise ProblemError (503) if the files of the model were changed since it was loaded."""
        with model_problems():
            self.predictor.require_unchanged()

    def is_current(self, entry: PredictionEntry) -> bool:
        """Return whether the current model made a prediction."""
        return entry.model_sha256 == self.model_sha256

    def answer(self, entry: PredictionEntry) -> dict[str, Any]:
        """Return a stored prediction as the API returns it."""
        place = f"/v1/predictions/{entry.id}"
        run = self.settings.run.resolve().name if self.is_current(entry) else None
        return {
            "id": entry.id,
            "created_at": entry.created_at.isoformat(),
            "model": {"sha256": entry.model_sha256, "run": run, "outcome": outcome_of(entry.answer)},
            "prediction": entry.answer,
            "links": {"self": place, "explanation": f"{place}/explanation"},
            "notice": NOTICE,
        }

    def _record(self, query: Query, prediction: Prediction | LabelsPrediction, caller: Caller) -> PredictionEntry:
        page = query.page if isinstance(query.page, bytes) else None
        keep = self.settings.keep_pages
        entry = PredictionEntry(
            id=uuid.uuid4().hex,
            created_at=datetime.now(UTC),
            model_sha256=self.model_sha256,
            key_id=caller.key_id,
            page_sha256=None if page is None else hashlib.sha256(page).hexdigest(),
            values_hmac=self.records.hmac_of(query.clinical),
            answer=prediction.as_dict(),
            page=page if keep else None,
            clinical=dict(query.clinical) if keep else None,
        )
        self.records.add(entry)
        return entry


def _predict(predictor: Predictor | LabelsPredictor, query: Query) -> Prediction | LabelsPrediction:
    scaler = predictor.bundle.scaler
    known = () if scaler is None else tuple(variable.name for variable in scaler.variables)
    issues = [
        _unknown(query.name, name, known)
        for name, value in query.clinical.items()
        if value is None and name not in known
    ]
    if issues:
        raise ProblemError(422, "cannot_be_scored", "This patient cannot be scored.", issues=issues)
    with model_problems():
        (prediction,) = predictor.predict_many([query])
    return prediction


def explained(predictor: Predictor | LabelsPredictor, query: Query, part: str | None = None) -> dict[str, Any]:
    """Explain a prediction, or the probability of one of several classes or labels; return :meth:`Explanation.as_dict`.

    Raises:
        ProblemError: If the page or a value cannot be used. This happens to stored queries after limits or ranges
            became narrower.
    """
    from cardiograph.explain import explain

    with model_problems():
        if isinstance(predictor, LabelsPredictor):
            explanation: dict[str, Any] = explain(predictor.by_label[part or ""], query).as_dict()
        else:
            explanation = explain(predictor, query, class_name=part).as_dict()
    return explanation


@contextmanager
def model_problems() -> Iterator[None]:
    """Turn errors of a model into problems of a request.

    Raises:
        ProblemError: 4xx for an input that cannot be used; 503 if the files of the model were changed, or the shards of its
            reference records do not answer.
    """
    try:
        yield
    except InputError as error:
        raise refused(error) from error
    except RunError as error:
        message = "The files of the model were changed while it was served; restart the service."
        raise ProblemError(503, "model_changed", message) from error
    except ServiceError as error:
        message = "The reference records of the model cannot be reached; try again later."
        raise ProblemError(503, "reference", message, headers={"Retry-After": "10"}) from error


def _unknown(where: str, column: str, known: Collection[str]) -> Issue:
    """Return the issue of an unknown variable whose value is null, which the predictor would ignore."""
    rule = f"this model knows {', '.join(known) or 'no clinical values'}"
    return Issue(where, column[:40], "", rule, "leave it out", "unknown_variable")


def limit_pixels(predictor: Predictor | LabelsPredictor, max_pixels: int) -> Predictor | LabelsPredictor:
    """Return a predictor that rejects pages of more than ``max_pixels`` pixels before decoding them."""
    return predictor.with_pages(max_pixels=min(max_pixels, predictor.bundle.served.pages.max_pixels))


def serving_of(request: Request) -> Serving:
    """Return the application state."""
    found: Serving = request.app.state.serving
    return found


def caller_of(request: Request) -> Caller:
    """Return the caller, who was authenticated before the body was read."""
    found: Caller = request.state.caller
    return found


async def unless_left(request: Request, work: Awaitable[Done]) -> Done | None:
    """Await ``work``; return None and cancel it if the client disconnects first."""
    return await unless_gone(work, _left(request))


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
