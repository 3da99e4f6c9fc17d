"""Pen strokes are told from a grid that is as dark as their faint parts."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from cardiograph.ecg.digitize.ink import Mask, find_ink, has_black_grid, has_dark_grid, part_boxes
from cardiograph.ecg.digitize.rectified import PIXELS_PER_MM

COLUMNS = np.arange(40, 760)
HEIGHTS = np.round(204 + 60 * np.sin(COLUMNS / 40)).astype(int)
FAINT = COLUMNS % 120 < 60
BIG_SQUARE = 5 * PIXELS_PER_MM


def wave_on_paper(grid: int, pen: int) -> NDArray[np.uint8]:
    """A wave on paper with lines every 5 mm; half of the wave is no darker than these lines."""
    pixels = np.full((400, 800, 3), 235, np.uint8)
    for offset in (0, 1):
        pixels[offset::BIG_SQUARE] = pixels[:, offset::BIG_SQUARE] = grid
    for offset in range(4):
        pixels[HEIGHTS + offset, COLUMNS] = np.where(FAINT, grid, pen)[:, None]
    return pixels


def found(whole: Mask) -> tuple[float, float]:
    """Share of the faint part of the wave that was found and share of what was found that is no part of it."""
    drawn = np.zeros_like(whole)
    for offset in range(-1, 5):
        drawn[HEIGHTS + offset, COLUMNS] = 1
    return float(whole[HEIGHTS + 1, COLUMNS][FAINT].mean()), float((whole * (1 - drawn)).sum() / max(whole.sum(), 1))


def test_a_wave_as_pale_as_a_dark_grid_is_found_once_the_grid_is_taken_out() -> None:
    pixels = wave_on_paper(grid=130, pen=60)
    assert has_dark_grid(pixels, None)
    assert found(find_ink(pixels).whole)[0] < 0.1
    there, other = found(find_ink(pixels, without_grid=True).whole)
    assert there > 0.75
    assert other < 0.04


def test_a_pale_grid_is_left_alone() -> None:
    assert not has_dark_grid(wave_on_paper(grid=215, pen=40), None)


def test_on_a_black_and_white_copy_a_stroke_on_a_line_of_the_grid_is_told_by_its_width() -> None:
    pixels = np.full((400, 800, 3), 255, np.uint8)
    for offset in range(3):
        pixels[offset::BIG_SQUARE] = pixels[:, offset::BIG_SQUARE] = 0
    for offset in range(6):
        pixels[HEIGHTS + offset, COLUMNS] = 0
    spike = slice(40, 160), slice(398, 405)
    pixels[spike] = 0
    assert has_black_grid(pixels, None)
    whole = find_ink(pixels, without_grid=True).whole
    assert whole[spike].mean() > 0.9
    assert whole[HEIGHTS + 2, COLUMNS].mean() > 0.95
    for offset in range(-1, 7):
        whole[HEIGHTS + offset, COLUMNS] = 0
    whole[spike] = whole[:30] = whole[:, :30] = 0
    # of the grid, only specks where two lines cross
    assert max(max(box[2:]) for box in part_boxes(whole)) <= PIXELS_PER_MM


@pytest.mark.parametrize("thing", ["none", "bar", "table"])
def test_a_coloured_grid_is_not_black_even_next_to_a_bar_or_a_table(thing: str) -> None:
    pixels = wave_on_paper(grid=130, pen=60)
    pixels[{"none": slice(0, 0), "bar": slice(300, 360), "table": slice(320, None)}[thing]] = 20
    assert not has_black_grid(pixels, None)


@pytest.mark.parametrize("thing", ["bar", "shadow", "table"])
def test_the_edge_and_the_darkness_of_a_large_thing_are_no_ink(thing: str) -> None:
    pixels = wave_on_paper(grid=215, pen=140)
    if thing == "bar":
        pixels[300:360, 200:600] = 0
    elif thing == "shadow":
        pixels[:, 300:] = pixels[:, 300:] // 2
    else:
        pixels[320:] = 90
    whole = find_ink(pixels).whole
    assert whole[HEIGHTS + 1, COLUMNS][~FAINT].mean() > 0.95
    assert found(whole)[1] < 0.01
