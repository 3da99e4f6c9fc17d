"""Augmented copies of a page: :func:`draw_augmentation` draws random parameters, :func:`augment` applies them.

To add an augmentation, edit two files: its range in ``BalanceConfig`` (``cardiograph/config.py``), and in this module a
field of :class:`Augmentation` with a default that has no effect, its draw at the end of :func:`draw_augmentation`, and
its effect in :func:`augment`. The cache and the pipeline take the fields from the dataclass.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from cardiograph.config import BalanceConfig

TILE_WIDTH = 320
"""Width of an image on a contact sheet, in pixels."""

CAPTION_HEIGHT = 18
"""Height of the caption above an image, in pixels."""


@dataclass(frozen=True)
class Augmentation:
    """Parameters of one augmented copy; equal parameters give the same copy.

    Args:
        rotation_degrees: Counter-clockwise rotation about the centre, degrees.
        shift_x: Shift to the right, as a share of the width.
        shift_y: Shift downwards, as a share of the height.
        zoom: Magnification about the centre; 1 leaves the size unchanged.
        flip: Whether the page is first mirrored left to right, which reverses time.
    """

    rotation_degrees: float
    shift_x: float
    shift_y: float
    zoom: float
    flip: bool


def draw_augmentation(config: BalanceConfig, rng: np.random.Generator) -> Augmentation:
    """Draw the parameters of one copy, each uniformly from its range.

    The number of random draws is always the same, so that switching ``flip`` on does not change the other parameters.

    Args:
        config: Ranges of the parameters.
        rng: Random number generator.
    """
    rotation, shift_x, shift_y, zoom = rng.uniform(-1, 1, 4)
    flipped = bool(rng.random() < 0.5)
    return Augmentation(
        rotation_degrees=float(rotation * config.rotation_degrees),
        shift_x=float(shift_x * config.shift),
        shift_y=float(shift_y * config.shift),
        zoom=float(1 + zoom * config.zoom),
        flip=config.flip and flipped,
    )


def augment(view_pixels: NDArray[np.uint8], augmentation: Augmentation) -> NDArray[np.uint8]:
    """Apply an augmentation as one affine map; pixels from outside the image repeat the nearest edge pixel.

    Args:
        view_pixels: [h, w, 3] uint8 RGB.
        augmentation: Parameters of the copy.

    Returns:
        [h, w, 3] uint8 RGB of the same size.
    """
    import cv2

    height, width = view_pixels.shape[:2]
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    angle = np.deg2rad(augmentation.rotation_degrees)
    # y points down, so the sine of a counter-clockwise rotation changes its sign
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) * augmentation.zoom
    if augmentation.flip:
        turn = turn @ np.diag([-1.0, 1.0])
    shift = np.array([augmentation.shift_x * width, augmentation.shift_y * height])
    matrix = np.column_stack([turn, centre + shift - turn @ centre])
    moved = cv2.warpAffine(
        np.ascontiguousarray(view_pixels),
        matrix,
        (width, height),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(moved, dtype=np.uint8)


def contact_sheet(tiles: Sequence[tuple[str, NDArray[np.uint8]]], columns: int = 4) -> bytes:
    """Arrange images in a grid with a caption above each.

    Args:
        tiles: Caption and [h, w, 3] uint8 RGB pixels of each image; sizes may differ.
        columns: Number of images in a row.

    Returns:
        Content of a PNG file.

    Raises:
        ValueError: If there are no tiles or fewer than one column.
    """
    if not tiles or columns < 1:
        message = f"a contact sheet needs at least one tile and one column, not {len(tiles)} and {columns}"
        raise ValueError(message)
    pictures = [_thumbnail(pixels) for _, pixels in tiles]
    cell_height = max(picture.height for picture in pictures) + CAPTION_HEIGHT
    columns = min(columns, len(tiles))
    rows = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (columns * (TILE_WIDTH + 8) + 8, rows * (cell_height + 8) + 8), "white")
    draw = ImageDraw.Draw(sheet)
    for number, ((caption, _), picture) in enumerate(zip(tiles, pictures, strict=True)):
        left = 8 + number % columns * (TILE_WIDTH + 8)
        top = 8 + number // columns * (cell_height + 8)
        draw.text((left, top), _shortened(draw, caption), fill=(60, 60, 60))
        sheet.paste(picture, (left, top + CAPTION_HEIGHT))
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _thumbnail(pixels: NDArray[np.uint8]) -> Image.Image:
    height = max(1, round(pixels.shape[0] * TILE_WIDTH / pixels.shape[1]))
    return Image.fromarray(pixels).resize((TILE_WIDTH, height), Image.Resampling.BOX)


def _shortened(draw: ImageDraw.ImageDraw, caption: str) -> str:
    if draw.textlength(caption) <= TILE_WIDTH:
        return caption
    while caption and draw.textlength(caption + "...") > TILE_WIDTH:
        caption = caption[:-1]
    return caption + "..."
