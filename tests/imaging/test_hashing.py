"""Copies of a page are near it, other pages are not, whatever is done to paper and grid."""

import io

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from cardiograph.imaging import hashing
from cardiograph.imaging.grid import crop, find_grid
from cardiograph.imaging.hashing import (
    BANDS,
    COLUMNS,
    DIRECTIONS,
    NEAR_COPY_THRESHOLD,
    NearDuplicateIndex,
    hashes_of_width,
    near_copies_between,
    near_copy_distance,
    near_copy_pairs,
    percentiles,
    perceptual_hash,
    pixel_hash,
)
from cardiograph.imaging.reading import read_page


def encoded(pixels, kind="JPEG", **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    with Image.open(buffer) as image:
        return np.asarray(image.convert("RGB"))


def scaled(pixels, factor):
    size = (round(pixels.shape[1] * factor), round(pixels.shape[0] * factor))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))


def turned(pixels, degrees):
    height, width = pixels.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    return cv2.warpAffine(pixels, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)


COPIES = {
    "quality 50": lambda p: encoded(p, quality=50),
    "png": lambda p: encoded(p, "PNG"),
    "half": lambda p: scaled(p, 0.5),
    "one and a half": lambda p: scaled(p, 1.5),
    "margins cut": lambda p: p[12:-8, 20:-10],
    "pale": lambda p: (p * 0.6 + 90).astype(np.uint8),
    "tinted": lambda p: (p * np.array([1, 0.93, 0.8])).astype(np.uint8),
    "grey": lambda p: np.repeat(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2),
    "upside down": lambda p: p[::-1, ::-1],
    "mirrored": lambda p: p[:, ::-1],
    "turned": lambda p: turned(p, 1.0),
    "turned back": lambda p: turned(p, -1.0),
    "all at once": lambda p: encoded(scaled(turned((p * 0.9).astype(np.uint8), 0.7), 0.8), quality=60),
}


def page_hash(pixels):
    return perceptual_hash(crop(pixels, find_grid(pixels)))


def shared_pages(shared, step):
    for file in sorted((shared / "data" / "ecg-pages" / "images").glob("*.jpg"))[::step]:
        with Image.open(file) as image:
            yield np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("copy", COPIES)
def test_copies_of_shared_pages_are_near(shared, copy):
    for page in shared_pages(shared, 150):
        distance = near_copy_distance(page_hash(page), page_hash(COPIES[copy](page))[None])[0]
        assert distance <= NEAR_COPY_THRESHOLD


def grey(pixels):
    return np.repeat(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)


@pytest.mark.parametrize("folder", ["pages-ludb", "pages-ptb-xl/hr_gt"])
@pytest.mark.parametrize(
    "copy",
    [grey, lambda page: np.where(grey(page) < 128, 0, 255).astype(np.uint8), lambda page: grey(page)[::-1, ::-1]],
    ids=["grey", "black and white", "grey and upside down"],
)
def test_copies_on_red_grids_are_near_and_strangers_are_not(shared, folder, copy):
    files = sorted((shared / "data" / folder).glob("*.png"))[:4]
    pages = [read_page(file, name=file.name).pixels for file in files]
    hashes = np.stack([perceptual_hash(page) for page in pages])
    copies = np.stack([perceptual_hash(copy(page)) for page in pages])
    assert hashing.near_copies_between(hashes, copies).tolist() == [[row, row] for row in range(len(files))]


def test_different_shared_pages_are_not_near(shared):
    hashes = np.stack([page_hash(page) for page in shared_pages(shared, 20)])
    assert len(near_copy_pairs(hashes, 2 * NEAR_COPY_THRESHOLD)) == 0


@pytest.mark.slow
def test_no_two_of_a_quarter_of_the_shared_pages_are_near(shared):
    hashes = np.stack([page_hash(page) for page in shared_pages(shared, 4)])
    assert len(hashes) == 92
    assert len(near_copy_pairs(hashes)) == 0


def test_pixel_hash_knows_shape_and_every_pixel():
    pixels = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)
    assert pixel_hash(pixels) == pixel_hash(pixels.copy())
    assert pixel_hash(pixels) == pixel_hash(np.asfortranarray(pixels))
    assert pixel_hash(pixels) != pixel_hash(pixels.reshape(30, 20, 3))
    other = pixels.copy()
    other[19, 29, 2] ^= 1
    assert pixel_hash(pixels) != pixel_hash(other)
    assert len(pixel_hash(pixels)) == 64


