"""Liveness, readiness and metrics routes."""

from __future__ import annotations

import anyio.to_thread
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from cardiograph.service.api.openapi import refusals, refusals_at_health
from cardiograph.service.api.problems import ProblemError
from cardiograph.service.observability import CONTENT_TYPE
from cardiograph.service.state import serving_of

router = APIRouter(tags=["operation"])


@router.get("/healthz", summary="Alive", responses=refusals_at_health())
async def healthz() -> dict[str, str]:
    """Answers while the process runs; needs no key."""
    return {"status": "alive"}


@router.get("/readyz", summary="Able to answer", responses=refusals())
async def readyz(request: Request) -> Response:
    """Answers 503 while it stops, without its records or the shards of its model, or after files of the model changed."""
    serving = serving_of(request)
    serving.require_model()
    trouble = "it is stopping" if serving.pool.closing else await serving.with_records(serving.records.trouble)
    if not trouble:
        unreached = await anyio.to_thread.run_sync(serving.predictor.records.trouble)
        trouble = unreached and "its reference records cannot be reached"
    if trouble:
        message = f"The service is not ready: {trouble}."
        raise ProblemError(503, "not_ready", message, headers={"Retry-After": "10"})
    return JSONResponse({"status": "ready"})


@router.get(
    "/metrics",
    summary="Numbers for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **refusals(403)},
)
async def metrics(request: Request) -> Response:
    """Requests by route and status, seconds, jobs that wait; nothing of a patient."""
    return Response(serving_of(request).metrics.text(), media_type=CONTENT_TYPE)
