"""Effects add up, leave out what is not given, and come from the predictor's own arithmetic."""

import dataclasses

import numpy as np
import pytest
import torch
from tests.contracts.conftest import learn
from tests.explain.conftest import case_of

from cardiograph.containers import Neighbourhood
from cardiograph.explain.clinical import block_effects, clinical_effects
from cardiograph.inference.queries import Attached


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


def test_a_value_taken_away_is_scored_as_the_predictor_scores_a_missing_one(predictor, studied, cases):
    """Two values: the effect of the first is the mean of what it adds with and without the second."""
    case = next(case for case in cases if np.isfinite(case.patient.values).sum() == 5)
    clinical = np.full((1, 5), np.nan)
    clinical[0, [0, 1]] = case.queries.clinical[0, [0, 1]]

    def scored(values):
        """A patient with these values who hears the same neighbours, by the predictor alone."""
        features = predictor.fuse(dataclasses.replace(case.queries, clinical=values))
        return predictor.judge(Attached(features, hood, case.attached.known), case.queries.ties).probabilities[0]

    hood = predictor.attach(dataclasses.replace(case.queries, clinical=clinical)).neighbours
    row = studied.rows("test")[0]
    queries = dataclasses.replace(case.queries, clinical=clinical)
    attached = predictor.attach(queries)
    two = dataclasses.replace(
        case_of(predictor, studied, row),
        patient=dataclasses.replace(case.patient, values=clinical[0].tolist()),
        queries=queries,
        attached=attached,
        scores=predictor.judge(attached, queries.ties),
    )
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


def test_a_variable_that_the_network_does_not_read_has_no_effect(studied):
    predictor = learn(studied, "logistic")[2]
    names = predictor.bundle.fusion.layout[0]
    unread = [number for number, name in enumerate(names) if name in ("sbp", "sbp_missing")]
    with torch.no_grad():
        predictor._network.linear.weight[:, unread] = 0
    for row in studied.rows("test"):
        effects = {e.name: e.effect for e in effects_of(case_of(predictor, studied, row)).effects}
        assert effects.pop("sbp", 0.0) == 0
        assert not effects or any(effects.values())


def test_more_than_eight_values_are_sampled_and_say_how_well(monkeypatch, cases):
    monkeypatch.setattr("cardiograph.explain.shapley.EXACT_UP_TO", 3)
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
        assert found.nobody + found.effects.sum() == pytest.approx(case.probability, abs=1e-9)
        assert found.nobody == case.without_blocks(np.zeros((1, 2), bool)).probabilities[0]
        for block, effect in zip(("image", "clinical"), found.effects, strict=True):
            seen.add((block, block in case.scores.lacking[0]))
            assert block not in case.scores.lacking[0] or effect == 0
    assert seen == {(block, lacks) for block in ("image", "clinical") for lacks in (False, True)}


def test_a_block_taken_away_is_scored_as_for_a_patient_who_lacks_it(predictor, cases):
    case = next(case for case in cases if not case.scores.lacking[0])
    nothing = dataclasses.replace(case.queries, image=np.full_like(case.queries.image, np.nan))
    features = predictor.fuse(nothing)
    hood = case.attached.neighbours
    same = Attached(features, Neighbourhood(hood.index, hood.distance), case.attached.known)
    expected = predictor.judge(same, case.queries.ties)
    found = case.without_blocks(np.array([[False, True]]))
    assert found.probabilities[0] == expected.probabilities[0] and found.raw[0] == expected.raw[0]
