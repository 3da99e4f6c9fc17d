"""Errors as FHIR R4 OperationOutcome, which FHIR clients expect instead of a problem document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cardiograph.errors import Issue

_ISSUE_TYPES = {
    400: "structure",
    401: "login",
    403: "forbidden",
    404: "not-found",
    405: "not-supported",
    406: "not-supported",
    408: "timeout",
    410: "not-found",
    413: "too-long",
    415: "not-supported",
    422: "value",
    429: "throttled",
    503: "transient",
}
"""HTTP status -> code of HL7's value set ``issue-type``; every other error is an ``exception``."""


def operation_outcome(problem: Mapping[str, Any]) -> dict[str, Any]:
    """Build the resource as plain values: one issue for each fault, or one for the error as a whole.

    Args:
        problem: Problem document, :meth:`cardiograph.service.api.problems.ProblemError.content`.

    Source: HL7 FHIR R4 (4.0.1), OperationOutcome.
    """
    kind = _ISSUE_TYPES.get(problem["status"], "exception")
    faults = [(str(Issue(**issue)), issue["code"]) for issue in problem["issues"]]
    issues = [
        {"severity": "error", "code": kind, "details": {"text": text}, "diagnostics": code}
        for text, code in faults or [(problem["detail"], problem["code"])]
    ]
    return {"resourceType": "OperationOutcome", "issue": issues}
