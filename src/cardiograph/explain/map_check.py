"""Tests attention maps by deletion and insertion: do the pixels that a map marks move the score more than others?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from cardiograph.artifacts.maps import Gain, MapVerdict
from cardiograph.ecg.leads import LEADS
from cardiograph.evaluate.bootstrap import group_weights, percentile_interval
from cardiograph.explain.case import ExplainedCase
from cardiograph.explain.saliency import PageMap, page_map
from cardiograph.imaging.prepare import INPUT_SIZE

SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Shares of the pixels that are deleted or inserted: the middles of fifths, for the area under the curve."""

RANDOM_MAPS = 4
"""Number of random maps for each page."""

BLUR_PIXELS = 12.0
"""Standard deviation of the blur that deletes pixels of a 224 x 224 input; it keeps the tone of the paper."""

MIN_PAGES = 8
"""Minimum number of pages for an interval."""

RESAMPLES = 2000
"""Number of bootstrap resamples over groups."""

Image = NDArray[np.float32]
"""[3, 224, 224] input of the encoder of a page, or [24, 1112] of an encoder of leads."""

Heat = NDArray[np.float64]
"""[14, 14] 0..1 for a page, [12, 1112] for leads."""


@dataclass(frozen=True)
class MappedPage:
    """A held-out patient and the map of its page.

    Args:
        case: Scored patient without the decoded page, to save memory.
        input: Input of the encoder.
        map: Attention map of the page.
    """

    case: ExplainedCase
    input: Image
    map: PageMap

    @classmethod
    def of(cls, case: ExplainedCase) -> Self:
        """Compute the map of a patient with a page.

        Raises:
            ValueError: If there is no page.
        """
        found = page_map(case)
        image = case.patient.input(case.predictor.bundle.served.reads)
        if image is None:
            message = "a map needs a page"
            raise ValueError(message)
        return cls(replace(case, patient=replace(case.patient, page=None)), image, found)


def map_gains(pages: Sequence[MappedPage], number: int, rng: np.random.Generator) -> tuple[float, float, float]:
    """Return by how much more the map of a page moves the raw score than other maps do.

    The score is the difference of the logits; each changed page finds its own neighbours. Deletion blurs the first 10,
    30, 50, 70 and 90 % of the pixels in the order of a map; with a good map the score quickly approaches that of a page
    without traces. Of leads, the samples become flat (0 mV) instead. Insertion restores the same pixels in the blurred
    page; with a good map the score quickly returns.
    Both are measured in the direction in which the page moved the estimate, and averaged over the shares.

    The other maps are random ones, and the mean map of the other pages that moved the estimate in the same direction. A
    map that beats only random maps may merely separate paper from margin, as a single map for all pages would.

    Source: Petsiuk, Das and Saenko, RISE: Randomized Input Sampling for Explanation of Black-box Models, BMVC 2018,
        section
    4.3 (deletion and insertion); the comparisons are ours.

    Args:
        pages: All pages of the check.
        number: Position of the page in ``pages``.
        rng: Random generator for random maps and the order of equal cells.

    Returns:
        Deletion and insertion compared with random maps, and the mean of both compared with the map of the other pages;
        0 if the page did not move the estimate.
    """
    page = pages[number]
    if not page.map.heat.any():
        return 0.0, 0.0, 0.0
    heats = [page.map.heat, mean_heat(pages, number), *(random_heat(page.map, rng) for _ in range(RANDOM_MAPS))]
    scores = _raw_scores(page, [_ranks(heat, page.input, rng) for heat in heats])
    deleted, inserted = page.map.direction * scores.mean(1).T  # [2, maps]
    both = inserted - deleted
    return (
        float(deleted[2:].mean() - deleted[0]),
        float(inserted[0] - inserted[2:].mean()),
        float(both[0] - both[1]) / 2,
    )


def mean_heat(pages: Sequence[MappedPage], number: int) -> Heat:
    """Return the mean heat of the other pages that moved the estimate in the same direction, else of all others."""
    others = [page.map for place, page in enumerate(pages) if place != number]
    alike = [other for other in others if other.direction == pages[number].map.direction]
    found: Heat = np.mean([other.heat for other in alike or others], axis=0)
    return found


