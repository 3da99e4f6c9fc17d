"""Near-copies among many pages are those that comparing all of them finds."""

import numpy as np

from cardiograph import known_pages
from cardiograph.imaging.hashing import NEAR_COPY_THRESHOLD, near_copy_distance
from cardiograph.known_pages import KnownPages


def test_the_projection_misses_no_near_copy(monkeypatch):
    monkeypatch.setattr(known_pages, "FEW", 10)
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 256, size=(300, 1536)).astype(np.uint8)
    shift = rng.normal(0, 16, size=(60, 1536))
    hashes[100:160] = np.clip(hashes[5] + shift * np.linspace(0.2, 2, 60)[:, None], 0, 255)
    rows = np.setdiff1d(np.arange(300), [7, 120])
    true = rows[near_copy_distance(hashes[5], hashes[rows]) <= NEAR_COPY_THRESHOLD]
    assert 5 < len(true) < 60
    assert KnownPages(hashes, rows).near_copies(hashes[5]) == true.tolist()
    assert KnownPages(hashes, rows).near_copies(rng.integers(0, 256, 1536).astype(np.uint8)) == []
