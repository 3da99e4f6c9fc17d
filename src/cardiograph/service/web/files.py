"""Routes for static files and for the run's report in a frame."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from cardiograph.service.api.model import report as report_document
from cardiograph.service.api.problems import ProblemError
from cardiograph.service.security.responses import PAGE_POLICY, REPORT_POLICY
from cardiograph.service.state import serving_of
from cardiograph.service.web.site import PREFIX, site_of

router = APIRouter(include_in_schema=False)


@router.get("/report")
async def report(request: Request) -> Response:
    """Return an HTML frame for the run's report, with a link back."""
    if not (serving_of(request).settings.run / "report.html").is_file():
        raise ProblemError(404, "no_report", "This folder holds no report; serve the run's folder, not its bundle.")
    policy = f"{PAGE_POLICY}; frame-src 'self'"
    return HTMLResponse(site_of(request).render("report.html"), headers={"Content-Security-Policy": policy})


@router.get("/report/document")
async def framed_report(request: Request) -> Response:
    """Return the report itself, which only this site may frame."""
    found = await report_document(request)
    found.headers["Content-Security-Policy"] = REPORT_POLICY.replace("frame-ancestors 'none'", "frame-ancestors 'self'")
    found.headers["X-Frame-Options"] = "SAMEORIGIN"
    return found


@router.get(PREFIX + "{name}")
async def static(request: Request, name: str) -> Response:
    """Return a style sheet, script or icon."""
    found = site_of(request).static.response(name)
    if found is None:
        raise ProblemError(404, "http", "There is no such path.")
    return found