def random_heat(found: PageMap, rng: np.random.Generator) -> Heat:
    """Return a random map with the same values as the heat and the same smoothness as the map.

    It combines the power spectrum of the map with the phases of white noise; its cells then get the values of the heat
    by rank.

    Source: Theiler, Eubank, Longtin, Galdrikian and Farmer, Testing for nonlinearity in time series: the method of
        surrogate
    data, Physica D 58, 1992.
    """
    size = np.abs(np.fft.fft2(found.signed))
    phase = np.angle(np.fft.fft2(rng.normal(size=found.signed.shape)))
    surrogate = np.fft.ifft2(size * np.exp(1j * phase)).real
    heat = np.empty(surrogate.size)
    heat[np.argsort(surrogate, axis=None)] = np.sort(found.heat, axis=None)
    return heat.reshape(surrogate.shape)


def judge_maps(gains: NDArray[np.float64], *, seed: int) -> MapVerdict:
    """Return the verdict over all pages, with bootstrap intervals.

    Args:
        gains: [pages, 3] results of :func:`map_gains`, one page of each group.
        seed: Seed of the bootstrap, of the pages and of the random maps.
    """
    pages, rng = len(gains), np.random.default_rng([seed, 1])
    weights = group_weights(np.zeros(pages, np.int64), np.arange(pages), resamples=RESAMPLES, rng=rng)
    drawn = np.concatenate([each @ gains / pages for each in weights])
    both = zip(gains.mean(0), drawn.T, strict=True)
    found = [percentile_interval(float(value), means, 0.95, few=pages < MIN_PAGES) for value, means in both]
    deletion, insertion, others = (Gain(each.value, each.low, each.high) for each in found)
    return MapVerdict(pages, deletion, insertion, others, RANDOM_MAPS, seed)


def _raw_scores(page: MappedPage, ranks: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return [maps, shares, 2] differences of the logits without the first pixels of each map, and with only them."""
    case, engine = page.case, page.case.predictor.engine
    if engine is None:
        message = "a model without pages has no maps"
        raise ValueError(message)
    image = np.array(list(engine.run(_variants(page.input, ranks))), np.float32)
    count, measured = len(image), case.queries.measurements
    features = case.predictor.bundle.fuse(
        image,
        case.queries.clinical.repeat(count, axis=0),
        None if measured is None else measured.repeat(count, axis=0),
    )
    return case.score_copies(features).raw.reshape(len(ranks), len(SHARES), 2)


def _variants(page: Image, ranks: Sequence[NDArray[np.float64]]) -> Iterator[Image]:
    if page.ndim == 2:
        blurred = np.concatenate([np.zeros_like(page[: len(LEADS)]), page[len(LEADS) :]])
        ranks = [np.concatenate([rank, rank]) for rank in ranks]  # masks are the same in both
    else:
        blurred = np.stack([cv2.GaussianBlur(channel, (0, 0), BLUR_PIXELS) for channel in page])
    for rank in ranks:
        for share in SHARES:
            first = rank < share
            yield np.where(first, blurred, page)
            yield np.where(first, page, blurred)


def _ranks(heat: Heat, page: Image, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return [224, 224] ranks 0..1, the hottest pixel first and equal pixels in random order.

    Of leads, [12, 1112] ranks; samples that were not recorded have the rank 1.
    """
    fine, used = heat, page[len(LEADS) :] > 0
    if page.ndim > 2:
        fine = np.asarray(cv2.resize(heat, (INPUT_SIZE, INPUT_SIZE), interpolation=cv2.INTER_LINEAR), np.float64)
        used = np.ones(fine.shape, bool)
    ranks, values = np.ones(fine.shape), fine[used]
    order = np.empty(values.size)
    order[np.lexsort((rng.random(values.size), -values))] = np.arange(values.size) / values.size
    ranks[used] = order
    return ranks
