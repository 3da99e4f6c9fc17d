"""Queries as the client of a running service sends them: one by one, or as lines of batch requests."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path

from cardiograph.containers import Query
from cardiograph.errors import InputError, PageError

REQUEST_LINES, REQUEST_BYTES = 16, 4 << 20
"""Maximum patients and bytes of a batch request: responses are read only after the whole request is sent."""


def page_of(query: Query) -> bytes | None:
    """Read the page of a query.

    Raises:
        PageError: If the file cannot be read, is empty, or is neither an image nor a file of signals.
    """
    from cardiograph.ecg.pages import page_content

    return page_content(query.page) if isinstance(query.page, Path) else query.page


def values_of(query: Query) -> dict[str, float]:
    """Return the values that are not missing, since JSON has no NaN."""
    return {name: value for name, value in query.clinical.items() if value is not None and not math.isnan(value)}


def _line_of(query: Query, number: int) -> bytes:
    """Encode a query as a line of a batch.

    Raises:
        PageError: If the page cannot be read.
    """
    page = page_of(query)
    content: dict[str, object] = {
        "id": number,
        "page": None if page is None else base64.b64encode(page).decode(),
        "values": values_of(query),
        "patient_id": query.patient_id,
    }
    if query.gate is not None:
        content["gate"] = query.gate
    return json.dumps(content).encode() + b"\n"


def requests(patients: Iterable[Query], refused: dict[int, InputError]) -> Iterator[tuple[bytes, dict[int, Query]]]:
    """Yield the bodies of batch requests, each with its patients by line number.

    Args:
        patients: Queries, in order.
        refused: Filled with the errors of patients whose page cannot be sent, by number; they are in no request.
    """
    body, group = b"", dict[int, Query]()
    for number, query in enumerate(patients):
        try:
            line = _line_of(query, number)
        except PageError as error:
            refused[number] = error
            continue
        if group and (len(group) == REQUEST_LINES or len(body) + len(line) > REQUEST_BYTES):
            yield body, group
            body, group = b"", {}
        body += line
        group[number] = query
    if group:
        yield body, group
