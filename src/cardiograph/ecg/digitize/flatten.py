"""Refine the coarse lattice by the phase of its lines: an exact perspective, and the curl of the paper that remains."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PX_PER_MM = 4
"""Resolution of the copy on which phases are measured."""

TILE_MM = 10
"""Distance of two places where the phase is measured."""

MAX_MM = 600
"""Longest side of a page."""

PERIODS_MM = (5, 1)
MIN_COHERENCE = {5: 0.05, 1: 0.1}
"""Amplitude of the lines as a share of the contrast, from which a tile counts."""

_Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Lattice:
    """The grid of a page.

    Args:
        to_mm: [3, 3] homography from working pixels to millimetres along the grid; lines are at whole numbers, and the
            strong ones at multiples of five where the page has strong lines.
        places: [n, 2] horizontal and vertical place in mm of tiles in which the grid is seen.
        residual: [n, 2] true place less ``places``, mm.
        coherence: [n] amplitude of the 1 mm or 5 mm lines in a tile, the weaker of both directions.
    """

    to_mm: _Floats
    places: _Floats
    residual: _Floats
    coherence: _Floats


def refine(tone: NDArray[np.float32], to_mm: _Floats) -> Lattice | None:
    """Refine a lattice until its lines lie on whole millimetres.

    Args:
        tone: [h, w] float32 line tone.
        to_mm: [3, 3] coarse homography from working pixels to millimetres.

    Returns:
        The lattice, or None if too few places have lines where the coarse homography expects them.
    """
    lattice = None
    for period in (*PERIODS_MM, PERIODS_MM[-1]):
        origin, size = _extent(tone.shape, to_mm)
        places, offsets, coherence = _phases(tone, to_mm, (origin, size), period)
        seen = coherence > MIN_COHERENCE[period]
        if seen.sum() < 6:
            continue
        residual = _unwrap(places, offsets, np.where(seen, coherence, 0), period)
        places, residual, coherence = places[seen], residual[seen], coherence[seen]
        update = _homography(places, places + residual, coherence)
        to_mm = update @ to_mm
        moved = _apply(update, places)
        lattice = Lattice(to_mm, moved, places + residual - moved, coherence)
    return lattice


def _extent(shape: tuple[int, ...], to_mm: _Floats) -> tuple[_Floats, NDArray[np.int64]]:
    """First place and size in mm of the rectangle that holds the page, in multiples of ``TILE_MM``."""
    height, width = shape
    corners = _apply(to_mm, np.array([[0, 0], [width, 0], [width, height], [0, height]], float))
    low, high = np.floor(corners.min(axis=0) / TILE_MM), np.ceil(corners.max(axis=0) / TILE_MM)
    size = np.clip(high - low, 3, MAX_MM // TILE_MM).astype(int) * TILE_MM
    return low * TILE_MM, size


def _phases(
    tone: NDArray[np.float32], to_mm: _Floats, extent: tuple[_Floats, NDArray[np.int64]], period: int
) -> tuple[_Floats, _Floats, _Floats]:
    """Measure the phase of the lines in overlapping tiles.

    Returns:
        Places [n, 2] in mm, offsets [n, 2] in mm within half a period, and coherence [n].
    """
    import cv2

    origin, size = extent
    to_pixels = np.array([[PX_PER_MM, 0, -origin[0] * PX_PER_MM], [0, PX_PER_MM, -origin[1] * PX_PER_MM], [0, 0, 1]])
    wide, high = (size * PX_PER_MM).tolist()
    flat = cv2.warpPerspective(tone, to_pixels @ to_mm, (wide, high), flags=cv2.INTER_LINEAR)
    tiles = (int(size[0]) // TILE_MM, int(size[1]) // TILE_MM)
    energy = _sum(np.abs(flat), tiles)
    offsets, levels = [], []
    for axis, length in ((0, wide), (1, high)):
        angle = 2 * np.pi / period * (np.arange(length) / PX_PER_MM + origin[axis])
        parts = []
        for wave in (np.cos(angle), np.sin(angle)):
            row = wave.astype(np.float32)
            parts.append(_sum(flat * (row[None] if axis == 0 else row[:, None]), tiles))
        offsets.append(-np.arctan2(parts[1], parts[0]) * period / (2 * np.pi))
        levels.append(np.hypot(*parts) / (energy + 0.05 * energy.max()))
    columns, rows = np.meshgrid(np.arange(tiles[0]), np.arange(tiles[1]))
    # the middle of a tile; its first pixel is on the border
    middle = (TILE_MM - 1 / PX_PER_MM) / 2
    places = origin + TILE_MM * np.column_stack([columns.ravel(), rows.ravel()]) + middle
    return places, np.stack(offsets, axis=-1).reshape(-1, 2), np.minimum(*levels).ravel()


def _sum(image: NDArray[np.float32], tiles: tuple[int, int]) -> NDArray[np.float32]:
    import cv2

    means = cv2.resize(image, tiles, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(means, (3, 3), 0, borderType=cv2.BORDER_CONSTANT), np.float32)


def _unwrap(places: _Floats, offsets: _Floats, weight: _Floats, period: int) -> _Floats:
    """Add whole periods so that neighbouring tiles agree, outward from the best tile."""
    columns, rows = (np.round((places - places.min(axis=0)) / TILE_MM).astype(int)).T
    shape = (rows.max() + 3, columns.max() + 3)
    value, known = np.zeros((*shape, 2)), np.zeros(shape)
    measured, strength = np.zeros((*shape, 2)), np.zeros(shape)
    measured[rows + 1, columns + 1], strength[rows + 1, columns + 1] = offsets, weight
    start = int(np.argmax(weight))
    front = [(rows[start] + 1, columns[start] + 1)]
    queued = np.zeros(shape, bool)
    queued[front[0]] = True
    while front:
        following = []
        for y, x in front:
            near = known[y - 1 : y + 2, x - 1 : x + 2]
            total = near.sum()
            expected = (value[y - 1 : y + 2, x - 1 : x + 2] * near[..., None]).sum(axis=(0, 1)) / max(total, 1e-9)
            here = measured[y, x]
            value[y, x] = here + period * np.round((expected - here) / period) if total else here
            known[y, x] = strength[y, x]
            for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if not queued[v, u] and strength[v, u] > 0:
                    queued[v, u] = True
                    following.append((v, u))
        front = following
    found = value[rows + 1, columns + 1]
    lost = known[rows + 1, columns + 1] == 0
    weight[lost] = 0
    return np.asarray(found)


def _homography(source: _Floats, target: _Floats, weight: _Floats) -> _Floats:
    """Weighted least-squares homography from source to target [n, 2], robust against single wrong tiles."""
    centre, size = source.mean(axis=0), np.abs(source - source.mean(axis=0)).max()
    normal = np.array([[1 / size, 0, -centre[0] / size], [0, 1 / size, -centre[1] / size], [0, 0, 1]])
    x, y = ((source - centre) / size).T
    u, v = ((target - centre) / size).T
    zero, one = np.zeros_like(x), np.ones_like(x)
    system = np.concatenate(
        [
            np.stack([x, y, one, zero, zero, zero, -u * x, -u * y], axis=1),
            np.stack([zero, zero, zero, x, y, one, -v * x, -v * y], axis=1),
        ]
    )
    aim, solid = np.concatenate([u, v]), np.tile(weight, 2)
    matrix = np.eye(3)
    for _ in range(6):
        root = np.sqrt(solid)
        solution = np.linalg.lstsq(system * root[:, None], aim * root, rcond=None)[0]
        matrix = np.append(solution, 1.0).reshape(3, 3)
        off = (system @ solution - aim) * size
        solid = np.tile(weight, 2) / (1 + np.square(off / max(0.1, float(1.5 * np.median(np.abs(off))))))
    return np.asarray(np.linalg.inv(normal) @ matrix @ normal)


def _apply(matrix: _Floats, points: _Floats) -> _Floats:
    mapped = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    return np.asarray(mapped[:, :2] / mapped[:, 2:])
