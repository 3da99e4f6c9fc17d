"""Two hashes of a page: the pixel hash of its exact pixels, and the perceptual hash of its traces.

The perceptual hash survives scanning, scaling and recompression. Pages with nearly equal perceptual hashes are
*near-copies*: they show the same recording. :class:`NearDuplicateIndex` finds the near-copies of a page among many.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from cardiograph.threads import one_blas_thread

HASH_VERSION = "2"
"""Version of the hashes; it changes whenever the same pixels give another hash."""

BANDS, COLUMNS = 16, 96
"""Rows and columns of the trace map; one column is about 0.1 s of a page with a rhythm strip of 10 s."""

HASH_BYTES = BANDS * COLUMNS
"""Values of one hash. ECGs that are read as leads have two of them: the hash of their leads, then that of their picture."""

NEAR_COPY_THRESHOLD = 0.05
"""Largest distance of near-copies; ``docs/concepts/pages.md`` explains how it was chosen."""

_WIDTH, _HEIGHT = 768, 480
"""Size in pixels of the working copy."""

_MAX_SLOPE = 0.035
"""Largest slope of the baselines that is corrected: 2 degrees."""

_LINE_ACROSS, _LINE_DOWN = 0.1, 0.16
"""Shares of width and height: straight ink of this length is a grid line, a rule or a frame."""

_BACKGROUND_PIXELS = 31
"""Side of the square of the working copy whose mean is the background of a pixel."""

DIRECTIONS = 64
"""Number of pages, evenly spaced among the known ones, that span the projection; each known page keeps this many
numbers."""

_SLACK = 1e-3
"""Tolerance above the rounding of float32 sums: candidates this close to the limit are compared in full."""

_BLOCK_ROWS = 2048


def pixel_hash(pixels: NDArray[np.uint8]) -> str:
    """Return the SHA-256 (hex) of shape and pixels, which is the same for the same image in different files.

    Args:
        pixels: [h, w, 3] uint8 RGB.
    """
    digest = hashlib.sha256(np.array(pixels.shape, "<i8").tobytes())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def perceptual_hash(view_pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the perceptual hash of a page: the amount of ink per band and interval of time.

    Paper and straight lines are removed. The ink is levelled and scaled to a fixed frame, so that margins, scale and a
    slight rotation do not matter. A steep stroke (QRS complex) puts much ink into few columns, a baseline little.

    Args:
        view_pixels: [h, w, 3] uint8 RGB of the view.

    Returns:
        [1536] uint8 (16 bands x 96 columns) with mean 128; compare hashes with :func:`near_copy_distance` only.
    """
    ink = _framed(_upright(_ink(view_pixels)))
    table = _trace_map(ink)
    centred = table - table.mean(axis=1, keepdims=True)
    spread = float(centred.std())
    levels = 128 + 32 * centred / spread if spread > 0 else np.full_like(centred, 128)
    return np.asarray(np.clip(np.round(levels), 0, 255), np.uint8).ravel()


