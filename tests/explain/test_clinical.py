"""Effects add up, leave out what is not given, and come from the predictor's own arithmetic."""

import dataclasses

import numpy as np
import pytest
import torch
from tests.contracts.conftest import learn
from tests.explain.conftest import case_from, case_of

from cardiograph.explain.clinical import block_effects, clinical_effects


def effects_of(case):
    return clinical_effects(case, rng=np.random.default_rng(0))


def test_effects_sum_to_the_probability_less_that_without_any_value(cases):
    for case in cases:
        found = effects_of(case)
        assert sum(e.effect for e in found.effects) == pytest.approx(case.probability - found.none_given, abs=1e-9)


def test_the_given_values_and_no_others_have_an_effect(cases):
    counts = set()
    for case in cases:
        given = {
            v.name: value for v, value in zip(case.predictor.bundle.scaler.variables, case.patient.values, strict=True)
        }
        given = {name: value for name, value in given.items() if not np.isnan(value)}
        assert {e.name: e.value for e in effects_of(case).effects} == given
        counts.add(len(given))
    assert {0, 5} < counts


def test_some_values_matter(cases):
    assert max(abs(e.effect) for case in cases for e in effects_of(case).effects) > 0.001


def test_a_value_taken_away_is_scored_as_the_predictor_scores_a_missing_one(predictor, cases):
    """Two values: the effect of the first is the mean of what it adds with and without the second."""
    case = next(case for case in cases if np.isfinite(case.patient.values).sum() == 5)
    clinical = np.full((1, 5), np.nan)
    clinical[0, [0, 1]] = case.queries.clinical[0, [0, 1]]

    def scored(values):
        """A patient with these values, by the predictor alone."""
        return predictor.score(dataclasses.replace(case.queries, clinical=values)).probabilities[0]

    two = case_from(predictor, dataclasses.replace(case.queries, clinical=clinical))
    found = effects_of(two)
    alone = [np.where(np.arange(5) == column, clinical, np.nan) for column in (0, 1)]
    first, second, both = scored(alone[0]), scored(alone[1]), scored(clinical)
    assert both == two.probability
    assert found.effects[0].effect == pytest.approx((both - second + first - found.none_given) / 2, abs=1e-12)


def test_taking_all_away_one_by_one_leaves_medians_and_raised_indicators(predictor):
    scaler = predictor.bundle.scaler
    one_given = np.full((2, 5), np.nan)
    one_given[0, 0], one_given[1, 1] = 0.5, 100
    rows = scaler.transform(one_given)
    own = [0, *(5 + np.flatnonzero(np.flatnonzero(scaler.has_gaps) == 0))]  # columns of the first variable
    rows[0, own] = rows[1, own]
    np.testing.assert_array_equal(scaler.not_given, rows[0])


def test_a_variable_that_the_network_does_not_read_has_no_effect(dataset):
    predictor = learn(dataset, "logistic")[2]
    names = predictor.bundle.fusion.layout[0]
    unread = [number for number, name in enumerate(names) if name in ("sbp", "sbp_missing")]
    with torch.no_grad():
        predictor._network.linear.weight[:, unread] = 0
    for row in dataset.rows("test"):
        effects = {e.name: e.effect for e in effects_of(case_of(predictor, dataset, row)).effects}
        assert effects.pop("sbp", 0.0) == 0
        assert not effects or any(effects.values())


def test_more_than_eight_values_are_sampled_and_say_how_well(monkeypatch, cases):
    monkeypatch.setattr("cardiograph.explain.clinical.MAX_EXACT_PLAYERS", 3)
    case = next(case for case in cases if np.isfinite(case.patient.values).all())
    sampled = effects_of(case)
    monkeypatch.undo()
    exact = effects_of(case)
    assert exact.exact and not sampled.exact
    for a, b in zip(sampled.effects, exact.effects, strict=True):
        assert abs(a.effect - b.effect) < 4 * a.standard_error + 1e-6
    assert sum(e.effect for e in sampled.effects) == pytest.approx(case.probability - sampled.none_given, abs=1e-9)


def test_block_effects_add_up_and_an_absent_block_has_none(cases):
    seen = set()
    for case in cases:
        found = block_effects(case)
        assert found.empty + found.effects.sum() == pytest.approx(case.probability, abs=1e-9)
        assert found.empty == case.without_blocks(np.zeros((1, 2), bool)).probabilities[0]
        for block, effect in zip(("image", "clinical"), found.effects, strict=True):
            seen.add((block, block in case.scores.absent_blocks[0]))
            assert block not in case.scores.absent_blocks[0] or effect == 0
    assert seen == {(block, lacks) for block in ("image", "clinical") for lacks in (False, True)}


def test_a_block_taken_away_is_scored_as_for_a_patient_who_lacks_it(predictor, cases):
    case = next(case for case in cases if not case.scores.absent_blocks[0])
    found = case.without_blocks(np.array([[False, True], [True, False]]))
    for row, block in enumerate(("image", "clinical")):
        nothing = {block: np.full_like(getattr(case.queries, block), np.nan)}
        expected = predictor.score(dataclasses.replace(case.queries, **nothing))
        assert found.raw[row] == pytest.approx(expected.raw[0], abs=1e-12)
        assert found.probabilities[row] == pytest.approx(expected.probabilities[0], abs=1e-12)
        np.testing.assert_array_equal(found.neighbours.index[row], expected.neighbours.index[0])


def test_without_any_block_nobody_is_a_neighbour(cases):
    nothing = cases[0].without_blocks(np.zeros((1, 2), bool))
    assert (nothing.neighbours.index == -1).all() and np.isfinite(nothing.probabilities).all()


def complete(case):
    return not case.scores.absent_blocks[0] and np.isfinite(case.patient.values).all()


def test_same_page_other_values_differ_by_their_effects(predictor, cases):
    """The whole difference of two answers is found in the effects, where values act through neighbours, too."""
    first, *others = [case for case in cases if complete(case)]
    differences = []
    for other in others:
        second = case_from(predictor, dataclasses.replace(first.queries, clinical=other.queries.clinical))
        explained = [sum(each.effect for each in effects_of(case).effects) for case in (first, second)]
        differences.append(first.probability - second.probability)
        assert explained[0] - explained[1] == pytest.approx(differences[-1], abs=1e-9)
    assert any(differences)


@pytest.mark.parametrize("name", ["gcn", "gat", "sage", "knn_vote"])
def test_a_value_that_only_chooses_neighbours_has_an_effect(dataset, name, monkeypatch):
    """The network is shown no own feature, so all that a value does it does through its neighbours."""
    predictor = learn(dataset, name)[2]
    logits = predictor.logits
    monkeypatch.setattr(predictor, "logits", lambda own, neighbours: logits(torch.zeros_like(own), neighbours))
    cases = [case_of(predictor, dataset, row) for row in dataset.rows("test")]
    assert any(each.effect for case in cases if complete(case) for each in effects_of(case).effects)
