"""Error responses: problem documents (RFC 9457) with the issues of the input."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from cardiograph.errors import InputError, Issue

MEDIA_TYPE = "application/problem+json"

MAX_ISSUES = 20
"""Maximum number of issues in a response; one more entry counts the rest."""


class ProblemError(Exception):
    """A request that is rejected.

    Args:
        status: HTTP status.
        code: Stable name for programs, such as ``line_full``.
        detail: One sentence for people that says how to fix it.
        issues: Issues of the input.
        headers: Additional headers of the response.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        issues: Sequence[Issue] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status, self.code, self.detail = status, code, detail
        self.issues, self.headers = tuple(issues), dict(headers or {})
        super().__init__(code)  # not the detail, which may name a patient's value: this text may reach a log

    def content(self) -> dict[str, object]:
        """Return the problem document. Source: RFC 9457, section 3; ``code`` and ``issues`` are extension members."""
        return {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "issues": [asdict(issue) for issue in _first(self.issues)],
        }

    def response(self) -> Response:
        """Return the HTTP response."""
        return Response(json.dumps(self.content()), self.status, self.headers, MEDIA_TYPE)


def _first(issues: Sequence[Issue]) -> list[Issue]:
    """Return the first issues, and one that counts the rest."""
    first, more = list(issues[:MAX_ISSUES]), len(issues) - MAX_ISSUES
    if more > 0:
        rule = f"{MAX_ISSUES} issues are shown"
        first.append(Issue("request", "", f"{more:,} more", rule, "correct these first", "more_faults"))
    return first


_STATUS_OF_CODE = {"too_many_pixels": 413, "not_an_image": 415, "unsupported_format": 415}
"""Issue code -> HTTP status; every other issue is 422."""


def refused(error: InputError) -> ProblemError:
    """Return the problem of an input that cannot be scored, with the common status of its issues or else 422."""
    statuses = {_STATUS_OF_CODE.get(issue.code, 422) for issue in error.issues}
    status = statuses.pop() if len(statuses) == 1 else 422
    return ProblemError(status, "cannot_be_scored", error.headline, issues=error.issues)


async def problem_response(_: Request, error: Exception) -> Response:
    """Return the response to a :class:`ProblemError`; an exception handler of the application."""
    assert isinstance(error, ProblemError)  # noqa: S101
    return error.response()


async def http_error_response(_: Request, error: Exception) -> Response:
    """Return Starlette's own errors (unknown path or method) as problems; an exception handler of the application."""
    assert isinstance(error, HTTPException)  # noqa: S101
    detail = {404: "There is no such path.", 405: "This path has no such method."}.get(error.status_code)
    headers = dict(error.headers or {})
    return ProblemError(error.status_code, "http", detail or "The request cannot be read.", headers=headers).response()
