"""Means, differences and verdicts are what a hand computes from the fits."""

import dataclasses
import math

import numpy as np
import pytest
from scipy.stats import t
from sklearn.metrics import brier_score_loss, roc_auc_score
from tests.studies.compared import fit_result, made_fold_data

from cardiograph.containers import Split
from cardiograph.evaluate.bootstrap import Interval
from cardiograph.evaluate.delong import delong_test
from cardiograph.studies.compare.compare import _facts, tasks_of
from cardiograph.studies.compare.options import CompareOptions
from cardiograph.studies.compare.summary import Summary, mean_of
from cardiograph.studies.compare.wording import judge

MODELS = ("default", "mlp", "logistic")


class CohortStub:
    """The attributes of a shared cohort that the facts need."""

    def __init__(self, fold_data):
        from pathlib import Path

        self.source, self.config, self.cohort = Path("made.csv"), fold_data.config, fold_data.any_dataset.cohort


def summed(fold_data, options, seed=0):
    """Fits with random probabilities: the default leans to the label; validation prefers another baseline in each fold."""
    rng = np.random.default_rng(seed)
    fits = {}
    for task in tasks_of(fold_data, options):
        labels = fold_data.truth(task.place)
        lean = {"default": 0.6, "mlp": 0.2, "logistic": 0.3}[task.model] * (0.5 if task.rewired else 1)
        values = np.clip(rng.random(len(labels)) * 0.6 + lean * labels, 0, 1)
        prefers = ("mlp", "logistic")[sum(task.place) % 2]
        fits[task] = fit_result(values, 0.3 if task.model == prefers else 0.4, seconds=1 + task.place[1])
    return Summary(fold_data, _facts(fold_data, CohortStub(fold_data), options), fits, options)


@pytest.fixture
def summary():
    return summed(made_fold_data(folds=3), CompareOptions(models=MODELS, folds=3, repeats=2))


def by_hand(values, folds):
    values = np.array(values)
    test = 1 / folds
    error = math.sqrt(values.var(ddof=1) * (1 / len(values) + test / ((1 - test) * 0.8)))
    reach = t.ppf(0.975, len(values) - 1) * error
    return values.mean(), values.mean() - reach, values.mean() + reach


def fitted(summary, model, place, **changes):
    return next(
        np.array(fit.probabilities)
        for task, fit in summary.fits.items()
        if (task.model, task.place) == (model, place) and task.rewired == changes.get("rewired", False)
    )


def test_a_difference_is_paired_with_the_baseline_that_the_fold_prefers(summary):
    auroc, brier = [], []
    for place in summary.places:
        labels = summary.fold_data.truth(place)
        own, best = fitted(summary, "default", place), fitted(summary, ("mlp", "logistic")[sum(place) % 2], place)
        auroc.append(roc_auc_score(labels, own) - roc_auc_score(labels, best))
        brier.append(brier_score_loss(labels, own) - brier_score_loss(labels, best))
    (found,) = summary.differences()
    for name, values in (("auroc", auroc), ("brier", brier)):
        change = found.changes[name]
        assert (change.value, change.low, change.high) == pytest.approx(by_hand(values, 3))
    assert found.baselines == {"mlp": 3, "logistic": 3}
    assert found.p is None


def test_the_leaderboard_has_the_mean_over_folds_and_is_sorted(summary):
    rows = summary.leaderboard()
    row = next(row for row in rows if row.model == "logistic")
    values = [
        roc_auc_score(summary.fold_data.truth(place), fitted(summary, "logistic", place)) for place in summary.places
    ]
    found = row.scores["auroc"]
    assert (found.value, found.low, found.high) == pytest.approx(np.clip(by_hand(values, 3), 0, 1))
    assert row.seconds.value == pytest.approx(2)
    assert rows[0].model == "default"
    assert {"net_benefit_at_0.1", "net_benefit_at_0.2", "net_benefit_at_0.3"} <= set(row.scores)


def test_the_verdict_holds_the_default_against_itself_with_random_edges(summary):
    (verdict,) = summary.verdicts(summary.differences())
    values = []
    for place in summary.places:
        labels = summary.fold_data.truth(place)
        pair = [roc_auc_score(labels, fitted(summary, "default", place, rewired=rewired)) for rewired in (False, True)]
        values.append(pair[0] - pair[1])
    assert (verdict.edges.value, verdict.edges.low, verdict.edges.high) == pytest.approx(by_hand(values, 3))
    assert verdict.change == summary.differences()[0].changes["auroc"]
    assert verdict.rewired.value == pytest.approx(verdict.change.value - verdict.edges.value)


@pytest.mark.parametrize(
    ("change", "edges", "expected"),
    [
        ((0.05, 0.01, 0.09), (0.03, 0.01, 0.05), "yes"),
        ((0.05, 0.01, 0.09), (0.03, -0.01, 0.05), "not the edges"),
        ((0.05, -0.01, 0.09), (0.03, 0.01, 0.05), "undecided"),
        ((-0.05, -0.09, -0.01), (0.03, 0.01, 0.05), "no"),
        ((0.05, math.nan, math.nan), (0.03, math.nan, math.nan), "undecided"),
    ],
)
def test_it_helps_only_beyond_chance_and_by_its_edges(change, edges, expected):
    assert judge(Interval(*change), Interval(*edges)) == expected


def test_a_score_that_no_fold_defines_is_undefined_and_counted(summary):
    separated = {
        task: fit_result(summary.fold_data.truth(task.place)) if task.model == "mlp" else fit
        for task, fit in summary.fits.items()
    }
    rows = Summary(summary.fold_data, summary.facts, separated, summary.options).leaderboard()
    row = next(row for row in rows if row.model == "mlp")
    assert row.undefined["calibration_slope"] == 6
    assert math.isnan(row.scores["calibration_slope"].value)
    assert row.undefined["auroc"] == 0


def test_the_interval_of_a_score_stays_in_its_range(summary):
    spread = [0.6, 1.0, 0.7, 1.0]
    free, held = (mean_of(summary.fold_data, spread, 0.95, name) for name in ("", "auroc"))
    assert free.high > 1
    assert held == dataclasses.replace(free, high=1.0)


def test_one_split_of_one_record_each_has_delongs_interval():
    drawn = made_fold_data(folds=3, unlabelled=0).split((0, 0))
    part, groups = drawn.part.copy(), drawn.groups
    _, first = np.unique(groups.index, return_index=True)
    second = np.setdiff1d(np.arange(len(part)), first)
    part[second[part[second] == "test"]] = "excluded"
    fold_data = made_fold_data(folds=3, unlabelled=0, given=Split(part, groups, "given"))
    summary = summed(fold_data, CompareOptions(models=MODELS, own_split=True))
    labels = fold_data.truth((0, 0))
    pair = fitted(summary, "default", (0, 0)), fitted(summary, "mlp", (0, 0))
    expected = delong_test(labels, pair, np.arange(len(labels)))
    (found,) = summary.differences()
    assert found.p == expected.p
    change = found.changes["auroc"]
    assert (change.value, change.low, change.high) == (expected.difference, expected.low, expected.high)
    assert math.isnan(found.changes["brier"].low)
    assert math.isnan(summary.leaderboard()[0].scores["auroc"].low)
    assert summary.facts.folds * summary.facts.repeats == 1
