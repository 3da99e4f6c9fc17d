"""Summary of the fits of a comparison: leaderboard, differences from the best baseline, verdicts and curves."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np

from cardiograph.containers import TEST, TRAIN
from cardiograph.evaluate.bootstrap import Interval, resampled_interval
from cardiograph.evaluate.delong import AurocDifference, delong_test
from cardiograph.evaluate.net_benefit import net_benefit, treat_all
from cardiograph.studies.compare.fold_data import FoldData, FoldPlace
from cardiograph.studies.compare.folds import keep_labels
from cardiograph.studies.compare.kinds import KINDS, FollowUp, Kind, Truth, class_aurocs
from cardiograph.studies.compare.options import DEFAULT, CompareOptions, model_title
from cardiograph.studies.compare.result import (
    CompareFacts,
    Difference,
    GraphVerdict,
    LeaderboardRow,
    Point,
    benefit_name,
)
from cardiograph.studies.compare.trial import LABELS_KEPT, NO_CONDITION, FitResult, Task, best_baseline
from cardiograph.studies.compare.wording import verdict_of
from cardiograph.studies.shared_cohort import Modality

Fits = Mapping[Task, FitResult]

Pair = tuple[FitResult, FitResult]
"""Two fits of the same fold."""


def fold_scores(kind: Kind, truth: Truth, fitted: FitResult, thresholds: Sequence[float] = ()) -> dict[str, float]:
    """Return metric -> value on the test records of a fold; NaN if undefined.

    Args:
        kind: Kind of outcome.
        truth: Outcome of the test records.
        fitted: Fit of the fold.
        thresholds: Thresholds of net benefit; empty unless the outcome is binary.
    """
    found = {name: score.value(truth, fitted.predicted) for name, score in KINDS[kind].scores.items()}
    if not thresholds or isinstance(truth, FollowUp):
        return found
    benefits = net_benefit(truth, fitted.predicted, np.array(thresholds))
    return found | {benefit_name(at): float(each) for at, each in zip(thresholds, benefits, strict=True)}


def mean_of(fold_data: FoldData, values: Sequence[float], confidence: float, metric: str = "") -> Interval:
    """Return the mean over the folds in which a score is defined, with the corrected resampled t interval.

    A single fold gives no interval. The interval of a metric is clipped to the range of the metric.
    """
    defined = np.array([value for value in values if math.isfinite(value)])
    if not len(defined):
        return Interval(math.nan, math.nan, math.nan)
    train, test = fold_data.shares
    found = resampled_interval(defined, train=train, test=test, confidence=confidence)
    if metric not in fold_data.scores.scores:
        return found
    low, high = np.clip([found.low, found.high], *fold_data.scores.scores[metric].range)
    return Interval(found.value, float(low), float(high))


def differences_of(
    fold_data: FoldData, places: Sequence[FoldPlace], pairs: Sequence[Pair], confidence: float
) -> dict[str, Interval]:
    """Return metric -> first minus second, paired over folds; for a single split the AUROC has DeLong's interval."""
    values: dict[str, list[float]] = {name: [] for name in fold_data.scores.compared}
    for place, pair in zip(places, pairs, strict=True):
        truth = fold_data.truth(place)
        for name, differences in values.items():
            first, second = (fold_data.scores.scores[name].value(truth, each.predicted) for each in pair)
            differences.append(first - second)
    found = {name: mean_of(fold_data, each, confidence) for name, each in values.items()}
    if fold_data.given is not None:
        test = delong_of(fold_data, pairs[0], confidence)
        found["auroc"] = Interval(test.difference, test.low, test.high)
    return found


def delong_of(fold_data: FoldData, pair: Pair, confidence: float) -> AurocDifference:
    """Apply DeLong's test to the split of the table."""
    labels, place = fold_data.any_dataset.cohort.labels, (0, 0)
    rows = fold_data.split(place).rows(TEST)
    rows = rows[labels[rows] >= 0]
    groups = fold_data.split(place).groups.index[rows]
    first, second = (each.predicted for each in pair)
    return delong_test(labels[rows], (first, second), groups, confidence=confidence)


