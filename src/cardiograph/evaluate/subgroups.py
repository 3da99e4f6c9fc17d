"""The scores of the kept model in subgroups of the test records, each with its interval."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.evaluate.bootstrap import FEWEST_GROUPS, Interval, bootstrap_scores

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

MISSING = "missing"
MOST_LEVELS = 12
"""Different values up to which a column of text names subgroups."""
AGE_CUTS = (50.0, 65.0, 75.0)
"""Lower ends, in years, of the age bands above the first."""
NUMBERS_CUT = 6
"""Different numbers above which a column of numbers is cut into thirds; up to here each number is a level."""
SCORES = ("auroc", "sensitivity", "specificity", "brier", "calibration_intercept")


@dataclass(frozen=True)
class Grouping:
    """One way to part the records.

    Args:
        name: Name of the column.
        levels: Names in the order of printing; :data:`MISSING` comes last where a record has no value.
        level_of: [n] place of each record's level in ``levels``.
        cut: How numbers were cut, in words; empty where they were not.
    """

    name: str
    levels: tuple[str, ...]
    level_of: NDArray[np.int64]
    cut: str = ""


def group_by(name: str, values: Sequence[object] | NDArray[Any]) -> Grouping | None:
    """Part records by a column.

    Numbers: ``age`` is cut at 50, 65 and 75 years; another column with more than :data:`NUMBERS_CUT` different numbers into
    thirds of the records given, which are to be the test records, so that its ranges describe this test set and no other.
    All else: each value is a level. No value (None, NaN, empty text) is a level of its own.

    Args:
        name: Name of the column.
        values: [n] numbers or text.

    Returns:
        None where there is nothing to part: one level, or more than :data:`MOST_LEVELS` different texts.
    """
    texts = ["" if _absent(value) else str(value).strip() for value in values]
    present = np.array([bool(text) for text in texts], dtype=bool)
    numbers = _numbers(texts)
    cuts, cut = ((), "") if numbers is None else _cuts(name, numbers[present])
    if numbers is not None and cuts:
        band_of = np.searchsorted(cuts, np.nan_to_num(numbers), side="right")
        names = _band_names(cuts, numbers, band_of, present)
        texts = [names[band] if there else "" for band, there in zip(band_of, present, strict=True)]
        order = [names[band] for band in range(len(cuts) + 1)]
    elif numbers is not None:
        texts = [_printed(number) if there else "" for number, there in zip(numbers, present, strict=True)]
        order = [_printed(number) for number in np.unique(numbers[present])]
    else:
        order = sorted(set(texts) - {""})
    levels = tuple(level for level in order if level in set(texts))
    if len(levels) > MOST_LEVELS or len(levels) + bool((~present).any()) < 2:
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
) -> dict[str, Any]:
    """Discrimination, decisions and calibration of one model in each level of each grouping.

    Differences between levels are **not** tested: many are looked at, and some will differ by chance. A level in which fewer
    than :data:`cardiograph.evaluate.bootstrap.FEWEST_GROUPS` groups have a positive record, or have none, has counts only;
    a score on which all resamples agree has no interval.

    Args:
        labels: [n] 0 or 1, of the test records.
        probabilities: [n] of label 1.
        groups: [n] group of each record; whole groups are resampled inside a level.
        groupings: From :func:`group_by`, on the same records.
        threshold: Threshold of the decision, the same in every level.
        resamples: Number of bootstrap samples.
        confidence: Confidence of the intervals.
        seed: Seed of the resamples.

    Returns:
        Name of the grouping -> ``cut`` and ``levels``: a list of ``level``, ``records``, ``positive``, ``groups``,
        ``too_few`` and ``scores`` (name -> value, low, high; None where too few). Plain values, ready for JSON.
    """
    found: dict[str, Any] = {}
    for grouping in groupings:
        rows_of = [np.flatnonzero(grouping.level_of == place) for place in range(len(grouping.levels))]
        levels: list[dict[str, Any]] = []
        for level, rows in zip(grouping.levels, rows_of, strict=True):
            few = _too_few(labels[rows], groups[rows])
            counts = {"records": len(rows), "positive": int(labels[rows].sum()), "groups": len(np.unique(groups[rows]))}
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
                scores = {name: _with_spread(interval).as_dict() for name, interval in intervals.items()}
            levels.append({"level": level, **counts, "too_few": few, "scores": scores})
        found[grouping.name] = {"cut": grouping.cut, "levels": levels}
    return found


def groupings_of(columns: Mapping[str, Sequence[object] | NDArray[Any]]) -> list[Grouping]:
    """Every column that parts the records, see :func:`group_by`."""
    found = (group_by(name, values) for name, values in columns.items())
    return [grouping for grouping in found if grouping is not None]


def _with_spread(interval: Interval) -> Interval:
    """Without its ends where all resamples agree, as they do where all positives were found: that is no certainty."""
    return Interval(interval.value, math.nan, math.nan) if interval.low == interval.high else interval


def _too_few(labels: Labels, groups: NDArray[np.int64]) -> bool:
    positive = len(np.unique(groups[labels == 1]))
    return min(positive, len(np.unique(groups)) - positive) < FEWEST_GROUPS


def _absent(value: object) -> bool:
    return value is None or value != value or str(value).strip().lower() in ("", "nan", "<na>", "nat", MISSING)


def _numbers(texts: Sequence[str]) -> Floats | None:
    """[n] numbers, NaN where there is no text; None where a text is no number, or there is none at all."""
    try:
        numbers = np.array([float(text) if text else math.nan for text in texts])
    except ValueError:
        return None
    usable = np.isfinite(numbers).any() and not np.isinf(numbers).any()
    return numbers + 0.0 if usable else None  # -0 becomes 0


def _cuts(name: str, numbers: Floats) -> tuple[tuple[float, ...], str]:
    """Lower ends of the bands above the first, and how they came about."""
    if name.lower() in ("age", "age_years"):
        return AGE_CUTS, "fixed bands of age, in years"
    if len(np.unique(numbers)) <= NUMBERS_CUT:
        return (), ""
    low = float(numbers.min())
    thirds = {float(cut) for cut in np.quantile(numbers, [1 / 3, 2 / 3], method="higher") if cut > low}
    return tuple(sorted(thirds)), "thirds of the test records"


def _band_names(
    cuts: tuple[float, ...], numbers: Floats, band_of: NDArray[np.int64], present: NDArray[np.bool_]
) -> list[str]:
    """Fixed bands by their limits; thirds by the smallest and largest value that they hold."""
    if cuts == AGE_CUTS:
        ends = [f"{low:g} to {high - 1:g}" for low, high in itertools.pairwise(cuts)]
        return [f"below {cuts[0]:g}", *ends, f"{cuts[-1]:g} and above"]
    held = [numbers[present & (band_of == band)] for band in range(len(cuts) + 1)]
    names = [f"{each.min():.4g} to {each.max():.4g}" for each in held]
    alike = len(set(names)) < len(names)
    return [f"{_printed(each.min())} to {_printed(each.max())}" for each in held] if alike else names


def _printed(number: float) -> str:
    """The shortest text that is this number and no other."""
    return np.format_float_positional(number, trim="-")
