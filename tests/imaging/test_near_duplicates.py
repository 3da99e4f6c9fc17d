"""Near-copies among known pages are those that looking at every hash in full would find."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardiograph.imaging.hashing import NEAR_COPY_THRESHOLD, near_copy_distance
from cardiograph.imaging.near_duplicates import DIRECTIONS, NearDuplicateIndex

BYTES = 1536


def hashes(count, seed=0):
    """Smooth random maps, as those of pages are."""
    rng = np.random.default_rng(seed)
    rough = rng.normal(size=(count, 16, 24)).repeat(4, axis=2).reshape(count, BYTES)
    return np.clip(128 + 32 * rough, 0, 255).astype(np.uint8)


def changed(one, share, seed=1):
    noise = np.random.default_rng(seed).normal(size=one.shape) * 32 * share
    return np.clip(np.round(one + noise), 0, 255).astype(np.uint8)


def in_full(one, known):
    return np.flatnonzero(near_copy_distance(one, known) <= NEAR_COPY_THRESHOLD)


@pytest.mark.parametrize("count", [1, DIRECTIONS - 1, 300, 5000])
def test_finds_a_copy_among_strangers(count):
    known = hashes(count)
    row = count // 2
    assert NearDuplicateIndex(known).near_copies(changed(known[row], 0.1)).tolist() == [row]


def test_finds_nothing_for_a_stranger_or_among_none():
    known = hashes(300)
    assert NearDuplicateIndex(known).near_copies(hashes(1, seed=9)[0]).tolist() == []
    assert NearDuplicateIndex(known[:0]).near_copies(known[0]).tolist() == []


def test_an_even_hash_is_like_nothing():
    known = np.vstack([hashes(20), np.zeros((1, BYTES), np.uint8)])
    assert NearDuplicateIndex(known).near_copies(known[-1]).tolist() == []


@given(share=st.floats(0, 0.5), seed=st.integers(0, 50), rest=st.integers(0, 8))
def test_misses_none_near_the_limit(share, seed, rest):
    """Directions of a few pages know little of the others: the bound has to hold none the less."""
    known = hashes(3 + rest, seed)
    known = np.vstack([known[:1].repeat(40, axis=0), known])
    known = np.stack([changed(one, 0.16, seed + row) for row, one in enumerate(known)])
    query = changed(known[0], share, seed + 99)
    assert NearDuplicateIndex(known).near_copies(query).tolist() == in_full(query, known).tolist()


def test_shared_pages_have_the_same_near_copies_as_in_full(shared):
    from cardiograph.config import RunConfig
    from cardiograph.imaging.prepare import prepare_page

    files = sorted((shared / "data" / "ecg-pages" / "images").glob("*.jpg"))[::40]
    pages = [prepare_page(file, name=file.name, config=RunConfig().pages).perceptual_hash for file in files]
    known = np.stack(pages + [changed(page, 0.1, seed) for seed, page in enumerate(pages)])
    traces = NearDuplicateIndex(known)
    for number, page in enumerate(pages):
        found = traces.near_copies(page).tolist()
        assert found == in_full(page, known).tolist()
        assert {number, number + len(pages)} <= {*found}
