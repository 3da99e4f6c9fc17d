"""Curves, scores and regressions against statsmodels and sums on paper."""

import numpy as np
import pytest
import torch
from statsmodels.duration.hazard_regression import PHReg
from statsmodels.duration.survfunc import CumIncidenceRight, SurvfuncRight

from cardiograph.config import ModelConfig
from cardiograph.errors import InputError
from cardiograph.graph.exact import nearest
from cardiograph.models.neighbour_table import NeighbourTable
from cardiograph.survival.cox import absolute_risk, choose_cox, fit_cox, log_likelihood
from cardiograph.survival.curves import censoring, cumulative_incidence, numbers_at_risk, resample, survival
from cardiograph.survival.heads import SurvivalExamples, discrete_loss, train_survival
from cardiograph.survival.outcome import SurvivalOutcome, survival_outcome
from cardiograph.survival.scores import (
    auroc_at,
    brier_at,
    calibration_at,
    harrell_c,
    integrated_brier,
    interval,
    uno_c,
)


def outcome_of(time, event):
    return SurvivalOutcome(np.array(time, float), np.array(event))


@pytest.fixture(scope="module")
def cohort():
    """300 records with ties, censoring and a competing event; the first of three features raises the hazard."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(300, 3))
    event, other = rng.exponential(300 / np.exp(x[:, 0])), rng.exponential(900, 300)
    end = rng.uniform(50, 600, 300)
    time = np.ceil(np.minimum(np.minimum(event, other), end) / 5) * 5
    code = np.where(end < np.minimum(event, other), 0, np.where(event < other, 1, 2))
    return x, outcome_of(time, code)


def test_curves_agree_with_statsmodels(cohort):
    _, outcome = cohort
    theirs = SurvfuncRight(outcome.time, outcome.event > 0)
    ours = survival(outcome).at(theirs.surv_times)[0]
    assert np.allclose(ours, theirs.surv_prob)
    incidence = CumIncidenceRight(outcome.time, outcome.event)
    for cause in (1, 2):
        assert np.allclose(cumulative_incidence(outcome, cause=cause).at(incidence.times)[0], incidence.cinc[cause - 1])


def test_a_resample_is_the_curve_of_repeated_records(cohort):
    _, outcome = cohort
    weights = resample(outcome, resamples=2, rng=np.random.default_rng(1))
    repeated = outcome.at(np.repeat(np.arange(300), weights[1].astype(int)))
    days = np.array([100.0, 300.0])
    assert np.allclose(cumulative_incidence(outcome, weights).at(days)[1], cumulative_incidence(repeated).at(days)[0])
    risk = np.random.default_rng(2).normal(size=300)
    again = np.repeat(risk, weights[1].astype(int))
    assert np.isclose(uno_c(outcome, risk, weights, tau=400)[1], uno_c(repeated, again, tau=400)[0])
    assert np.isclose(auroc_at(outcome, risk, weights, horizon=200)[1], auroc_at(repeated, again, horizon=200)[0])


def test_censoring_curve_on_paper():
    # Day 2: one event and one censoring of three at risk; the event comes first, so one of two is censored.
    curve = censoring(outcome_of([1, 2, 2, 3], [1, 1, 0, 0]))
    assert np.allclose(curve.values[0], [1, 1, 0.5, 0][-3:])
    assert np.array_equal(numbers_at_risk(outcome_of([1, 2, 2, 3], [1, 1, 0, 0]), np.array([0.0, 2.0, 3.0])), [4, 3, 1])


def test_concordance_on_paper():
    # Pairs: (1; 2) (1; 3) (1; 4) (3; 4); record 2 is censored. Agreeing: the first three; (3; 4) is a tie.
    outcome = outcome_of([1, 2, 3, 4], [1, 0, 1, 0])
    risk = np.array([0.9, 0.1, 0.5, 0.5])
    assert np.isclose(harrell_c(outcome, risk)[0], 3.5 / 4)
    # The censoring curve is 2/3 after day 2, so the pair of the event on day 3 weighs 9/4.
    assert np.isclose(uno_c(outcome, risk, tau=5)[0], (3 + 9 / 4 * 0.5) / (3 + 9 / 4))


def test_a_competing_event_counts_as_free_of_the_event():
    outcome = outcome_of([1, 2], [2, 1])
    assert harrell_c(outcome, np.array([0.1, 0.9]))[0] == 1
    assert uno_c(outcome, np.array([0.1, 0.9]), tau=3)[0] == 1
    assert auroc_at(outcome, np.array([0.9, 0.1]), horizon=2)[0] == 0


def test_auroc_and_brier_on_paper():
    # On day 3: cases 1 and 3 with weights 1 and 3/2, control 4 with weight 3/2; record 2 is unknown.
    outcome = outcome_of([1, 2, 3, 4], [1, 0, 1, 0])
    assert np.isclose(auroc_at(outcome, np.array([0.1, 0.9, 0.8, 0.5]), horizon=3)[0], 1.5 / 2.5)
    assert np.isclose(brier_at(outcome, np.array([0.5, 0.9, 0.8, 0.2]), horizon=3)[0], (0.25 + 1.5 * 0.04 * 2) / 4)


def test_scores_without_censoring_are_the_plain_ones(cohort):
    x, outcome = cohort
    known = outcome_of(outcome.time, np.maximum(outcome.event, 1))
    had = known.time <= 200
    had = had & (known.event == 1)
    from sklearn.metrics import brier_score_loss, roc_auc_score

    risk = 1 / (1 + np.exp(-x[:, 0]))
    assert np.isclose(auroc_at(known, risk, horizon=200)[0], roc_auc_score(had, risk))
    assert np.isclose(brier_at(known, risk, horizon=200)[0], brier_score_loss(had, risk))


def test_calibration_of_the_cohorts_own_risk_lies_in_the_interval(cohort):
    _, outcome = cohort
    weights = resample(outcome, resamples=200, rng=np.random.default_rng(3))
    marginal = cumulative_incidence(outcome).at(np.array([200.0]))[0, 0]
    (group,) = calibration_at(outcome, np.full(300, marginal), weights, horizon=200, groups=1)
    assert np.isclose(group.observed.value, group.predicted)
    assert group.observed.low < marginal < group.observed.high


def test_cox_agrees_with_statsmodels_and_a_penalty_shrinks(cohort):
    x, outcome = cohort
    theirs = PHReg(outcome.time, x, status=outcome.event == 1, ties="breslow").fit()
    ours = fit_cox(x, outcome, penalty=1e-9)
    assert np.allclose(ours, theirs.params, atol=1e-5)
    assert np.isclose(log_likelihood(x @ ours, outcome), theirs.llf)
    assert np.linalg.norm(fit_cox(x, outcome, penalty=50.0)) < np.linalg.norm(ours)


def test_absolute_risk_without_predictors_is_the_curve(cohort):
    _, outcome = cohort
    days = np.array([100.0, 300.0])
    risk = absolute_risk(np.zeros(300), outcome, np.zeros(1), horizons=days)
    assert np.allclose(risk[0], cumulative_incidence(outcome).at(days)[0], atol=0.01)


def test_predictions_beat_the_marginal_curve_and_turned_ones_do_not(cohort):
    x, outcome = cohort
    train, val, test = np.arange(150), np.arange(150, 200), np.arange(200, 300)
    fit = choose_cox((x[train], outcome.at(train)), (x[val], outcome.at(val)))
    risk = x[test] @ fit.coefficients
    weights = resample(outcome.at(test), resamples=200, rng=np.random.default_rng(4))
    assert interval(lambda w: harrell_c(outcome.at(test), risk, w), weights).low > 0.55
    days = np.linspace(50, 400, 8)
    mine = absolute_risk(x[train] @ fit.coefficients, outcome.at(train), risk, horizons=days)
    none = absolute_risk(np.zeros(150), outcome.at(train), np.zeros(100), horizons=days)
    turned = absolute_risk(x[train] @ fit.coefficients, outcome.at(train), -risk, horizons=days)
    score = [integrated_brier(outcome.at(test), each, horizons=days)[0] for each in (mine, none, turned)]
    assert score[0] < score[1] < score[2]


def test_discrete_loss_on_paper():
    """Intervals 0-10 and 10-20; equal hazards of one half make every interval that counts worth log 2."""
    edges, hazards = np.array([0.0, 10.0, 20.0]), torch.zeros(6, 2)
    # event in each interval; censored early and late in the second; followed, or ill, beyond the last edge
    outcome = outcome_of([5, 15, 12, 18, 25, 25], [1, 1, 0, 0, 0, 1])
    counted = [1, 2, 1, 2, 2, 2]
    assert float(discrete_loss(hazards, outcome, edges)) == pytest.approx(np.log(2) * np.mean(counted))
    low = torch.full((6, 2), -5.0)
    survived = outcome_of([25], [1]), outcome_of([18], [1])
    beyond, inside = (float(discrete_loss(low[:1], each, edges)) for each in survived)
    assert beyond < 0.02 < inside


@pytest.mark.parametrize("head", ["cox", "discrete"])
@pytest.mark.parametrize("graph", [False, True])
def test_heads_predict_alone_what_they_predict_in_a_batch(cohort, head, graph):
    x, outcome = cohort
    train, val, test = np.arange(150), np.arange(150, 200), np.arange(200, 300)
    single = x.astype(np.float32)

    def examples(rows):
        if not graph:
            return SurvivalExamples.timed(x[rows], outcome.at(rows))
        own = [np.array([row]) for row in range(len(rows))] if rows is train else None
        found = nearest(single[train], single[rows], k=5, forbidden=own)
        return SurvivalExamples.timed(x[rows], outcome.at(rows), NeighbourTable.of(found, torch.full((150,), 6.0)))

    config = ModelConfig(width=16, members=2, epochs=15, learning_rate=0.01)
    fitted = train_survival(examples(train), examples(val), head=head, config=config, seed=1)
    days = np.array([100.0, 200.0, 400.0])
    risk = fitted.risk(examples(test), horizons=days)
    assert np.allclose(fitted.risk(examples(test[:1]), horizons=days), risk[:1], atol=1e-5)
    assert (np.diff(risk, axis=1) >= 0).all()
    assert 0 < risk.min() < risk.max() < 1
    assert harrell_c(outcome.at(test), fitted.score(examples(test)))[0] > 0.6
    marginal = cumulative_incidence(outcome.at(train)).at(days)[0]
    assert np.allclose(risk.mean(0), marginal, atol=0.12)


@pytest.mark.parametrize(
    ("time", "event", "code"),
    [
        ([5, -1], [1, 0], "bad_time"),
        ([5, 0], [1, 0], "bad_time"),
        ([5, np.inf], [1, 0], "bad_time"),
        ([5, np.nan], [1, 0], "bad_time"),
        ([5, np.nan], [1, 1], "event_without_time"),
        ([5, 6], [1, 0.5], "bad_event"),
        ([5, 6], [1, np.nan], "bad_event"),
        ([5, 6], [1, -1], "bad_event"),
        ([5, 6], [0, 2], "no_events"),
    ],
)
def test_each_fault_of_an_outcome_is_named(time, event, code):
    with pytest.raises(InputError) as raised:
        survival_outcome(time, event, records=["a", "b"])
    assert [issue.code for issue in raised.value.issues] == [code]


def test_a_sound_outcome_passes():
    assert list(survival_outcome([5, 6, 7], [1, 0, 2]).event) == [1, 0, 2]
