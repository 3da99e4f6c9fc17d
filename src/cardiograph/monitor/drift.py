"""Two-sample comparisons of recent with reference records, corrected for many tests.

Every effect is a largest difference of shares, 0..1, so that one limit applies to all of them: D of Kolmogorov and
Smirnov is the largest difference of cumulative shares, the total variation is the largest difference in the share of
any set of categories, and a missing value is a category of two.

Source: Rabanser, Günnemann, Lipton, "Failing Loudly: An Empirical Study of Methods for Detecting Dataset Shift",
NeurIPS 2019 (univariate tests of inputs, principal components and scores with a correction).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MIN_RECORDS = 20
"""Records with a value, in the reference and among the recent ones, below which nothing is tested."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """One comparison of recent records with the reference.

    Args:
        what: What is compared, such as ``bnp``.
        records: Which recent records are compared: ``all``, or a site.
        test: Name of the test.
        reference: Mean, or share, in the reference.
        recent: Mean, or share, among the recent records.
        effect: Largest difference of shares, 0..1.
        p: p-value of no difference.
        adjusted_p: p-value after the correction for all comparisons.
        alert: Whether the alert rule holds.
        note: What a reader has to know about the recent values; empty if nothing.
    """

    what: str
    records: str
    test: str
    reference: float
    recent: float
    effect: float
    p: float
    adjusted_p: float = 1.0
    alert: bool = False
    note: str = ""


def _present(reference: Floats, recent: Floats) -> tuple[Floats, Floats] | None:
    """Return the values that are not missing; None if a sample has fewer than :data:`MIN_RECORDS`."""
    before, now = reference[np.isfinite(reference)], recent[np.isfinite(recent)]
    return None if min(len(before), len(now)) < MIN_RECORDS else (before, now)


def compare_numbers(what: str, records: str, reference: Floats, recent: Floats) -> Comparison | None:
    """Compare two samples of a continuous value with the test of Kolmogorov and Smirnov.

    Args:
        what: Name of the value.
        records: Which recent records these are.
        reference: [n] values, NaN where missing.
        recent: [m] values, NaN where missing.

    Returns:
        The comparison; None if a sample has fewer than :data:`MIN_RECORDS` values.
    """
    from scipy.stats import ks_2samp

    present = _present(reference, recent)
    if present is None:
        return None
    before, now = present
    found = ks_2samp(before, now, method="asymp")
    mean, mean_now = float(before.mean()), float(now.mean())
    return Comparison(what, records, "Kolmogorov-Smirnov", mean, mean_now, float(found.statistic), float(found.pvalue))


def compare_categories(what: str, records: str, reference: Floats, recent: Floats) -> Comparison | None:
    """Compare two samples of a variable of few whole values, or of 0 and 1, with a chi-square test.

    Args:
        what: Name of the value.
        records: Which recent records these are.
        reference: [n] values, NaN where missing.
        recent: [m] values, NaN where missing.

    Returns:
        The comparison with the total variation as effect; None if a sample has fewer than :data:`MIN_RECORDS` values.
    """
    from scipy.stats import chi2_contingency

    present = _present(reference, recent)
    if present is None:
        return None
    before, now = present
    levels = np.unique(np.concatenate([before, now]))
    counts = np.array([[(sample == level).sum() for level in levels] for sample in (before, now)])
    shares = counts / counts.sum(axis=1, keepdims=True)
    p = 1.0 if len(levels) < 2 else float(chi2_contingency(counts).pvalue)
    effect = float(np.abs(shares[0] - shares[1]).sum() / 2)
    return Comparison(what, records, "chi-square", float(before.mean()), float(now.mean()), effect, p)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for their number, so that comparing them with a level limits any false alarm to it.

    Source: Holm, Scandinavian Journal of Statistics 6:65, 1979.
    """
    order = np.argsort(p_values)
    steps = np.asarray(p_values, np.float64)[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1) if len(steps) else steps
    return [float(each) for each in adjusted]


def judged(comparisons: Sequence[Comparison], *, alpha: float, effect: float) -> list[Comparison]:
    """Return the comparisons with adjusted p-values, an alert where the rule holds, and the largest effect first.

    Args:
        comparisons: All comparisons of a report.
        alpha: An alert needs an adjusted p-value below this level.
        effect: An alert needs an effect of at least this size, 0..1.
    """
    adjusted = holm([each.p for each in comparisons])
    found = [
        dataclasses.replace(each, adjusted_p=p, alert=p < alpha and each.effect >= effect)
        for each, p in zip(comparisons, adjusted, strict=True)
    ]
    return sorted(found, key=lambda each: (not each.alert, -each.effect))
