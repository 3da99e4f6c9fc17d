"""What PDFium does, as a program of its own: a small PDF can make it take any amount of memory and time.

:mod:`cardiograph.ecg.readers.pdf` runs this file with limits of both and gives it the PDF on standard input. The answer
is a line of JSON, and behind it the pixels if these are wanted. It imports nothing of the package, so that it starts
quickly.
"""

from __future__ import annotations

import ctypes
import json
import sys
from collections.abc import Iterator
from typing import Any, NoReturn

import pypdfium2
from pypdfium2 import raw

MAX_OBJECTS, MAX_SEGMENTS, MAX_CHARACTERS, MAX_DEPTH = 100_000, 1_000_000, 20_000, 5
MAX_PAGE_POINTS = 14_400
"""Longest side of a page in points; the limit of PDF 1.6, 5.08 m."""

PIXELS_PER_INCH = 254
"""Resolution of a rendered page: ten pixels a millimetre."""

MAX_PIXELS = 40_000_000
"""Largest rendered page; a larger one is rendered at a lower resolution."""

Points = list[tuple[float, float]]


class RefusedError(Exception):
    """A page that is not read; the arguments are those of ``EcgSource.refuse``."""


def _refuse(code: str, rule: str, remedy: str) -> NoReturn:
    raise RefusedError(code, rule, remedy)


def main(action: str, number: int, memory_bytes: int, cpu_seconds: int, max_pixels: int) -> None:
    """Answer ``lines`` or ``pixels`` of a page, counted from 1."""
    try:
        import resource
    except ImportError:  # Windows has no such limits
        pass
    else:
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    pixels = b""
    try:
        page = _open_page(sys.stdin.buffer.read(), number)
        if action == "pixels":
            answer, pixels = _rendered(page, max_pixels)
        else:
            answer = {"words": _words(page), "lines": _lines(page), "text": _text(page)}
        answer["pages"] = len(page.pdf)
    except RefusedError as error:
        answer = {"refused": error.args}
    except (pypdfium2.PdfiumError, ValueError, OSError) as error:
        answer = {"refused": ("damaged", f"PDFium cannot read it ({error})", "export the file again")}
    except MemoryError:
        answer = {"refused": ("too_large", "its page takes too much memory", "export the ECG alone")}
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n" + pixels)


def _open_page(content: bytes, number: int) -> Any:  # noqa: ANN401 - a page of pypdfium2
    try:
        document = pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            _refuse("unsupported", "it is encrypted", "save it without a password")
        raise
    if number > len(document):
        _refuse("no_page", f"it has {len(document)} pages, not {number}", "name one of them")
    page = document[number - 1]
    width, height = page.get_size()
    if not (1 <= width <= MAX_PAGE_POINTS and 1 <= height <= MAX_PAGE_POINTS):
        _refuse("too_large", f"the page measures {width:.0f} x {height:.0f} points", "print it on paper")
    return page


def _rendered(page: Any, max_pixels: int) -> tuple[dict[str, Any], bytes]:  # noqa: ANN401 - a page of pypdfium2
    """Return the size of the page and its pixels, four bytes each: red, green, blue and nothing."""
    width, height = page.get_size()
    scale = min(PIXELS_PER_INCH / 72, (MAX_PIXELS / (width * height)) ** 0.5)
    pixels = width * height * scale**2
    if pixels > max_pixels:
        _refuse("too_large", f"its page has {pixels:,.0f} pixels, at most {max_pixels:,} are read", "print it smaller")
    bitmap = page.render(scale=scale, may_draw_forms=False, rev_byteorder=True, force_bitmap_format=raw.FPDFBitmap_BGRx)
    return {"size": [bitmap.height, bitmap.width, bitmap.stride]}, bytes(bitmap.buffer)


def _text(page: Any) -> str:  # noqa: ANN401 - a page of pypdfium2
    textpage = page.get_textpage()
    text: str = textpage.get_text_range(0, min(textpage.count_chars(), MAX_CHARACTERS))
    return text


