"""Both forms of any ECG file: a page and leads.

An image is used as it is, and digitised where leads are needed; a file of signals is drawn as a standard page. A PDF is
a file of signals if its traces are lines, and otherwise rendered as an image.

Training and serving use the same functions. The drawing determines the input of the encoder: whoever changes it, or
what a reader returns for the same file, raises :data:`cardiograph.imaging.grid.PAGE_VERSION`; whoever changes what the
digitiser returns raises :data:`LEADS_VERSION`.
"""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cardiograph.config_reading import PagesConfig
from cardiograph.ecg.draw.paper import STANDARD_ROWS, PaperLayout, draw_page
from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.leads import LEADS
from cardiograph.ecg.medians import median
from cardiograph.ecg.object_storage import at_hand, local_copy
from cardiograph.ecg.pdf_pages import read_pdf_or_page
from cardiograph.ecg.readers.read import HEAD_BYTES, find_format, open_source, read_source
from cardiograph.ecg.readers.record_zip import RECORD_SUFFIXES, pack_record, without_names
from cardiograph.ecg.readers.registry import READERS
from cardiograph.ecg.readers.source import EcgSource, ReadOptions
from cardiograph.ecg.readers.wfdb import record_files
from cardiograph.ecg.signal_hash import signal_hash
from cardiograph.ecg.waveform import recorded_part, with_waveform
from cardiograph.errors import ConfigError, EcgError, Issue, PageError
from cardiograph.imaging.grid import Box, crop, find_grid, select_view
from cardiograph.imaging.hashing import HASH_BYTES
from cardiograph.imaging.page_metadata import margins_of
from cardiograph.imaging.prepare import UNREADABLE_LEADS, Doubt, PreparedPage, prepare_decoded
from cardiograph.imaging.reading import FORMATS, DecodedPage, page_bytes, read_page
from cardiograph.regular_files import open_regular, read_regular

LEADS_VERSION = "6"
"""Version of the readers and the digitiser: it changes whenever the same file gives other leads."""

Needs = Literal["page", "leads", "both"]
"""What a model reads of an ECG: the picture, the leads (measurements, or an encoder of signals), or both."""

LAYOUT = PaperLayout()
"""The drawn page: 3 x 4 leads of 2.5 s and ten seconds of lead II, at 4 pixels per millimetre, without any text but
the names of the leads."""

LEARNED_SECONDS = 2.5
"""Shortest recordings from which the shipped encoders have learned: the columns of a printed page."""

SIGNAL_TITLES = ", ".join(spec.title for spec in READERS.values())
"""Names of the formats of signals, in a sentence."""

SIGNAL_SUFFIXES = ", ".join(dict.fromkeys(suffix for spec in READERS.values() for suffix in spec.suffixes))
"""Usual suffixes of these files, separated by commas."""

WITHOUT_MEASUREMENTS = "the page was used without ECG measurements, because "
"""Start of the warning about a page whose leads cannot be read, if the model reads page and leads."""

_HEADLINE = "A page cannot be used."
_STATED_BY = {
    "rate_missing": "pages.rate (`predict --rate`)",
    "unit_missing": "pages.unit or pages.gain (`predict --unit`, `--gain`)",
    "leads_missing": "pages.leads (`predict --leads`)",
}
"""Issue code -> the settings that state what a file does not."""


def signal_format(source: Path | bytes, *, name: str) -> str | None:
    """Return the format of a file of signals; None for an image, an unknown file, and one that cannot be opened.

    Args:
        source: Path of a file, or its content.
        name: Name of the file; its suffix counts if the content does not tell the format.
    """
    if isinstance(source, bytes):
        head = source[:HEAD_BYTES]
    else:
        try:
            with open_regular(source) as handle:
                head = handle.read(HEAD_BYTES)
        except OSError:
            return None
    if not head or any(image.signature.match(head) for image in FORMATS.values()):
        return None
    return find_format(EcgSource(head, name if isinstance(source, bytes) else source.name))


def file_sha256(path: Path) -> str:
    """Return the SHA-256 (hex) of a file; of a WFDB record, the hash of all its files.

    Raises:
        OSError: If the file cannot be read.
    """
    return _sha256_of(files_of(path))


