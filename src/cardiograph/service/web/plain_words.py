"""Errors in words for people who use the web page, without the options and commands that programs and servers have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cardiograph.artifacts.maps import UNCHECKED
from cardiograph.errors import Issue
from cardiograph.imaging.prepare import is_refusal
from cardiograph.service.web.language import deferred, gettext
from cardiograph.service.web.other_texts import translated

ANY_PAGE = deferred("Score the page even if it does not look like an upright ECG")
"""Label of the box that turns the check of pages off, to be translated."""

_PROBLEMS = {
    "no_key": deferred(
        "Enter your key as the password; any user name will do. Ask the person who runs this service for a key."
    ),
    "scope_missing": deferred("This key does not allow this. Ask the person who runs this service for one that does."),
    "wrong_host": deferred("This service does not answer under this name; open the address that you were given."),
    "no_report": deferred("There is no report of this model here."),
    "no_map": deferred("There is no map of the patient graph of this model here."),
    "model_changed": deferred(
        "The model was changed while it was served. Ask the person who runs this service to restart it."
    ),
    "reference": deferred(
        "The records of other patients cannot be reached at the moment. Try again later, or ask the person who runs "
        "this service."
    ),
}
"""Code of a problem -> what it means for a person at the page; the others are understood as they are."""

_REMEDIES = dict.fromkeys(
    ("rate_missing", "unit_missing", "leads_missing"), deferred("convert the file to DICOM or WFDB, which state it")
)
"""Code of an issue -> what a person at the page can do."""


def detail_of(problem: Mapping[str, Any]) -> str:
    """Return what a problem means, as a sentence for a person at the page.

    Args:
        problem: Content of a problem document.
    """
    if problem["code"] in _PROBLEMS:
        return gettext(_PROBLEMS[problem["code"]])
    return translated(str(problem["detail"])).replace("`", "")


def remedy_of(issue: Issue) -> str:
    """Return what a person at the page can do about an issue; parts of its remedy that name an option are left out."""
    if issue.code in _REMEDIES:
        return gettext(_REMEDIES[issue.code])
    if "`" not in issue.remedy:
        return translated(issue.remedy)
    parts = [translated(part) for part in issue.remedy.split("; ") if "`" not in part]
    if is_refusal(issue):
        parts.append(gettext("to use it all the same, tick “%(label)s”", label=gettext(ANY_PAGE)))
    return "; ".join(parts)


def sentence(issue: Issue) -> str:
    """Return an issue as a sentence."""
    rule, remedy = translated(issue.rule), remedy_of(issue)
    if not issue.value:
        return gettext("%(rule)s; %(remedy)s.", rule=rule, remedy=remedy)
    return gettext("%(value)s: %(rule)s; %(remedy)s.", value=translated(issue.value), rule=rule, remedy=remedy)


def reason_of_map(reason: str) -> str:
    """Return why a map of the page is or is not shown, as a sentence."""
    if reason == UNCHECKED:
        return gettext("It has not been checked whether such maps mean anything for this model.")
    reason = translated(reason)
    return f"{reason[:1].upper()}{reason[1:]}."
