"""Probes: how well features predict the label in cross-validation by group, without the models of this package."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cardiograph.audit.findings import Probe
from cardiograph.evaluate.bootstrap import group_weights, highest_labels, percentile_interval, too_few_groups
from cardiograph.evaluate.metrics import score, weighted_scores

PROBE_FOLDS = 5
PROBE_RESAMPLES = 400
CONFIDENCE = 0.95
MAX_COMPONENTS = 24
"""Maximum number of features; more features (a page header has 1536 grey levels) are reduced to this many principal
components of the training folds."""
MAX_TREE_RECORDS = 1000
"""Records that each tree of the forest draws at most."""

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


def cross_validated_scores(
    features: Floats, labels: Labels, groups: NDArray[np.int64], *, seed: int, interactions: bool = False
) -> Floats | None:
    """Compute out-of-fold scores of logistic regression or a random forest, comparable across folds.

    Folds hold whole groups, and groups of each highest label in equal numbers. Within each fold, scores are replaced by
    the share of the fold's records with a lower score: raw scores of different folds come from different models, and
    pooling them would pull an AUROC without signal below 0.5.

    Args:
        features: [records, columns], finite.
        labels: [records] labels from 0.
        groups: [records] group of each record; a group stays in one fold.
        seed: Seed of the folds and the forest.
        interactions: Whether to use a forest instead of logistic regression, for a few columns with non-monotonic
            effects.

    Returns:
        [records] scores 0..1, or [records, classes] with several classes; None if a class has fewer groups than folds.
    """
    classes = np.unique(labels)
    if min(len(np.unique(groups[labels == label])) for label in classes) < PROBE_FOLDS:
        return None
    found = np.full((len(labels), len(classes)), np.nan)
    fold = _folds(labels, groups, np.random.default_rng(seed))
    for number in range(PROBE_FOLDS):
        train, test = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        if len(np.unique(labels[train])) < len(classes) or not len(test):
            return None
        model = _forest(len(train), seed) if interactions else _linear(features.shape[1], len(train), seed)
        raw = model.fit(features[train], labels[train]).predict_proba(features[test])  # type: ignore[attr-defined]
        found[test] = (_ranks(raw) - 0.5) / len(test)
    return found if len(classes) > 2 else found[:, 1]


def cross_validated_auroc(  # noqa: PLR0913 - three arrays of the same records and the settings of a probe
    features: Floats,
    labels: Labels,
    groups: NDArray[np.int64],
    *,
    seed: int,
    name: str,
    shortcut: bool,
    interactions: bool = False,
) -> Probe | None:
    """Measure how well features predict the label of groups that were not used for fitting.

    Args:
        features: [records, columns], finite.
        labels: [records] labels from 0.
        groups: [records] group of each record; a group stays together in folds and bootstrap draws.
        seed: Seed of the folds and the resampling.
        name: Name of the probe.
        shortcut: Whether the features should be unrelated to the label.
        interactions: See :func:`cross_validated_scores`.

    Returns:
        The probe, or None if a class has too few groups or no column varies.
    """
    labels = np.unique(labels, return_inverse=True)[1].astype(np.int64)  # a class may have none of these features
    varying = features[:, np.ptp(features, axis=0) > 0] if len(features) else features
    if not varying.shape[1] or len(np.unique(labels)) < 2:
        return None
    scores = cross_validated_scores(varying, labels, groups, seed=seed, interactions=interactions)
    if scores is None:
        return None
    how = "cross-validated by group"
    how += ", mean over the classes of each against the rest" if scores.ndim == 2 else ""
    return rank_probe(scores, labels, groups, seed=seed, name=name, shortcut=shortcut, how=how)


def rank_probe(  # noqa: PLR0913 - three arrays of the same records and the description of the probe
    scores: Floats, labels: Labels, groups: NDArray[np.int64], *, seed: int, name: str, shortcut: bool, how: str
) -> Probe:
    """Make a probe from given scores, with a bootstrap interval over groups.

    Args:
        scores: [records] a higher score means that label 1 is more likely; [records, classes] with several classes.
        labels: [records] labels from 0, all present.
        groups: [records] group of each record.
        seed: Seed of the resampling.
        name: Name of the probe.
        shortcut: Whether the scores should be unrelated to the label.
        how: Description of how the scores were computed.
    """
    unit = _ranks(scores) / (len(scores) + 1)
    value = score(labels, unit, 0.5)["auroc"]
    draws = [
        weighted_scores(labels, unit, weights, threshold=0.5, names=("auroc",))["auroc"]
        for weights in _resamples(labels.astype(np.int64).tobytes(), groups.astype(np.int64).tobytes(), seed)
    ]
    few = too_few_groups(labels, groups)
    interval = percentile_interval(value, np.concatenate(draws), CONFIDENCE, few=few)
    low, high = (None if math.isnan(end) else float(end) for end in (interval.low, interval.high))
    return Probe(name, float(value), low, high, len(labels), how, shortcut)


@lru_cache(maxsize=1)
def _resamples(labels: bytes, groups: bytes, seed: int) -> tuple[Floats, ...]:
    """Return the bootstrap weights of records; probes of the same records follow each other and share them."""
    records, members = np.frombuffer(labels, np.int64), np.frombuffer(groups, np.int64)
    return tuple(group_weights(records, members, resamples=PROBE_RESAMPLES, rng=np.random.default_rng(seed)))


def format_auroc(probe: Probe) -> str:
    """Format AUROC and interval as text: ``AUROC 0.84 (0.80-0.88)``."""
    interval = "" if probe.low is None or probe.high is None else f" ({probe.low:.2f}-{probe.high:.2f})"
    return f"AUROC {probe.auroc:.2f}{interval}"


def sample_groups(labels: Labels, groups: NDArray[np.int64], limit: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw whole groups until they have about ``limit`` records, as many of each highest label as there are.

    An AUROC does not depend on the share of each label, and its error depends most on the rarest.

    Returns:
        Rows in ascending order.
    """
    _, first, index, sizes = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    highest = highest_labels(labels, index, len(first))
    chosen = np.zeros(len(first), bool)
    kinds = sorted(np.unique(highest), key=lambda kind: sizes[highest == kind].sum())
    for number, kind in enumerate(kinds):
        members = rng.permutation(np.flatnonzero(highest == kind))
        share = (limit - sizes[chosen].sum()) / (len(kinds) - number)
        chosen[members[np.cumsum(sizes[members]) <= max(share, sizes[members[0]])]] = True
    return np.flatnonzero(chosen[index])


def _folds(labels: Labels, groups: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return [records] fold of each record: groups dealt out in turn, sorted by highest label and size.

    ``StratifiedGroupKFold`` of scikit-learn compares all folds for each group, which takes a minute for 100,000 groups.
    """
    _, index, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.lexsort((rng.random(len(sizes)), sizes, highest_labels(labels, index, len(sizes))))
    fold = np.empty(len(sizes), np.int64)
    fold[order] = np.arange(len(sizes)) % PROBE_FOLDS
    return fold[index]


def _ranks(values: Floats) -> Floats:
    from scipy.stats import rankdata

    return np.asarray(rankdata(values, axis=0), np.float64)


def _linear(width: int, rows: int, seed: int) -> object:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    steps = [StandardScaler(), LogisticRegression(C=1.0, max_iter=1000)]
    if width > MAX_COMPONENTS:
        from sklearn.decomposition import PCA

        steps.insert(0, PCA(min(MAX_COMPONENTS, rows // 5), random_state=seed))
    return make_pipeline(*steps)


def _forest(rows: int, seed: int) -> object:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(60, min_samples_leaf=5, max_samples=min(rows, MAX_TREE_RECORDS), random_state=seed)