def _sha256_of(files: list[Path]) -> str:
    digests = {each.name: _digest(each) for each in files}
    if len(digests) == 1:
        return digests.popitem()[1]
    return hashlib.sha256(
        "".join(f"{name} {digest}\n" for name, digest in sorted(digests.items())).encode()
    ).hexdigest()


NO_HASH = np.zeros(HASH_BYTES, np.uint8)
"""Hash of leads that cannot be read, and of a picture that was drawn from a recording; it is near to no other."""


@dataclass(frozen=True)
class EcgFile:
    """An ECG file, prepared for a model.

    Args:
        page: The page. Its ``doubt`` is the judgement of the digitiser if leads alone are needed, else that of the ECG
            check. If leads are needed, its perceptual hash is [3072]: that of the leads, by which a scan and the
            recording that it shows count as copies, then that of the picture (none of a drawn page); see :data:`NO_HASH`.
        leads: The twelve leads; None if they are not needed or could not be read.
    """

    page: PreparedPage
    leads: Ecg | None = None


def read_options(config: PagesConfig) -> ReadOptions:
    """Return the facts that the settings state for files that do not state them.

    Raises:
        ConfigError: If one of them is out of range.
    """
    options = ReadOptions(config.rate, config.unit, config.gain, config.leads, fill=True)
    for name, value, rule in options.faults():
        message = f"pages.{name} is {value}; {rule}"
        raise ConfigError(message)
    return options


def read_any_page(source: Path | bytes, *, name: str, config: PagesConfig) -> DecodedPage:
    """Read a page, or draw one from a file of signals.

    Args:
        source: Path of a file, or its content.
        name: Name of the page in error messages.
        config: Page settings: limits, and facts that files of signals do not state.

    Raises:
        ConfigError: If such a fact is out of range.
        PageError: If the file cannot be used, with one issue; its code is one of those of
            :func:`cardiograph.imaging.reading.read_page` or :data:`cardiograph.ecg.readers.codes.READER_CODES`.
    """
    return read_page_and_leads(source, name=name, config=config)[0]


def prepare_ecg(
    source: Path | bytes,
    *,
    name: str,
    config: PagesConfig,
    needs: Needs = "page",
    digitised_before: Ecg | None = None,
    draw: bool = True,
) -> EcgFile:
    """Read an ECG file in the forms that a model needs.

    Args:
        source: Path of a file, or its content.
        name: Name of the page in error messages.
        config: Page settings: view, limits, and facts that files of signals do not state.
        needs: What the model reads. If it needs leads, an image is digitised.
        digitised_before: Leads of this image, so that it is not digitised again.
        draw: Whether to draw a file of signals of which leads alone are needed. Otherwise its page shows the paper
            without traces; everything else is the same.

    Raises:
        PageError: If the file cannot be used; with one issue whose ``where`` names the page.
    """
    with at_hand(source) as here:
        read = _read(here, name, config)
        if needs == "leads" and isinstance(read, Ecg):
            return _recorded(read, here, name, config, draw=draw)
        decoded, leads = (read, None) if isinstance(read, DecodedPage) else (_drawn(read, here), read)
    page = prepare_decoded(decoded, name=name, config=config)
    if needs == "page":
        return EcgFile(page)
    unreadable = None
    if leads is None:
        leads, unreadable = (digitised_before, None) if digitised_before else digitised(decoded, name)
    notes = () if leads is None or decoded.drawn else leads.notes
    if needs == "both" and unreadable is not None:
        notes = (f"{WITHOUT_MEASUREMENTS}{unreadable.reason}",)
    page = dataclasses.replace(
        page,
        page=dataclasses.replace(decoded, notes=(*decoded.notes, *notes)),
        doubt=unreadable if needs == "leads" else page.doubt,
        perceptual_hash=np.concatenate([_leads_hash(leads), NO_HASH if decoded.drawn else page.perceptual_hash]),
    )
    return EcgFile(page, leads)


def _leads_hash(leads: Ecg | None) -> NDArray[np.uint8]:
    """Return the [1536] hash of the leads, or :data:`NO_HASH` if they cannot be read."""
    return NO_HASH if leads is None else signal_hash(shown_on_page(leads))


def digitised(page: DecodedPage, name: str) -> tuple[Ecg | None, Doubt | None]:
    """Return the leads of an image, or the reason why they cannot be read."""
    from cardiograph.ecg.digitize.digitize import digitize

    try:
        return digitize(page.pixels, name=name).ecg, None
    except EcgError as error:
        issue = error.issues[0]
        return None, Doubt(UNREADABLE_LEADS, f"its leads cannot be read ({issue.code}): {issue.rule}", issue.remedy)


