"""Read an ECG from any file: a signal file, a PDF, or an image of a printed page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.readers.read import find_format, open_source, read_source
from cardiograph.ecg.readers.registry import READERS
from cardiograph.ecg.readers.source import EcgSource, ReadOptions
from cardiograph.errors import EcgError

PAGE = "page"
"""Name of the format of images and scans, which are digitised."""

ANY_FORMAT = (*READERS, PAGE)
"""Names of all formats."""


def read_any(
    source: Path | str | bytes,
    *,
    name: str = "",
    file_format: str | None = None,
    **options: Any,  # noqa: ANN401 - the fields of ReadOptions
) -> Ecg:
    """Read an ECG from a file of any format.

    The content of the file decides how it is read, or its suffix where the content does not tell: signal files, and
    PDFs whose traces are paths, by their reader; images and scanned PDFs by the digitiser.

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
    if kind != PAGE:
        try:
            return read_source(opened, kind)
        except EcgError as error:
            if file_format or kind != "pdf" or error.issues[0].code != "no_traces":
                raise
    return _digitized(opened, is_pdf=found == "pdf")


def _page_or_refusal(opened: EcgSource) -> str:
    """Return :data:`PAGE` if the content is an image, and raise an error otherwise."""
    from cardiograph.imaging.reading import FORMAT_TITLES, FORMATS

    if not any(each.signature.match(opened.content) for each in FORMATS.values()):
        titles = ", ".join(spec.title for spec in READERS.values())
        opened.refuse(
            "unknown_format",
            f"it is none of {titles}, and no picture ({FORMAT_TITLES})",
            "export it in one of these formats, or name its format",
        )
    return PAGE


def _digitized(opened: EcgSource, *, is_pdf: bool) -> Ecg:
    """Digitise an image or a page of a PDF."""
    from cardiograph.ecg.digitize.digitize import digitize
    from cardiograph.ecg.readers.pdf import render_pdf
    from cardiograph.imaging.reading import read_page

    stated = [option for option in ("rate", "unit", "gain", "leads") if getattr(opened.options, option)]
    if stated:
        opened.refuse(
            "option",
            f"it is a page, which is read from its paper; {' and '.join(stated)} cannot be stated for it",
            "leave the option out",
        )
    if is_pdf:
        pixels, notes = render_pdf(opened)
    else:
        page = read_page(opened.content, name=opened.name)
        pixels, notes = page.pixels, ()
        if page.pictures > 1:
            notes = (f"The file holds {page.pictures} images; the first was read.",)
    ecg = digitize(pixels, name=opened.name).ecg
    return ecg.replace(notes=(*ecg.notes, *notes))
