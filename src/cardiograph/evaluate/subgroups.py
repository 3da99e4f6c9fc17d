"""Scores of one model in subgroups of the test records, with intervals."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.evaluate.bootstrap import MIN_GROUPS, MIN_RECORDS_FOR_THREADS, Interval, bootstrap_scores
from cardiograph.evaluate.results import SubgroupLevel, Subgroups
from cardiograph.threads import in_threads

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

MISSING = "missing"
MAX_LEVELS = 12
"""Maximum number of distinct texts of a column that defines subgroups."""
AGE_CUTS_YEARS = (50.0, 65.0, 75.0)
"""Lower ends of the age bands above the first."""
MAX_NUMERIC_LEVELS = 6
"""Maximum number of distinct numbers that are levels of their own; a column with more is cut into thirds."""
SCORES = ("auroc", "sensitivity", "specificity", "brier", "calibration_intercept")


@dataclass(frozen=True)
class Grouping:
    """Partition of the records by the values of one column.

    Args:
        name: Name of the column.
        levels: Names of the levels in printing order; :data:`MISSING` comes last if a record has no value.
        level_of: [n] index of each record's level in ``levels``.
        cut: Description of how numbers were cut; empty if they were not.
    """

    name: str
    levels: tuple[str, ...]
    level_of: NDArray[np.int64]
    cut: str = ""


def group_by(name: str, values: Sequence[object] | NDArray[Any]) -> Grouping | None:
    """Partition records by a column.

    A column ``age`` is cut at 50, 65 and 75 years. Any other column with more than :data:`MAX_NUMERIC_LEVELS` distinct
    numbers is cut into thirds of the given records (the test records), so its ranges describe this test set only.
    Otherwise, each value is a level. A missing value (None, NaN, empty text) is a level of its own.

    Args:
        name: Name of the column.
        values: [n] numbers or text.

    Returns:
        The partition, or None if there is only one level or more than :data:`MAX_LEVELS` distinct texts.
    """
    texts = ["" if _absent(value) else str(value).strip() for value in values]
    present = np.array([bool(text) for text in texts], dtype=bool)
    numbers = _numbers(texts)
    cuts, cut = ((), "") if numbers is None else _cuts(name, numbers[present])
    if numbers is not None and cuts:
        band_of = np.searchsorted(cuts, np.nan_to_num(numbers), side="right")
        names = _band_names(cuts, numbers, band_of, present)
        texts = [names[band] if has_value else "" for band, has_value in zip(band_of, present, strict=True)]
        order = [names[band] for band in range(len(cuts) + 1)]
    elif numbers is not None:
        texts = [_exact(number) if has_value else "" for number, has_value in zip(numbers, present, strict=True)]
        order = [_exact(number) for number in np.unique(numbers[present])]
    else:
        order = sorted(set(texts) - {""})
    levels = tuple(level for level in order if level in set(texts))
    if len(levels) > MAX_LEVELS or len(levels) + bool((~present).any()) < 2:
        return None
    place = {level: number for number, level in enumerate(levels)} | {"": len(levels)}
    names_of = (*levels, MISSING) if (~present).any() else levels
    return Grouping(name, names_of, np.array([place[text] for text in texts], dtype=np.int64), cut)


def subgroup_scores(  # noqa: PLR0913 - three arrays that belong together, the columns, and the knobs of a bootstrap
    labels: Labels,
    probabilities: Floats,
    groups: NDArray[np.int64],
    groupings: Sequence[Grouping],
    *,
    threshold: float,
    resamples: int,
    confidence: float,
    seed: int,
) -> dict[str, Subgroups]:
    """Score one model in each level of each grouping: discrimination, decisions and calibration.

    Differences between levels are **not** tested: there are many levels, and some differ by chance. A level has counts
    only if fewer than :data:`cardiograph.evaluate.bootstrap.MIN_GROUPS` of its groups have a positive record, or fewer
    have none. A score that is the same on all resamples has no interval.

    Args:
        labels: [n] 0 or 1, of the test records.
        probabilities: [n] probability of label 1.
        groups: [n] group of each record; whole groups are resampled within a level.
        groupings: Results of :func:`group_by` for the same records.
        threshold: Decision threshold, the same in every level.
        resamples: Number of bootstrap resamples.
        confidence: Confidence level of the intervals.
        seed: Seed of the resamples.

    Returns:
        Name of the grouping -> size and scores of its levels.
    """
    found: dict[str, Subgroups] = {}
    for grouping in groupings:

        def scored(place: int, grouping: Grouping = grouping) -> SubgroupLevel:
            rows = np.flatnonzero(grouping.level_of == place)
            few = _too_few(labels[rows], groups[rows])
            scores = None
            if not few:
                intervals = bootstrap_scores(
                    labels[rows],
                    {"model": probabilities[rows]},
                    groups[rows],
                    {"model": threshold},
                    resamples=resamples,
                    confidence=confidence,
                    rng=np.random.default_rng(seed),
                    names=SCORES,
                )["model"]
                scores = {name: _with_spread(interval).as_score() for name, interval in intervals.items()}
            return SubgroupLevel(
                level=grouping.levels[place],
                records=len(rows),
                positive=int(labels[rows].sum()),
                groups=len(np.unique(groups[rows])),
                too_few=few,
                scores=scores,
            )

        levels = in_threads(scored, range(len(grouping.levels)), many=len(labels) >= MIN_RECORDS_FOR_THREADS)
        found[grouping.name] = Subgroups(cut=grouping.cut, levels=levels)
    return found


def groupings_of(columns: Mapping[str, Sequence[object] | NDArray[Any]]) -> list[Grouping]:
    """Return the grouping of every column that has one, see :func:`group_by`."""
    found = (group_by(name, values) for name, values in columns.items())
    return [grouping for grouping in found if grouping is not None]


def _with_spread(interval: Interval) -> Interval:
    """Drop the ends if all resamples agree, for instance if all positives were found: that does not mean certainty."""
    return Interval(interval.value, math.nan, math.nan) if interval.low == interval.high else interval


def _too_few(labels: Labels, groups: NDArray[np.int64]) -> bool:
    positive = len(np.unique(groups[labels == 1]))
    return min(positive, len(np.unique(groups)) - positive) < MIN_GROUPS


def _absent(value: object) -> bool:
    return value is None or value != value or str(value).strip().lower() in ("", "nan", "<na>", "nat", MISSING)


def _numbers(texts: Sequence[str]) -> Floats | None:
    """[n] numbers, NaN for an empty text; None if a text is not a number, or if all are empty."""
    try:
        numbers = np.array([float(text) if text else math.nan for text in texts])
    except ValueError:
        return None
    usable = np.isfinite(numbers).any() and not np.isinf(numbers).any()
    return numbers + 0.0 if usable else None  # -0 becomes 0


def _cuts(name: str, numbers: Floats) -> tuple[tuple[float, ...], str]:
    """Return the lower ends of the bands above the first, and a description of them."""
    if name.lower() in ("age", "age_years"):
        return AGE_CUTS_YEARS, "fixed bands of age, in years"
    if len(np.unique(numbers)) <= MAX_NUMERIC_LEVELS:
        return (), ""
    low = float(numbers.min())
    thirds = {float(cut) for cut in np.quantile(numbers, [1 / 3, 2 / 3], method="higher") if cut > low}
    return tuple(sorted(thirds)), "thirds of the test records"


def _band_names(
    cuts: tuple[float, ...], numbers: Floats, band_of: NDArray[np.int64], present: NDArray[np.bool_]
) -> list[str]:
    """Name fixed bands by their limits, and thirds by their smallest and largest values."""
    if cuts == AGE_CUTS_YEARS:
        ends = [f"{low:g} to {high - 1:g}" for low, high in itertools.pairwise(cuts)]
        return [f"below {cuts[0]:g}", *ends, f"{cuts[-1]:g} and above"]
    bands = [numbers[present & (band_of == band)] for band in range(len(cuts) + 1)]
    names = [f"{each.min():.4g} to {each.max():.4g}" for each in bands]
    ambiguous = len(set(names)) < len(names)
    return [f"{_exact(each.min())} to {_exact(each.max())}" for each in bands] if ambiguous else names


def _exact(number: float) -> str:
    """Return the shortest text that identifies the number exactly."""
    return np.format_float_positional(number, trim="-")
