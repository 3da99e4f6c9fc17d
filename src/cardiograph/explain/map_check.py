"""Does a map mean something? Pixels that it marks are taken away, or put back, and other maps are held against it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from cardiograph.artifacts.maps import Gain, MapVerdict
from cardiograph.evaluate.bootstrap import group_weights, percentile_interval
from cardiograph.explain.case import ExplainedCase
from cardiograph.explain.saliency import PageMap, page_map
from cardiograph.imaging.prepare import INPUT_SIZE

SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Shares of the pixels that are taken away or put back: the middles of fifths, for the area under the curve."""

RANDOMS = 4
"""Random maps of each page."""

BLUR = 12.0
"""Standard deviation of the blur that takes a pixel away, in pixels of the 224: no trace is left, the paper's tone is."""

FEWEST_PAGES = 8
"""Below which no interval is given."""

RESAMPLES = 2000
"""Of the bootstrap over groups."""

Image = NDArray[np.float32]
"""[3, 224, 224] input of the encoder."""

Heat = NDArray[np.float64]
"""[14, 14] 0..1."""


@dataclass(frozen=True)
class MappedPage:
    """A held-out patient and the map of its page.

    Args:
        case: The patient; the page itself is dropped, so that many can be held.
        input: Input of the encoder.
        map: Map of the page.
    """

    case: ExplainedCase
    input: Image
    map: PageMap

    @classmethod
    def of(cls, case: ExplainedCase) -> Self:
        """From a patient with a page.

        Raises:
            ValueError: There is no page.
        """
        found, page = page_map(case), case.patient.page
        if page is None:
            message = "a map needs a page"
            raise ValueError(message)
        return cls(replace(case, patient=replace(case.patient, page=None)), page.input, found)


def map_gains(pages: Sequence[MappedPage], number: int, rng: np.random.Generator) -> tuple[float, float, float]:
    """By how much more the map of a page moves the raw score than other maps do.

    The score is the difference of the logits; each changed page chooses its own neighbours. Taken away are the first 10,
    30, 50, 70 and 90 % of the pixels in the order of a map, by a blur; a good map takes the score soon towards that without
    traces. Put back are the same pixels, into the blurred page; a good map brings the score soon back. Both are counted
    in the direction in which the page moved the estimate, and averaged over the shares.

    Other maps are random ones, and the mean map of the other pages that moved the estimate in the same direction. Who
    beats random maps alone may only tell paper from margin, as one map would for all pages.

    Source: Petsiuk, Das and Saenko, RISE: Randomized Input Sampling for Explanation of Black-box Models, BMVC 2018, section
    4.3 (deletion and insertion); the comparisons are ours.

    Args:
        pages: All that are checked.
        number: Which.
        rng: Draws random maps and the order among equal cells.

    Returns:
        Deletion and insertion against random maps, and the mean of both against the other pages' map; 0 where there is
        nothing to compare, as the page did not move the estimate.
    """
    page = pages[number]
    if not page.map.heat.any():
        return 0.0, 0.0, 0.0
    heats = [page.map.heat, mean_heat(pages, number), *(random_heat(page.map, rng) for _ in range(RANDOMS))]
    scores = _raw_scores(page, [_ranks(heat, rng) for heat in heats])
    deleted, inserted = page.map.direction * scores.mean(1).T  # [2, maps]
    both = inserted - deleted
    return (
        float(deleted[2:].mean() - deleted[0]),
        float(inserted[0] - inserted[2:].mean()),
        float(both[0] - both[1]) / 2,
    )


def mean_heat(pages: Sequence[MappedPage], number: int) -> Heat:
    """Mean heat of the other pages that moved the estimate in the same direction; of all others where there is none."""
    others = [page.map for place, page in enumerate(pages) if place != number]
    alike = [other for other in others if other.direction == pages[number].map.direction]
    found: Heat = np.mean([other.heat for other in alike or others], axis=0)
    return found


def random_heat(found: PageMap, rng: np.random.Generator) -> Heat:
    """A random map with the very values of the heat, and the smoothness of the map.

    It has the power spectrum of the map and the phases of white noise; its cells then get the values of the heat by rank.

    Source: Theiler, Eubank, Longtin, Galdrikian and Farmer, Testing for nonlinearity in time series: the method of surrogate
    data, Physica D 58, 1992.
    """
    size = np.abs(np.fft.fft2(found.signed))
    phase = np.angle(np.fft.fft2(rng.normal(size=found.signed.shape)))
    surrogate = np.fft.ifft2(size * np.exp(1j * phase)).real
    heat = np.empty(surrogate.size)
    heat[np.argsort(surrogate, axis=None)] = np.sort(found.heat, axis=None)
    return heat.reshape(surrogate.shape)


def judge_maps(gains: NDArray[np.float64], *, seed: int) -> MapVerdict:
    """The verdict over pages.

    Args:
        gains: [pages, 3] of :func:`map_gains`, one page of each group.
        seed: Seed of the bootstrap, and of what was drawn before.
    """
    pages, rng = len(gains), np.random.default_rng([seed, 1])
    weights = group_weights(np.zeros(pages, np.int64), np.arange(pages), resamples=RESAMPLES, rng=rng)
    drawn = np.concatenate([each @ gains / pages for each in weights])
    both = zip(gains.mean(0), drawn.T, strict=True)
    found = [percentile_interval(float(value), means, 0.95, few=pages < FEWEST_PAGES) for value, means in both]
    deletion, insertion, others = (Gain(each.value, each.low, each.high) for each in found)
    return MapVerdict(pages, deletion, insertion, others, RANDOMS, seed)


def _raw_scores(page: MappedPage, ranks: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """[maps, shares, 2] difference of the logits without the first pixels of each map, and with nothing but them."""
    case, engine = page.case, page.case.predictor.engine
    if engine is None:
        message = "a model without pages has no maps"
        raise ValueError(message)
    image = np.array(list(engine.run(_variants(page.input, ranks))), np.float32)
    scaler, count = case.predictor.bundle.scaler, len(image)
    clinical = None if scaler is None else scaler.transform(case.queries.clinical.repeat(count, axis=0))
    features = case.predictor.bundle.fusion.transform(image, clinical)
    return case.judged(features).raw.reshape(len(ranks), len(SHARES), 2)


def _variants(page: Image, ranks: Sequence[NDArray[np.float64]]) -> Iterator[Image]:
    blurred = np.stack([cv2.GaussianBlur(channel, (0, 0), BLUR) for channel in page])
    for rank in ranks:
        for share in SHARES:
            first = rank < share
            yield np.where(first, blurred, page)
            yield np.where(first, page, blurred)


def _ranks(heat: Heat, rng: np.random.Generator) -> NDArray[np.float64]:
    """[224, 224] 0..1: the share of pixels that come before each, from the hottest on; equal ones in a random order."""
    fine = cv2.resize(heat, (INPUT_SIZE, INPUT_SIZE), interpolation=cv2.INTER_LINEAR)
    ranks = np.empty(fine.size)
    ranks[np.lexsort((rng.random(fine.size), -fine.ravel()))] = np.arange(fine.size) / fine.size
    return ranks.reshape(fine.shape)
