"""The simulator draws from the published distributions, and records how values were simulated."""

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cardiograph.errors import CohortError
from cardiograph.features.simulate import simulate_blind, simulate_from_label
from cardiograph.schema import DEFAULT_VARIABLES

N = 40_000


@pytest.fixture(scope="module")
def drawn():
    labels = np.repeat([0, 1], N)
    return simulate_from_label(labels, np.random.default_rng(0)).values.reshape(2, N, 5)


@pytest.mark.parametrize(
    ("column", "law", "low", "high", "step"),
    [
        (0, (stats.norm(0.60, 0.07), stats.norm(0.38, 0.09)), 0.20, 0.75, 0.001),
        (1, (stats.lognorm(0.6, scale=np.exp(4.2)), stats.lognorm(0.6, scale=np.exp(5.8))), 10, 2000, 0.001),
        (3, (stats.norm(125, 15), stats.norm(110, 15)), 80, 180, 0.1),
        (4, (stats.norm(55, 10), stats.norm(68, 10)), 20, 90, 1),
    ],
)
@pytest.mark.parametrize("label", [0, 1])
def test_each_variable_follows_its_law_clipped_and_rounded(drawn, column, law, low, high, step, label):
    values = drawn[label, :, column]
    assert values.min() >= low
    assert values.max() <= high
    np.testing.assert_allclose(values / step, np.round(values / step), atol=1e-6)
    for point in law[label].ppf([0.1, 0.3, 0.5, 0.7, 0.9]):
        expected = law[label].cdf(np.floor(point / step) * step + step / 2) if low <= point < high else 1.0
        assert (values <= np.floor(point / step) * step + step / 4).mean() == pytest.approx(expected, abs=0.012)


@pytest.mark.parametrize(("label", "shares"), [(0, [0.50, 0.30, 0.15, 0.05]), (1, [0.10, 0.30, 0.40, 0.20])])
def test_nyha_classes_have_their_shares(drawn, label, shares):
    counts = np.bincount(drawn[label, :, 2].astype(int), minlength=5)
    assert counts[0] == 0
    np.testing.assert_allclose(counts[1:] / N, shares, atol=0.012)


def test_values_drawn_from_the_label_give_the_label_away():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 20_000)
    values = simulate_from_label(labels, rng).values
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(values[::2], labels[::2])
    assert roc_auc_score(labels[1::2], model.predict_proba(values[1::2])[:, 1]) == pytest.approx(0.9987, abs=0.003)
    assert model.score(values[1::2], labels[1::2]) == pytest.approx(0.984, abs=0.01)


def test_values_drawn_blind_carry_no_label_but_are_correlated():
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 2, 20_000)
    table = simulate_blind(20_000, 0.5, rng)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(table.values[::2], labels[::2])
    assert roc_auc_score(labels[1::2], model.predict_proba(table.values[1::2])[:, 1]) == pytest.approx(0.5, abs=0.015)
    assert np.corrcoef(table.values[:, 0], np.log(table.values[:, 1]))[0, 1] < -0.4
    assert set(table.provenance) == {"simulated blind to the label"}


@pytest.mark.parametrize(("prevalence", "label"), [(0.0, 0), (1.0, 1)])
def test_the_mixture_at_its_ends_is_one_of_the_classes(prevalence, label, drawn):
    values = simulate_blind(N, prevalence, np.random.default_rng(3)).values
    np.testing.assert_allclose(values.mean(axis=0), drawn[label].mean(axis=0), rtol=0.02)


def test_the_mixture_has_the_requested_prevalence(drawn):
    mean = simulate_blind(N, 0.3, np.random.default_rng(4)).values[:, 0].mean()
    assert mean == pytest.approx(0.7 * drawn[0, :, 0].mean() + 0.3 * drawn[1, :, 0].mean(), abs=0.003)


def test_simulated_values_lie_within_the_limits_of_their_variables(drawn):
    for column, variable in enumerate(DEFAULT_VARIABLES):
        assert drawn[..., column].min() >= variable.low
        assert drawn[..., column].max() <= variable.high


def test_the_table_says_what_it_is_and_repeats_itself():
    labels = np.array([0, 1, 1])
    first, second = (simulate_from_label(labels, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first.values, second.values)
    assert set(first.provenance) == {"simulated from the label"}
    assert first.variables == DEFAULT_VARIABLES


def test_what_cannot_be_simulated_is_refused():
    with pytest.raises(CohortError, match="2 record"):
        simulate_from_label(np.array([0, -1, -1]), np.random.default_rng(0))
    with pytest.raises(ValueError, match="allowed 0-1"):
        simulate_blind(3, 1.5, np.random.default_rng(0))