def test_a_page_without_ink_has_a_hash():
    value = perceptual_hash(np.full((200, 300, 3), 255, np.uint8))
    assert value.shape == (BANDS * COLUMNS,)
    assert value.dtype == np.uint8
    assert np.isfinite(near_copy_distance(value, value[None])).all()


def test_distance_is_one_minus_correlation():
    hashes = np.random.default_rng(0).integers(0, 255, (6, BANDS * COLUMNS), dtype=np.uint8)
    ways = [hashing.turned_hashes(one[None]).astype(float) for one in hashes]
    expected = [min(1 - np.corrcoef(hashes[0], way)[0, 1] for way in turned) for turned in ways]
    assert near_copy_distance(hashes[0], hashes) == pytest.approx(expected, abs=1e-5)


def test_pairs_are_all_pairs_across_blocks(monkeypatch):
    monkeypatch.setattr("cardiograph.imaging.hashing._BLOCK_ROWS", 7)
    rng = np.random.default_rng(1)
    hashes = rng.integers(0, 255, (5, BANDS * COLUMNS))[rng.integers(0, 5, 30)]
    hashes = np.clip(hashes + rng.integers(-9, 9, hashes.shape), 0, 255).astype(np.uint8)
    expected = [
        (first, second)
        for first in range(30)
        for second in range(first + 1, 30)
        if near_copy_distance(hashes[first], hashes[second : second + 1])[0] <= NEAR_COPY_THRESHOLD
    ]
    assert sorted(map(tuple, near_copy_pairs(hashes).tolist())) == expected
    assert len(expected) > 10


def test_near_copies_between_two_sets_are_those_that_the_distance_finds(monkeypatch):
    monkeypatch.setattr(hashing, "_BLOCK_ROWS", 7)
    rng = np.random.default_rng(0)
    others = rng.integers(0, 256, (30, 1536), dtype=np.uint8)
    some = rng.integers(0, 256, (17, 1536), dtype=np.uint8)
    some[[2, 9, 16]] = others[[29, 0, 8]]
    found = {tuple(pair) for pair in hashing.near_copies_between(some, others).tolist()}
    assert found == {(2, 29), (9, 0), (16, 8)}
    wide = {tuple(pair) for pair in hashing.near_copies_between(some, others, 0.98).tolist()}
    expected = {
        (row, other)
        for row in range(len(some))
        for other in np.flatnonzero(hashing.near_copy_distance(some[row], others) <= 0.98).tolist()
    }
    assert wide == expected and len(wide) > 3


@given(arrays(np.uint8, array_shapes(max_dims=2, max_side=30)), st.floats(0, 100), st.floats(0, 100))
def test_percentiles_are_those_of_numpy(tones, low, high):
    assert percentiles(tones, low, high) == tuple(np.percentile(tones, [low, high]))


def test_percentiles_between_two_values():
    assert percentiles(np.array([10, 20, 30], np.uint8), 25, 50) == (15.0, 20.0)


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


def test_either_hash_finds_a_copy_and_neither_is_compared_with_the_other():
    leads, picture, other = hashes(1, 1), hashes(1, 2), hashes(2, 3)
    unread = np.zeros_like(leads)
    ecgs = np.hstack(
        [
            np.vstack([leads, unread, leads, picture, unread]),
            np.vstack([picture, picture, other[:1], other[1:], unread]),
        ]
    )
    assert near_copy_pairs(ecgs).tolist() == [[0, 1], [0, 2]]
    assert near_copies_between(ecgs[1:3], ecgs[:1]).tolist() == [[0, 0], [1, 0]]


def test_a_run_with_one_hash_is_compared_by_leads_or_else_by_the_picture():
    leads, pictures = hashes(2, 1), hashes(2, 2)
    both = np.hstack([np.vstack([leads[:1], np.zeros_like(leads[:1])]), pictures])
    kept = hashes_of_width(both, BYTES)
    np.testing.assert_array_equal(kept, np.vstack([leads[:1], pictures[1:]]))
    assert hashes_of_width(both, 2 * BYTES) is both
    assert hashes_of_width(kept, BYTES) is kept


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
