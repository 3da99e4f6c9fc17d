"""Augmented copies: random draws are separate from computation, each parameter has its effect, edges are repeated."""

import io

import numpy as np
import pytest
from PIL import Image

from cardiograph.config import BalanceConfig
from cardiograph.imaging.augment import Augmentation, augment, contact_sheet, draw_augmentation

NONE = Augmentation(rotation_degrees=0, shift_x=0, shift_y=0, zoom=1, flip=False)


def view():
    return np.random.default_rng(0).integers(0, 255, (80, 120, 3), dtype=np.uint8)


def spot(x, y):
    pixels = np.zeros((101, 201, 3), np.uint8)
    pixels[y - 1 : y + 2, x - 1 : x + 2] = 255
    return pixels


def centre(pixels):
    rows, columns = np.nonzero(pixels[..., 0] > 100)
    return columns.mean(), rows.mean()


def test_without_augmentation_nothing_changes():
    assert np.array_equal(augment(view(), NONE), view())


def test_a_flip_mirrors_time():
    assert np.array_equal(augment(view(), Augmentation(0, 0, 0, 1, flip=True)), view()[:, ::-1])


def test_a_shift_moves_right_and_down_and_repeats_the_edge():
    moved = augment(view(), Augmentation(0, 0.1, 0.05, 1, flip=False))
    assert np.array_equal(moved[4:, 12:], view()[:-4, :-12])
    assert (moved[4:, :12] == view()[:-4, :1]).all()
    assert (moved[:4, 12:] == view()[:1, :-12]).all()


@pytest.mark.parametrize(
    ("augmentation", "expected"),
    [
        (Augmentation(90, 0, 0, 1, flip=False), (100, 20)),  # counter-clockwise: right goes up
        (Augmentation(-90, 0, 0, 1, flip=False), (100, 80)),
        (Augmentation(0, 0, 0, 2, flip=False), (160, 50)),
        (Augmentation(90, 0.1, 0, 1.5, flip=False), (120.1, 5)),
        (Augmentation(90, 0, 0, 1, flip=True), (100, 80)),
    ],
)
def test_turn_and_zoom_are_about_the_centre(augmentation, expected):
    assert centre(augment(spot(130, 50), augmentation)) == pytest.approx(expected, abs=0.6)


def test_draws_stay_in_their_ranges_and_repeat():
    config = BalanceConfig(mode="augment")
    rng = np.random.default_rng(3)
    draws = [draw_augmentation(config, rng) for _ in range(2000)]
    for name, low, high in (
        ("rotation_degrees", -10, 10),
        ("shift_x", -0.1, 0.1),
        ("shift_y", -0.1, 0.1),
        ("zoom", 0.9, 1.1),
    ):
        values = np.array([getattr(draw, name) for draw in draws])
        assert low <= values.min() < low + 0.02 * (high - low)
        assert high - 0.02 * (high - low) < values.max() <= high
    assert not any(draw.flip for draw in draws)
    assert draw_augmentation(config, np.random.default_rng(7)) == draw_augmentation(config, np.random.default_rng(7))


def test_flips_are_drawn_only_on_request_and_change_no_other_draw():
    plain, flipping = np.random.default_rng(0), np.random.default_rng(0)
    pairs = [
        (draw_augmentation(BalanceConfig(), plain), draw_augmentation(BalanceConfig(flip=True), flipping))
        for _ in range(400)
    ]
    assert all(one.zoom == other.zoom and one.shift_x == other.shift_x for one, other in pairs)
    assert 150 < sum(other.flip for _, other in pairs) < 250


def test_a_contact_sheet_is_a_picture_of_all_tiles():
    tiles = [
        (f"record 'p{number}', a caption that is far too long for its tile, really", view()) for number in range(5)
    ]
    with Image.open(io.BytesIO(contact_sheet(tiles, columns=3))) as sheet:
        assert sheet.format == "PNG"
        assert sheet.width > 3 * 320
        assert sheet.height > 2 * 213
    with pytest.raises(ValueError, match="at least one tile"):
        contact_sheet([])
