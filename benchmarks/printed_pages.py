"""Pages with the signals that they show, for `benchmarks/digitize.py`: of other programs, of our own, and turned ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cardiograph.ecg.draw.paper import (
    SIX_BY_TWO_ROWS,
    STANDARD_ROWS,
    TWELVE_BY_ONE_ROWS,
    PaperLayout,
    draw_page,
)
from cardiograph.ecg.leads import LEADS
from cardiograph.ecg.readers import read_ecg
from cardiograph.synthesis.heart import record_ecg
from cardiograph.synthesis.patients import patient_records
from rectify import CASES, COLOURS, DARK, distort

RATE_HZ = 500
PRINTED_BAND_HZ = (0.05, 40.0)
"""Band of the printout of the DICOM file, found by comparison."""

HALVES = ("development", "final")

Rows = tuple[tuple[str, ...], ...]

CABRERA_3_ROWS = (("aVL", "II", "V1", "V4"), ("I", "aVF", "V2", "V5"), ("aVR", "III", "V3", "V6"))
CABRERA_6_ROWS = tuple(zip(("aVL", "I", "aVR", "II", "aVF", "III"), LEADS[6:], strict=True))
LAYOUTS = {
    "3 x 4": PaperLayout(rows=STANDARD_ROWS[:3]),
    "3 x 4 + 1": PaperLayout(),
    "3 x 4 + 3": PaperLayout(rows=(*STANDARD_ROWS, ("V1",), ("V5",)), row_mm=28),
    "3 x 4 Cabrera": PaperLayout(rows=CABRERA_3_ROWS),
    "6 x 2": PaperLayout(rows=SIX_BY_TWO_ROWS, row_mm=25),
    "6 x 2 Cabrera": PaperLayout(rows=CABRERA_6_ROWS, row_mm=25),
    "12 x 1": PaperLayout(rows=TWELVE_BY_ONE_ROWS, row_mm=16),
    "1 single": PaperLayout(rows=(("II",),)),
}
DISTORTIONS = tuple(CASES)
TURNS = (2, 1, 2, 3)
"""Turns by 90 degrees of the pages of a turned set, in turn."""


@dataclass(frozen=True)
class Printed:
    """A page and what it shows.

    Args:
        name: Name of the page.
        half: ``development`` or ``final``.
        pixels: [h, w, 3] RGB.
        rows: Leads of each row from left to right; empty if nobody wrote them down.
        truth: [12, samples] in mV at 500 Hz, NaN where a lead is not printed.
        turns: Number of times that the page was turned by 90 degrees counter-clockwise.
        group: Kind of page, for figures of its own.
    """

    name: str
    half: str
    pixels: NDArray[np.uint8]
    rows: Rows
    truth: NDArray[np.float64]
    turns: int = 0
    group: str = ""


def turned(page: Printed, turns: int) -> Printed:
    """Return a page turned by 90 degrees counter-clockwise ``turns`` times."""
    pixels = np.ascontiguousarray(np.rot90(page.pixels, turns))
    return replace(page, pixels=pixels, turns=turns, group=f"turned by {90 * turns} degrees")


def opened(file: Path) -> NDArray[np.uint8]:
    """RGB pixels of a file."""
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"))


def at_500_hz(signal: NDArray[np.float64], rate: float) -> NDArray[np.float64]:
    """The first 10 s of a signal [12, samples] at 500 Hz, between the samples by interpolation."""
    if rate == RATE_HZ:
        return signal
    time_s = np.arange(10 * RATE_HZ) / RATE_HZ
    return np.stack([np.interp(time_s, np.arange(signal.shape[1]) / rate, row) for row in signal])


def wfdb_signal(header: Path) -> NDArray[np.float64]:
    """[12, 5000] in mV at 500 Hz of a WFDB record."""
    import wfdb

    record = wfdb.rdrecord(str(header.with_suffix("")))
    names = [name.upper() for name in record.sig_name]
    return at_500_hz(np.stack([record.p_signal[:, names.index(lead.upper())] for lead in LEADS]), record.fs)


def shown(signal: NDArray[np.float64], rows: Rows) -> NDArray[np.float64]:
    """What a page shows of 10 s; a rhythm strip replaces what its lead shows in a column."""
    printed = np.full_like(signal, np.nan)
    for leads in rows:
        share = signal.shape[1] // len(leads)
        for column, lead in enumerate(leads):
            part, number = slice(column * share, (column + 1) * share), LEADS.index(lead)
            printed[number, part] = signal[number, part]
    return printed


def ludb_pages(data: Path, pages: int) -> Iterator[Printed]:
    """Pages of ecg-miner; all file numbers are odd, so every second file in their order is for development."""
    for number, file in enumerate(sorted((data / "pages-ludb").glob("*.png"))):
        signal = wfdb_signal(data / "ludb" / "data" / f"{int(file.stem)}.hea")
        yield Printed(file.name, HALVES[number % 2], opened(file), STANDARD_ROWS, shown(signal, STANDARD_ROWS))


def ptb_pages(data: Path, pages: int) -> Iterator[Printed]:
    """Pages of ecg-image-kit; even record numbers are for development."""
    for file in sorted((data / "pages-ptb-xl").rglob("*.png")):
        signal = wfdb_signal(file.with_name(f"{file.stem[:8]}.hea"))
        half = HALVES[int(file.stem[:5]) % 2]
        yield Printed(file.name, half, opened(file), STANDARD_ROWS, shown(signal, STANDARD_ROWS))


def dicom_pages(data: Path, pages: int) -> Iterator[Printed]:
    """The printout of the DICOM file, which was looked at during development; its truth as stored, and filtered.

    The printout is smoother than the stored rhythm and lags behind it. Of the filters that were tried, a causal one of
    0.05 to 40 Hz explains it best.
    """
    from scipy.signal import butter, sosfilt

    folder, rows = data / "formats" / "dicom", STANDARD_ROWS[:3]
    ecg = read_ecg(folder / "ecg-1000hz.dcm")
    stored = np.asarray(ecg.signal, np.float64)
    filtered = sosfilt(butter(2, PRINTED_BAND_HZ, "bandpass", fs=ecg.rate, output="sos"), stored)
    for name, signal in (("stored", stored), ("filtered", filtered)):
        truth = shown(at_500_hz(signal, ecg.rate), rows)
        yield Printed(f"printout, {name} rhythm", "development", opened(folder / "ecg-1000hz-printed.png"), rows, truth)


def own_pages(data: Path, pages: int) -> Iterator[Printed]:
    """Pages of the synthetic cohort: every layout in turn, each time with the next distortion; even numbers first."""
    for number in range(pages):
        name = list(LAYOUTS)[number % len(LAYOUTS)]
        distortion = DISTORTIONS[(number + number // len(LAYOUTS)) % len(DISTORTIONS)]
        yield own_page(number, name, distortion)


def own_page(number: int, name: str, distortion: str) -> Printed:
    """Draw page ``number`` of a layout, and distort it."""
    rng = np.random.default_rng(5000 + number)
    minor, major = list(COLOURS.values())[number // 3 % len(COLOURS)]
    colours = DARK if distortion == "two_tone" else {"minor": minor, "major": major}
    layout = replace(LAYOUTS[name], **colours)  # type: ignore[arg-type]
    pixels, truth = drawn(number, layout, rng)
    photo = distort(pixels, layout.pixels_per_mm, CASES[distortion], rng)
    half = HALVES[number // len(LAYOUTS) % 2]
    return Printed(f"{number} {name}, {distortion}", half, photo.pixels, layout.rows, truth, group=distortion)


def drawn(number: int, layout: PaperLayout, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Draw an ECG of synthetic patient ``number``; pixels of the page, and what it shows."""
    signal = record_ecg(patient_records(13, number)[0].heart, rng)[:, : 10 * RATE_HZ]
    # Cabrera's order prints aVR inverted
    cabrera = layout.rows in (CABRERA_3_ROWS, CABRERA_6_ROWS)
    flip = np.where([lead == "aVR" and cabrera for lead in LEADS], -1, 1)[:, None]
    page = draw_page(signal * flip, RATE_HZ, layout=layout, header=("12-LEAD ECG", "ID 4711    25 mm/s    10 mm/mV"))
    return np.asarray(page.pixels), shown(signal, layout.rows)


def turned_own_pages(data: Path, pages: int) -> Iterator[Printed]:
    """Our own pages, turned by 180, 90 and 270 degrees."""
    for number, page in enumerate(own_pages(data, pages)):
        yield turned(page, TURNS[number // 2 % len(TURNS)])


def turned_shared_pages(data: Path, pages: int) -> Iterator[Printed]:
    """Shared pages, turned by 180, 90, 180, 270 degrees; names that begin with 0 to 7 are for development."""
    files = sorted((data / "ecg-pages" / "images").glob("*.jpg"))
    nothing = np.full((len(LEADS), 10 * RATE_HZ), np.nan)
    for half, digits in zip(HALVES, ("01234567", "89abcdef"), strict=True):
        part = [file for file in files if file.stem[0] in digits]
        for number, file in enumerate(part[:: max(len(part) // pages, 1)][:pages]):
            page = Printed(file.name, half, opened(file), STANDARD_ROWS, nothing)
            yield turned(page, TURNS[number % len(TURNS)])


SETS = {
    "pages-ludb": ludb_pages,
    "pages-ptb-xl": ptb_pages,
    "dicom": dicom_pages,
    "own": own_pages,
    "own-turned": turned_own_pages,
    "ecg-pages-turned": turned_shared_pages,
}
