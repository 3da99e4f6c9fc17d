"""HTML routes: form, prediction and explanation."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import anyio.to_thread
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from cardiograph.errors import PageError
from cardiograph.inference import Query
from cardiograph.service.api.predictions import explained_part, note, recorded, require_same_prediction, stored_query
from cardiograph.service.api.problems import ProblemError
from cardiograph.service.records import Event, PredictionEntry
from cardiograph.service.security.csrf import FormTokens
from cardiograph.service.security.uploads import parts_of
from cardiograph.service.state import Serving, caller_of, model_problems, serving_of, unless_left
from cardiograph.service.web import history
from cardiograph.service.web.answer_view import answer_view
from cardiograph.service.web.cautions import cautions
from cardiograph.service.web.ecgs import EcgComparison, compared_ecgs
from cardiograph.service.web.example import KEPT as EXAMPLE
from cardiograph.service.web.example import Example
from cardiograph.service.web.explanation import ExplanationView, similar, why
from cardiograph.service.web.form import FORM, FormInput, fields_of, parse_form, refilled_form
from cardiograph.service.web.fractions import is_fraction, prefers_percent, remember
from cardiograph.service.web.images import keep_page, kept_page, scan
from cardiograph.service.web.language import deferred, gettext
from cardiograph.service.web.plain_words import detail_of, sentence
from cardiograph.service.web.site import site_of

PATH = "/"
EXAMPLE_PATH = "/example"
MEDIA_TYPE = "multipart/form-data"
_GONE = Response(status_code=400)
"""Response to a client that has disconnected."""

_PREVIEW = 720
"""Length of the longer side of the page preview in the form, in pixels."""

_OLD = deferred("This form has expired, so nothing was scored. Choose the page again and send the form once more.")
_LOST = deferred("The page is no longer held; choose it again.")

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class Faults:
    """Error messages of a form.

    Args:
        values: Variable -> error message.
        page: Error message of the ECG page; empty if there is none.
        general: Every other error message.
    """

    values: Mapping[str, str]
    page: str = ""
    general: str = ""


@router.get(PATH)
async def form(request: Request) -> Response:
    """Return the empty form."""
    return await _form(request, FormInput(percent=_in_percent(request)))


@router.get(EXAMPLE_PATH)
async def example(request: Request) -> Response:
    """Return the form filled in with the example patient."""
    patient = await _example(request)
    return await _form(request, patient.form(_in_percent(request)))


@router.post(PATH)
async def submit(request: Request) -> Response:
    """Score the form and redirect to the prediction; on errors, return the filled-in form with messages.

    The switch of the language sends the form, too: it is returned as it was entered, in the language of the address.
    """
    serving, caller = serving_of(request), caller_of(request)
    body, kind = await request.body(), request.headers.get("content-type", "")
    parts = await serving.parsed(partial(parts_of, body, kind))
    typed = parse_form(parts, site_of(request).variables)
    try:
        _tokens(request).check(typed.token, caller.key_id)
    except ProblemError as problem:
        return await _form(
            request, replace(typed, page=None, kept=""), Faults({}, general=gettext(_OLD)), status=problem.status
        )
    typed = await _with_kept_page(request, typed)
    values = {} if typed.show == FORM else typed.faults(serving.predictor.bundle)
    wrong = Faults(values, gettext(_LOST) if typed.kept and typed.page is None else "")
    if wrong.values or wrong.page or typed.show:
        status = 422 if wrong.values or wrong.page else 200
        return await _form(request, keep_page(typed, serving.held, caller), wrong, status=status)
    try:
        entry = await unless_left(request, serving.score(typed.query, caller))
    except ProblemError as problem:
        faults = _faults_of(problem)
        again = replace(typed, page=None) if faults.page else typed
        again = keep_page(again, serving.held, caller)
        return await _form(request, again, faults, status=problem.status, headers=problem.headers)
    if entry is None:
        return _GONE
    found = RedirectResponse(f"/predictions/{entry.id}#answer", 303)
    history.add(request, found, entry.id)
    if any(is_fraction(each) for each in site_of(request).variables):
        remember(request, found, percent=bool(typed.percent))
    return found


@router.get("/predictions")
async def past(request: Request) -> Response:
    """Return the list of the predictions that this browser asked for."""
    found = await history.past_predictions(request)
    return HTMLResponse(site_of(request).render("history.html", past=found, length=history.LENGTH))


@router.get("/predictions/{prediction_id}")
async def answer(request: Request, prediction_id: str) -> Response:
    """Return a stored prediction, with the form filled in again."""
    entry, query = await _stored(request, prediction_id, "prediction_read")
    return await _answer(request, entry, query, None)


@router.get("/predictions/{prediction_id}/explanation")
async def explanation(request: Request, prediction_id: str) -> Response:
    """Return the explanation: a fragment for htmx, or the whole HTML page."""
    site, serving = site_of(request), serving_of(request)
    entry, query = await _stored(request, prediction_id, "explanation_read")
    explained, trouble = None, ""
    if query is not None:
        try:
            part = explained_part(request, entry)
            explain = partial(why, serving, query, site.titles, part, percent=prefers_percent(request))
            explained = await unless_left(request, serving.pool.run(explain))
            if explained is None:
                return _GONE
            require_same_prediction(entry, explained.content["probability"], part)
        except ProblemError as problem:
            explained, trouble = None, detail_of(problem.content())
    if request.headers.get("hx-target") != "why":
        return await _answer(request, entry, query, explained, trouble=trouble)
    context = await anyio.to_thread.run_sync(_answer_context, request, entry, query, explained)
    return HTMLResponse(site.render("why.html", **context, trouble=trouble))


def _tokens(request: Request) -> FormTokens:
    found: FormTokens = request.app.state.form_tokens
    return found


async def _stored(request: Request, prediction_id: str, event: Event) -> tuple[PredictionEntry, Query | None]:
    """Return a stored prediction and its query, None if it is not held or stored; log the access."""
    serving = serving_of(request)
    entry = await recorded(request, prediction_id)
    await note(request, event, prediction_id)
    if not serving.is_current(entry):
        return entry, None
    try:
        return entry, stored_query(serving, entry)
    except ProblemError:
        return entry, None


def _in_percent(request: Request) -> frozenset[str]:
    """Return the variables that this browser writes in percent."""
    return frozenset(each.name for each in site_of(request).variables if is_fraction(each) and prefers_percent(request))


async def _example(request: Request) -> Example:
    """Return the example patient, which is made on a thread."""
    site = site_of(request)
    return await serving_of(request).parsed(lambda: site.example)


async def _with_kept_page(request: Request, typed: FormInput) -> FormInput:
    """Add the page of the previous form or prediction to a form without a new page.

    If ``kept`` of the result is set and ``page`` is None, the page is no longer held.
    """
    if typed.page is not None or typed.drop or not typed.kept:
        return replace(typed, kept="")
    serving, caller = serving_of(request), caller_of(request)
    if typed.kept == EXAMPLE:
        return replace(typed, page=(await _example(request)).page)
    page: object = kept_page(typed.kept, serving.held, caller)
    if page is None and "read" in caller.scopes:
        with suppress(ProblemError):
            page = stored_query(serving, await recorded(request, typed.kept)).page
    return replace(typed, page=page if isinstance(page, bytes) else None)


async def _answer(
    request: Request,
    entry: PredictionEntry,
    query: Query | None,
    explained: ExplanationView | None,
    *,
    trouble: str = "",
) -> Response:
    percent = _in_percent(request)
    typed = FormInput(percent=percent) if query is None else refilled_form(query, entry.id, percent)
    context = await anyio.to_thread.run_sync(_answer_context, request, entry, query, explained)
    context["of_example"] = context["current"] and (await _example(request)).made(entry, serving_of(request).records)
    return await _form(request, typed, answered={**context, "trouble": trouble})


def _answer_context(
    request: Request, entry: PredictionEntry, query: Query | None, explained: ExplanationView | None
) -> dict[str, Any]:
    """Return the template variables of a prediction, without facts about the current model if another one made it."""
    site, current = site_of(request), serving_of(request).is_current(entry)
    view = answer_view(entry.answer, site.confidence if current else None)
    rows, places = similar(view.answer, explained)
    return {
        "current": current,
        "variables": site.variables if current else (),
        "entry": entry,
        "view": view,
        "cautions": cautions(view.answer, site.titles, site.limits if current else None),
        "answer": view.answer,
        "query": query,
        "percent": prefers_percent(request),
        "similar": rows,
        "places": places,
        "why": explained,
        # while the explanation is awaited, nothing: it comes with this patient's ECG
        "ecgs": _compared(request, view.answer, explained) if current and (query is None or explained) else None,
    }


def _compared(request: Request, answer: Mapping[str, Any], explained: ExplanationView | None) -> EcgComparison | None:
    """Return the ECGs of similar records next to that of an explained prediction; None if the model stores none."""
    serving = serving_of(request)
    with suppress(ProblemError), model_problems():  # a new prediction says what is wrong with the model
        serving.predictor.require_unchanged()
        leads = None if explained is None or explained.ecg is None else explained.ecg.leads
        return compared_ecgs(serving.predictor.records, answer["neighbours"], leads)
    return None


async def _form(
    request: Request,
    typed: FormInput,
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
        example=request.url.path == EXAMPLE_PATH,
        **answered or {},
    )
    # without a referrer policy of same-origin, browsers do not report the origin of the form
    return HTMLResponse(content, status, {**(headers or {}), "Referrer-Policy": "same-origin"})


async def _preview(serving: Serving, page: bytes | None) -> str:
    """Return a preview of the page; empty if the queue is full or the page is unreadable."""
    if page is not None:
        with suppress(ProblemError, PageError):
            return await serving.pool.run(
                partial(scan, page, side=_PREVIEW, config=serving.predictor.bundle.served.pages)
            )
    return ""


def _faults_of(problem: ProblemError) -> Faults:
    """Assign the issues of a problem to the parts of the form."""
    pages = [issue for issue in problem.issues if issue.where.startswith("page ") or issue.column == "ecg"]
    rest = [issue for issue in problem.issues if issue not in pages]
    general = " ".join(sentence(issue) for issue in rest) if problem.issues else detail_of(problem.content())
    return Faults({}, " ".join(sentence(issue) for issue in pages), general)
