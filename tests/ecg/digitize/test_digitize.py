"""Pages that cardiograph draws are read back, and other pictures are refused with a code."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from cardiograph.ecg.digitize.arrangements import limb_agreement
from cardiograph.ecg.digitize.digitize import DigitizedPage, digitize, read_traces
from cardiograph.ecg.digitize.geometry import rectify
from cardiograph.ecg.digitize.ink import find_ink
from cardiograph.ecg.digitize.labels import read_labels
from cardiograph.ecg.digitize.orientation import MIRRORED_NOTE, placed
from cardiograph.ecg.digitize.rectified import PIXELS_PER_MM, RectifiedPage
from cardiograph.ecg.draw.paper import SIX_BY_TWO_ROWS, PaperLayout, draw_page
from cardiograph.ecg.leads import LEADS
from cardiograph.errors import EcgError
from cardiograph.synthesis.heart import RATE_HZ, record_ecg
from cardiograph.synthesis.waves import Heart

CABRERA_ROWS = (("aVL", "II", "V1", "V4"), ("I", "aVF", "V2", "V5"), ("aVR", "III", "V3", "V6"))
LAYOUTS = {
    "6 x 2": PaperLayout(rows=SIX_BY_TWO_ROWS, row_mm=25),
    "3 x 4 Cabrera": PaperLayout(rows=CABRERA_ROWS),
}


def paper(size: tuple[int, int]) -> NDArray[np.uint8]:
    """Empty millimetre paper at 8 pixels per millimetre."""
    pixels = np.full((*size, 3), 255, np.uint8)
    pixels[::PIXELS_PER_MM] = pixels[:, ::PIXELS_PER_MM] = (250, 218, 216)
    pixels[:: 5 * PIXELS_PER_MM] = pixels[:, :: 5 * PIXELS_PER_MM] = (240, 168, 166)
    return pixels


def snr_db(truth: NDArray[np.float64], read: NDArray[np.float64]) -> float:
    """Best signal-to-noise ratio over shifts of up to 20 ms, without the median offset."""
    best = -np.inf
    for shift in range(-10, 11):
        other = np.roll(read, shift)[: len(truth)]
        known = np.isfinite(other) & np.isfinite(truth)
        target, difference = truth[known] - np.median(truth[known]), truth[known] - other[known]
        noise = np.square(difference - np.median(difference)).sum()
        best = max(best, float(10 * np.log10(np.square(target).sum() / noise)))
    return best


@pytest.fixture(scope="module")
def signal() -> NDArray[np.float64]:
    return record_ecg(Heart(), np.random.default_rng(4))


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_drawn_page_is_read_with_the_right_names_and_a_small_error(name: str, signal: NDArray[np.float64]) -> None:
    layout = LAYOUTS[name]
    inverted = "Cabrera" in name
    drawn = signal * np.where([inverted and lead == "aVR" for lead in LEADS], -1, 1)[:, None]
    digitized = digitize(draw_page(drawn, RATE_HZ, layout=layout, header=("12-LEAD ECG",)).pixels, name="p")
    assert digitized.layout.name == name
    assert digitized.gain_measured
    assert digitized.gain_mm_per_mv == 10
    values = []
    for row in layout.rows:
        share = 5000 // len(row)
        for column, lead in enumerate(row):
            part = slice(column * share, (column + 1) * share)
            truth = np.full(5000, np.nan)
            truth[part] = signal[LEADS.index(lead), part]
            values.append(snr_db(truth, np.asarray(digitized.ecg.lead(lead), np.float64)))
    assert np.median(values) > 14
    assert min(values) > 8
    assert set(digitized.ecg.recorded) == {lead for row in layout.rows for lead in row}


@pytest.fixture(scope="module")
def standard(signal: NDArray[np.float64]) -> DigitizedPage:
    return digitize(draw_page(signal, RATE_HZ).pixels, name="p")


def test_each_lead_has_its_own_time_and_the_rhythm_strip_is_whole(standard: DigitizedPage) -> None:
    for lead, first in (("I", 0.0), ("aVR", 2.5), ("V1", 5.0), ("V4", 7.5)):
        seconds = np.flatnonzero(np.isfinite(standard.ecg.lead(lead))) / standard.ecg.rate
        assert seconds[0] == pytest.approx(first, abs=0.06)
        assert seconds[-1] == pytest.approx(first + 2.5, abs=0.06)
    assert np.isfinite(standard.ecg.lead("II")).mean() > 0.98


def test_the_overlay_lies_on_the_ink_of_the_page(signal: NDArray[np.float64], standard: DigitizedPage) -> None:
    page = draw_page(signal, RATE_HZ).pixels
    for lines in standard.overlay().values():
        points = np.round(np.concatenate(lines)).astype(int)
        around = [page[points[:, 1] + dy, points[:, 0] + dx].max(axis=1) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
        assert (np.min(around, axis=0) < 140).mean() > 0.97


def test_what_is_assumed_is_noted(standard: DigitizedPage) -> None:
    assert any("paper speed is assumed to be 25 mm/s" in note for note in standard.ecg.notes)
    assert not any("gain" in note for note in standard.ecg.notes)


def _waves(rows: int, gap: int = 0) -> NDArray[np.uint8]:
    """Unrelated sine waves without names on ECG paper, 20 mm apart; the last one by ``gap`` pixels more."""
    pixels = paper((200 + 160 * rows + gap, 700))
    columns = np.arange(100, 600)
    for row in range(rows):
        heights = 150 + 160 * row + gap * (row == rows - 1) + 30 * np.sin(columns / (17 + 7 * row) + row)
        for offset in (-1, 0, 1):
            pixels[np.round(heights).astype(int) + offset, columns] = 0
    return pixels


def _named_wave(name: str) -> NDArray[np.uint8]:
    """A sine wave with the printed name of a lead above its beginning."""
    image = Image.fromarray(_waves(1))
    ImageDraw.Draw(image).text((105, 60), name, fill=(0, 0, 0), font=ImageFont.load_default(size=28))
    return np.asarray(image)


@pytest.mark.parametrize(
    ("pixels", "code"),
    [
        (paper((400, 400)), "no_traces"),
        (_waves(17), "too_many_rows"),
        (_waves(8), "no_beats"),
        (_waves(3, gap=400), "layout_unknown"),
        (_waves(3), "leads_unknown"),
        (_named_wave("V5"), "no_beats"),
    ],
    ids=["no_traces", "too_many_rows", "eight waves", "uneven", "leads_unknown", "no_beats"],
)
def test_a_page_without_leads_is_refused_with_a_code(pixels: NDArray[np.uint8], code: str) -> None:
    with pytest.raises(EcgError) as refused:
        read_traces(RectifiedPage(pixels, np.eye(3)), name="scan.png")
    issue = refused.value.issues[0]
    assert issue.code == code
    assert "scan.png" in issue.where


def test_the_relations_of_limb_leads_tell_the_standard_order_from_cabrera(signal: NDArray[np.float64]) -> None:
    cabrera = signal[[4, 0, 3]] * [[1], [1], [-1]]
    right = limb_agreement(("aVL", "I", "-aVR"), cabrera)
    wrong = limb_agreement(("I", "II", "III"), cabrera)
    assert right is not None
    assert wrong is not None
    assert right > 0.95
    assert wrong < right - 0.05


@pytest.fixture(scope="module")
def strip(signal: NDArray[np.float64]) -> RectifiedPage:
    """A rectified page of a single strip of lead II."""
    return rectify(np.asarray(draw_page(signal, RATE_HZ, layout=PaperLayout(rows=(("II",),))).pixels))


def test_the_name_of_a_strip_is_read_if_one_of_its_bars_is_pale(strip: RectifiedPage) -> None:
    ink = find_ink(strip.pixels, strip.grid)
    name = max((label for label in read_labels(ink.whole) if label.lead == "II"), key=lambda label: label.score)
    pale = strip.pixels.copy()
    second = pale[name.top - 2 : name.bottom + 2, (name.left + name.right) // 2 : name.right + 2]
    second[:] = 255 - 0.35 * (255.0 - second)
    again = find_ink(pale, strip.grid)
    assert not any(abs(label.left - name.left) < 9 and label.lead == "II" for label in read_labels(again.whole))
    read = read_traces(replace(strip, pixels=pale), name="p")
    assert read.layout.name == "1 single"
    assert read.layout.placements[0].lead == "II"


def test_a_strip_that_was_wrongly_taken_for_a_mirror_image_is_read_as_it_was_given(
    strip: RectifiedPage, signal: NDArray[np.float64], monkeypatch: pytest.MonkeyPatch
) -> None:
    mirrored = replace(placed(strip, False, True, False), notes=(MIRRORED_NOTE,))
    monkeypatch.setattr("cardiograph.ecg.digitize.digitize.rectify", lambda page, *, name: mirrored)
    read = digitize(strip.pixels, name="p")
    np.testing.assert_allclose(read.rectified.to_page, strip.to_page)
    assert MIRRORED_NOTE not in read.ecg.notes
    assert snr_db(signal[1], np.asarray(read.ecg.signal[1], np.float64)) > 10