AS_CONFIGURED = "as configured"
"""Settings of a model without a choice, as text."""


@dataclass(frozen=True)
class Summary:
    """Makes the tables of a comparison from its fits.

    Args:
        fold_data: Cohort with its folds.
        facts: Cohort and settings.
        fits: All fits.
        options: Extent of the comparison.
    """

    fold_data: FoldData
    facts: CompareFacts
    fits: Fits
    options: CompareOptions

    @property
    def places(self) -> tuple[FoldPlace, ...]:
        """Pairs of repeat and fold."""
        return self.options.places

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the compared models."""
        return self.options.models

    def leaderboard(self) -> tuple[LeaderboardRow, ...]:
        """Return a row for each modality and model, the highest primary score first."""
        rows = []
        for modality in self.facts.modalities:
            lines = [self._row(modality, model) for model in self.models]
            rows += sorted(lines, key=lambda row: -row.scores[self.primary].value)
        return tuple(rows)

    def differences(self) -> tuple[Difference, ...]:
        """Return the differences of the default and the graph models from the best baseline of each fold."""
        compared = [model for model in self.models if model in (DEFAULT, *self.fold_data.scores.graph_models)]
        return tuple(self._difference(modality, model) for modality in self.facts.modalities for model in compared)

    def verdicts(self, differences: Iterable[Difference]) -> tuple[GraphVerdict, ...]:
        """Return a verdict for each modality, from the difference of the default and the control with random edges."""
        title = self._title(DEFAULT)
        found = []
        for each in differences:
            if each.model != DEFAULT:
                continue
            default = self._task(each.modality, DEFAULT)
            control = None
            if replace(default, place=self.places[0], rewired=True) in self.fits:
                rewired = self._of(replace(default, rewired=True))
                edges = self._changes(zip(self._of(default), rewired, strict=True))[self.primary]
                baselines = self._changes(zip(rewired, self._best(default), strict=True))[self.primary]
                control = (edges, baselines)
            found.append(verdict_of(self.facts, title, each.modality, each.changes[self.primary], control))
        return tuple(found)

    def curve(self, kind: str, shares: Sequence[float], modality: Modality) -> tuple[Point, ...]:
        """Return the primary score of default and best baseline over the shares of a condition."""
        points = []
        for share in shares:
            condition = NO_CONDITION if kind != LABELS_KEPT and not share else (kind, share)
            default = replace(
                self._task(modality, DEFAULT), tuned=self.options.tuned and kind != LABELS_KEPT, condition=condition
            )
            own, best = self._of(default), self._best(default)
            points.append(
                Point(
                    share,
                    fmean(self._labelled(modality, place, kind, share) for place in self.places),
                    self._primary_of(own),
                    self._primary_of(best),
                    self._changes(zip(own, best, strict=True)),
                )
            )
        return tuple(points)

    def _row(self, modality: Modality, model: str) -> LeaderboardRow:
        found = self._of(self._task(modality, model))
        each = [
            fold_scores(self.facts.kind, self.fold_data.truth(place), fitted, self.facts.thresholds)
            for place, fitted in zip(self.places, found, strict=True)
        ]
        values = {name: [scores[name] for scores in each] for name in each[0]}
        settings = Counter(setting_text(fitted) for fitted in found)
        return LeaderboardRow(
            modality,
            model,
            self._title(model),
            {name: self._mean(scores, name) for name, scores in values.items()},
            {name: sum(not math.isfinite(value) for value in scores) for name, scores in values.items()},
            self._mean([fitted.seconds for fitted in found]),
            max(fitted.peak_mib for fitted in found),
            dict(settings.most_common()),
            self._by_class(found),
        )

    def _by_class(self, found: Sequence[FitResult]) -> dict[str, Interval]:
        """Return the AUROC of each class or label."""
        if not self.facts.classes:
            return {}
        each = [
            class_aurocs(truth, fitted.predicted)
            for truth, fitted in zip(map(self.fold_data.truth, self.places), found, strict=True)
            if not isinstance(truth, FollowUp)
        ]
        values = zip(self.facts.classes, zip(*each, strict=True), strict=True)
        return {name: self._mean(aurocs, self.primary) for name, aurocs in values}

    def _difference(self, modality: Modality, model: str) -> Difference:
        task = self._task(modality, model)
        pairs = list(zip(self._of(task), self._best(task), strict=True))
        chosen = Counter(self._best_names(task))
        given = self.fold_data.given is not None
        p = delong_of(self.fold_data, pairs[0], self.facts.confidence).p if given else None
        return Difference(
            modality,
            model,
            self._title(model),
            self._changes(pairs),
            dict(chosen.most_common()),
            p,
        )

    @property
    def primary(self) -> str:
        """Name of the score that decides the order and the verdict."""
        return self.fold_data.scores.primary

    def _title(self, model: str) -> str:
        return model_title(model, self.fold_data.config, self.facts.kind)

    def _task(self, modality: Modality, model: str) -> Task:
        """Return a task without its fold; `_of` sets the fold of each fit."""
        return Task(modality, (0, 0), model, tuned=self.options.tuned)

    def _of(self, task: Task) -> list[FitResult]:
        """Return the fits of a task in every fold."""
        return [self.fits[replace(task, place=place)] for place in self.places]

    def _best_names(self, like: Task) -> list[str]:
        names = [name for name in self.fold_data.scores.baselines if name in self.models]
        fits = [
            {name: self.fits[replace(like, place=place, model=name, rewired=False)] for name in names}
            for place in self.places
        ]
        return [best_baseline(each, names) for each in fits]

    def _best(self, like: Task) -> list[FitResult]:
        """Return the fit of the best baseline in every fold, with the same modality and condition."""
        return [
            self.fits[replace(like, place=place, model=name, rewired=False)]
            for place, name in zip(self.places, self._best_names(like), strict=True)
        ]

    def _changes(self, pairs: Iterable[Pair]) -> dict[str, Interval]:
        return differences_of(self.fold_data, self.places, list(pairs), self.facts.confidence)

    def _primary_of(self, found: Sequence[FitResult]) -> Interval:
        score, each = self.fold_data.scores.scores[self.primary], zip(self.places, found, strict=True)
        return self._mean(
            [score.value(self.fold_data.truth(place), one.predicted) for place, one in each], self.primary
        )

    def _mean(self, values: Sequence[float], metric: str = "") -> Interval:
        return mean_of(self.fold_data, values, self.facts.confidence, metric)

    def _labelled(self, modality: Modality, place: FoldPlace, kind: str, share: float) -> int:
        dataset = self.fold_data.dataset(modality, place)
        if kind == LABELS_KEPT:
            dataset = keep_labels(dataset, share, np.random.default_rng([self.fold_data.config.seed, *place, 10]))
        return int((dataset.inputs.labels[dataset.split.rows(TRAIN)] >= 0).sum())


def setting_text(fitted: FitResult) -> str:
    """Return the chosen settings as text: ``fusion.image_components = 64``."""
    return ", ".join(f"{key} = {value}" for key, value in fitted.setting.items()) or AS_CONFIGURED


def treat_all_benefits(
    fold_data: FoldData, places: Sequence[FoldPlace], thresholds: Sequence[float]
) -> dict[str, float]:
    """Return metric -> mean net benefit of treating all patients; empty unless the outcome is binary."""
    if fold_data.kind != "binary":
        return {}
    truths = [truth for truth in map(fold_data.truth, places) if not isinstance(truth, FollowUp)]
    each = np.array([treat_all(truth, np.array(thresholds)) for truth in truths])
    return {benefit_name(at): float(value) for at, value in zip(thresholds, each.mean(axis=0), strict=True)}
