"""Is this a page that can hold an ECG? Small checks on size and content, each a named fault."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cardiograph.errors import Issue

MIN_SIDE = 100
"""Shortest side of a page in pixels (reference pipeline, stage 1)."""

MARK_CONTRAST = 64
"""Grey levels of 255 by which a pixel must differ from the page's median to count as a mark."""

SAMPLED_PIXELS = 200_000
"""Marks are counted on about this many evenly spaced pixels; smaller pages are looked at whole."""

MIN_MARKS = 0.0005
"""Smallest share of marks on a page that is not blank; see ``docs/concepts/pages.md`` for what real pages have."""


def check_pixel_count(where: str, width: int, height: int, max_pixels: int) -> Issue | None:
    """Whether a page is small enough to be decoded; looks at the header's numbers only."""
    if width * height <= max_pixels:
        return None
    return Issue(
        where,
        "",
        f"{width} x {height} px",
        f"at most {max_pixels:,} pixels are decoded",
        "scale the page down; a run may allow more by pages.max_pixels in its settings",
        "too_many_pixels",
    )


def check_size(where: str, width: int, height: int) -> Issue | None:
    """Whether a page has at least 100 x 100 pixels."""
    if min(width, height) >= MIN_SIDE:
        return None
    return Issue(
        where,
        "",
        f"{width} x {height} px",
        f"a page has at least {MIN_SIDE} x {MIN_SIDE} pixels",
        "scan or export it at a higher resolution",
        "too_small",
    )


def share_of_marks(pixels: NDArray[np.uint8]) -> float:
    """Share of pixels whose luminance is far from the page's median: writing on paper, or light on a dark screen.

    Args:
        pixels: [h, w, 3] RGB.

    Returns:
        0..1. Pale grid lines do not count, so an empty sheet has nearly none.

    Source:
        Luminance weights of ITU-R BT.601.
    """
    step = max(1, int((pixels.shape[0] * pixels.shape[1] / SAMPLED_PIXELS) ** 0.5))
    luminance = np.asarray(pixels[::step, ::step] @ np.array([0.299, 0.587, 0.114], np.float32), np.float32)
    return float(np.mean(np.abs(luminance - _median(luminance)) >= MARK_CONTRAST))


def _median(values: NDArray[np.float32]) -> np.float32:
    """As ``np.median``, which sorts out three places where one is enough."""
    middle = values.size // 2
    parted = np.partition(values, middle, axis=None)
    if values.size % 2:
        return np.float32(parted[middle])
    return np.float32(parted[:middle].max() + parted[middle]) / np.float32(2)


def check_blank(where: str, pixels: NDArray[np.uint8]) -> Issue | None:
    """Whether anything is drawn on the page: an empty sheet, with or without pale grid lines, is blank."""
    share = share_of_marks(pixels)
    if share >= MIN_MARKS:
        return None
    return Issue(
        where,
        "",
        f"blank (brightest level {int(pixels.max())} of 255, {share:.3%} of the pixels stand out)",
        f"at least {MIN_MARKS:.2%} of the pixels differ from the page's median by {MARK_CONTRAST} levels",
        "check that the page shows a trace; a 12-bit scan stored in 16 bits must be exported in the full 16-bit range",
        "blank",
    )
