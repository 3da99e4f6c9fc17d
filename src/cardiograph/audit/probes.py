"""How well something predicts the label, without a model of this project: cross-validated by group, with an interval."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cardiograph.audit.findings import Probe
from cardiograph.evaluate.bootstrap import group_weights, percentile_interval, too_few_groups
from cardiograph.evaluate.metrics import score, weighted_scores

FOLDS = 5
RESAMPLES = 400
CONFIDENCE = 0.95
COMPONENTS = 24
"""Wide features (a page header has 1536 grey levels) are reduced to so many principal components of the training folds."""

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


def cross_validated_scores(
    features: Floats, labels: Labels, groups: NDArray[np.int64], *, seed: int, interactions: bool = False
) -> Floats | None:
    """Out-of-fold scores of logistic regression or a forest, comparable across folds.

    Folds hold whole groups and both classes in about equal shares. Within each fold scores are replaced by the share of
    the fold's records that score lower: raw scores of different folds come from different models, and pooling them would
    pull an AUROC without signal below 0.5.

    Args:
        features: [records, columns], finite.
        labels: [records] 0 or 1.
        groups: [records] rows of a group stay in one fold.
        seed: Seed of folds and forest.
        interactions: A forest instead of logistic regression: for few columns of which none need be monotonous.

    Returns:
        [records] 0..1, or None where a class has fewer groups than folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    if min(len(np.unique(groups[labels == label])) for label in (0, 1)) < FOLDS:
        return None
    found = np.full(len(labels), np.nan)
    for train, test in StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed).split(features, labels, groups):
        if len(np.unique(labels[train])) < 2 or not len(test):
            return None
        model = _forest(seed) if interactions else _linear(features.shape[1], len(train), seed)
        raw = model.fit(features[train], labels[train]).predict_proba(features[test])[:, 1]  # type: ignore[attr-defined]
        found[test] = (_ranks(raw) - 0.5) / len(test)
    return found


def cross_validated_auroc(  # noqa: PLR0913 - three arrays of the same records and the knobs of a probe
    features: Floats,
    labels: Labels,
    groups: NDArray[np.int64],
    *,
    seed: int,
    name: str,
    shortcut: bool,
    interactions: bool = False,
) -> Probe | None:
    """How well features predict the label of groups that were not learnt from.

    Args:
        features: [records, columns], finite.
        labels: [records] 0 or 1.
        groups: [records] rows of a group stay in one fold and in one bootstrap draw.
        seed: Seed of folds and resampling.
        name: Name of the probe.
        shortcut: Whether the features should not know the label at all.
        interactions: See :func:`cross_validated_scores`.

    Returns:
        The probe, or None where there are too few groups of a class or no varying column.
    """
    varying = features[:, np.ptp(features, axis=0) > 0] if len(features) else features
    if not varying.shape[1] or len(np.unique(labels)) < 2:
        return None
    scores = cross_validated_scores(varying, labels, groups, seed=seed, interactions=interactions)
    if scores is None:
        return None
    return rank_probe(scores, labels, groups, seed=seed, name=name, shortcut=shortcut, how="cross-validated by group")


def rank_probe(  # noqa: PLR0913 - three arrays of the same records and what the probe is called
    scores: Floats, labels: Labels, groups: NDArray[np.int64], *, seed: int, name: str, shortcut: bool, how: str
) -> Probe:
    """A probe of scores that are there already, with a bootstrap interval over groups.

    Args:
        scores: [records] the higher, the likelier label 1.
        labels: [records] 0 or 1, both present.
        groups: [records].
        seed: Seed of resampling.
        name: Name of the probe.
        shortcut: Whether the scores should not know the label at all.
        how: How the scores came about, in words.
    """
    unit = _ranks(scores) / (len(scores) + 1)
    value = score(labels, unit, 0.5)["auroc"]
    draws = [
        weighted_scores(labels, unit, weights, threshold=0.5, names=("auroc",))["auroc"]
        for weights in group_weights(labels, groups, resamples=RESAMPLES, rng=np.random.default_rng(seed))
    ]
    few = too_few_groups(labels, groups)
    interval = percentile_interval(value, np.concatenate(draws), CONFIDENCE, few=few)
    low, high = (None if math.isnan(end) else float(end) for end in (interval.low, interval.high))
    return Probe(name, float(value), low, high, len(labels), how, shortcut)


def told(probe: Probe) -> str:
    """AUROC and interval as printed."""
    interval = "" if probe.low is None or probe.high is None else f" ({probe.low:.2f}-{probe.high:.2f})"
    return f"AUROC {probe.auroc:.2f}{interval}"


def _ranks(values: Floats) -> Floats:
    from scipy.stats import rankdata

    return np.asarray(rankdata(values), np.float64)


def _linear(width: int, rows: int, seed: int) -> object:
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    reduced = [PCA(min(COMPONENTS, rows // 5), random_state=seed)] if width > COMPONENTS else []
    return make_pipeline(*reduced, StandardScaler(), LogisticRegression(C=1.0, max_iter=1000))


def _forest(seed: int) -> object:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(60, min_samples_leaf=5, random_state=seed)
