"""Parsing of XML files that may be hostile."""

from __future__ import annotations

import base64
import binascii
from xml.etree.ElementTree import Element, ParseError

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.ecg import MAX_SAMPLES
from cardiograph.ecg.readers.source import MAX_TEXT_BYTES, EcgSource

MAX_TAGS = 500_000
"""Largest number of ``<`` and of ``=`` in a file, which bounds the memory of the parsed tree."""

MAX_DEPTH = 200


def parse_xml(source: EcgSource) -> Element:
    """Return the root of an XML file; the namespaces are taken off the tags.

    Raises:
        EcgError: If the file is no XML, defines entities or is too large.
    """
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    content = source.content
    if len(content) > MAX_TEXT_BYTES or max(content.count(b"<"), content.count(b"=")) > MAX_TAGS:
        source.refuse(
            "too_large",
            f"XML files are read up to {MAX_TEXT_BYTES // 2**20} MiB and {MAX_TAGS:,} tags",
            "cut the part that matters out of it",
        )
    try:
        root: Element = fromstring(content)
    except DefusedXmlException:
        source.refuse("entities", "it defines XML entities, which no ECG needs", "remove the entities from the file")
    except (ParseError, ValueError, LookupError) as error:
        source.refuse("damaged", f"it is not well-formed XML ({error})", "export the file again")
    level, depth = [root], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            source.refuse("too_large", f"its elements are nested deeper than {MAX_DEPTH}", "export the file again")
        for element in level:
            element.tag = element.tag.rpartition("}")[2] if isinstance(element.tag, str) else "comment"
        level = [child for element in level for child in element]
    return root


def text_of(element: Element | None, path: str = ".") -> str | None:
    """Return the stripped text of the first element at a path, or None if there is none."""
    found = element.find(path) if element is not None else None
    return (found.text or "").strip() or None if found is not None else None


def number_of(source: EcgSource, text: str | None, what: str) -> float:
    """Return a finite number.

    Raises:
        EcgError: If the text is missing or no number.
    """
    try:
        value = float(text or "")
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        source.refuse("damaged", f"its {what} is missing or no number", "export the file again", value=text or "")
    return value


def optional_number(text: str | None) -> float | None:
    """Return a number above 0, or None if the text is none, as for filter settings."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if np.isfinite(value) and value > 0 else None


def whole_numbers(source: EcgSource, text: str) -> NDArray[np.float64]:
    """Return numbers that are separated by blanks."""
    if len(text) > 10 * MAX_SAMPLES:
        source.refuse("too_large", f"a lead has more than {MAX_SAMPLES:,} samples", "cut the part that matters out")
    try:
        return np.array(text.split(), dtype=np.float64)
    except ValueError as error:
        source.refuse("not_numeric", f"its samples are not numbers ({error})", "export the file again")


def decode_base64(source: EcgSource, text: str | None) -> bytes:
    """Return the bytes that a text encodes in base64; line breaks are skipped, anything else is an error."""
    try:
        return base64.b64decode("".join((text or "").split()), validate=True)
    except (binascii.Error, ValueError) as error:
        source.refuse("damaged", f"its samples are not base64 ({error})", "export the file again")
