"""The grid is found on the shared pages and on drawn ones of other layouts, and nowhere else."""

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

from cardiograph.config_reading import PagesConfig
from cardiograph.ecg.draw.paper import SIX_BY_TWO_ROWS, TWELVE_BY_ONE_ROWS, PaperLayout, draw_page
from cardiograph.ecg.draw.scan import ScanStyle, scan_page
from cardiograph.errors import PageError
from cardiograph.imaging.grid import Box, crop, find_grid, select_view

LAYOUTS = {
    "standard": PaperLayout(),
    "six by two": PaperLayout(rows=SIX_BY_TWO_ROWS, row_mm=25),
    "twelve rows": PaperLayout(rows=TWELVE_BY_ONE_ROWS, row_mm=15, margins_mm=(20, 45, 10, 25)),
    "dots": PaperLayout(grid="dots"),
    "orange": PaperLayout(minor=(255, 215, 190), major=(245, 150, 110), frame=(230, 120, 80), paper=(255, 250, 240)),
    "red": PaperLayout(minor=(255, 170, 170), major=(235, 90, 90), frame=(220, 60, 60)),
    "blue": PaperLayout(minor=(205, 225, 250), major=(130, 170, 240), frame=(110, 140, 230), ink=(10, 10, 40)),
    "green": PaperLayout(minor=(205, 240, 205), major=(120, 200, 120), frame=(90, 180, 90)),
    "grey": PaperLayout(minor=(225, 225, 225), major=(180, 180, 180), frame=(150, 150, 150)),
    "faint": PaperLayout(minor=(252, 242, 241), major=(248, 220, 218), frame=(248, 220, 218)),
    "small": PaperLayout(pixels_per_mm=2.5),
    "large": PaperLayout(pixels_per_mm=8),
    "wide margins": PaperLayout(margins_mm=(60, 90, 60, 60)),
    "hardly a margin": PaperLayout(margins_mm=(1, 1, 1, 1)),
}
STYLES = {
    "as drawn": ScanStyle(),
    "turned": ScanStyle(rotation_deg=1.5),
    "turned back, blurred": ScanStyle(rotation_deg=-1.0, blur_pixels=0.6),
    "tinted, blurred, noisy": ScanStyle(tint=(1, 0.95, 0.85), blur_pixels=1.0, noise=2),
    "shaded": ScanStyle(rotation_deg=0.5, shade=0.2, noise=2, blur_pixels=0.4),
}


def signal(rng):
    """[12, 5000] mV at 500 Hz: a beat of Gaussians, another size in each lead."""
    phase = (np.arange(5000) / 500 % 0.8) / 0.8
    waves = [(0.25, 0.03, 0.1), (0.35, 0.01, 1.0), (0.37, 0.01, -0.3), (0.6, 0.05, 0.3)]
    beat = sum(size * np.exp(-(((phase - at) / width) ** 2)) for at, width, size in waves)
    return np.outer(rng.normal(0.5, 0.6, 12), beat)


# each layout under one style and each style on one layout; all pairs are slow
QUICK = {("standard", style) for style in STYLES} | set(zip(LAYOUTS, 3 * list(STYLES), strict=False))
PAIRS = [
    pytest.param(layout, style, marks=() if (layout, style) in QUICK else pytest.mark.slow)
    for layout in LAYOUTS
    for style in STYLES
]


@pytest.mark.parametrize(("layout", "style"), PAIRS)
def test_the_grid_is_found_on_drawn_pages(layout, style):
    rng = np.random.default_rng(len(layout) * 100 + len(style))
    paper = LAYOUTS[layout]
    header = ("ECG REPORT", "ID 12345   Male   60 years", "Diagnosis information: sinus rhythm, normal axis")
    page = scan_page(draw_page(signal(rng), 500, layout=paper, header=header), STYLES[style], rng)
    box = find_grid(page.pixels)
    height, width = page.pixels.shape[:2]
    # what turns off the page cannot be found
    truth = np.clip(page.grid_box, 0, [width, height, width, height])
    error = np.array([box.left, box.top, box.right, box.bottom]) - truth
    assert np.abs(error).max() <= 1.25 * paper.pixels_per_mm + (3 if layout == "hardly a margin" else 0)


def shared_boxes(shared, step):
    files = sorted((shared / "data" / "ecg-pages" / "images").glob("*.jpg"))[::step]
    for file in files:
        with Image.open(file) as image:
            box = find_grid(np.asarray(image.convert("RGB")))
        yield box.left, box.top, box.right, box.bottom


def test_the_grid_of_the_shared_pages(shared):
    boxes = np.array(list(shared_boxes(shared, 25)))
    assert np.abs(boxes - [34, 141, 1088, 759]).max() <= 3


@pytest.mark.slow
def test_the_grid_of_a_third_of_the_shared_pages(shared):
    boxes = np.array(list(shared_boxes(shared, 3)))
    assert len(boxes) == 123
    assert np.abs(boxes - [34, 141, 1088, 759]).max() <= 3


def lines_of_text():
    image = Image.new("RGB", (1000, 1300), "white")
    for row in range(60):
        ImageDraw.Draw(image).text((60, 40 + row * 20), "lorem ipsum dolor sit amet " * 5, fill="black")
    return np.asarray(image)


@pytest.mark.parametrize(
    "pixels",
    [
        np.full((400, 600, 3), 255, np.uint8),
        np.random.default_rng(0).integers(0, 255, (400, 600, 3), dtype=np.uint8),
        cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (800, 1000, 3), dtype=np.uint8), (0, 0), 2),
        np.repeat(np.repeat((250 - 50 * (np.arange(800) % 20 == 0)).astype(np.uint8)[:, None, None], 1000, 1), 3, 2),
        lines_of_text(),
        np.full((100, 100, 3), 200, np.uint8),
        np.full((100, 3000, 3), 200, np.uint8),
    ],
    ids=["white", "noise", "soft noise", "ruled paper", "text", "smallest", "strip"],
)
def test_pages_without_a_grid_name_the_way_out(pixels):
    with pytest.raises(PageError, match="--page whole") as caught:
        find_grid(pixels)
    assert caught.value.issues[0].code == "no_grid"


def test_views():
    page = draw_page(signal(np.random.default_rng(0)), 500).pixels
    box, view = select_view(page, PagesConfig())
    assert box == find_grid(page)
    assert view.shape == (box.height, box.width, 3)
    box, view = select_view(page, PagesConfig(view="whole"))
    assert box == Box(0, 0, page.shape[1], page.shape[0])
    assert np.array_equal(view, page)
    _, view = select_view(page, PagesConfig(view="box", box=(10, 20, 210, 140)))
    assert np.array_equal(view, page[20:140, 10:210])


def test_a_box_outside_the_page_is_named():
    page = np.full((200, 300, 3), 255, np.uint8)
    with pytest.raises(PageError, match=r"0, 0, 300, 200") as caught:
        select_view(page, PagesConfig(view="box", box=(0, 0, 301, 200)))
    assert caught.value.issues[0].code == "box_outside"
    with pytest.raises(PageError):
        crop(page, Box(50, 50, 50, 60))
