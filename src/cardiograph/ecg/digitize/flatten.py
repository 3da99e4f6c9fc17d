"""Refine the coarse lattice by the phase of its lines: an exact perspective, and the curl of the paper that remains."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PX_PER_MM = 4
"""Resolution of the copy on which phases are measured."""

TILE_MM = 10
"""Distance of two places where the phase is measured."""

FLAT_MM, FAINT_MM = 0.12, 0.03
"""Curl below which a sheet is taken as flat: of strong 1 mm lines, and of faint ones times their coherence."""

MAX_MM = 600
"""Longest side of a page."""

MIN_TILES = 6
PASSES = ((1, 1), (5, 5, 5, 1, 1, 1, 1))
"""Distances of the lines in mm whose phase is measured in turn; the second row is tried where the first leaves gaps."""

NEARLY = 0.9
"""Share of the merit of the first lattice that the second one must have."""

FILLED = 0.95
MIN_COHERENCE = {5: 0.1, 1: 0.06}
"""Amplitude of the lines as a share of the contrast, from which a tile counts."""

SMOOTHING = {5: 0.7, 1: 0.5}
"""Standard deviation of the smoothing of the curl, tiles; the phase of 5 mm lines is less exact."""

MAX_CONDITION = 1e12
"""Condition number above which a homography in pixels and millimetres is degenerate; real pages stay below 1e6."""

MAX_CURL = 0.3
"""Disagreement in mm with the surroundings at which the residual of a tile counts half."""

_Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Lattice:
    """The grid of a page.

    Args:
        to_mm: [3, 3] homography from working pixels to millimetres along the grid, for a flat sheet. Lines are at whole
            numbers, strong lines at multiples of five.
        origin: [2] horizontal and vertical place in mm of the corner of the first tile, multiples of ``TILE_MM``.
        curl: [rows, columns, 2] float32 true place less that of a flat sheet in the middle of each tile, mm.
        coherence: [rows, columns] amplitude of the lines in a tile as a share of its contrast, the weaker of both
            directions; 0 where no grid is seen.
        finest_mm: Distance of the finest lines that were seen, 1 or 5 mm.
    """

    to_mm: _Floats
    origin: _Floats
    curl: NDArray[np.float32]
    coherence: _Floats
    finest_mm: int

    @property
    def flat(self) -> bool:
        """Whether the sheet is flat, as exactly as its lines tell (90th percentile of the curl)."""
        seen = self.coherence > 0
        exact = max(FLAT_MM, FAINT_MM / float(np.median(self.coherence[seen])))
        curl = float(np.percentile(np.linalg.norm(self.curl[seen], axis=1), 90))
        return curl < exact * self.finest_mm

    @property
    def mm_per_pixel(self) -> float:
        """Size of a working pixel in the middle of the grid, mm."""
        low, high = self.box_mm
        back = np.asarray(np.linalg.inv(self.to_mm), np.float64)
        middle = np.asarray([(low + high) / 2, (low + high) / 2 + [1.0, 0.0]], np.float64)
        corner, across = _apply(back, middle)
        return float(1 / np.linalg.norm(across - corner))

    @property
    def filled(self) -> float:
        """Share of the tiles inside the box around the grid in which the grid is seen, 0..1."""
        return float(np.count_nonzero(self.coherence) * TILE_MM**2 / self.area_mm2)

    @property
    def area_mm2(self) -> float:
        """Area of the box around the grid, mm²."""
        low, high = self.box_mm
        return float(np.prod(high - low))

    @property
    def box_mm(self) -> tuple[_Floats, _Floats]:
        """First and last place, [2] each, of the tiles in which the grid is seen."""
        rows, columns = np.nonzero(self.coherence)
        return (
            self.origin + TILE_MM * np.array([columns.min(), rows.min()]),
            self.origin + TILE_MM * np.array([columns.max() + 1, rows.max() + 1]),
        )

    @property
    def merit(self) -> float:
        """Coherence of all tiles; lines 5 mm apart count less than those 1 mm apart."""
        return float(self.coherence.sum()) * (1.0 if self.finest_mm == 1 else 0.2)

    def sheet(self, first: _Floats, size: tuple[int, int], scale: int) -> NDArray[np.float32]:
        """Place on the working copy of every pixel of an upright sheet.

        Args:
            first: [2] place of the first pixel, mm; the corner of a tile or near it.
            size: Number of tiles across and down.
            scale: Pixels per mm; line n is at pixel ``scale * n``.

        Returns:
            [h, w, 2] working pixels.
        """
        import cv2

        skip = np.round((first - self.origin) / TILE_MM).astype(int)
        rows = np.clip(np.arange(size[1]) + skip[1], 0, self.curl.shape[0] - 1)
        columns = np.clip(np.arange(size[0]) + skip[0], 0, self.curl.shape[1] - 1)
        wide, high = size[0] * TILE_MM * scale, size[1] * TILE_MM * scale
        part = np.ascontiguousarray(self.curl[np.ix_(rows, columns)])
        curl = np.asarray(cv2.resize(part, (wide, high), interpolation=cv2.INTER_CUBIC), np.float32)
        flat = [
            (np.arange(length) / scale + start).astype(np.float32)
            for length, start in ((wide, first[0]), (high, first[1]))
        ]
        x, y = flat[0][None] - curl[..., 0], flat[1][:, None] - curl[..., 1]
        back = np.asarray(np.linalg.inv(self.to_mm), np.float64)
        back = (back / back[2, 2]).astype(np.float32)
        depth = back[2, 0] * x + back[2, 1] * y + 1
        place = [(back[row, 0] * x + back[row, 1] * y + back[row, 2]) / depth for row in (0, 1)]
        return np.asarray(cv2.merge(place), np.float32)


def refine(tone: NDArray[np.float32], to_mm: _Floats) -> Lattice | None:
    """Refine a lattice until its lines lie on whole millimetres.

    The phase of the 5 mm lines gives the curl to a few tenths of a millimetre, that of the 1 mm lines the rest.

    Args:
        tone: [h, w] float32 line tone.
        to_mm: [3, 3] coarse homography from working pixels to millimetres.

    Returns:
        The lattice, or None if too few places have lines where the coarse homography expects them.
    """
    origin, tiles = _extent(tone.shape, to_mm)
    shape = (tiles[1], tiles[0])
    start = Lattice(to_mm, origin, np.zeros((*shape, 2), np.float32), np.zeros(shape), 0)
    best = start
    for periods in PASSES:
        lattice = last = start
        for period in periods:
            last = _pass(tone, last, period)
            lattice = last if last.merit > lattice.merit or last.finest_mm == lattice.finest_mm else lattice
        # lines 5 mm apart guard against a slip by a millimetre
        if lattice.merit > NEARLY * best.merit:
            best = lattice
        if best.finest_mm == 1 and best.flat and best.filled > FILLED:
            break
    return best if best.finest_mm else None


def _pass(tone: NDArray[np.float32], lattice: Lattice, period: int) -> Lattice:
    """Measure the phase of the lines of one period and move the lattice; leave it where too few lines are seen."""
    offsets, coherence = _phases(tone, lattice, period)
    coherence = np.where(coherence > MIN_COHERENCE[period], coherence, 0)
    offsets, coherence = _unwrap(offsets, coherence, period)
    # few tiles with 1 mm lines tell less than many with 5 mm lines
    enough = max(MIN_TILES, 0.5 * np.count_nonzero(lattice.coherence))
    return _moved(lattice, offsets, coherence, period) if np.count_nonzero(coherence) >= enough else lattice


def _moved(lattice: Lattice, offsets: _Floats, coherence: _Floats, period: int) -> Lattice:
    """Add measured offsets [rows, columns, 2] to a lattice, as perspective where possible and as curl otherwise.

    Offsets that only a degenerate perspective fits, as those of other textures than a grid, leave it where it is.
    """
    rows, columns = coherence.shape
    middle = TILE_MM * np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1)
    # the middle of a tile; its first pixel is on the border
    assumed = lattice.origin + middle + (TILE_MM - 1 / PX_PER_MM) / 2
    true, flat = assumed + offsets, assumed - lattice.curl
    seen = coherence > 0
    update = _homography(flat[seen], true[seen], coherence[seen])
    if not is_regular(update) or not is_regular(update @ lattice.to_mm):
        return lattice
    left = true - _apply(update, flat.reshape(-1, 2)).reshape(flat.shape)
    # smoothing flattens steep edges: only what is new is smoothed, so that nothing is lost in the end
    curl = lattice.curl + _smooth(left - lattice.curl, coherence, SMOOTHING[period])
    return Lattice(update @ lattice.to_mm, lattice.origin, curl, coherence, period)


def _smooth(field: _Floats, weight: _Floats, sigma: float) -> NDArray[np.float32]:
    """Smooth a field [rows, columns, 2], without single tiles that disagree, and continue it over unseen tiles."""
    wide = _mean(field, weight, 1.5)
    off = np.linalg.norm(field - wide, axis=-1)
    trusted = weight / (1 + np.square(off / MAX_CURL))
    near, far = _mean(field, trusted, sigma), _mean(field, trusted, 5.0)
    around = _blurred(weight > 0, sigma)[..., None]
    return np.asarray(np.where(around > 0.1, near, far), np.float32)


def _mean(field: _Floats, weight: _Floats, sigma: float) -> _Floats:
    total = _blurred(weight, sigma) + 1e-9
    return np.stack([_blurred(field[..., axis] * weight, sigma) / total for axis in (0, 1)], axis=-1)


def _blurred(image: NDArray[np.generic], sigma: float) -> _Floats:
    import cv2

    blurred = cv2.GaussianBlur(image.astype(np.float64), (0, 0), sigma, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(blurred, np.float64)


def _extent(shape: tuple[int, ...], to_mm: _Floats) -> tuple[_Floats, tuple[int, int]]:
    """Corner in mm of the rectangle that holds the page, and its number of tiles across and down."""
    height, width = shape
    corners = _apply(to_mm, np.array([[0, 0], [width, 0], [width, height], [0, height]], float))
    low, high = np.floor(corners.min(axis=0) / TILE_MM), np.ceil(corners.max(axis=0) / TILE_MM)
    across, down = np.clip(high - low, 3, MAX_MM // TILE_MM).astype(int).tolist()
    return low * TILE_MM, (across, down)


def _phases(tone: NDArray[np.float32], lattice: Lattice, period: int) -> tuple[_Floats, _Floats]:
    """Measure the phase of the lines in overlapping tiles.

    Returns:
        Offsets [rows, columns, 2] in mm within half a period, and coherence [rows, columns].
    """
    import cv2

    rows, columns = lattice.coherence.shape
    place = lattice.sheet(lattice.origin, (columns, rows), PX_PER_MM)
    flat = np.asarray(cv2.remap(tone, place, None, cv2.INTER_LINEAR), np.float32)  # type: ignore[call-overload]
    energy = _sum(np.abs(flat), (columns, rows))
    offsets, levels = [], []
    for axis in (0, 1):
        angle = 2 * np.pi / period * (np.arange(flat.shape[1 - axis]) / PX_PER_MM + lattice.origin[axis])
        parts = []
        for wave in (np.cos(angle), np.sin(angle)):
            line = wave.astype(np.float32)
            parts.append(_sum(flat * (line[None] if axis == 0 else line[:, None]), (columns, rows)))
        offsets.append(-np.arctan2(parts[1], parts[0]) * period / (2 * np.pi))
        levels.append(np.hypot(*parts) / (energy + 0.05 * energy.max() + 1e-6))
    return np.stack(offsets, axis=-1).astype(float), np.minimum(*levels).astype(float)


def _sum(image: NDArray[np.float32], tiles: tuple[int, int]) -> NDArray[np.float32]:
    import cv2

    means = cv2.resize(image, tiles, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(means, (3, 3), 0, borderType=cv2.BORDER_CONSTANT), np.float32)


def _unwrap(offsets: _Floats, weight: _Floats, period: int) -> tuple[_Floats, _Floats]:
    """Add whole periods so that neighbouring tiles agree, outward from the best tile; drop tiles that are not reached."""
    measured, strength = np.pad(offsets, ((1, 1), (1, 1), (0, 0))), np.pad(weight, 1)
    value, known = np.zeros_like(measured), np.zeros_like(strength)
    first = np.unravel_index(int(np.argmax(strength)), strength.shape)
    front, queued = [(int(first[0]), int(first[1]))], strength <= 0
    queued[first] = True
    while front and strength[first] > 0:
        following = []
        for y, x in front:
            near = known[y - 1 : y + 2, x - 1 : x + 2]
            total = near.sum()
            value[y, x] = measured[y, x]
            if total:
                expected = (value[y - 1 : y + 2, x - 1 : x + 2] * near[..., None]).sum(axis=(0, 1)) / total
                value[y, x] += period * np.round((expected - measured[y, x]) / period)
            known[y, x] = strength[y, x]
            for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if not queued[v, u]:
                    queued[v, u] = True
                    following.append((v, u))
        front = following
    return value[1:-1, 1:-1], known[1:-1, 1:-1]


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


def is_regular(matrix: _Floats) -> bool:
    """Return whether a homography can be inverted."""
    return bool(np.isfinite(matrix).all() and np.linalg.cond(matrix) < MAX_CONDITION)


def _apply(matrix: _Floats, points: _Floats) -> _Floats:
    mapped = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    return np.asarray(mapped[:, :2] / mapped[:, 2:])
