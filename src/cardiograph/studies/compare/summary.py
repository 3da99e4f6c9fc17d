"""From fits to tables: leaderboard, differences to the best baseline, verdicts, curves."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from cardiograph.containers import TEST, TRAIN
from cardiograph.evaluate.bootstrap import Interval, resampled_interval
from cardiograph.evaluate.delong import AurocDifference, delong_test
from cardiograph.evaluate.metrics import METRICS
from cardiograph.evaluate.net_benefit import net_benefit, treat_all
from cardiograph.registry import BASELINES, GRAPH_MODELS
from cardiograph.studies.compare.fold_data import FoldData, Place
from cardiograph.studies.compare.folds import keep_labels
from cardiograph.studies.compare.options import DEFAULT, CompareOptions, title_of
from cardiograph.studies.compare.result import (
    COMPARED,
    SCORED,
    CompareFacts,
    Difference,
    LeaderboardRow,
    Point,
    Verdict,
    benefit_name,
)
from cardiograph.studies.compare.trial import LABELS_KEPT, PLAIN, FitResult, Task, best_baseline
from cardiograph.studies.compare.wording import verdict_of
from cardiograph.studies.shared_cohort import Modality

Fits = Mapping[Task, FitResult]


Pair = tuple[FitResult, FitResult]


def labels_of_test(fold_data: FoldData, place: Place) -> NDArray[np.int64]:
    """[labelled test records] of a fold."""
    labels, rows = fold_data.any_dataset.cohort.labels, fold_data.split(place).rows(TEST)
    return labels[rows][labels[rows] >= 0]


def scores_of(labels: NDArray[np.int64], fitted: FitResult, thresholds: Sequence[float]) -> dict[str, float]:
    """Metric -> value on the test records of a fold; NaN where undefined."""
    probabilities = np.array(fitted.probabilities)
    found = {name: METRICS[name].function(labels, probabilities, 0.5) for name in SCORED}
    benefits = net_benefit(labels, probabilities, np.array(thresholds))
    return found | {benefit_name(at): float(each) for at, each in zip(thresholds, benefits, strict=True)}


def mean_of(fold_data: FoldData, values: Sequence[float], confidence: float, metric: str = "") -> Interval:
    """Mean over the folds in which a score is defined, with the corrected resampled t interval; one fold has no interval.

    Few folds make an interval wide; that of a metric does not leave the metric's range.
    """
    defined = np.array([value for value in values if math.isfinite(value)])
    if not len(defined):
        return Interval(math.nan, math.nan, math.nan)
    train, test = fold_data.shares
    found = resampled_interval(defined, train=train, test=test, confidence=confidence)
    if metric not in METRICS:
        return found
    low, high = np.clip([found.low, found.high], *METRICS[metric].range)
    return Interval(found.value, float(low), float(high))


def differences_of(
    fold_data: FoldData, places: Sequence[Place], pairs: Sequence[Pair], confidence: float
) -> dict[str, Interval]:
    """Metric -> first less second: paired over folds, or by DeLong (AUROC alone) where there is one split."""
    values: dict[str, list[float]] = {name: [] for name in COMPARED}
    for place, pair in zip(places, pairs, strict=True):
        labels = labels_of_test(fold_data, place)
        for name in COMPARED:
            first, second = (METRICS[name].function(labels, np.array(each.probabilities), 0.5) for each in pair)
            values[name].append(first - second)
    found = {name: mean_of(fold_data, each, confidence) for name, each in values.items()}
    if fold_data.given is not None:
        told = delong_of(fold_data, pairs[0], confidence)
        found["auroc"] = Interval(told.difference, told.low, told.high)
    return found


def delong_of(fold_data: FoldData, pair: Pair, confidence: float) -> AurocDifference:
    """DeLong's test on the one split that the table brings."""
    labels, place = fold_data.any_dataset.cohort.labels, (0, 0)
    rows = fold_data.split(place).rows(TEST)
    rows = rows[labels[rows] >= 0]
    groups = fold_data.split(place).groups.index[rows]
    first, second = (np.array(each.probabilities) for each in pair)
    return delong_test(labels[rows], (first, second), groups, confidence=confidence)


AS_IT_IS = "as configured"
"""The settings of a model that chose none."""