def _turned(page: Any, points: Points) -> Points:  # noqa: ANN401 - a page of pypdfium2
    """Return points upwards and to the right as the page is shown."""
    left, bottom, right, top = page.get_mediabox()
    width, height, rotation = right - left, top - bottom, page.get_rotation()
    shifted = [(x - left, y - bottom) for x, y in points]
    if rotation == 90:
        return [(y, width - x) for x, y in shifted]
    if rotation == 180:
        return [(width - x, height - y) for x, y in shifted]
    if rotation == 270:
        return [(height - y, x) for x, y in shifted]
    return shifted


def _words(page: Any) -> list[tuple[str, float, float]]:  # noqa: ANN401 - a page of pypdfium2
    """Return each word with the x of its left end and the y of its middle."""
    textpage = page.get_textpage()
    words: list[tuple[str, float, float]] = []
    letters = ""
    boxes: list[tuple[float, ...]] = []

    def end_word() -> None:
        nonlocal letters, boxes
        if letters:
            low = (min(box[0] for box in boxes), min(box[1] for box in boxes))
            high = (max(box[2] for box in boxes), max(box[3] for box in boxes))
            corners = _turned(page, [low, high])
            words.append((letters, min(corners)[0], (corners[0][1] + corners[1][1]) / 2))
        letters, boxes = "", []

    for index in range(min(textpage.count_chars(), MAX_CHARACTERS)):
        letter = textpage.get_text_range(index, 1)
        if not letter.strip():
            end_word()
            continue
        box = textpage.get_charbox(index)
        if boxes and abs(box[0] - boxes[-1][2]) > boxes[-1][3] - boxes[-1][1] + 1:  # a gap: another word
            end_word()
        letters += letter
        boxes.append(box)
    end_word()
    return words


def _lines(page: Any) -> list[tuple[tuple[int, ...], Points]]:  # noqa: ANN401 - a page of pypdfium2
    """Return colour and points of the stroked lines in the order in which they are drawn."""
    lines = []
    objects = segments = 0
    for each in page.get_objects(max_depth=MAX_DEPTH):
        objects += 1
        if each.type == raw.FPDF_PAGEOBJ_PATH:
            segments += raw.FPDFPath_CountSegments(each.raw)
        if objects > MAX_OBJECTS or segments > MAX_SEGMENTS:
            _refuse("too_large", "its page holds more lines than any ECG", "export the ECG alone")
        colour = _stroke(each) if each.type == raw.FPDF_PAGEOBJ_PATH else None
        if colour is None:
            continue
        matrix, form = each.get_matrix(), each.container
        while form is not None:
            matrix, form = matrix.multiply(form.get_matrix()), form.container
        a, b, c, d, e, f = matrix.get()
        for points in _subpaths(each):
            placed = [(a * x + c * y + e, b * x + d * y + f) for x, y in points]
            if not all(abs(x) < 1e6 and abs(y) < 1e6 for x, y in placed):  # NaN, too
                _refuse("damaged", "a line of its page has no place", "export the file again")
            lines.append((colour, _turned(page, placed)))
    return lines


def _stroke(path: Any) -> tuple[int, ...] | None:  # noqa: ANN401 - an object of pypdfium2
    """Return the colour of the stroke, or None if the path is not stroked."""
    fill, stroke = ctypes.c_int(), ctypes.c_int()
    if not raw.FPDFPath_GetDrawMode(path.raw, fill, stroke) or not stroke.value:
        return None
    values = [ctypes.c_uint() for _ in range(4)]
    raw.FPDFPageObj_GetStrokeColor(path.raw, *values)
    return tuple(value.value for value in values) if values[3].value else None


def _subpaths(path: Any) -> Iterator[Points]:  # noqa: ANN401 - an object of pypdfium2
    """Yield the points of each run of straight segments."""
    x, y = ctypes.c_float(), ctypes.c_float()
    points: Points = []
    for index in range(raw.FPDFPath_CountSegments(path.raw)):
        segment = raw.FPDFPath_GetPathSegment(path.raw, index)
        kind = raw.FPDFPathSegment_GetType(segment)
        raw.FPDFPathSegment_GetPoint(segment, x, y)
        if kind != raw.FPDF_SEGMENT_LINETO:
            if len(points) > 1:
                yield points
            points = []
        points.append((x.value, y.value))
    if len(points) > 1:
        yield points


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
