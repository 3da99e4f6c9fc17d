"""Routes for static files, the map of the patient graph, and the run's report in a frame."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

from cardiograph.patient_map.content import MAP_FILE, with_patient
from cardiograph.service.api.model import report as report_document
from cardiograph.service.api.predictions import note, recorded, stored_query
from cardiograph.service.api.problems import ProblemError
from cardiograph.service.api.reference import stored_ecg
from cardiograph.service.security.responses import PAGE_POLICY, REPORT_POLICY
from cardiograph.service.state import serving_of
from cardiograph.service.web.ecgs import record_drawing
from cardiograph.service.web.language import SOURCE
from cardiograph.service.web.site import PREFIX, site_of

router = APIRouter(include_in_schema=False)


@router.get("/report")
async def report(request: Request) -> Response:
    """Return an HTML frame for the run's report, with a link back."""
    if not (serving_of(request).settings.run / "report.html").is_file():
        raise ProblemError(404, "no_report", "This folder holds no report; serve the run's folder, not its bundle.")
    policy = f"{PAGE_POLICY}; frame-src 'self'"
    return HTMLResponse(site_of(request).render("report.html"), headers={"Content-Security-Policy": policy})


@router.get("/graph")
async def graph(request: Request) -> Response:
    """Return the page with the map of the patient graph, with the patient of a prediction on it if one is named."""
    _map_file(request)
    prediction = request.query_params.get("prediction", "")
    if prediction:
        await recorded(request, prediction)
    page = site_of(request).render(
        "graph.html",
        prediction=prediction,
        source=f"/graph/content?prediction={prediction}" if prediction else "/graph/content",
        texts=site_of(request).texts_of_map(),
        shows_ecgs=serving_of(request).predictor.records.stores_ecgs,
    )
    return HTMLResponse(page)


@router.get("/graph/ecg")
async def graph_ecg(request: Request) -> Response:
    """Return the drawing of the stored ECG of a reference record, for the map."""
    name = request.query_params.get("record", "")
    drawing = record_drawing(name, await stored_ecg(serving_of(request), name))
    return Response(drawing, media_type="image/svg+xml")


@router.get("/graph/content")
async def graph_content(request: Request) -> Response:
    """Return the map as JSON, with the patient of a prediction on it if one is named."""
    file, prediction = _map_file(request), request.query_params.get("prediction", "")
    serving = serving_of(request)
    if not prediction:
        return Response(await serving.parsed(file.read_bytes), media_type="application/json")
    entry = await recorded(request, prediction)
    await note(request, "prediction_read", prediction)
    if not serving.is_current(entry):
        raise ProblemError(410, "not_held", "Another model made this prediction; its neighbours are not on this map.")
    answer = entry.answer
    shares = answer.get("classes") or {answer["outcome"]: answer["probability"]}
    values = {f"Probability of {name}": share for name, share in shares.items()}
    with suppress(ProblemError):  # the values of the patient are no longer held
        given = stored_query(serving, entry).clinical
        titles = {each.name: each.title for each in site_of(request).variables}  # as in the map
        values |= {titles[name]: value for name, value in given.items() if name in titles}
    neighbours = [(each["record_id"], each["distance"]) for each in answer["neighbours"]]

    def content() -> JSONResponse:
        return JSONResponse(with_patient(json.loads(file.read_bytes()), neighbours, values))

    return await serving.parsed(content)


def _map_file(request: Request) -> Path:
    file = serving_of(request).settings.run / MAP_FILE
    if not file.is_file():
        raise ProblemError(404, "no_map", "This folder holds no map of the patient graph; serve the run's folder.")
    return file


@router.get("/report/document")
async def framed_report(request: Request) -> Response:
    """Return the report itself, which only this site may frame."""
    found = await report_document(request)
    found.headers["Content-Security-Policy"] = REPORT_POLICY.replace("frame-ancestors 'none'", "frame-ancestors 'self'")
    found.headers["X-Frame-Options"] = "SAMEORIGIN"
    found.headers["Content-Language"] = SOURCE
    return found


@router.get(PREFIX + "{name}")
async def static(request: Request, name: str) -> Response:
    """Return a style sheet, script or icon."""
    found = site_of(request).static.response(name)
    if found is None:
        raise ProblemError(404, "http", "There is no such path.")
    return found
