"""Reader of PDF files whose traces are paths, and the rendering of other PDF pages, such as scans.

The package pypdfium2 (PDFium) parses the file; it runs no script. PDFium is not safe with threads, so a lock is held.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.readers.build import build_ecg
from cardiograph.ecg.readers.pdf_traces import Polyline, Word, leads_of_page
from cardiograph.ecg.readers.pieces import join_pieces
from cardiograph.ecg.readers.source import EcgSource

MAX_OBJECTS, MAX_SEGMENTS, MAX_CHARACTERS, MAX_DEPTH = 100_000, 2_000_000, 20_000, 5
MAX_PAGE_POINTS = 14_400
"""Longest side of a page in points; the limit of PDF 1.6, 5.08 m."""

PIXELS_PER_INCH = 254
"""Resolution of a rendered page: ten pixels a millimetre."""

MAX_PIXELS = 40_000_000
"""Largest rendered page; a larger one is rendered at a lower resolution."""

_LOCK = threading.Lock()


def read_pdf(source: EcgSource) -> Ecg:
    """Read the traces of one page from their paths; the voltages are as exact as the paths.

    Raises:
        EcgError: If the page is a scan (``no_traces``; :func:`pdf_page_pixels` renders it for the digitiser), or does
            not print its paper speed and gain.
    """
    with _open_page(source) as page:
        words, text = _words(source, page)
        lines = _polylines(source, page)
    pieces, notes = leads_of_page(source, lines, words, text)
    names, rows, rate, more = join_pieces(source, pieces)
    return build_ecg(source, names, rows, rate, file_format="pdf", notes=notes + more)


def pdf_page_pixels(source: EcgSource) -> NDArray[np.uint8]:
    """Render one page of a PDF, such as a scan, as [height, width, 3] uint8 RGB.

    Raises:
        EcgError: If the file is damaged or encrypted, or has no such page.
    """
    with _open_page(source) as page:
        width, height = page.get_size()
        scale = min(PIXELS_PER_INCH / 72, (MAX_PIXELS / (width * height)) ** 0.5)
        bitmap = page.render(scale=scale, may_draw_forms=False, rev_byteorder=True, prefer_bgrx=False)
        pixels = np.array(bitmap.to_numpy()[..., :3])
        bitmap.close()
    return pixels


def pdf_page_count(source: EcgSource) -> int:
    """Return the number of pages of a PDF.

    Raises:
        EcgError: If the file is damaged or encrypted, or has no such page as the options name.
    """
    with _open_page(source) as page:
        return len(page.pdf)


@contextmanager
def _open_page(source: EcgSource) -> Iterator[Any]:
    """Open the page that the options name."""
    import pypdfium2

    number = source.options.page
    with _LOCK, source.reading("PDFium"):
        try:
            document = pypdfium2.PdfDocument(source.content)
        except pypdfium2.PdfiumError as error:
            if "password" in str(error).lower():
                source.refuse("unsupported", "it is encrypted", "save it without a password")
            raise
        try:
            if number > len(document):
                source.refuse("no_page", f"it has {len(document)} pages", "name one of them", value=f"page {number}")
            page = document[number - 1]
            width, height = page.get_size()
            if not (1 <= width <= MAX_PAGE_POINTS and 1 <= height <= MAX_PAGE_POINTS):
                source.refuse("too_large", f"the page measures {width:.0f} x {height:.0f} points", "print it on paper")
            yield page
        finally:
            document.close()


def _turned(page: Any, points: NDArray[np.float64]) -> NDArray[np.float64]:  # noqa: ANN401 - a page of pypdfium2
    """Return [n, 2] points of the page, upwards and to the right as it is shown."""
    left, bottom, right, top = page.get_mediabox()
    x, y = points[:, 0] - left, points[:, 1] - bottom
    width, height = right - left, top - bottom
    turned = {0: (x, y), 90: (y, width - x), 180: (width - x, height - y), 270: (height - y, x)}
    return np.stack(turned[page.get_rotation()], axis=1)


def _words(source: EcgSource, page: Any) -> tuple[list[Word], str]:  # noqa: ANN401 - a page of pypdfium2
    """Return the words of a page with their places, and its whole text."""
    textpage = page.get_textpage()
    count = min(textpage.count_chars(), MAX_CHARACTERS)
    text = textpage.get_text_range(0, count)
    words: list[Word] = []
    letters = ""
    boxes: list[tuple[float, ...]] = []
    for index in range(count):
        letter = textpage.get_text_range(index, 1)
        if letter.strip():
            box = textpage.get_charbox(index)
            if boxes and abs(box[0] - boxes[-1][2]) > boxes[-1][3] - boxes[-1][1] + 1:  # a gap: another word
                words.append(_word(page, letters, boxes))
                letters, boxes = "", []
            letters += letter
            boxes.append(box)
        if (not letter.strip() or index == count - 1) and boxes:
            words.append(_word(page, letters, boxes))
            letters, boxes = "", []
    return words, text


def _word(page: Any, letters: str, boxes: list[tuple[float, ...]]) -> Word:  # noqa: ANN401 - a page of pypdfium2
    array = np.array(boxes)
    corners = np.array([array[:, :2].min(axis=0), array[:, 2:].max(axis=0)])
    corners = _turned(page, corners)
    return Word(letters, float(corners[:, 0].min()), float(corners[:, 1].mean()))


def _polylines(source: EcgSource, page: Any) -> list[Polyline]:  # noqa: ANN401 - a page of pypdfium2
    """Return the stroked lines of a page in the order in which they are drawn."""
    from pypdfium2 import raw

    lines: list[Polyline] = []
    objects = segments = 0
    for each in page.get_objects(max_depth=MAX_DEPTH):
        objects += 1
        if each.type == raw.FPDF_PAGEOBJ_PATH:
            segments += raw.FPDFPath_CountSegments(each.raw)
        if objects > MAX_OBJECTS or segments > MAX_SEGMENTS:
            source.refuse("too_large", "its page holds more lines than any ECG", "export the ECG alone")
        if each.type != raw.FPDF_PAGEOBJ_PATH:
            continue
        colour = _stroke(each)
        if colour is None:
            continue
        matrix, form = each.get_matrix(), each.container
        while form is not None:
            matrix, form = matrix.multiply(form.get_matrix()), form.container
        a, b, c, d, e, f = matrix.get()
        for points in _subpaths(each):
            if not np.isfinite([a, b, c, d, e, f]).all() or not np.isfinite(points).all():
                source.refuse("damaged", "a line of its page has no place", "export the file again")
            placed = points @ np.array([[a, b], [c, d]]) + np.array([e, f])
            lines.append(Polyline(_turned(page, placed), colour))
    return lines


def _stroke(path: Any) -> tuple[int, ...] | None:  # noqa: ANN401 - an object of pypdfium2
    """Return the colour of the stroke, or None if the path is not stroked."""
    from pypdfium2 import raw

    fill, stroke = ctypes.c_int(), ctypes.c_int()
    if not raw.FPDFPath_GetDrawMode(path.raw, fill, stroke) or not stroke.value:
        return None
    values = [ctypes.c_uint() for _ in range(4)]
    raw.FPDFPageObj_GetStrokeColor(path.raw, *values)
    return tuple(value.value for value in values) if values[3].value else None


def _subpaths(path: Any) -> Iterator[NDArray[np.float64]]:  # noqa: ANN401 - an object of pypdfium2
    """Yield the points of each run of straight segments."""
    from pypdfium2 import raw

    x, y = ctypes.c_float(), ctypes.c_float()
    points: list[tuple[float, float]] = []
    for index in range(raw.FPDFPath_CountSegments(path.raw)):
        segment = raw.FPDFPath_GetPathSegment(path.raw, index)
        kind = raw.FPDFPathSegment_GetType(segment)
        raw.FPDFPathSegment_GetPoint(segment, x, y)
        if kind != raw.FPDF_SEGMENT_LINETO:
            if len(points) > 1:
                yield np.array(points)
            points = []
        points.append((x.value, y.value))
    if len(points) > 1:
        yield np.array(points)
