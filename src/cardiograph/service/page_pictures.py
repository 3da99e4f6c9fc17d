"""Pictures of the page as data addresses: the scan drawn anew, and the map that lies over it."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from cardiograph.imaging.reading import read_page
from cardiograph.service.schemas import PATIENT

HEAT_COLOUR = (0, 90, 200)
"""Blue: the paper's grid is red, its traces are black."""

_CELL = 24
"""Pixels of a map's cell."""


def scan(page: bytes, *, side: int, max_pixels: int) -> str:
    """A page as a JPEG whose longer side is ``side`` pixels at most; no byte of the file itself goes back out.

    Args:
        page: Content of the file.
        side: In pixels.
        max_pixels: Larger pages are not decoded.

    Raises:
        PageError: It cannot be read.
    """
    picture = Image.fromarray(read_page(page, name=PATIENT, max_pixels=max_pixels).pixels)
    picture.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return _address(picture, "JPEG", quality=82)


def heat(cells: Sequence[Sequence[float]]) -> str:
    """A map, 0..1, as a PNG of one colour that is clear where the map is 0."""
    alpha = Image.fromarray(np.round(255 * np.clip(np.array(cells, np.float64), 0, 1)).astype(np.uint8), "L")
    alpha = alpha.resize((alpha.width * _CELL, alpha.height * _CELL), Image.Resampling.BILINEAR)
    picture = Image.new("RGBA", alpha.size, (*HEAT_COLOUR, 0))
    picture.putalpha(alpha)
    return _address(picture, "PNG")


def _address(picture: Image.Image, kind: str, **options: int) -> str:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"
