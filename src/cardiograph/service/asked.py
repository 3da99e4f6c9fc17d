"""Patients as a service is asked about them: what of them is sent, and in which pieces."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from cardiograph.errors import InputError, Issue, PageError

REQUEST_LINES, REQUEST_BYTES = 16, 4 << 20
"""A batch goes in requests of so many patients, or so many bytes: answers are read only after all of a request is sent."""


@dataclass(frozen=True)
class Asked:
    """A patient to be scored by a service.

    Args:
        page: The file of the ECG page, whose name is not sent; None without one.
        values: Variable -> value in its unit; None or NaN is missing.
        patient_id: Where known.
        name: For errors; it is not sent.
        gate: Whether a page that does not look like an ECG is refused, or scored with a warning; None: as the model says.
    """

    page: Path | None = None
    values: Mapping[str, float | None] = field(default_factory=dict)
    patient_id: str | None = None
    name: str = "patient"
    gate: bool | None = None

    def content(self) -> bytes | None:
        """The bytes of the page.

        Raises:
            PageError: The file cannot be read, is empty, or is no picture.
        """
        from cardiograph.imaging.reading import page_bytes

        return None if self.page is None else page_bytes(self.page)

    def known(self) -> dict[str, float]:
        """The values that there are: JSON has no NaN."""
        return {name: value for name, value in self.values.items() if value is not None and not math.isnan(value)}

    def line(self, number: int) -> bytes:
        """The patient as a line of a batch.

        Raises:
            PageError: As :meth:`content`.
        """
        page = self.content()
        told: dict[str, object] = {
            "id": number,
            "page": None if page is None else base64.b64encode(page).decode(),
            "values": self.known(),
            "patient_id": self.patient_id,
        }
        if self.gate is not None:
            told["gate"] = self.gate
        return json.dumps(told).encode() + b"\n"

    def named(self, issue: Issue) -> Issue:
        """An issue of the service, under the names by which the caller knows patient and page."""
        page = None if self.page is None else f"page {self.page.name}"
        return replace(issue, where=page if page and issue.where.startswith("page ") else self.name)


def requests(patients: Iterable[Asked], refused: dict[int, InputError]) -> Iterator[tuple[bytes, dict[int, Asked]]]:
    """The bodies of requests, each with its patients by the number that their line has.

    Args:
        patients: In order.
        refused: Takes the errors of patients whose page cannot be sent, by their number; they are in no request.
    """
    body, group = b"", dict[int, Asked]()
    for number, asked in enumerate(patients):
        try:
            line = asked.line(number)
        except PageError as error:
            refused[number] = error
            continue
        if group and (len(group) == REQUEST_LINES or len(body) + len(line) > REQUEST_BYTES):
            yield body, group
            body, group = b"", {}
        body += line
        group[number] = asked
    if group:
        yield body, group
