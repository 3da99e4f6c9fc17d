"""Read an ECG from any file: a signal file, a PDF, or an image of a printed page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.pdf_pages import read_pdf_or_page, rendered_page
from cardiograph.ecg.readers.read import find_format, open_source, read_source
from cardiograph.ecg.readers.registry import READERS
from cardiograph.ecg.readers.source import EcgSource, ReadOptions
from cardiograph.imaging.reading import FORMAT_TITLES, FORMATS, DecodedPage, read_page

PAGE = "page"
"""Name of the format of images and scans, which are digitised."""

ANY_FORMAT = (*READERS, PAGE)
"""Names of all formats."""

MAX_PIXELS = 100_000_000
"""Largest page that is decoded, in pixels."""


def read_any(
    source: Path | str | bytes,
    *,
    name: str = "",
    file_format: str | None = None,
    **options: Any,  # noqa: ANN401 - the fields of ReadOptions
) -> Ecg:
    """Read an ECG from a file of any format.

    The content of the file decides how it is read, or its suffix where the content does not tell: signal files, and
    PDFs whose traces are lines, by their reader; images and other PDFs by the digitiser.

    Args:
        source: Path of a file, or its bytes.
        name: Name in messages; by default the path.
        file_format: One of :data:`ANY_FORMAT`; by default found from the file. ``page`` digitises any image or PDF.
        options: Fields of :class:`cardiograph.ecg.readers.source.ReadOptions`, facts that the file does not state:
            ``rate`` in Hz, ``unit`` or ``gain``, ``leads``, and the ``page`` of a PDF.

    Raises:
        EcgError: If the file cannot be read as leads; the issue says why and what to do.
        PageError: If it is an image that is damaged, too large or too small.
        ValueError: If no format is called ``file_format``.
    """
    if file_format is not None and file_format not in ANY_FORMAT:
        message = f"no ECG format is called {file_format!r}; the formats are {', '.join(ANY_FORMAT)}"
        raise ValueError(message)
    opened = open_source(source, name=name, options=ReadOptions(**options))
    found = find_format(opened)
    kind = file_format or found or _page_or_refusal(opened)
    if opened.options.page > 1 and found != "pdf":
        opened.refuse("no_page", "only of a PDF another page than the first is read", "leave out the option page")
    if kind == PAGE and found == "pdf":
        return _digitized(opened, rendered_page(opened, max_pixels=MAX_PIXELS))
    if kind == PAGE:
        return _digitized(opened, read_page(opened.content, name=opened.name, max_pixels=MAX_PIXELS))
    if kind != "pdf" or file_format:
        return read_source(opened, kind)
    read = read_pdf_or_page(opened, max_pixels=MAX_PIXELS)
    return read if isinstance(read, Ecg) else _digitized(opened, read)


def _page_or_refusal(opened: EcgSource) -> str:
    """Return :data:`PAGE` if the content is an image, and raise an error otherwise."""
    if not any(each.signature.match(opened.content) for each in FORMATS.values()):
        titles = ", ".join(spec.title for spec in READERS.values())
        opened.refuse(
            "unknown_format",
            f"it is none of {titles}, and no picture ({FORMAT_TITLES})",
            "export it in one of these formats, or name its format",
        )
    return PAGE


def _digitized(opened: EcgSource, page: DecodedPage) -> Ecg:
    """Digitise a page."""
    from cardiograph.ecg.digitize.digitize import digitize

    stated = [option for option in ("rate", "unit", "gain", "leads") if getattr(opened.options, option)]
    if stated:
        opened.refuse(
            "option",
            f"it is a page, which is read from its paper; {' and '.join(stated)} cannot be stated for it",
            "leave the option out",
        )
    notes = page.notes
    if page.pictures > 1:
        notes = (*notes, f"The file holds {page.pictures} images; the first was read.")
    ecg = digitize(page.pixels, name=opened.name).ecg
    return ecg.replace(notes=(*ecg.notes, *notes))
