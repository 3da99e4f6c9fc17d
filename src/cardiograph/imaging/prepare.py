"""From a page file to what the encoder sees and what tells pages apart: one way, for training and for serving."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cardiograph.config import PagesConfig
from cardiograph.errors import Issue, PageError
from cardiograph.imaging.hashing import HASH_VERSION, perceptual_hash, pixel_hash
from cardiograph.imaging.page import PAGE_VERSION, Box, select_view
from cardiograph.imaging.preprocess import PREPROCESS_VERSION, to_input
from cardiograph.imaging.reading import Page, read_page


@dataclass(frozen=True)
class PreparedPage:
    """A page, ready for the encoder.

    Args:
        file_sha256: Of the file.
        pixel_hash: Of all decoded pixels of the page.
        perceptual_hash: [bytes] uint8, of the traces in the view.
        page: The whole page.
        box: The view on the page.
        view: [h, w, 3] RGB uint8.
    """

    file_sha256: str
    pixel_hash: str
    perceptual_hash: NDArray[np.uint8]
    page: Page
    box: Box
    view: NDArray[np.uint8]

    @property
    def input(self) -> NDArray[np.float32]:
        """[3, 224, 224] input of the encoder."""
        return to_input(self.view)


def preparation(config: PagesConfig) -> str:
    """What decides the view and the input, in a line; part of the encoder fingerprint."""
    box = f" {config.box}" if config.box else ""
    return f"decode=full page={PAGE_VERSION} view={config.view}{box} hash={HASH_VERSION} input={PREPROCESS_VERSION}"


def prepare_page(source: Path | bytes, *, name: str, config: PagesConfig) -> PreparedPage:
    """Read a page and take its view.

    Args:
        source: Path, or the content of the file.
        name: Of the page, for errors.
        config: View and limits.

    Raises:
        PageError: With one issue whose ``where`` names the page.
    """
    page = read_page(source, name=name, max_pixels=config.max_pixels)
    try:
        box, view = select_view(page.pixels, config)
    except PageError as error:
        issues = [Issue(f"page {name}", i.column, i.value, i.rule, i.remedy, i.code) for i in error.issues]
        raise PageError(error.headline, issues) from error
    return PreparedPage(
        file_sha256=page.file_sha256,
        pixel_hash=pixel_hash(page.pixels),
        perceptual_hash=perceptual_hash(view),
        page=page,
        box=box,
        view=view,
    )