@dataclass(frozen=True)
class Summary:
    """The fits of a comparison, and how they are told.

    Args:
        fold_data: The cohort.
        facts: What was compared on what.
        fits: Every fit.
        options: How much was compared.
    """

    fold_data: FoldData
    facts: CompareFacts
    fits: Fits
    options: CompareOptions

    @property
    def places(self) -> tuple[Place, ...]:
        """Repeats and folds."""
        return self.options.places

    @property
    def models(self) -> tuple[str, ...]:
        """Compared."""
        return self.options.models

    def leaderboard(self) -> tuple[LeaderboardRow, ...]:
        """A line for each model and modality, the highest AUROC first."""
        rows = []
        for modality in self.facts.modalities:
            lines = [self._row(modality, model) for model in self.models]
            rows += sorted(lines, key=lambda row: -row.scores["auroc"].value)
        return tuple(rows)

    def differences(self) -> tuple[Difference, ...]:
        """Default and graph models against the best baseline of each fold."""
        judged = [model for model in self.models if model in (DEFAULT, *GRAPH_MODELS)]
        return tuple(self._difference(modality, model) for modality in self.facts.modalities for model in judged)

    def verdicts(self, differences: Iterable[Difference]) -> tuple[Verdict, ...]:
        """One for each modality, from its difference of the default and the control of random edges."""
        title = title_of(DEFAULT, self.fold_data.config)
        found = []
        for each in differences:
            if each.model != DEFAULT:
                continue
            default = self._task(each.modality, DEFAULT)
            control = None
            if replace(default, place=self.places[0], rewired=True) in self.fits:
                rewired = self._of(replace(default, rewired=True))
                edges = self._changes(zip(self._of(default), rewired, strict=True))["auroc"]
                baselines = self._changes(zip(rewired, self._best(default), strict=True))["auroc"]
                control = (edges, baselines)
            found.append(verdict_of(self.facts, title, each.modality, each.changes["auroc"], control))
        return tuple(found)

    def curve(self, kind: str, shares: Sequence[float], modality: Modality) -> tuple[Point, ...]:
        """Default and best baseline over the shares of a condition."""
        points = []
        for share in shares:
            condition = PLAIN if kind != LABELS_KEPT and not share else (kind, share)
            default = replace(
                self._task(modality, DEFAULT), tuned=self.options.tuned and kind != LABELS_KEPT, condition=condition
            )
            own, best = self._of(default), self._best(default)
            points.append(
                Point(
                    share,
                    fmean(self._labelled(modality, place, kind, share) for place in self.places),
                    self._auroc(own),
                    self._auroc(best),
                    self._changes(zip(own, best, strict=True)),
                )
            )
        return tuple(points)

    def _row(self, modality: Modality, model: str) -> LeaderboardRow:
        found = self._of(self._task(modality, model))
        each = [
            scores_of(labels_of_test(self.fold_data, place), fitted, self.facts.thresholds)
            for place, fitted in zip(self.places, found, strict=True)
        ]
        values = {name: [scores[name] for scores in each] for name in each[0]}
        settings = Counter(in_words(fitted) for fitted in found)
        return LeaderboardRow(
            modality,
            model,
            title_of(model, self.fold_data.config),
            {name: self._mean(scores, name) for name, scores in values.items()},
            {name: sum(not math.isfinite(value) for value in scores) for name, scores in values.items()},
            self._mean([fitted.seconds for fitted in found]),
            max(fitted.peak_mib for fitted in found),
            dict(settings.most_common()),
        )

    def _difference(self, modality: Modality, model: str) -> Difference:
        task = self._task(modality, model)
        pairs = list(zip(self._of(task), self._best(task), strict=True))
        chosen = Counter(self._best_names(task))
        told = delong_of(self.fold_data, pairs[0], self.facts.confidence) if self.fold_data.given is not None else None
        return Difference(
            modality,
            model,
            title_of(model, self.fold_data.config),
            self._changes(pairs),
            dict(chosen.most_common()),
            None if told is None else told.p,
        )

    def _task(self, modality: Modality, model: str) -> Task:
        """Of no fold in particular."""
        return Task(modality, (0, 0), model, tuned=self.options.tuned)

    def _of(self, task: Task) -> list[FitResult]:
        """The fits of a task in every fold."""
        return [self.fits[replace(task, place=place)] for place in self.places]

    def _best_names(self, like: Task) -> list[str]:
        names = [name for name in BASELINES if name in self.models]
        return [
            best_baseline({name: self.fits[replace(like, place=place, model=name, rewired=False)] for name in names})
            for place in self.places
        ]

    def _best(self, like: Task) -> list[FitResult]:
        """In every fold the baseline that its validation records prefer, under the same modality and condition."""
        return [
            self.fits[replace(like, place=place, model=name, rewired=False)]
            for place, name in zip(self.places, self._best_names(like), strict=True)
        ]

    def _changes(self, pairs: Iterable[Pair]) -> dict[str, Interval]:
        return differences_of(self.fold_data, self.places, list(pairs), self.facts.confidence)

    def _auroc(self, found: Sequence[FitResult]) -> Interval:
        each = zip(self.places, found, strict=True)
        scores = [scores_of(labels_of_test(self.fold_data, place), one, ())["auroc"] for place, one in each]
        return self._mean(scores, "auroc")

    def _mean(self, values: Sequence[float], metric: str = "") -> Interval:
        return mean_of(self.fold_data, values, self.facts.confidence, metric)

    def _labelled(self, modality: Modality, place: Place, kind: str, share: float) -> int:
        dataset = self.fold_data.dataset(modality, place)
        if kind == LABELS_KEPT:
            dataset = keep_labels(dataset, share, np.random.default_rng([self.fold_data.config.seed, *place, 10]))
        return int((dataset.inputs.labels[dataset.split.rows(TRAIN)] >= 0).sum())


def in_words(fitted: FitResult) -> str:
    """The settings that were chosen: ``fusion.image_components = 64``."""
    return ", ".join(f"{key} = {value}" for key, value in fitted.setting.items()) or AS_IT_IS


def treated_all(fold_data: FoldData, places: Sequence[Place], thresholds: Sequence[float]) -> dict[str, float]:
    """Metric -> mean net benefit of acting on everybody."""
    each = np.array([treat_all(labels_of_test(fold_data, place), np.array(thresholds)) for place in places])
    return {benefit_name(at): float(value) for at, value in zip(thresholds, each.mean(axis=0), strict=True)}
