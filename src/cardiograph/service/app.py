"""The ASGI application: state, routes and middleware, wired together."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException

from cardiograph import __version__
from cardiograph.encoders.engine import OpenVinoEngine
from cardiograph.inference import Predictor
from cardiograph.inference.labels import LabelsPredictor, load_any
from cardiograph.service.api import batch, health, model, outcomes, predictions, reference
from cardiograph.service.api.accept import FHIR, JSON
from cardiograph.service.api.kinds import kind_of_model
from cardiograph.service.api.openapi import complete, line_schemas
from cardiograph.service.api.problems import ProblemError, http_error_response, problem_response
from cardiograph.service.lifespan import lifespan
from cardiograph.service.monitoring import Monitoring
from cardiograph.service.observability import Metrics, ObservedMiddleware, json_log
from cardiograph.service.recent_queries import RecentQueries
from cardiograph.service.records import Records
from cardiograph.service.security.access import AccessMiddleware, Authenticator, KeyAuthenticator, RateLimit
from cardiograph.service.security.csrf import FormTokens
from cardiograph.service.security.limits import Accepts, UploadMiddleware
from cardiograph.service.security.responses import HeadersMiddleware
from cardiograph.service.settings import ServiceSettings
from cardiograph.service.state import NOTICE, Serving, limit_pixels
from cardiograph.service.web import files, monitoring, routes
from cardiograph.service.web.errors import ErrorFormatMiddleware
from cardiograph.service.web.language import languages
from cardiograph.service.web.language_choice import LanguageMiddleware
from cardiograph.service.web.site import Site
from cardiograph.service.worker_pool import ScoringPool

ACCEPTS = {
    predictions.PATH: Accepts(("multipart/form-data", JSON, FHIR)),
    batch.PATH: Accepts((batch.MEDIA_TYPE,), streamed=True),
    outcomes.PATH: Accepts((JSON,)),
    routes.PATH: Accepts((routes.MEDIA_TYPE,)),
}
"""Body that each ``POST`` route accepts."""


def create_app(
    settings: ServiceSettings,
    *,
    predictor: Predictor | LabelsPredictor | None = None,
    records: Records | None = None,
    authenticator: Authenticator | None = None,
    log: Any = None,  # noqa: ANN401 - structlog's loggers have no common type
) -> FastAPI:
    """Create the ASGI application that serves a run.

    Args:
        settings: Settings of the server.
        predictor: Loaded model; by default the model of ``settings.run``.
        records: Open records; by default those of ``settings.database``.
        authenticator: Identifies the caller; by default by the API keys in the records.
        log: structlog logger; by default JSON lines on stderr.

    Raises:
        CardiographError: If the run cannot be served here, or the records cannot be opened.
    """
    if records is None:
        records = open_records(settings)
    serving = _serving(
        settings, predictor or load_any(settings.run, shards=settings.shard_access), records, log or json_log()
    )
    app = FastAPI(
        title="cardiograph",
        version=__version__,
        description=NOTICE,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.state.serving = serving
    app.state.form_tokens = FormTokens()
    app.state.site = site = Site(settings, serving.predictor, serving.model_sha256)
    app.state.monitoring = Monitoring(serving, lambda: site.example.hashes(records))
    app.state.batches = asyncio.Semaphore(settings.batches)
    _add_routes(app, serving)
    app.add_exception_handler(ProblemError, problem_response)
    app.add_exception_handler(HTTPException, http_error_response)
    paths = [path for path in (getattr(route, "path", "") for route in app.routes) if "{" not in path]
    # the middleware added last runs first
    app.add_middleware(UploadMiddleware, settings=settings, accepts=ACCEPTS)
    app.add_middleware(
        AccessMiddleware,
        hosts=settings.hosts,
        authenticator=authenticator or KeyAuthenticator(records.keys),
        required=settings.keys_required,
        rate=RateLimit(settings.requests_per_minute),
    )
    app.add_middleware(ObservedMiddleware, log=serving.log, metrics=serving.metrics, paths=paths)
    app.add_middleware(ErrorFormatMiddleware, site=site)
    app.add_middleware(LanguageMiddleware, languages=languages())
    app.add_middleware(HeadersMiddleware)
    return app


def open_records(settings: ServiceSettings) -> Records:
    """Open the records and reserve disk space, so that predictions can be deleted when the disk is full."""
    records = Records.open(settings.database)
    records.lay_reserve()
    return records


def _serving(
    settings: ServiceSettings,
    predictor: Predictor | LabelsPredictor,
    records: Records,
    log: Any,  # noqa: ANN401
) -> Serving:
    if settings.workers > 1 and isinstance(predictor.engine, OpenVinoEngine):
        predictor.engine.side_by_side()
    if predictor.records.unreached:
        log.warning("shards_unreached", addresses=predictor.records.unreached)
    predictor.records.watch(lambda fault: log.error("reference", error=fault))
    pool = ScoringPool(workers=settings.workers, waiting=settings.waiting, timeout_seconds=settings.timeout_seconds)
    sha256, outcome = predictor.sha256, predictor.outcome
    return Serving(
        settings=settings,
        predictor=limit_pixels(predictor, settings.max_pixels),
        records=records,
        pool=pool,
        held=RecentQueries(seconds=settings.hold_minutes * 60, room=settings.hold_bytes),
        metrics=Metrics(model_sha256=sha256, outcome=outcome, waiting=lambda: pool.waiting),
        log=log,
        model_sha256=sha256,
    )


def _add_routes(app: FastAPI, serving: Serving) -> None:
    bundle, kind = serving.predictor.bundle, kind_of_model(serving.predictor)
    variables = () if bundle.scaler is None else bundle.scaler.variables
    blocks = frozenset(bundle.fusion.layout[1])
    app.include_router(batch.batch())
    app.include_router(predictions.predictions(variables, blocks, kind))
    app.include_router(outcomes.router)
    app.include_router(model.router)
    app.include_router(reference.router)
    app.include_router(health.router)
    app.include_router(routes.router)
    app.include_router(files.router)
    app.include_router(monitoring.router)
    complete(app, line_schemas(variables, kind.body.__name__))
