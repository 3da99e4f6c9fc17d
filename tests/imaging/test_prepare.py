"""The encoder's input: size, order of channels, scale."""

import numpy as np
import pytest

from cardiograph.imaging.prepare import IMAGENET_MEAN, IMAGENET_STD, to_input


@pytest.mark.parametrize("shape", [(618, 1054), (100, 100), (224, 224), (2000, 150), (150, 2000)])
def test_a_plain_view_gives_the_standardised_colour(shape):
    colour = np.array([250, 100, 3])
    values = to_input(np.broadcast_to(colour, (*shape, 3)).astype(np.uint8))
    assert values.shape == (3, 224, 224)
    assert values.dtype == np.float32
    expected = (colour / 255 - IMAGENET_MEAN) / IMAGENET_STD
    assert values.mean(axis=(1, 2)) == pytest.approx(expected, abs=1e-4)
    assert np.ptp(values, axis=(1, 2)).max() < 1e-4


def test_each_pixel_is_the_mean_of_its_area():
    view = np.random.default_rng(0).integers(0, 255, (448, 672, 3), dtype=np.uint8)
    mean = view.reshape(224, 2, 224, 3, 3).mean(axis=(1, 3))
    expected = ((mean / 255 - IMAGENET_MEAN) / IMAGENET_STD).transpose(2, 0, 1)
    assert np.abs(to_input(view) - expected).max() < 1e-4


def test_a_strided_view_gives_the_same_numbers():
    page = np.random.default_rng(0).integers(0, 255, (500, 700, 3), dtype=np.uint8)
    view = page[20:400, 30:600]
    assert np.array_equal(to_input(view), to_input(view.copy()))
