import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from cardiograph.synthesis.ceiling import MISSING_SHARE, auroc, measure_ceilings, measure_single_variables, with_gaps
from cardiograph.synthesis.density import draw
from cardiograph.synthesis.variables import column


def check(ceilings, slack):
    assert abs(ceilings.prevalence - 0.3) <= 0.005 + slack
    assert 0.90 - slack <= ceilings.all <= 0.94 + slack
    assert 0.82 - slack <= ceilings.screening <= 0.87 + slack
    assert ceilings.clinical <= ceilings.all - 0.04 + slack
    assert ceilings.clinical < ceilings.all_with_gaps <= ceilings.all


def test_ceilings_lie_where_they_should_on_few_draws():
    check(measure_ceilings(20_000, np.random.default_rng(3)), slack=0.006)
    single = measure_single_variables(10_000, np.random.default_rng(3))
    assert max(max(one.raw, one.posterior) for one in single.values()) < 0.86


@pytest.mark.slow
@pytest.mark.exhaustive
def test_ceilings_lie_where_they_should_on_200000_draws():
    check(measure_ceilings(200_000, np.random.default_rng(0)), slack=0)
    single = measure_single_variables(200_000, np.random.default_rng(0))
    assert max(max(one.raw, one.posterior) for one in single.values()) <= 0.85


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=4, max_size=60))
def test_auroc_is_scikit_learns_ties_included(rows):
    label, score = np.array([row[0] for row in rows], np.int64), np.array([row[1] for row in rows], float)
    if 0 < label.sum() < len(label):
        assert auroc(label, score) == pytest.approx(roc_auc_score(label, score))


def test_gaps_are_as_many_as_stated_and_blind_to_the_label():
    draws = draw(40_000, np.random.default_rng(0))
    gaps = with_gaps(draws, np.random.default_rng(1))
    for name, share in MISSING_SHARE.items():
        missing = np.isnan(gaps.gaussian[:, column(name)])
        assert missing.mean() == pytest.approx(share, abs=0.006)
        assert missing[draws.label == 1].mean() == pytest.approx(missing[draws.label == 0].mean(), abs=0.012)
