"""Rectification against drawn pages that are distorted in a known way."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cardiograph.ecg.digitize.flatten import Lattice, _moved
from cardiograph.ecg.digitize.geometry import rectify
from cardiograph.ecg.digitize.rectified import PIXELS_PER_MM, RectifiedPage
from cardiograph.ecg.draw.paper import DrawnPage, PaperLayout, draw_page
from cardiograph.errors import EcgError
from cardiograph.synthesis.heart import RATE_HZ, record_ecg
from cardiograph.synthesis.patients import patient_records

SCALE = 3.0
"""Pixels per mm of the drawn page."""


@pytest.fixture(scope="module")
def drawn() -> DrawnPage:
    heart = patient_records(7, 0)[0].heart
    layout = PaperLayout(pixels_per_mm=SCALE)
    return draw_page(record_ecg(heart, np.random.default_rng(0)), RATE_HZ, layout=layout, header=("ECG", "25 mm/s"))


def photographed(page: DrawnPage, degrees: float, tilt: float) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Turn and tilt a page; return the picture and the map from drawn to photographed pixels."""
    height, width = page.pixels.shape[:2]
    turn = np.eye(3)
    turn[:2] = cv2.getRotationMatrix2D((0, 0), degrees, 1.0)
    centre, tilted, back = np.eye(3), np.eye(3), np.eye(3)
    centre[:2, 2] = -width / 2, -height / 2
    tilted[2, :2] = tilt / width, -tilt / width
    forward = tilted @ turn @ centre
    corners = cv2.perspectiveTransform(np.array([[[0, 0], [width, 0], [width, height], [0, height]]], float), forward)[
        0
    ]
    back[:2, 2] = 20 - corners.min(axis=0)
    size = np.ceil(np.ptp(corners, axis=0) + 40).astype(int).tolist()
    shot = cv2.warpPerspective(page.pixels, back @ forward, size, borderValue=(110, 105, 100))
    return np.asarray(shot, np.uint8), back @ forward


def drawn_mm(page: RectifiedPage, forward: NDArray[np.float64], box: tuple[float, ...]) -> NDArray[np.float64]:
    """Place in mm on the drawn page of a net of 10 mm on the rectified page, [rows, columns, 2]; NaN off the grid."""
    height, width = page.pixels.shape[:2]
    step = 10 * PIXELS_PER_MM
    net = np.stack(np.meshgrid(np.arange(0, width, step), np.arange(0, height, step)), axis=-1).astype(float)
    shot = page.page_points(net.reshape(-1, 2))
    points = cv2.perspectiveTransform(shot[None], np.linalg.inv(forward))[0].reshape(net.shape)
    inside = np.logical_and(points > box[:2], points < box[2:]).all(axis=-1, keepdims=True)
    return np.where(inside, (points + 0.5) / SCALE, np.nan)


@pytest.mark.parametrize(("degrees", "tilt"), [(0.0, 0.0), (22.0, 0.2), (184.0, 0.1)])
def test_scale_and_place_are_exact_and_the_page_is_upright(drawn: DrawnPage, degrees: float, tilt: float) -> None:
    picture, forward = photographed(drawn, degrees, tilt)
    places = drawn_mm(rectify(picture), forward, drawn.grid_box)
    assert np.isfinite(places[..., 0]).sum() > 250
    for axis, steps in enumerate((np.diff(places, axis=1), np.diff(places, axis=0))):
        expected = np.zeros(2)
        expected[axis] = 10
        assert np.nanmax(np.abs(steps - expected)) < 0.1
    net = 10 * np.stack(np.meshgrid(np.arange(places.shape[1]), np.arange(places.shape[0])), axis=-1)
    off = places - net
    assert np.nanmax(np.abs(off - np.nanmedian(off, axis=(0, 1)))) < 0.3


def test_large_waves_do_not_hide_a_pale_grid() -> None:
    pale = PaperLayout(pixels_per_mm=SCALE, minor=(255, 250, 250), major=(255, 240, 240))
    waves = 6 * record_ecg(patient_records(7, 0)[0].heart, np.random.default_rng(0))
    page = rectify(draw_page(waves, RATE_HZ, layout=pale).pixels)
    assert page.confidence > 0.85
    across = page.page_points(np.array([[0.0, 0.0], [100.0 * PIXELS_PER_MM, 0.0]]))
    assert np.linalg.norm(across[1] - across[0]) == pytest.approx(100 * SCALE, rel=0.002)


def test_a_wavy_sheet_is_flattened(drawn: DrawnPage) -> None:
    height, width = drawn.pixels.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    wave = 2 * SCALE * np.sin(x / (50 * SCALE))
    page = rectify(np.asarray(cv2.remap(drawn.pixels, x, y + wave, cv2.INTER_LINEAR), np.uint8))
    assert page.curl is not None
    left, top, right, bottom = drawn.grid_box
    rows, columns = page.pixels.shape[0] // 80, page.pixels.shape[1] // 80
    net = 80.0 * np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2)
    shot = page.page_points(net)
    inside = (shot[:, 0] > left) & (shot[:, 0] < right) & (shot[:, 1] > top + 10) & (shot[:, 1] < bottom - 10)
    true = shot[:, 1] + 2 * SCALE * np.sin(shot[:, 0] / (50 * SCALE))
    off = (true / SCALE - net[:, 1] / PIXELS_PER_MM)[inside]
    assert np.percentile(np.abs(off - np.median(off)), 95) < 0.3


def test_a_mirror_image_is_mirrored_back(drawn: DrawnPage) -> None:
    page = rectify(np.ascontiguousarray(drawn.pixels[:, ::-1]))
    assert page.to_page[0, 0] < 0 < page.to_page[1, 1]
    assert any("mirror" in note for note in page.notes)


@pytest.mark.parametrize(
    ("picture", "code"),
    [
        (np.full((100, 300, 3), 255, np.uint8), "too_small"),
        (np.full((500, 700, 3), 255, np.uint8), "no_grid"),
        (np.random.default_rng(0).integers(0, 256, (500, 700, 3), np.uint8), "no_grid"),
    ],
    ids=["small", "empty", "noise"],
)
def test_pictures_without_a_grid_are_refused(picture: NDArray[np.uint8], code: str) -> None:
    with pytest.raises(EcgError) as caught:
        rectify(picture, name="p.jpg")
    assert caught.value.issues[0].code == code
    assert "p.jpg" in str(caught.value)


def test_a_blurred_page_is_refused_as_blurred(drawn: DrawnPage) -> None:
    with pytest.raises(EcgError) as caught:
        rectify(np.asarray(cv2.GaussianBlur(drawn.pixels, (0, 0), 12), np.uint8))
    assert caught.value.issues[0].code == "too_blurred"


def test_offsets_that_only_a_degenerate_perspective_fits_leave_the_lattice():
    shape = (6, 8)
    lattice = Lattice(np.eye(3), np.zeros(2), np.zeros((*shape, 2), np.float32), np.ones(shape), 1)
    rows, columns = np.indices(shape)
    middle = 10.0 * np.stack([columns, rows], axis=-1) + 4.875
    collapsed = -middle + [25.0, 25.0]  # every tile is moved to one point
    assert _moved(lattice, collapsed, np.ones(shape), 1) is lattice
    assert _moved(lattice, np.zeros((*shape, 2)), np.ones(shape), 1) is not lattice
