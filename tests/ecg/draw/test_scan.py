import io

import numpy as np
import pytest
from PIL import Image

from cardiograph.ecg.draw.paper import PaperLayout, draw_page
from cardiograph.ecg.draw.scan import ScanStyle, draw_scan_style, encode_jpeg, scan_page

PAGE = draw_page(np.zeros((12, 5000)), 500.0)


def test_a_scan_without_faults_changes_nothing():
    scanned = scan_page(PAGE, ScanStyle(), np.random.default_rng(0))
    assert np.array_equal(scanned.pixels, PAGE.pixels)
    assert np.array_equal(scanned.grid_corners, PAGE.grid_corners)


@pytest.mark.parametrize("degrees", [-1.5, 0.7])
def test_grid_corners_turn_with_the_page(degrees):
    layout = PaperLayout(frame=(0, 0, 255))
    page = draw_page(np.zeros((12, 5000)), 500.0, layout=layout)
    scanned = scan_page(page, ScanStyle(rotation_deg=degrees), np.random.default_rng(0))
    blue = scanned.pixels[:, :, 2].astype(int) - scanned.pixels[:, :, 0] > 120
    rows, columns = np.nonzero(blue)
    # the frame's outermost pixels in each diagonal direction are its corners
    for corner, score in zip(
        scanned.grid_corners, (-columns - rows, columns - rows, columns + rows, rows - columns), strict=True
    ):
        furthest = score.argmax()
        assert np.abs(corner - (columns[furthest] + 0.5, rows[furthest] + 0.5)).max() < 3


def test_rotation_is_small_and_styles_differ():
    styles = [draw_scan_style(np.random.default_rng(seed)) for seed in range(300)]
    angles = np.array([style.rotation_deg for style in styles])
    assert np.abs(angles).max() <= 1.5
    assert np.abs(angles).mean() > 0.2
    assert len({style.tint for style in styles}) == 300


def test_noise_has_the_requested_spread():
    grey = draw_page(np.zeros((12, 5000)), 500.0, layout=PaperLayout(paper=(128, 128, 128)))
    scanned = scan_page(grey, ScanStyle(noise=3.0), np.random.default_rng(0))
    corner = scanned.pixels[:90, 500:].astype(float)
    assert corner.std() == pytest.approx(3.0, abs=0.2)
    assert corner.mean() == pytest.approx(128, abs=0.6)


def test_jpeg_keeps_size_and_colour():
    image = Image.open(io.BytesIO(encode_jpeg(PAGE, 90)))
    assert (image.format, image.size) == ("JPEG", PAGE.pixels.shape[1::-1])
    red, green, blue = np.asarray(image).astype(float).mean((0, 1)) - PAGE.pixels.mean((0, 1))
    assert max(abs(red), abs(green), abs(blue)) < 4  # the grid is red: 14 grey levels from blue on average


def test_same_chance_gives_the_same_bytes():
    style = draw_scan_style(np.random.default_rng(5))
    first, second = (encode_jpeg(scan_page(PAGE, style, np.random.default_rng(6)), style.quality) for _ in range(2))
    assert first == second
