"""ECG pages in the web UI: held between forms, since browsers cannot refill a file field, and shown as images."""

from __future__ import annotations

import base64
import hashlib
import io
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from cardiograph.config_reading import PagesConfig
from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.leads import LEADS
from cardiograph.ecg.pages import read_any_page
from cardiograph.imaging.reading import DecodedPage
from cardiograph.inference import Query
from cardiograph.service.api.schemas import PATIENT
from cardiograph.service.recent_queries import RecentQueries
from cardiograph.service.security.access import Caller
from cardiograph.service.web.form import FormInput

_FORM = "form-"
"""Prefix of the names of held pages; differs from every prediction id."""


def keep_page(typed: FormInput, held: RecentQueries, caller: Caller) -> FormInput:
    """Hold the page of a form for the next one, under a random name for one use by this caller."""
    if typed.page is None:
        return replace(typed, kept="")
    kept = secrets.token_urlsafe(24)
    held.put(_name(kept, caller), Query(typed.page))
    return replace(typed, kept=kept)


def kept_page(kept: str, held: RecentQueries, caller: Caller) -> bytes | None:
    """Return the page that :func:`keep_page` holds; None if it has expired, was used, or is of another caller."""
    found = held.take(_name(kept, caller))
    return None if found is None or not isinstance(found.page, bytes) else found.page


def _name(kept: str, caller: Caller) -> str:
    return _FORM + hashlib.sha256(f"{caller.key_id} {kept}".encode()).hexdigest()


HEAT_COLOUR = (0, 90, 200)
"""Blue, RGB: the ECG paper's grid is red and its traces are black."""


_CELL = 24
"""Side of a cell of the attention map, in pixels."""


def scan(page: bytes, *, side: int, config: PagesConfig) -> str:
    """Encode an ECG page again as a small JPEG data URL; no byte of the original file is returned.

    Args:
        page: Content of the image file.
        side: Maximum length of the longer side, in pixels.
        config: Page settings: limits, and facts that files of signals do not state.

    Raises:
        PageError: If the page cannot be read.
    """
    return data_url(read_any_page(page, name=PATIENT, config=config), side=side)


def data_url(page: DecodedPage, *, side: int) -> str:
    """Encode a decoded page as a small JPEG data URL, at most ``side`` pixels wide and high."""
    picture = Image.fromarray(page.pixels)
    picture.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return _address(picture, "JPEG", quality=82)


def heat(cells: Sequence[Sequence[float]]) -> str:
    """Encode an attention map (0..1) as a PNG data URL of one colour whose opacity is the map."""
    alpha = Image.fromarray(np.round(255 * np.clip(np.array(cells, np.float64), 0, 1)).astype(np.uint8), "L")
    alpha = alpha.resize((alpha.width * _CELL, alpha.height * _CELL), Image.Resampling.BILINEAR)
    picture = Image.new("RGBA", alpha.size, (*HEAT_COLOUR, 0))
    picture.putalpha(alpha)
    return _address(picture, "PNG")


def lead_map(ecg: Ecg, values: Mapping[str, Sequence[float]]) -> str:
    """Encode an ECG with its map as a PNG data URL.

    Args:
        ecg: The ECG.
        values: Lead -> attribution of each sample at 100 Hz, as in :meth:`LeadAttribution.as_dict`.
    """
    from cardiograph.ecg.draw.figure import figure_bytes
    from cardiograph.explain.lead_map import draw_attribution

    figure = draw_attribution(ecg, np.array([values[lead] for lead in LEADS], np.float64))
    return _data_address(figure_bytes(figure, "png"), "png")


def _address(picture: Image.Image, kind: str, **options: int) -> str:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return _data_address(file.getvalue(), kind)


def _data_address(content: bytes, kind: str) -> str:
    return f"data:image/{kind.lower()};base64,{base64.b64encode(content).decode()}"
