"""Metadata of pages depends on file, print and margins, and not on the traces."""

import dataclasses
import io
import json

import numpy as np
from PIL import Image

from cardiograph.ecg.draw.paper import draw_page
from cardiograph.imaging.grid import Box, find_grid
from cardiograph.imaging.page_metadata import MARGIN_SHAPE, PageMetadata, extract_metadata
from cardiograph.imaging.reading import read_page


def page(header=("ID 1",), kind="PNG", trace=0.0, **options):
    signal = np.full((12, 5000), trace) * np.sin(np.arange(5000) / 40)
    drawn = draw_page(signal, 500, header=header)
    buffer = io.BytesIO()
    Image.fromarray(drawn.pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def metadata(content, grid=None):
    return extract_metadata(read_page(content, name="page"), grid)


def test_file_and_print_are_described():
    fine, coarse = page(kind="JPEG", quality=95), page(kind="JPEG", quality=40)
    found = metadata(coarse)
    assert (found.format, found.mode, found.file_bytes) == ("JPEG", "RGB", len(coarse))
    assert found.quantisation > 2 * metadata(fine).quantisation
    assert metadata(page()).quantisation is None
    assert 0 < found.brightness < 255


def test_margins_know_the_header_and_not_the_traces():
    plain, other_header = metadata(page()), metadata(page(header=("A QUITE DIFFERENT HEADER 999",)))
    other_trace = metadata(page(trace=0.4), Box(*plain.grid))
    assert not np.array_equal(plain.margin_levels, other_header.margin_levels)
    np.testing.assert_array_equal(plain.margin_levels, other_trace.margin_levels)
    assert plain.margin_levels.shape == (2 * MARGIN_SHAPE[0] * MARGIN_SHAPE[1],)


def test_margins_are_means_of_the_grey_above_and_below_the_grid():
    content = page()
    pixels = read_page(content, name="page").pixels
    grid = find_grid(pixels)
    above = pixels[: grid.top].astype(float) @ [0.299, 0.587, 0.114]
    assert abs(metadata(content).margin_levels[: MARGIN_SHAPE[0] * MARGIN_SHAPE[1]].mean() - above.mean()) < 1


def test_a_page_without_a_grid_has_no_margins():
    noise = np.random.default_rng(0).integers(0, 255, (200, 300, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    found = metadata(buffer.getvalue())
    assert found.grid is None
    assert found.margin_levels is None


def test_traits_survive_json():
    found = metadata(page())
    kept = json.loads(json.dumps(dataclasses.asdict(found)))
    assert PageMetadata(**kept | {"grid": tuple(kept["grid"])}) == found