def read_leads_again(path: Path, config: PagesConfig) -> tuple[str, Ecg | None, bool]:
    """Read only the leads of a file that was read before.

    Returns:
        SHA-256 (hex) of the file, its leads (None if they cannot be read), and whether they were digitised.

    Raises:
        PageError: If the file can no longer be read.
    """
    with local_copy(path) as copy:
        found = _read(copy.path, path.name, config)
        if isinstance(found, Ecg):
            return file_sha256(copy.path), found, False
    return found.file_sha256, digitised(found, path.name)[0], True


def read_page_and_leads(source: Path | bytes, *, name: str, config: PagesConfig) -> tuple[DecodedPage, Ecg | None]:
    """Read a file as :func:`read_any_page` does; also return the leads of a file of signals, None for a page."""
    with at_hand(source) as here:
        ecg = _read(here, name, config)
        return (ecg, None) if isinstance(ecg, DecodedPage) else (_drawn(ecg, here), ecg)


def _drawn(ecg: Ecg, source: Path | bytes, *, draw: bool = True) -> DecodedPage:
    """Return the page of a file of signals; with ``draw`` False, its paper without traces."""
    pixels, notes = draw_ecg(ecg) if draw else (_paper(), _page_notes(ecg))
    if isinstance(source, bytes):
        digest, size = hashlib.sha256(source).hexdigest(), len(source)
    else:
        files = files_of(source)
        digest, size = _sha256_of(files), sum(each.stat().st_size for each in files)
    height, width = pixels.shape[:2]
    title = READERS[ecg.source].title
    return DecodedPage(pixels, digest, title, "signal", width, height, size, None, 1, True, notes)


def _recorded(ecg: Ecg, source: Path | bytes, name: str, config: PagesConfig, *, draw: bool) -> EcgFile:
    """Prepare a file of signals of which leads alone are needed: its page is only shown, and its leads identify it."""
    page = _drawn(ecg, source, draw=draw)
    try:
        box = paper_margins()[0] if config.view == "grid" else select_view(page.pixels, config)[0]
    except PageError as error:
        issues = [dataclasses.replace(issue, where=f"page {name}") for issue in error.issues]
        raise PageError(error.headline, issues) from error
    hashes = ecg.content_hash(), np.concatenate([_leads_hash(ecg), NO_HASH])
    return EcgFile(PreparedPage(page.file_sha256, *hashes, page, box, crop(page.pixels, box), None), ecg)


@lru_cache(maxsize=1)
def _paper() -> NDArray[np.uint8]:
    """Return a drawn page without traces."""
    nothing = np.full((len(LEADS), round(LAYOUT.seconds)), np.nan)
    nothing[:, 0] = 0
    pixels = draw_page(nothing, 1.0, layout=LAYOUT).pixels
    pixels.setflags(write=False)
    return pixels


@lru_cache(maxsize=1)
def paper_margins() -> tuple[Box, str]:
    """Return the box of the grid on a drawn page, and the margins around it, which traces do not change."""
    box = find_grid(_paper())
    return box, margins_of(_paper(), box)


def _read(source: Path | bytes, name: str, config: PagesConfig) -> DecodedPage | Ecg:
    """Read an image or a scanned PDF as a page, and a file of signals as leads."""
    kind, options, max_pixels = signal_format(source, name=name), read_options(config), config.max_pixels
    try:
        if kind is None:
            return read_page(source, name=name, max_pixels=max_pixels)
        opened = open_source(source, name=name, options=options)
        read = read_pdf_or_page(opened, max_pixels=max_pixels) if kind == "pdf" else read_source(opened, kind)
        return with_waveform(recorded_part(read), opened) if isinstance(read, Ecg) else read
    except (EcgError, PageError) as error:
        raise PageError(_HEADLINE, [_page_issue(issue, name) for issue in error.issues]) from error


