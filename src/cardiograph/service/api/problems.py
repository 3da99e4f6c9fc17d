"""Errors as the service tells them: problem documents (RFC 9457) with the project's issues in them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from http import HTTPStatus

from starlette.responses import Response

from cardiograph.errors import InputError, Issue

MEDIA_TYPE = "application/problem+json"


TOLD_ISSUES = 20
"""Faults that an answer tells; the next entry says how many more there are."""


class ProblemError(Exception):
    """A request that is refused.

    Args:
        status: HTTP status.
        code: Stable name for programs, such as ``line_full``.
        detail: One sentence for people, with what to do.
        issues: Faults of what was sent.
        headers: Further headers of the answer.
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
        super().__init__(code)  # never the detail: it may name a patient's value, and this text may reach a log

    def content(self) -> dict[str, object]:
        """The problem document. Source: RFC 9457, section 3; ``code`` and ``issues`` are extension members."""
        return {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "issues": [asdict(issue) for issue in _first(self.issues)],
        }

    def response(self) -> Response:
        """The answer to the caller."""
        return Response(json.dumps(self.content()), self.status, self.headers, MEDIA_TYPE)


def _first(issues: Sequence[Issue]) -> list[Issue]:
    """As many as are told, and then how many more there are."""
    told, more = list(issues[:TOLD_ISSUES]), len(issues) - TOLD_ISSUES
    if more > 0:
        rule = f"{TOLD_ISSUES} faults are told"
        told.append(Issue("request", "", f"{more:,} more", rule, "correct these first", "more_faults"))
    return told


_STATUS_OF_CODE = {"too_many_pixels": 413, "not_an_image": 415, "unsupported_format": 415}
"""Issues that HTTP has a status for; every other fault of what was sent is 422."""


def refused(error: InputError) -> ProblemError:
    """The problem of an input that cannot be scored: the status of its only kind of issue, or 422."""
    statuses = {_STATUS_OF_CODE.get(issue.code, 422) for issue in error.issues}
    status = statuses.pop() if len(statuses) == 1 else 422
    return ProblemError(status, "cannot_be_scored", error.headline, issues=error.issues)
