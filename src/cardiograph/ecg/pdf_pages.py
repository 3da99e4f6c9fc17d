"""PDF files in either form: a page whose traces are lines is read exactly, any other is rendered like a scan."""

from __future__ import annotations

import hashlib

from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.readers.pdf import render_pdf
from cardiograph.ecg.readers.read import read_source
from cardiograph.ecg.readers.source import EcgSource
from cardiograph.errors import EcgError, PageError
from cardiograph.imaging import quality
from cardiograph.imaging.reading import DecodedPage

_NOT_LINES = ("no_traces", "scale_missing")
"""Codes of the PDF reader for a page that the digitiser may still read."""


def read_pdf_or_page(source: EcgSource, *, max_pixels: int) -> Ecg | DecodedPage:
    """Read the traces of a PDF page as leads, or render the page if they are not lines with names and a scale.

    Args:
        source: The PDF.
        max_pixels: Maximum number of pixels of a rendered page.

    Raises:
        EcgError: If the file cannot be read, or its page is too large.
        PageError: If the page is blank or too small.
    """
    try:
        return read_source(source, "pdf")
    except EcgError as error:
        issue = error.issues[0]
        if issue.code not in _NOT_LINES:
            raise
    return rendered_page(source, max_pixels=max_pixels, reason=issue.rule)


def rendered_page(source: EcgSource, *, max_pixels: int, reason: str = "") -> DecodedPage:
    """Render a page of a PDF.

    Args:
        source: The PDF.
        max_pixels: Maximum number of pixels; a larger page is refused before it is rendered.
        reason: Why the lines of the page were not read, for a note.

    Raises:
        EcgError: If the file cannot be rendered.
        PageError: If the page is blank or too small.
    """
    pixels, notes = render_pdf(source, max_pixels=max_pixels)
    height, width = pixels.shape[:2]
    where = f"page {source.name}"
    for issue in (quality.check_size(where, width, height), quality.check_blank(where, pixels)):
        if issue is not None:
            message = "A page cannot be used."
            raise PageError(message, [issue])
    notes = (*([f"The PDF was read as a picture: {reason}."] if reason else []), *notes)
    digest = hashlib.sha256(source.content).hexdigest()
    return DecodedPage(pixels, digest, "PDF", "RGB", width, height, len(source.content), None, notes=notes)
