"""The answer without a neighbour is the answer of a search that may not find it."""

import dataclasses

import numpy as np
import pytest
from tests.contracts.conftest import learn, make_problem
from tests.explain.conftest import LISTED, case_of

from cardiograph.explain.neighbours import neighbour_effects
from cardiograph.graph.attach import attach
from cardiograph.inference.queries import AttachedQueries


@pytest.fixture(scope="module", params=["exact", "lists"])
def known(request):
    """Predictor and patients; above exact search, too."""
    dataset = make_problem(groups=120) if request.param == "lists" else make_problem()
    _, _, predictor = learn(dataset, "gcn", LISTED) if request.param == "lists" else learn(dataset, "gcn")
    assert (predictor.bundle.reference.lists is not None) == (request.param == "lists")
    return predictor, [case_of(predictor, dataset, row) for row in dataset.rows("test")[:6]]


def without(case, forbidden):
    """Brute force: attach with these rows forbidden, then judge."""
    bundle, features = case.predictor.bundle, case.attached.features
    neighbours = attach(bundle.reference_points(), bundle.space.transform(features), bundle.served.graph, [forbidden])
    return neighbours.index[0], case.predictor.score_attached(
        AttachedQueries(features, neighbours, ((),)), case.queries.ties
    ).probabilities[0]


def test_each_neighbour_is_left_out_with_its_group(known):
    _, cases = known
    moved = 0
    for case in cases:
        reference, neighbours = case.predictor.bundle.reference, case.attached.neighbours.index[0]
        found = neighbour_effects(case)
        assert [each.record_id for each in found] == [reference.record_ids[row] for row in neighbours]
        for row, each in zip(neighbours, found, strict=True):
            gone = np.flatnonzero(reference.groups == reference.groups[row])
            index, probability = without(case, gone)
            assert each.probability_without == probability
            assert each.change == probability - case.probability
            assert set(each.left_with) == {
                reference.record_ids[r] for r in np.intersect1d(gone, neighbours) if r != row
            }
            assert each.stepped_in == tuple(reference.record_ids[r] for r in index if r not in neighbours)
            assert len(each.stepped_in) == 1 + len(each.left_with)
            moved += each.change != 0
    assert moved


def test_what_is_forbidden_anyway_stays_so(known):
    """The own group of a reference patient stays out when a neighbour is left out."""
    predictor, cases = known
    reference = predictor.bundle.reference
    queries = dataclasses.replace(cases[0].queries, patient_ids=[reference.patient_ids[0]])
    own = np.flatnonzero(reference.groups == reference.groups[0])
    attached = predictor.attach_without(queries, [own[:0], np.array([9])])
    assert not np.isin(attached.neighbours.index, own).any() and 9 not in attached.neighbours.index[1]
    np.testing.assert_array_equal(attached.neighbours.index[0], predictor.attach(queries).neighbours.index[0])
    assert attached.excluded_reasons == (("this patient",),) * 2


def test_without_a_replacement_there_are_fewer_neighbours():
    dataset = make_problem(groups=20)
    predictor = learn(dataset, "gcn")[2]
    case = case_of(predictor, dataset, dataset.rows("test")[0])
    reference = predictor.bundle.reference
    few = np.unique(case.attached.neighbours.index[0])
    few = np.flatnonzero(np.isin(reference.groups, reference.groups[few]))
    others = np.setdiff1d(np.arange(len(reference)), few)
    attached = predictor.attach_without(case.queries, [others])
    np.testing.assert_array_equal(np.sort(attached.neighbours.index[0]), np.sort(case.attached.neighbours.index[0]))
    everyone = predictor.attach_without(case.queries, [np.arange(len(reference))])
    assert (everyone.neighbours.index == -1).all()
    assert np.isfinite(predictor.score_attached(everyone, case.queries.ties).probabilities).all()
