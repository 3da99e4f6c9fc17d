"""Multipart forms, parsed in memory: temporary files would leave patient data on disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from cardiograph.ecg.readers.record_zip import RECORD_SUFFIXES, one_content
from cardiograph.service.api.problems import ProblemError

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MAX_PARTS = 64
"""Maximum number of parts of a form, far above what the web form sends."""

PAGE = "page"
"""Name of the field of the ECG."""


@dataclass
class Part:
    """One field of a form.

    Args:
        name: Name of the field.
        content: Content of the field.
        file_name: Name of the file; None for a field without a file, and empty if no file was chosen in a browser.
    """

    name: str = ""
    content: bytearray = field(default_factory=bytearray)
    file_name: str | None = None

    @property
    def unchosen(self) -> bool:
        """Whether this is a file field for which no file was chosen."""
        return self.file_name == "" and not self.content


def parts_of(body: bytes, content_type: str) -> dict[str, bytes]:
    """Return the fields of a multipart body by name, without file fields for which no file was chosen.

    The field ``page`` may have several files, those of one WFDB record; they are returned as one .zip.

    Raises:
        ProblemError: 400, if the body is not a valid multipart form.
    """
    _, options = parse_options_header(content_type)
    reader = _Reader()
    try:
        parser = MultipartParser(options[b"boundary"], reader.callbacks())
        parser.write(body)
        parser.finalize()
    except (KeyError, FormParserError, UnicodeDecodeError) as error:
        message = "The body is not a complete multipart form; send it as multipart/form-data with a boundary."
        raise ProblemError(400, "bad_form", message) from error
    if not reader.ended:
        raise ProblemError(400, "bad_form", "The form ends before its last boundary; send all of it.")
    files = [part for part in reader.parts if part.name == PAGE]
    others = [part for part in reader.parts if part.name != PAGE]
    if len({part.name for part in others}) < len(others):
        raise ProblemError(400, "bad_form", "A field occurs twice; send each field but `page` once.")
    fields = {part.name: bytes(part.content) for part in others if not part.unchosen}
    chosen = [(part.file_name or "", bytes(part.content)) for part in files if not part.unchosen]
    if len(chosen) > 1 and not any(PurePath(name).suffix.lower() in RECORD_SUFFIXES for name, _ in chosen):
        detail = "Several files are one ECG only if they are the files of a WFDB record; send one file."
        raise ProblemError(400, "bad_form", detail)
    return fields | ({PAGE: one_content(chosen)} if chosen else {})


def text_of(content: bytes) -> str:
    """Decode a text field.

    Raises:
        ProblemError: 400, if it is not UTF-8.
    """
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ProblemError(400, "bad_form", "A text field is not UTF-8; encode it as UTF-8.") from error


class _Reader:
    """Collects parts from the callbacks of the parser."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.ended = False
        self._header, self._value = bytearray(), bytearray()

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._begin,
            "on_part_data": lambda data, start, end: self.parts[-1].content.extend(data[start:end]),
            "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._header_end,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        if len(self.parts) >= MAX_PARTS:
            raise FormParserError
        self.parts.append(Part())

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            _, options = parse_options_header(bytes(self._value))
            self.parts[-1].name = options[b"name"].decode()
            file_name = options.get(b"filename")
            self.parts[-1].file_name = None if file_name is None else file_name.decode(errors="replace")
        self._header.clear()
        self._value.clear()

    def _end(self) -> None:
        self.ended = True
