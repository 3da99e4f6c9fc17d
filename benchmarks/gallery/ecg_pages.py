"""ECG pages: the shared ones and copies of them, and pages that cardiograph draws on paper of many layouts."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cardiograph.config_reading import PagesConfig
from cardiograph.ecg.draw.paper import SIX_BY_TWO_ROWS, TWELVE_BY_ONE_ROWS, PaperLayout, draw_page
from cardiograph.ecg.draw.scan import draw_scan_style, scan_page
from cardiograph.imaging.grid import select_view
from cardiograph.imaging.hashing import near_copy_pairs, perceptual_hash
from cardiograph.synthesis.heart import RATE_HZ, record_ecg
from cardiograph.synthesis.patients import draw_record, patient_records
from gallery.source import Pixels
from near_copies import COPIES, scaled, turned

LAYOUTS = {
    "3 x 4": PaperLayout(),
    "6 x 2": PaperLayout(rows=SIX_BY_TWO_ROWS, row_mm=25),
    "12 x 1": PaperLayout(rows=TWELVE_BY_ONE_ROWS, row_mm=15, margins_mm=(20, 45, 10, 25)),
    "dots": PaperLayout(grid="dots"),
    "orange": PaperLayout(minor=(255, 215, 190), major=(245, 150, 110), frame=(230, 120, 80), paper=(255, 250, 240)),
    "red": PaperLayout(minor=(255, 170, 170), major=(235, 90, 90), frame=(220, 60, 60)),
    "blue, blue ink": PaperLayout(
        minor=(205, 225, 250), major=(130, 170, 240), frame=(110, 140, 230), ink=(20, 30, 120)
    ),
    "green": PaperLayout(minor=(205, 240, 205), major=(120, 200, 120), frame=(90, 180, 90)),
    "grey grid": PaperLayout(minor=(225, 225, 225), major=(180, 180, 180), frame=(150, 150, 150)),
    "dark grey grid": PaperLayout(minor=(190, 190, 190), major=(140, 140, 140), frame=(120, 120, 120)),
    "one strip": PaperLayout(rows=(("II",),), row_mm=40),
    "three strips": PaperLayout(rows=(("II",), ("V1",), ("V5",)), row_mm=30),
    "2.5 px/mm": PaperLayout(pixels_per_mm=2.5),
    "8 px/mm": PaperLayout(pixels_per_mm=8),
}

MORE_COPIES = {
    **COPIES,
    "scale 2": lambda p: scaled(p, 2),
    "scale 0.35": lambda p: scaled(p, 0.35),
    "blurred (sigma 2 px)": lambda p: np.asarray(cv2.GaussianBlur(p, (0, 0), 2), np.uint8),
    "turned +2 degrees": lambda p: turned(p, 2),
}


def opened(source: Path | bytes) -> Pixels:
    """RGB pixels of a file."""
    with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
        return np.asarray(image.convert("RGB"))


def halves(files: list[Path]) -> dict[str, list[Path]]:
    """The shared pages in two halves; near-copies of one page are in one half."""
    hashes = [perceptual_hash(select_view(opened(file), PagesConfig())[1]) for file in files]
    group = np.arange(len(files))
    for first, second in near_copy_pairs(np.stack(hashes)):
        group[group == group[second]] = group[first]
    place = np.unique(group, return_inverse=True)[1]
    return {
        half: [file for file, at in zip(files, place, strict=True) if at % 2 == odd]
        for odd, half in enumerate(("tuning", "scoring"))
    }


def synthetic(patients: int) -> Iterator[tuple[str, str, Pixels]]:
    """Half, name and pixels: pages of the synthetic cohort, then each layout with a tenth of the hearts."""
    records = [record for number in range(patients) for record in patient_records(11, number)]
    for number, record in enumerate(records):
        yield ("tuning", "scoring")[int(record.patient_id[1:]) % 2], "synthetic cohort", opened(draw_record(record))
        if number % 10 < 2:
            for name, layout in LAYOUTS.items():
                half = ("tuning", "scoring")[number % 2]
                yield (
                    half,
                    f"synthetic, {name}",
                    _drawn(record_ecg(record.heart, np.random.default_rng(number)), RATE_HZ, layout),
                )


def recorded(shared: Path) -> Iterator[tuple[str, str, Pixels]]:
    """Real records drawn on every layout: one that pydicom ships (tuning), one of the PTB database (scoring)."""
    import pydicom
    from pydicom.data import get_testdata_file

    records = {
        "tuning": (np.asarray(pydicom.dcmread(get_testdata_file("waveform_ecg.dcm")).waveform_array(0)).T / 1000, 1000)
    }
    file = shared / "data" / "ptb-sample" / "s0010_re.dat"
    if file.exists():
        stored = np.fromfile(file, "<i2").reshape(-1, 12).T / 2000  # 2000 units a millivolt
        records["scoring"] = (stored, 1000)
    for half, (signal, rate) in records.items():
        level = signal - np.median(signal, axis=1, keepdims=True)
        for name, layout in LAYOUTS.items():
            yield half, f"record, {name}", _drawn(level.astype(np.float64), rate, layout)


def _drawn(signal: NDArray[np.float64], rate_hz: float, layout: PaperLayout) -> Pixels:
    rng = np.random.default_rng(len(signal[0]))
    page = draw_page(signal, rate_hz, layout=layout, header=("12-LEAD ECG", "ID 4711    25 mm/s    10 mm/mV"))
    return scan_page(page, draw_scan_style(rng), rng).pixels
