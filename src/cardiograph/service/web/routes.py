"""The pages for people: the form, the answer, and why it is what it is."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from cardiograph.errors import PageError
from cardiograph.inference import Query
from cardiograph.service.api.predictions import asked_before, note, recorded, refuse_another
from cardiograph.service.api.problems import ProblemError
from cardiograph.service.records import Event, PredictionEntry
from cardiograph.service.security.csrf import FormTokens
from cardiograph.service.security.uploads import parts_of
from cardiograph.service.state import Serving, caller_of, serving_of, unless_left
from cardiograph.service.web.drawings import gauge
from cardiograph.service.web.explanation import Why, similar, why
from cardiograph.service.web.form import Typed, fields_of, told, typed_before, typed_of
from cardiograph.service.web.images import keep_page, kept_page, scan
from cardiograph.service.web.site import site_of
from cardiograph.service.web.wording import decision_of

PATH = "/"
MEDIA_TYPE = "multipart/form-data"
_GONE = Response(status_code=400)
"""For a client that has left and reads nothing."""

_PREVIEW = 720
"""Pixels of the longer side of a page that is shown beside the form."""

_OLD = "This form was too old, so nothing was sent on. Choose the page again, and send it once more."
_LOST = "The page that was kept is not held any more; choose it again."

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class Faults:
    """What is wrong with a form.

    Args:
        values: Variable -> fault.
        page: Fault of the page; empty where there is none.
        general: Everything else.
    """

    values: Mapping[str, str]
    page: str = ""
    general: str = ""


@router.get(PATH)
async def form(request: Request) -> Response:
    """The empty form."""
    return await _form(request, Typed())


@router.post(PATH)
async def ask(request: Request) -> Response:
    """Score what was typed and go to its answer; where something is wrong, the form again, with all that was typed."""
    serving, caller = serving_of(request), caller_of(request)
    body, kind = await request.body(), request.headers.get("content-type", "")
    parts = await serving.parsed(partial(parts_of, body, kind))
    typed = typed_of(parts, site_of(request).variables)
    try:
        _tokens(request).check(typed.token, caller.key_id)
    except ProblemError as problem:
        return await _form(request, replace(typed, page=None, kept=""), Faults({}, general=_OLD), status=problem.status)
    typed = await _with_kept_page(request, typed)
    wrong = Faults(typed.faults(serving.predictor.bundle), _LOST if typed.kept and typed.page is None else "")
    if wrong.values or wrong.page:
        return await _form(request, keep_page(typed, serving.held, caller), wrong, status=422)
    try:
        entry = await unless_left(request, serving.score(typed.query, caller))
    except ProblemError as problem:
        faults = _faults_of(problem)
        again = replace(typed, page=None) if faults.page else typed
        again = keep_page(again, serving.held, caller)
        return await _form(request, again, faults, status=problem.status, headers=problem.headers)
    return _GONE if entry is None else RedirectResponse(f"/predictions/{entry.id}#answer", 303)


@router.get("/predictions/{prediction_id}")
async def answer(request: Request, prediction_id: str) -> Response:
    """An answer, beside the form that asked it."""
    entry, query = await _asked(request, prediction_id, "prediction_read")
    return await _answer(request, entry, query, None)


@router.get("/predictions/{prediction_id}/explanation")
async def explanation(request: Request, prediction_id: str) -> Response:
    """What moved an answer: a part for a page that has the answer already, or all in one page."""
    site, serving = site_of(request), serving_of(request)
    entry, query = await _asked(request, prediction_id, "explanation_read")
    explained, trouble = None, ""
    if query is not None:
        titles = {each.name: each.title for each in site.variables}
        try:
            explained = await unless_left(request, serving.pool.run(partial(why, serving, query, titles)))
            if explained is None:
                return _GONE
            refuse_another(entry, explained.told["probability"])
        except ProblemError as problem:
            explained, trouble = None, str(problem.content()["detail"])
    if request.headers.get("hx-target") != "why":
        return await _answer(request, entry, query, explained, trouble=trouble)
    context = _answer_context(request, entry, query, explained)
    return HTMLResponse(site.render("why_part.html", **context, trouble=trouble))


def _tokens(request: Request) -> FormTokens:
    found: FormTokens = request.app.state.form_tokens
    return found


async def _asked(request: Request, prediction_id: str, event: Event) -> tuple[PredictionEntry, Query | None]:
    """A recorded answer, and what this model was asked where that is still held or kept; the audit log tells of it."""
    if "read" not in caller_of(request).scopes:
        raise ProblemError(403, "scope_missing", "This key lacks the scope `read`, which answers ask for.")
    serving = serving_of(request)
    entry = await recorded(request, prediction_id)
    await note(request, event, prediction_id)
    if not serving.gave(entry):
        return entry, None
    try:
        return entry, asked_before(serving, entry)
    except ProblemError:
        return entry, None


async def _with_kept_page(request: Request, typed: Typed) -> Typed:
    """The form with the page of the form, or of the answer, before it, where no other was chosen.

    ``kept`` of what is returned says that a page should be there; ``page`` is None where it is not held any more.
    """
    if typed.page is not None or typed.drop or not typed.kept:
        return replace(typed, kept="")
    serving, caller = serving_of(request), caller_of(request)
    page: object = kept_page(typed.kept, serving.held, caller)
    if page is None and "read" in caller.scopes:
        with suppress(ProblemError):
            page = asked_before(serving, await recorded(request, typed.kept)).page
    return replace(typed, page=page if isinstance(page, bytes) else None)


async def _answer(
    request: Request, entry: PredictionEntry, query: Query | None, explained: Why | None, *, trouble: str = ""
) -> Response:
    typed = Typed() if query is None else typed_before(query, entry.id)
    context = _answer_context(request, entry, query, explained)
    return await _form(request, typed, answered={**context, "trouble": trouble})


def _answer_context(
    request: Request, entry: PredictionEntry, query: Query | None, explained: Why | None
) -> dict[str, Any]:
    """What the templates tell of an answer; of another model's nothing that is known of the one served now."""
    site, gave = site_of(request), serving_of(request).gave(entry)
    rows, places = similar(entry.answer, explained)
    return {
        "gave": gave,
        "variables": site.variables if gave else (),
        "entry": entry,
        "answer": entry.answer,
        "query": query,
        "decision": decision_of(entry.answer, site.confidence if gave else None),
        "gauge": gauge(entry.answer),
        "similar": rows,
        "places": places,
        "why": explained,
    }


