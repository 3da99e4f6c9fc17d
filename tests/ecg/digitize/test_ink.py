"""Pen strokes are told from a grid that is about as dark."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from cardiograph.ecg.digitize.ink import find_ink, has_dark_grid
from cardiograph.ecg.digitize.rectified import PIXELS_PER_MM

COLUMNS = np.arange(40, 760)
HEIGHTS = np.round(204 + 60 * np.sin(COLUMNS / 40)).astype(int)
BIG_SQUARE = 5 * PIXELS_PER_MM


def wave_on_paper(grid: int, pen: int) -> NDArray[np.uint8]:
    """A wave drawn with a pen on grey paper with lines every 5 mm."""
    pixels = np.full((400, 800, 3), 235, np.uint8)
    for offset in (0, 1):
        pixels[offset::BIG_SQUARE] = pixels[:, offset::BIG_SQUARE] = grid
    for offset in range(4):
        pixels[HEIGHTS + offset, COLUMNS] = pen
    return pixels


@pytest.mark.parametrize(("grid", "pen"), [(140, 110), (110, 60)])
def test_a_wave_is_found_without_the_lines_of_a_dark_grid(grid: int, pen: int) -> None:
    pixels = wave_on_paper(grid, pen)
    assert has_dark_grid(pixels, None)
    whole = find_ink(pixels, without_grid=True).whole
    drawn = np.zeros_like(whole)
    for offset in range(-1, 5):
        drawn[HEIGHTS + offset, COLUMNS] = 1
    assert whole[HEIGHTS + 1, COLUMNS].mean() > 0.97
    assert (whole * (1 - drawn)).sum() < 0.02 * whole.sum()


def test_a_pale_grid_is_left_alone() -> None:
    assert not has_dark_grid(wave_on_paper(grid=215, pen=40), None)
