"""Route for the stored ECG of a reference record."""

from __future__ import annotations

import anyio.to_thread
import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from numpy.typing import NDArray

from cardiograph.artifacts.reference_ecgs import RATE_HZ
from cardiograph.ecg.leads import LEADS
from cardiograph.service.api.openapi import refusals
from cardiograph.service.api.problems import ProblemError
from cardiograph.service.state import Serving, model_problems, serving_of

router = APIRouter(tags=["model"])

_LEAD = {"type": "array", "items": {"type": ["number", "null"]}}
_SCHEMA = {
    "type": "object",
    "properties": {
        "record_id": {"type": "string"},
        "rate_hz": {"type": "number"},
        "leads": {"type": "object", "description": "millivolts; null where absent", "additionalProperties": _LEAD},
    },
}


@router.get(
    "/v1/reference/{record_id:path}/ecg",
    summary="ECG of a reference record",
    responses={200: {"content": {"application/json": {"schema": _SCHEMA}}}, **refusals(403, 404)},
)
async def ecg(request: Request, record_id: str) -> Response:
    """2.5 seconds of each lead in millivolts, if the run stored the ECGs of its training records."""
    signal = await stored_ecg(serving_of(request), record_id)
    leads = {
        lead: [None if np.isnan(value) else round(value, 3) for value in row.tolist()]
        for lead, row in zip(LEADS, signal, strict=True)
    }
    return JSONResponse({"record_id": record_id, "rate_hz": RATE_HZ, "leads": leads})


async def stored_ecg(serving: Serving, record_id: str) -> NDArray[np.float32]:
    """Return the stored ECG of a reference record, [12, 250] in mV at 100 Hz, NaN where absent.

    Raises:
        ProblemError: 404 if none is stored; 503 if the files of the model were changed, or its shards do not answer.
    """
    serving.require_model()
    with model_problems():
        found = await anyio.to_thread.run_sync(serving.predictor.records.ecg, record_id)
    if found is None:
        raise ProblemError(404, "no_ecg", "No ECG of this record is stored.")
    return found