async def _form(
    request: Request,
    typed: Typed,
    faults: Faults | None = None,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    answered: Mapping[str, Any] | None = None,
) -> Response:
    site, faults = site_of(request), faults or Faults({})
    content = site.render(
        "patient.html",
        fields=fields_of(site.variables, typed, faults.values),
        typed=typed,
        preview=await _preview(serving_of(request), typed.page),
        faults=faults,
        token=_tokens(request).issue(caller_of(request).key_id),
        answered=answered is not None,
        **answered or {},
    )
    # without a referrer, browsers do not say that a form comes from its own site
    return HTMLResponse(content, status, {**(headers or {}), "Referrer-Policy": "same-origin"})


async def _preview(serving: Serving, page: bytes | None) -> str:
    """A page beside its form; none where the line is full, since nothing hangs on it."""
    if page is not None:
        limit = min(serving.settings.max_pixels, serving.predictor.bundle.served.pages.max_pixels)
        with suppress(ProblemError, PageError):
            return await serving.pool.run(partial(scan, page, side=_PREVIEW, max_pixels=limit))
    return ""


def _faults_of(problem: ProblemError) -> Faults:
    """A refusal, by the place in the form where it belongs."""
    pages = [issue for issue in problem.issues if issue.where.startswith("page ") or issue.column == "ecg"]
    rest = [issue for issue in problem.issues if issue not in pages]
    general = " ".join(told(issue) for issue in rest) if problem.issues else str(problem.content()["detail"])
    return Faults({}, " ".join(told(issue) for issue in pages), general)
