import numpy as np
import pytest
from scipy import stats

from cardiograph.schema import DEFAULT_VARIABLES
from cardiograph.synthesis.density import ALL_VARIABLES, CLINICAL, ECG, draw, join, posterior, posteriors
from cardiograph.synthesis.states import FAILING, PATTERNS, PHENOTYPES, components, conditions
from cardiograph.synthesis.variables import LATENTS, NAMES, column

DRAWS = draw(4000, np.random.default_rng(0))


def by_hand(draws, row, variables):
    """The posterior of one patient with scipy's densities."""
    table = components()
    likelihood = table.weight.copy()
    for name in variables:
        if name == "nyha":
            likelihood *= table.nyha[:, draws.nyha[row] - 1]
        elif name in ("rhythm", "conduction"):
            likelihood *= getattr(draws, name)[row] == getattr(table, name)
        else:
            value, mean = draws.gaussian[row, column(name)], table.mean[:, column(name)]
            if np.isnan(value):
                likelihood *= np.isnan(mean)
            else:
                likelihood *= np.nan_to_num(stats.norm.pdf(value, mean, table.spread[column(name)]), nan=0.0)
    return likelihood @ table.label / likelihood.sum()


@pytest.mark.parametrize("variables", [ALL_VARIABLES, ECG, CLINICAL, ("f_wave_mv",), ("nyha", "conduction")])
def test_posterior_is_bayes_rule_by_hand(variables):
    ours = posterior(DRAWS, variables)
    for row in range(60):
        assert ours[row] == pytest.approx(by_hand(DRAWS, row, variables), rel=1e-9, abs=1e-12)


def test_posterior_is_calibrated():
    """Among patients with posterior p, a share p has label 1."""
    draws = draw(40_000, np.random.default_rng(1))
    score = posterior(draws, ALL_VARIABLES)
    for low in np.arange(0, 1, 0.1):
        inside = (score >= low) & (score < low + 0.1)
        expected, seen = score[inside].mean(), draws.label[inside].mean()
        assert abs(seen - expected) < 4 * np.sqrt(expected * (1 - expected) / inside.sum()) + 1e-3


def test_a_missing_value_is_left_out():
    gaussian = DRAWS.gaussian.copy()
    gaussian[:, column("bnp")] = np.nan
    without = tuple(name for name in ALL_VARIABLES if name != "bnp")
    assert np.allclose(posterior(DRAWS.with_gaussian(gaussian), ALL_VARIABLES), posterior(DRAWS, without))


def test_knowing_nothing_leaves_the_prevalence():
    assert posterior(DRAWS, ()) == pytest.approx(0.3)


def test_chunks_do_not_matter():
    sets = {"all": ALL_VARIABLES, "clinical": CLINICAL}
    small, large = posteriors(DRAWS, sets, chunk=37), posteriors(DRAWS, sets, chunk=10**6)
    assert all(np.allclose(small[key], large[key], rtol=1e-12) for key in sets)


def test_unknown_variable_is_named():
    with pytest.raises(ValueError, match="'troponin'"):
        posterior(DRAWS, ("troponin",))


def test_weights_add_up_and_label_is_severity():
    table = components()
    assert sum(condition.weight for condition in conditions()) == pytest.approx(1)
    assert table.weight.sum() == pytest.approx(1)
    assert table.weight @ table.label == pytest.approx(0.3)
    assert np.array_equal(table.label == 1, table.severity >= FAILING)
    for condition in conditions():
        assert sum(condition.patterns.values()) == pytest.approx(1)
        assert sum(condition.nyha) == pytest.approx(1)


def test_some_sick_hearts_have_a_normal_ecg():
    table = components()
    normal = table.pattern == list(PATTERNS).index("normal")
    share = table.weight[normal & (table.label == 1)].sum() / 0.3
    assert 0.1 < share < 0.4


@pytest.mark.parametrize("phenotype", PHENOTYPES[1:])
def test_every_disease_exists_with_and_without_failure(phenotype):
    table = components()
    mine = table.phenotype == PHENOTYPES.index(phenotype)
    assert set(table.severity[mine]) == {1, 2, 3}


def test_draws_follow_the_table():
    draws = draw(60_000, np.random.default_rng(2))
    table = components()
    state = int(np.argmax(table.weight))
    mine = draws.gaussian[draws.component == state]
    assert len(mine) / len(draws) == pytest.approx(table.weight[state], rel=0.03)
    exists = ~np.isnan(table.mean[state])
    assert np.allclose(mine.mean(0)[exists], table.mean[state][exists], atol=table.spread[exists].max() * 0.05)
    assert np.allclose(mine.std(0)[exists], table.spread[exists], rtol=0.05)
    assert np.isnan(mine[:, ~exists]).all()


def test_clinical_values_never_leave_the_limits_of_the_schema():
    limits = {variable.name: variable for variable in DEFAULT_VARIABLES}
    for latent in LATENTS:
        if latent.kind == "clinical":
            extreme = latent.from_gaussian(np.array([-12.0, 12.0]))
            assert limits[latent.name].low <= extreme[0] < extreme[1] <= limits[latent.name].high


@pytest.mark.parametrize("latent", LATENTS, ids=NAMES)
def test_scales_invert_each_other(latent):
    gaussian = latent.to_gaussian(latent.median) + latent.spread * np.linspace(-3, 3, 7)
    assert np.allclose(latent.to_gaussian(latent.from_gaussian(gaussian)), gaussian)
    assert (np.diff(latent.from_gaussian(gaussian)) > 0).all()


def test_join_keeps_order():
    first, second = draw(3, np.random.default_rng(1)), draw(2, np.random.default_rng(2))
    joined = join([first, second])
    assert len(joined) == 5
    assert np.array_equal(joined.gaussian[3:], second.gaussian, equal_nan=True)
