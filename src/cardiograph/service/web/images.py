"""The page of a form that comes back: a browser cannot fill in a file again, so it is held here for the next form."""

from __future__ import annotations

import base64
import hashlib
import io
import secrets
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from cardiograph.imaging.reading import read_page
from cardiograph.inference import Query
from cardiograph.service.api.schemas import PATIENT
from cardiograph.service.recent_queries import RecentQueries
from cardiograph.service.security.access import Caller
from cardiograph.service.web.form import Typed

_FORM = "form-"
"""Before the names of pages that are held for a form; no prediction is called so."""


def keep_page(typed: Typed, held: RecentQueries, caller: Caller) -> Typed:
    """The form whose page is held for the next one, under a random name that serves once, and this caller only."""
    if typed.page is None:
        return replace(typed, kept="")
    kept = secrets.token_urlsafe(24)
    held.put(_name(kept, caller), Query(typed.page))
    return replace(typed, kept=kept)


def kept_page(kept: str, held: RecentQueries, caller: Caller) -> bytes | None:
    """The page that :func:`keep_page` held; None where it is not held any more, was served once, or for another caller."""
    found = held.take(_name(kept, caller))
    return None if found is None or not isinstance(found.page, bytes) else found.page


def _name(kept: str, caller: Caller) -> str:
    return _FORM + hashlib.sha256(f"{caller.key_id} {kept}".encode()).hexdigest()


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
