"""Lead names printed on a page, read by comparison with rendered ones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.digitize.ink import Mask, part_boxes
from cardiograph.ecg.digitize.rectified import PIXELS_PER_MM
from cardiograph.ecg.leads import LEADS

MIN_HEIGHT_MM, MAX_HEIGHT_MM = 1.3, 7.0
MIN_MATCH = 0.62
"""Smallest correlation with a rendered name."""

MIN_ERASED = 0.75
"""Similarity from which a name is taken out of the ink before traces are followed."""

_CELL = (20, 40)
_BORDER = 4
_ASPECT_TOLERANCE = 0.35
"""Standard deviation of the logarithm of width to height between fonts."""

_RENDERED = 48

_Box = tuple[int, int, int, int]
"""Left, top, right and bottom, rectified pixels."""


@dataclass(frozen=True)
class Label:
    """A printed lead name.

    Args:
        lead: Most similar lead name.
        score: Similarity, 0..1.
        scores: [12] similarity to each lead name.
        left: Left edge, rectified pixels.
        top: Upper edge.
        right: Right edge.
        bottom: Lower edge.
    """

    lead: str
    score: float
    scores: NDArray[np.float64]
    left: int
    top: int
    right: int
    bottom: int


def read_labels(*masks: Mask) -> tuple[Label, ...]:
    """Find printed lead names.

    Args:
        masks: Ink of a rectified page, text included; several masks are of one page, with more or fewer lines in them.

    Returns:
        Words that resemble a lead name, in no order.
    """
    labels: list[Label] = []
    known: dict[tuple[_Box, bytes], NDArray[np.float64]] = {}
    for mask in masks:
        # the same word in another mask is not compared again
        words = {
            ((left, top, right, bottom), mask[top:bottom, left:right].tobytes()): mask[top:bottom, left:right]
            for left, top, right, bottom in _words(mask)
        }
        known |= _likeness({word: picture for word, picture in words.items() if word not in known})
        found = [_label(word[0], known[word]) for word in words]
        labels += _whole_words([label for label in found if label.score >= MIN_MATCH])
    return tuple(labels)


def read_faint_labels(mask: Mask) -> tuple[Label, ...]:
    """Find printed lead names in faint ink, where one bar of II or III is often darker than the others.

    Args:
        mask: Ink of a rectified page with paler strokes.

    Returns:
        Words that resemble a lead name, in no order; a bar within a name of two or three bars is none.
    """
    labels = read_labels(mask)
    bars = [label for label in labels if label.lead in ("II", "III")]
    return tuple(
        label
        for label in labels
        if label.lead != "I"
        or not any(
            bar.left <= label.left and label.right <= bar.right and bar.top < label.bottom and label.top < bar.bottom
            for bar in bars
        )
    )


def _likeness(words: dict[tuple[_Box, bytes], Mask]) -> dict[tuple[_Box, bytes], NDArray[np.float64]]:
    """Return the similarity of each word to each lead name, [12]."""
    if not words:
        return {}
    starts, aspects, shapes = _templates()
    pictures = np.stack([_normal(picture) for picture in words.values()])
    ratio = np.log(np.array([picture.shape[1] / picture.shape[0] for picture in words.values()]))
    likeness = pictures @ shapes.T * np.exp(-0.5 * ((ratio[:, None] - aspects) / _ASPECT_TOLERANCE) ** 2)
    return dict(zip(words, np.maximum.reduceat(likeness, starts, axis=1), strict=True))


def _label(box: _Box, scores: NDArray[np.float64]) -> Label:
    best = int(np.argmax(scores))
    return Label(LEADS[best], float(scores[best]), scores, *box)


def erase(mask: Mask, labels: tuple[Label, ...]) -> None:
    """Take printed names out of the ink in place; names of vertical bars stay, since pieces of traces resemble them."""
    for label in labels:
        if label.score >= MIN_ERASED and not label.lead.startswith("I"):
            mask[label.top : label.bottom, label.left : label.right] = 0


def _whole_words(labels: list[Label]) -> list[Label]:
    """Leave out words that are part of a longer one: V5 inside aVL, I inside II."""

    def within(label: Label, other: Label) -> bool:
        inside = other.left <= label.left and label.right <= other.right
        longer = other.right - other.left > 1.1 * (label.right - label.left)
        return inside and longer and min(label.bottom, other.bottom) > max(label.top, other.top)

    return [
        label
        for label in labels
        if not any(within(label, other) and other.score > label.score - 0.15 for other in labels)
    ]


def _words(mask: Mask) -> list[_Box]:
    """Return left, top, right, bottom of groups of one to four neighbouring letters."""
    low, high = MIN_HEIGHT_MM * PIXELS_PER_MM, MAX_HEIGHT_MM * PIXELS_PER_MM
    letters = []
    for left, top, width, height in part_boxes(mask):
        if 0.6 * low <= height <= high and width <= 2.2 * high:
            letters.append((left, top, left + width, top + height))
    letters.sort()
    words = []
    for number, first in enumerate(letters):
        box, previous, size = first, first, 1
        if first[3] - first[1] >= low:
            words.append(box)
        for other in letters[number + 1 :]:
            height = max(box[3] - box[1], other[3] - other[1])
            if other[0] - box[2] > 0.6 * height:
                break
            overlap = min(box[3], other[3]) - max(box[1], other[1])
            if overlap < 0.5 * min(box[3] - box[1], other[3] - other[1]) or other[0] < previous[0]:
                continue
            box = (box[0], min(box[1], other[1]), max(box[2], other[2]), max(box[3], other[3]))
            previous, size = other, size + 1
            if size > 4 or box[3] - box[1] > high:
                break
            words.append(box)
    return [word for word in words if word[3] - word[1] >= low]


def _normal(word: Mask) -> NDArray[np.float64]:
    """Return a word at a fixed size as a vector of zero mean and unit length."""
    import cv2

    picture = cv2.resize(word.astype(np.float32), (_CELL[1], _CELL[0]), interpolation=cv2.INTER_AREA)
    picture = cv2.copyMakeBorder(picture, _BORDER, _BORDER, _BORDER, _BORDER, cv2.BORDER_CONSTANT, value=0)
    vector = cv2.GaussianBlur(picture, (0, 0), 1.5).astype(np.float64).ravel()
    vector -= vector.mean()
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-9))


@lru_cache(maxsize=1)
def _templates() -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the first template of each lead; width to height (logarithm) and [templates, pixels] form of rendered names."""
    starts: list[int] = []
    aspects: list[float] = []
    shapes: list[NDArray[np.float64]] = []
    for lead in LEADS:
        starts.append(len(shapes))
        for word in _rendered(lead):
            rows, columns = np.flatnonzero(word.any(axis=1)), np.flatnonzero(word.any(axis=0))
            inside = word[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            aspects.append(np.log(inside.shape[1] / inside.shape[0]))
            shapes.append(_normal(inside))
    return np.array(starts), np.array(aspects), np.stack(shapes)


def _rendered(lead: str) -> list[Mask]:
    import cv2
    from PIL import Image, ImageDraw, ImageFont

    pictures = []
    for text in {lead, lead.upper()}:
        for stroke in (0, 1, 2):
            image = Image.new("L", (6 * _RENDERED, 2 * _RENDERED))
            font = ImageFont.load_default(size=_RENDERED)
            ImageDraw.Draw(image).text((20, 20), text, fill=255, font=font, stroke_width=stroke)
            pictures.append((np.asarray(image) > 127).astype(np.uint8))
        for face in (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_TRIPLEX):
            for thickness in (2, 4, 7):
                canvas = np.zeros((2 * _RENDERED, 6 * _RENDERED), np.uint8)
                cv2.putText(canvas, text, (20, 70), face, 1.8, 1, thickness, cv2.LINE_8)
                pictures.append(canvas)
    return pictures