def near_copy_distance(one: NDArray[np.uint8], many: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Compute the distances of one perceptual hash to many.

    Args:
        one: [1536] uint8 hash.
        many: [n, 1536] uint8 hashes.

    Returns:
        [n] float32 distances, 1 - correlation: 0 for the same traces, about 1 for unrelated ones. The smallest over the
        orientations of :func:`turned_hashes` counts.
    """
    return np.asarray(1 - (unit_hashes(many) @ unit_hashes(turned_hashes(one[None])).T).max(axis=1), np.float32)


def turned_hashes(hashes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the hashes of pages in four orientations.

    Args:
        hashes: [n, 1536] uint8 hashes.

    Returns:
        [4 n, 1536] uint8: all hashes as they are, then rotated by 180 degrees, mirrored left to right, and mirrored top
        to bottom.
    """
    maps = hashes.reshape(-1, BANDS, COLUMNS)
    ways = (maps, maps[:, ::-1, ::-1], maps[:, :, ::-1], maps[:, ::-1])
    return np.concatenate([way.reshape(len(hashes), -1) for way in ways])


def near_copy_pairs(hashes: NDArray[np.uint8], threshold: float = NEAR_COPY_THRESHOLD) -> NDArray[np.int64]:
    """Find all pairs of near-copies by exact comparison, in blocks: memory grows with n instead of n x n.

    Args:
        hashes: [n, 1536] uint8 hashes, or [n, 3072] of leads and picture.
        threshold: Largest distance of near-copies.

    Returns:
        [pairs, 2] int64 rows of ``hashes``, the first smaller than the second.
    """
    found = [np.empty((0, 2), np.int64)]
    for first in range(0, len(hashes), _BLOCK_ROWS):
        near = near_copies_between(hashes[first : first + _BLOCK_ROWS], hashes[first:], threshold) + first
        found.append(near[near[:, 0] < near[:, 1]])
    return np.concatenate(found)


def near_copies_between(
    some: NDArray[np.uint8], others: NDArray[np.uint8], threshold: float = NEAR_COPY_THRESHOLD
) -> NDArray[np.int64]:
    """Find all near-copies of some pages among others by exact comparison, in blocks.

    Args:
        some: [n, 1536] uint8 hashes, or [n, 3072] of leads and picture.
        others: [m, 1536 or 3072] uint8 hashes, as many as in ``some``.
        threshold: Largest distance of near-copies.

    Returns:
        [pairs, 2] int64: row of ``some``, row of ``others``, in ascending order.
    """
    if some.shape[1] > HASH_BYTES:
        parts = zip(split_hashes(some), split_hashes(others), strict=True)
        return np.unique(np.concatenate([near_copies_between(*part, threshold) for part in parts]), axis=0)
    found = [np.empty((0, 2), np.int64)]
    for first in range(0, len(some), _BLOCK_ROWS):
        queries = unit_hashes(turned_hashes(some[first : first + _BLOCK_ROWS]))
        for start in range(0, len(others), _BLOCK_ROWS):
            correlation = queries @ unit_hashes(others[start : start + _BLOCK_ROWS]).T
            best = correlation.reshape(4, -1, correlation.shape[1]).max(axis=0)
            found.append(np.argwhere(best >= 1 - threshold) + np.array([first, start]))
    return np.concatenate(found)


def split_hashes(hashes: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Return the hashes of leads and of pictures, [n, 1536] each, or the only ones."""
    return np.split(hashes, max(1, hashes.shape[1] // HASH_BYTES), axis=1)


def hashes_of_width(hashes: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    """Return hashes as a run keeps them: runs of earlier versions keep one, of the leads or else of the picture.

    Args:
        hashes: [n, 1536] uint8 hashes, or [n, 3072] of leads and picture; those of leads that were not read are zeros.
        width: Width of the hashes of the run.
    """
    if hashes.shape[1] <= width or not width:
        return hashes
    leads, picture = split_hashes(hashes)
    return np.where(leads.any(axis=1, keepdims=True), leads, picture)


def unit_hashes(hashes: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Scale [n, 1536] uint8 hashes to mean 0 and length 1, so that products are correlations; constant ones give 0."""
    centred = hashes.astype(np.float32)
    centred -= centred.mean(axis=1, keepdims=True)
    length = np.sqrt((centred * centred).sum(axis=1, keepdims=True))
    return np.asarray(centred / np.maximum(length, 1e-6), np.float32)


def _ink(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the [h, w] darkness of the traces, 0..1, without grid, rules and frames.

    The brightest channel is used, in which a coloured grid is pale. In a grey or black-and-white copy a grid is as dark
    as ink; therefore everything that is dark along a line too long for a trace is removed, too.
    """
    import cv2

    scale = _WIDTH / pixels.shape[1]
    size = (_WIDTH, max(16, round(pixels.shape[0] * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    red, green, blue = cv2.split(np.ascontiguousarray(pixels))
    dark = 255 - np.asarray(cv2.resize(cv2.max(cv2.max(red, green), blue), size, interpolation=method), np.uint8)
    across = _along(dark, (1, round(_LINE_ACROSS * size[0])))
    down = _along(dark, (max(1, round(_LINE_DOWN * size[1])), 1))
    lines = across + down - across * down / 255  # union of both, as of two independent opacities
    traces = np.maximum(dark - lines, 0)
    traces = np.maximum(traces - cv2.blur(traces, (_BACKGROUND_PIXELS, _BACKGROUND_PIXELS)), 0)
    darkest = max(float(np.percentile(traces[::2, ::2], 99.6)), 20.0)
    low, high = 0.3 * darkest, 0.65 * darkest
    return np.asarray(np.clip((traces - low) / (high - low), 0, 1), np.float32)


def _along(dark: NDArray[np.uint8], line: tuple[int, int]) -> NDArray[np.float32]:
    """Return, for each pixel, the least darkness along the darkest line of this (height, width) through it."""
    import cv2

    return np.asarray(cv2.morphologyEx(dark, cv2.MORPH_OPEN, np.ones(line, np.uint8)), np.float32)


def _upright(ink: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rotate the ink so that its baselines are level; the slope is the shear with the most uneven row sums."""
    import cv2

    height, width = ink.shape
    small = cv2.resize(ink, (48, height), interpolation=cv2.INTER_AREA)
    reach = int(_MAX_SLOPE * width / 2) + 1
    columns = np.pad(small.T, ((0, 0), (reach, reach)))
    slopes = np.linspace(-_MAX_SLOPE, _MAX_SLOPE, 29)
    shifts = reach + np.round(slopes * (np.arange(48) - 23.5)[:, None] * width / 48).astype(int)
    sheared = np.lib.stride_tricks.sliding_window_view(columns, height, axis=1)[np.arange(48)[:, None], shifts]
    slope = slopes[int(np.argmax(np.square(sheared.sum(axis=0)).sum(axis=1)))]
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), float(np.rad2deg(np.arctan(slope))), 1)
    return np.asarray(cv2.warpAffine(ink, turn, (width, height), flags=cv2.INTER_LINEAR), np.float32)


def _framed(ink: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale the area of the traces to a fixed size, so that margins and the exact box of the view have no effect.

    Rows are weighted by the square of their ink: baselines decide, and an additional line of the header has no effect.
    """
    import cv2

    scale, shift = [], []
    for axis, size, power, cut, edge in ((0, _WIDTH, 1, 0.005, 0.02), (1, _HEIGHT, 2, 0.02, 0.10)):
        amount = cv2.GaussianBlur(ink.sum(axis=axis)[None], (0, 0), sigmaX=axis * 2 + 0.01)[0]
        share = amount.astype(np.float64) ** power
        if share.sum() <= 0:
            return np.zeros((_HEIGHT, _WIDTH), np.float32)
        first, last = _reached(share, cut), len(share) - _reached(share[::-1], cut)
        margin = edge * (last - first)
        scale.append(size / max(last - first + 2 * margin, 1.0))
        shift.append((margin - first + 0.5) * scale[-1] - 0.5)  # coordinates of pixel centres
    matrix = np.array([[scale[0], 0, shift[0]], [0, scale[1], shift[1]]])
    return np.asarray(cv2.warpAffine(ink, matrix, (_WIDTH, _HEIGHT), flags=cv2.INTER_LINEAR), np.float32)


def _reached(amounts: NDArray[np.float64], share: float) -> float:
    """Return the position in pixels at which the cumulative amounts reach a share of their total."""
    mass = np.concatenate([[0.0], np.cumsum(amounts)])
    return float(np.interp(share * mass[-1], mass, np.arange(len(mass))))


def _trace_map(ink: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the [bands, columns] ink in overlapping cells, compressed, without slow changes along a row."""
    import cv2

    reduced = cv2.resize(ink, (_WIDTH // 4, _HEIGHT // 3), interpolation=cv2.INTER_AREA)
    smooth = cv2.GaussianBlur(reduced, (0, 0), sigmaX=0.75, sigmaY=2)
    table = cv2.resize(smooth, (COLUMNS, BANDS), interpolation=cv2.INTER_AREA)
    table = np.maximum(table, 0) ** 0.7
    return np.asarray(table - cv2.GaussianBlur(table, (0, 0), sigmaX=4, sigmaY=0.01), np.float32)


def percentiles(tones: NDArray[np.uint8], low: float, high: float) -> tuple[float, float]:
    """Return two percentiles, identical to those of ``np.percentile`` but faster.

    Args:
        tones: Values 0..255 in any shape, at least one.
        low: First percentile, 0..100.
        high: Second percentile, 0..100.
    """
    reached = np.cumsum(np.bincount(tones.ravel(), minlength=256))
    first, second = (_at(reached, share / 100 * (tones.size - 1)) for share in (low, high))
    return first, second


def _at(reached: NDArray[np.int64], place: float) -> float:
    """Return the value at a fractional position in the sorted values; ``reached`` holds cumulative counts."""
    below = int(place)
    before, after = np.searchsorted(reached, [below, min(below + 1, reached[-1] - 1)], side="right").tolist()
    share = place - below
    # interpolate from the nearer end as numpy does: the rounding is part of the page, hash and gate versions
    if share < 0.5:
        return float(before + (after - before) * share)
    return float(after - (after - before) * (1 - share))


class NearDuplicateIndex:
    """Index of perceptual hashes for the search of near-copies.

    A hash is a vector of length 1. For each known hash the index keeps its projection p on a few directions and the
    length r of the remainder. By the Cauchy-Schwarz inequality the correlation of two hashes is at most p1 p2 + r1 r2.
    Hashes whose bound is too low are skipped without loss; the others are compared in full. The directions affect speed
    only.

    Args:
        hashes: [n, 1536] uint8 hashes of :func:`perceptual_hash`. They are not copied, so
            they may be memory-mapped; the index keeps 65 float32 values per hash in memory.
        threshold: Largest distance of near-copies.
    """

    def __init__(self, hashes: NDArray[np.uint8], threshold: float = NEAR_COPY_THRESHOLD) -> None:
        self._hashes, self._threshold = hashes, threshold
        sample = unit_hashes(hashes[:: max(1, -(-len(hashes) // DIRECTIONS))])
        with one_blas_thread():  # for so small a matrix, synchronising a second thread takes longer than the work
            self._directions = np.asarray(np.linalg.qr(sample.T)[0], np.float32)
        self._parts = np.empty((len(hashes), self._directions.shape[1]), np.float32)
        self._rests = np.empty(len(hashes), np.float32)
        for start in range(0, len(hashes), _BLOCK_ROWS):
            rows = slice(start, start + _BLOCK_ROWS)
            self._parts[rows], self._rests[rows] = self._project(unit_hashes(hashes[rows]))

    def near_copies(self, one: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return the rows of the near-copies of a hash in ascending order.

        Args:
            one: [1536] uint8 hash.
        """
        parts, rests = self._project(unit_hashes(turned_hashes(one[None])))
        bound = (self._parts @ parts.T + self._rests[:, None] * rests).max(axis=1)
        rows = np.flatnonzero(bound >= 1 - self._threshold - _SLACK)
        return rows[near_copy_distance(one, self._hashes[rows]) <= self._threshold]

    def _project(self, unit: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return [n, directions] projections and [n] lengths of the remainders."""
        parts = unit @ self._directions
        rests = np.sqrt(np.maximum(np.square(unit).sum(axis=1) - np.square(parts).sum(axis=1), 0))
        return parts, rests
