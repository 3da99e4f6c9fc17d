"""Reader of PDF files whose traces are lines, and the rendering of other PDF pages, such as scans.

The package pypdfium2 (PDFium) parses the file in a process of its own with limits of memory and time; no script runs.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.readers.build import build_ecg
from cardiograph.ecg.readers.pdf_traces import Polyline, Word, leads_of_page
from cardiograph.ecg.readers.pieces import join_pieces
from cardiograph.ecg.readers.source import EcgSource

MEMORY_BYTES = 2 * 2**30
CPU_SECONDS = 20
WALL_SECONDS = 120

_PROGRAM = Path(__file__).with_name("pdf_process.py")


def read_pdf(source: EcgSource) -> Ecg:
    """Read the traces of one page from their lines; the voltages are as exact as the lines.

    Raises:
        EcgError: If the page is a scan (``no_traces``; :func:`render_pdf` renders it for the digitiser), or does
            not print its paper speed and gain.
    """
    answer, _ = _ask(source, "lines")
    lines = [Polyline(np.array(points), tuple(colour)) for colour, points in answer["lines"]]
    words = [Word(*word) for word in answer["words"]]
    pieces, notes = leads_of_page(source, lines, words, answer["text"])
    names, rows, rate, more = join_pieces(source, pieces)
    return build_ecg(source, names, rows, rate, file_format="pdf", notes=(*notes, *more, *_other_pages(source, answer)))


def render_pdf(source: EcgSource, *, max_pixels: int) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Render one page of a PDF, such as a scan.

    A page of more than 40 million pixels is rendered at a lower resolution.

    Args:
        source: The PDF.
        max_pixels: Number of pixels above which a page is refused before it is rendered.

    Returns:
        [height, width, 3] uint8 RGB at ten pixels a millimetre, and a note if the file has other pages.

    Raises:
        EcgError: If the file is damaged or encrypted, has no such page, or takes too much memory or time.
    """
    answer, content = _ask(source, "pixels", max_pixels)
    height, width, stride = answer["size"]
    rows = np.frombuffer(content, dtype=np.uint8, count=height * stride).reshape(height, stride)
    pixels = np.ascontiguousarray(rows[:, : 4 * width].reshape(height, width, 4)[..., :3])
    return pixels, _other_pages(source, answer)


def _other_pages(source: EcgSource, answer: dict[str, Any]) -> tuple[str, ...]:
    count = answer["pages"]
    return (f"The file has {count} pages; page {source.options.page} was read.",) if count > 1 else ()


def _ask(source: EcgSource, action: str, max_pixels: int = 0) -> tuple[dict[str, Any], bytes]:
    """Return the answer of the program, and the bytes behind it."""
    arguments = [action, str(source.options.page), str(MEMORY_BYTES), str(CPU_SECONDS), str(max_pixels)]
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-I", str(_PROGRAM), *arguments],
            input=source.content,
            capture_output=True,
            timeout=WALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        done = None
    if done is None or done.returncode or not done.stdout:
        source.refuse(
            "too_large",
            f"its page takes more than {MEMORY_BYTES // 2**30} GiB of memory or {CPU_SECONDS} s, or PDFium fails on it",
            "export the ECG alone, or as a signal file",
        )
    head, _, rest = done.stdout.partition(b"\n")
    answer: dict[str, Any] = json.loads(head)
    if "refused" in answer:
        source.refuse(*answer["refused"])
    return answer, rest