def page_content(path: Path) -> bytes:
    """Return the content of a page or of a file of signals to send it elsewhere; only a WFDB record is read.

    Of a record, all files are returned as one .zip, without their names and without comments of the header.

    Raises:
        PageError: If it is neither, or a file of a record is missing.
    """
    kind = signal_format(path, name=path.name)
    if kind is None:
        return page_bytes(path)
    if kind == "wfdb" and path.suffix.lower() in RECORD_SUFFIXES:
        try:
            _read(path, path.name, PagesConfig())
        except PageError as error:
            if error.issues[0].code == "missing":  # whose name the receiver would not know
                raise
        return pack_record(without_names([(each.name, read_regular(each)) for each in record_files(path)]))
    return read_regular(path)


def draw_ecg(ecg: Ecg) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Draw an ECG on the standard page, each lead around its median.

    Of a longer recording the first ten seconds are drawn. If one is shorter, the four columns show 2.5 s each from
    times that are spread evenly over it, so that no lead is missing on the page.

    Returns:
        Pixels, [h, w, 3] uint8 RGB, and notes on what the page shows, the notes of the ECG included.
    """
    return draw_page(shown_on_page(ecg), ecg.rate, layout=LAYOUT).pixels, _page_notes(ecg)


def _page_notes(ecg: Ecg) -> tuple[str, ...]:
    notes = list(ecg.notes)
    needed, signal = round(LAYOUT.seconds * ecg.rate), ecg.signal
    if signal.shape[1] > needed:
        lasts, first = ecg.duration, LAYOUT.seconds
        notes.append(f"The recording lasts {lasts:g} s; its first {first:g} s, and its typical beat, were used.")
    missing = [lead for lead, row in zip(LEADS, signal[:, :needed], strict=True) if not np.isfinite(row).any()]
    if missing:
        notes.append(f"Nothing was recorded in {', '.join(missing)}, so these leads are empty on the page.")
    if signal.shape[1] < needed:
        notes.append(f"The recording lasts {ecg.duration:g} s, so the columns of its page overlap in time.")
    if ecg.duration < LEARNED_SECONDS:
        notes.append(
            f"The encoder has learned from recordings of {LEARNED_SECONDS:g} s and longer; this one is shorter."
        )
    return tuple(notes)


def shown_on_page(ecg: Ecg) -> NDArray[np.float64]:
    """Return the [12, samples] that the standard page shows: ten seconds, each lead around its median."""
    needed = round(LAYOUT.seconds * ecg.rate)
    shown = _centred(ecg.signal[:, :needed].astype(np.float64))
    return shown if shown.shape[1] == needed else _spread(shown, needed)


def _centred(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the signal without the median of each lead; if nothing was recorded in any, a flat first sample."""
    centred = signal - median(signal, axis=1)
    if not np.isfinite(centred).any():
        centred[:, 0] = 0
    return centred


def _spread(signal: NDArray[np.float64], needed: int) -> NDArray[np.float64]:
    """Return [12, needed] with a part of each lead at the place of its column, and NaN where the signal has ended."""
    shown = np.full((len(LEADS), needed), np.nan)
    length = signal.shape[1]
    (strip,) = STANDARD_ROWS[-1]
    for row in STANDARD_ROWS[:-1]:
        width = needed // len(row)
        starts = np.linspace(0, max(length - width, 0), len(row)).round().astype(int)
        for column, (lead, start) in enumerate(zip(row, starts, strict=True)):
            part = signal[LEADS.index(lead), start : start + width]
            begin = round(column * needed / len(row))
            shown[LEADS.index(lead), begin : begin + len(part)] = part
    shown[LEADS.index(strip), :length] = signal[LEADS.index(strip)]
    return shown


def _page_issue(issue: Issue, name: str) -> Issue:
    """Return a fault of a file as one of a page, which may be a file of signals with options of its cohort."""
    remedy = issue.remedy
    if issue.code in _STATED_BY:
        remedy = f"set {_STATED_BY[issue.code]} for such files, or convert the file to DICOM or WFDB"
    rule = f"{issue.rule}, or files of signals ({SIGNAL_TITLES})" if issue.code == "not_an_image" else issue.rule
    return dataclasses.replace(issue, where=f"page {name}", rule=rule, remedy=remedy)


def files_of(path: Path) -> list[Path]:
    """Return the files of an ECG: of a WFDB record, its header and all files of samples; else the given one."""
    return record_files(path) if path.suffix.lower() in RECORD_SUFFIXES else [path]


def _digest(path: Path) -> str:
    with open_regular(path) as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
