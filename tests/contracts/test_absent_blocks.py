"""The contracts of queries hold where records lack their page, or every clinical value."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from tests.contracts.conftest import CONFIG, MODELS, learn, make_problem, with_copies
from tests.contracts.test_nothing_leaks import (  # noqa: F401 - run here on the fixtures below
    test_its_own_label_does_not_reach_a_record_s_logit,
    test_poisoned_rows_move_nothing_that_is_fitted_on_training_rows,
)
from tests.contracts.test_queries import (  # noqa: F401
    test_a_query_of_a_reference_group_is_scored_without_it,
    test_a_saved_model_is_the_same_model,
    test_a_score_ignores_the_other_queries_their_number_and_order,
    test_an_outrageous_query_changes_nobody_else,
    test_queries_leave_the_reference_as_it_was,
)


@pytest.fixture(scope="module")
def dataset():
    return make_problem(absent=0.2)


@pytest.fixture(scope="module", params=MODELS)
def fitted(dataset, request):
    return learn(dataset, request.param)


def test_what_is_there_is_learnt_from():
    """Pages that reveal the label: known records without one are scored at chance, the others nearly right."""
    dataset = make_problem(groups=150, copies=1, signal=6.0, absent=0.3)
    rows = dataset.rows("test")
    config = CONFIG.model_copy(update={"model": CONFIG.model.model_copy(update={"epochs": 60, "patience": 20})})
    scores = learn(dataset, "sign", config)[2].score(dataset.queries(rows)).probabilities
    paged = ~np.isnan(dataset.inputs.image[rows]).any(1)
    labels = dataset.cohort.labels[rows]
    assert roc_auc_score(labels[paged], scores[paged]) > 0.9
    assert roc_auc_score(labels, scores) > 0.75


@pytest.mark.parametrize("graph", [{"space": "learnt"}, {"space": "image"}, {"metric": "cosine"}])
def test_every_space_takes_records_without_a_block(dataset, graph):
    config = CONFIG.model_copy(update={"graph": CONFIG.graph.model_copy(update=graph)})
    found = learn(dataset, "sign", config)[2].score(dataset.queries(dataset.rows("test")))
    assert ((found.by_class >= 0) & (found.by_class <= 1)).all()
    assert {(), ("image",), ("clinical",)} == set(found.absent_blocks)
    if graph == {"space": "image"}:  # who has no page has no place there
        assert all(
            (found.neighbours.index[row] < 0).all() == (not_there == ("image",))
            for row, not_there in enumerate(found.absent_blocks)
        )


@pytest.fixture(scope="module")
def predictor(dataset):
    return learn(dataset, "sign")[2]


def test_the_problem_has_records_of_every_kind(dataset):
    prepared = learn(dataset, "logistic")[0]
    patterns, counts = np.unique(prepared.features.present, axis=0, return_counts=True)
    assert patterns.tolist() == [[False, True], [True, False], [True, True]]
    assert counts.min() >= 5


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), absent=st.floats(0.05, 0.45), copies=st.integers(1, 3))
def test_no_edge_lies_inside_a_group_or_between_records_without_a_common_block(seed, absent, copies):
    whole = with_copies(make_problem(seed, 24, copies, absent=absent), count=3)
    prepared = learn(whole, "logistic")[0]
    index, present = whole.split.groups.index, prepared.features.present
    reference, neighbours = prepared.graph.rows, prepared.graph.neighbours.index
    nobody = neighbours < 0
    assert (nobody | (index[reference][neighbours] != index[reference][:, None])).all()
    common = (present[reference][neighbours] & present[reference][:, None]).any(-1)
    assert (nobody | common).all()


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_whatever_a_query_lacks_its_answer_is_its_own(dataset, predictor, data):
    """Any blocks of any records taken away: alone as in company, and the order does not count."""
    rows = dataset.rows("test")
    queries = dataset.queries(rows)
    lacks = np.array(data.draw(st.lists(st.sampled_from([0, 1, 2]), min_size=len(rows), max_size=len(rows))))
    image, clinical = queries.image.copy(), queries.clinical.copy()
    image[(lacks == 1) & ~np.isnan(clinical).all(1)] = np.nan
    clinical[(lacks == 2) & ~np.isnan(image).any(1)] = np.nan
    order = np.array(data.draw(st.permutations(range(len(rows)))))

    def queries_of(chosen):
        return dataclasses.replace(
            queries,
            image=image[chosen],
            clinical=clinical[chosen],
            patient_ids=[queries.patient_ids[row] for row in chosen],
            pixel_hashes=[None] * len(chosen),
            perceptual_hashes=[None] * len(chosen),
        )

    together = predictor.score(queries_of(order))
    for position, row in enumerate(order[:4]):
        alone = predictor.score(queries_of([row]))
        np.testing.assert_allclose(alone.by_class[0], together.by_class[position], atol=1e-5)
        np.testing.assert_array_equal(alone.neighbours.index[0], together.neighbours.index[position])
        assert alone.absent_blocks[0] == together.absent_blocks[position]


def test_a_query_hears_the_records_that_know_what_it_knows(dataset, predictor):
    queries = dataset.queries(dataset.rows("test"))
    image = np.full_like(queries.image, np.nan)
    found = predictor.score(dataclasses.replace(queries, image=image))
    has = predictor.bundle.reference.present
    for row, lacking in enumerate(found.absent_blocks):
        neighbours = found.neighbours.index[row][found.neighbours.index[row] >= 0]
        assert "image" in lacking
        if lacking == ("image",):
            assert len(neighbours) == 5 and has[neighbours, 1].all()
