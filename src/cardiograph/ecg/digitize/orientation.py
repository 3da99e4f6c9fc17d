"""Decide which way up a rectified page is, and turn it upright."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.digitize.ink import darkness_of
from cardiograph.ecg.digitize.rectified import RectifiedPage
from cardiograph.imaging.ecg_check import Mask, Traces, find_traces, trace_evidence
from cardiograph.imaging.orientation import log_odds

MIRROR_ODDS = 4.0
"""Log odds that a page must exceed to be taken as mirrored: cameras and scanners mirror nothing."""

TURN_ODDS = 1.5
"""Log odds that a page must exceed to be turned by 180 degrees."""

UNSURE = 2.0
"""Log odds of the decision below which a note says that the page may be upside down."""

STRETCH_WEIGHT, UPRIGHT_PRIOR, UNSURE_ALONG = 3.0, 0.3, 0.7
"""Weight of the direction of long pieces of ink against the beats, advantage of a page that is not turned by 90 degrees, and
distance from the limit below which a note is added. Source: seen on 13 photographs and on drawn pages."""

LETTER, LINE = 40, 8
"""Length of letters and width of straight lines on the reduced view, pixels: 10 mm and 2 mm."""

PAPER_AND_PEN = (90.0, 99.0)
"""Percentiles of the darkness of the paper with its grid, and of the pen, which covers a few percent."""

UNSURE_NOTE = "The traces hardly tell which way up the page is."
TURNED_NOTE = "The picture was not upright and was turned."
MIRRORED_NOTE = "The picture was a mirror image and was mirrored back."

FLIPS = {
    "upright": (False, False),
    "upside_down": (True, True),
    "left_right": (True, False),
    "top_bottom": (False, True),
}
"""Whether columns and rows run backwards."""


Box = tuple[int, int, int, int]
"""Left, top, right and bottom in rectified pixels."""


def upright(page: RectifiedPage) -> RectifiedPage:
    """Turn a rectified page so that its traces run from left to right and point up.

    Of the page and the page turned by 90 degrees, the one is taken whose traces run along it. Waves and calibration pulses
    then tell upside down and mirrored apart from upright.

    Args:
        page: Rectified page with its grid.
    """
    height, width = page.pixels.shape[:2]
    view = reduced(page.pixels, page.grid or (0, 0, width, height))
    found = [find_traces(each) for each in (view, np.ascontiguousarray(view.transpose(1, 0, 2)[:, ::-1]))]
    along = STRETCH_WEIGHT * _stretch(found[0].ink) + float(np.log(_rows(found[0]) / _rows(found[1])))
    sideways = along < -UPRIGHT_PRIOR
    odds = log_odds(found[sideways])
    scores = {
        "upright": 0.0,
        "upside_down": odds["upside_down"] - TURN_ODDS,
        "left_right": odds["left_right"] - MIRROR_ODDS,
        "top_bottom": odds["top_bottom"] - MIRROR_ODDS,
    }
    lie = max(scores, key=lambda each: scores[each])
    turned = placed(page, sideways, *FLIPS[lie])
    notes = list(page.notes)
    if sideways or lie != "upright":
        notes.append(TURNED_NOTE)
    if lie in ("left_right", "top_bottom"):
        notes.append(MIRRORED_NOTE)
    if abs(odds["upside_down"] - TURN_ODDS) < UNSURE or abs(along + UPRIGHT_PRIOR) < UNSURE_ALONG:
        notes.append(UNSURE_NOTE)
    return replace(turned, notes=tuple(notes))


def unmirrored(page: RectifiedPage) -> RectifiedPage:
    """Return a page that was taken for a mirror image as it was given; it may stand on its head."""
    given = placed(page, False, True, False)
    return replace(given, notes=tuple(note for note in page.notes if note != MIRRORED_NOTE))


def reduced(pixels: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """Copy of the grid at 4 pixels per mm with even light, on which the pen is dark and the grid white."""
    import cv2

    left, top, right, bottom = box
    dark = cv2.resize(darkness_of(pixels[top:bottom, left:right]), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    grid, pen = np.percentile(dark[::3, ::3], PAPER_AND_PEN)
    ink = np.clip((dark - grid) / max(float(pen - grid), 0.05), 0, 1)
    return np.asarray(cv2.cvtColor((255 - 235 * ink).astype(np.uint8), cv2.COLOR_GRAY2RGB), np.uint8)


def _rows(traces: Traces) -> float:
    """How clearly traces with beats run from left to right; 1 if none do."""
    evidence = trace_evidence(traces)
    return 1 + evidence.trace_cover * (1 + evidence.beats) / max(evidence.steepness, 1.0)


def _stretch(ink: Mask) -> float:
    """-1 to 1: 1 where long pieces of ink run along the rows, -1 where they run down the columns."""
    import cv2

    _, _, boxes, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    wide, high, area = boxes[1:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT, cv2.CC_STAT_AREA]].T.astype(float)
    # neither letters nor straight lines
    kept = (np.maximum(wide, high) > LETTER) & (np.minimum(wide, high) > LINE)
    wide, high, area = wide[kept], high[kept], area[kept]
    return float((area * (wide - high)).sum() / max((area * (wide + high)).sum(), 1.0))


def placed(page: RectifiedPage, sideways: bool, columns_back: bool, rows_back: bool) -> RectifiedPage:
    """Turn a page by 90 degrees clockwise if ``sideways``, and then reverse its columns or rows."""
    height, width = page.pixels.shape[:2]
    box = page.grid or (0, 0, width, height)
    if sideways:
        # the new x is the old height - 1 - y, the new y the old x
        old = np.array([[0, 1, 0], [-1, 0, height - 1], [0, 0, 1.0]])
        box = (height - box[3], box[0], height - box[1], box[2])
        height, width = width, height
    else:
        old = np.eye(3)
    left, top, right, bottom = box
    left, right = (width - right, width - left) if columns_back else (left, right)
    top, bottom = (height - bottom, height - top) if rows_back else (top, bottom)
    for axis, (back, last) in enumerate(((columns_back, width - 1), (rows_back, height - 1))):
        if back:
            old[:, 2] += old[:, axis] * last
            old[:, axis] *= -1
    return replace(
        page,
        pixels=_turned(page.pixels, sideways, columns_back, rows_back),
        to_page=page.to_page @ old,
        curl=None if page.curl is None else _turned(page.curl, sideways, columns_back, rows_back),
        grid=None if page.grid is None else (left, top, right, bottom),
    )


def _turned(image: NDArray[Any], sideways: bool, columns_back: bool, rows_back: bool) -> NDArray[Any]:
    image = image.transpose(1, 0, 2)[:, ::-1] if sideways else image
    image = image[:, ::-1] if columns_back else image
    return np.ascontiguousarray(image[::-1] if rows_back else image)
