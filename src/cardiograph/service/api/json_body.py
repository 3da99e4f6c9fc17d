"""Strict parsing and validation of JSON requests."""

from __future__ import annotations

import json
import re
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import from_json

from cardiograph.errors import Issue
from cardiograph.service.api.problems import ProblemError
from cardiograph.service.api.schemas import BatchLine, PatientRequest

JSON_BYTES = 65_536
"""Maximum size of a request without its page: thousands of unknown names, each an issue, would block others."""

Body = TypeVar("Body", bound=PatientRequest)


def read_request(content: bytes, kind: type[Body]) -> Body:
    """Parse and validate a JSON request.

    Raises:
        ProblemError: 400 if it is not JSON, 413 if it is too large, 422 if its fields are invalid.
    """
    return checked(read_json(content), kind)


def read_line(content: bytes) -> BatchLine:
    """Parse and validate a line of a batch; the size limit excludes its page.

    Raises:
        ProblemError: See :func:`read_request`.
    """
    _check_size(len(content) - _page_size(content))
    return checked(parse_json(content), BatchLine)


_PAGE = re.compile(rb'"page"\s*:\s*"')


def _page_size(content: bytes) -> int:
    """Return the bytes of the first ``page`` string, found without parsing, since base64 contains no quotes."""
    found = _PAGE.search(content)
    return 0 if found is None else max(0, content.find(b'"', found.end()) - found.end())


def read_json(content: bytes) -> Any:  # noqa: ANN401 - any JSON
    """Parse JSON.

    Raises:
        ProblemError: 400 if it is not JSON, 413 if it is too large.
    """
    _check_size(len(content))
    return parse_json(content)


def _check_size(size: int) -> None:
    if size > JSON_BYTES:
        message = f"JSON may have {JSON_BYTES:,} bytes without the page; send only the documented fields."
        raise ProblemError(413, "too_large", message)


def parse_json(content: bytes) -> Any:  # noqa: ANN401 - any JSON
    """Parse JSON of any size.

    Raises:
        ProblemError: 400, if it is not JSON.
    """
    try:
        found = from_json(content, allow_inf_nan=False)
        json.loads(content, object_pairs_hook=_no_key_twice)
    except DuplicateKeyError as error:
        message = f"The key `{error.key[:40]}` occurs twice; send each key once."
        raise ProblemError(400, "duplicate_key", message) from error
    except ValueError as error:
        message = "This is not JSON; send an object as documented."
        raise ProblemError(400, "bad_json", message) from error
    return found


class DuplicateKeyError(ValueError):
    """A JSON object has a key twice, so its value is ambiguous."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__("duplicate key")


def _no_key_twice(pairs: list[tuple[str, Any]]) -> None:
    seen = set[str]()
    for key, _ in pairs:
        if key in seen:
            raise DuplicateKeyError(key)
        seen.add(key)


def checked(content: Any, kind: type[Body]) -> Body:  # noqa: ANN401 - any JSON
    """Validate the fields and types of a request.

    Raises:
        ProblemError: 422, if they are invalid.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        issues = [_issue(fault) for fault in error.errors(include_url=False, include_context=False)]
        message = "The request has unknown fields or wrong types."
        raise ProblemError(422, "bad_request", message, issues=issues) from error


def _issue(fault: Any) -> Issue:  # noqa: ANN401 - pydantic's own mapping
    place = [str(part) for part in fault["loc"] if part != "function-after"]
    column = place[1] if len(place) > 1 and place[0] == "values" else ".".join(place)
    value = fault["input"]
    shown = str(value)[:40] if isinstance(value, (str, int, float)) else type(value).__name__
    remedy = "correct it, or leave it out"
    return Issue("request", column, shown, fault["msg"].lower(), remedy, "wrong_type")
