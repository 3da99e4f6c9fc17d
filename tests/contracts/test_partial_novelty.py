"""A patient who lacks a block is judged by the blocks that are there, or every surface says that nobody was judged."""

import dataclasses

import numpy as np
import pytest
from tests.contracts.conftest import CONFIG, learn, make_problem

from cardiograph.graph.exact import nearest
from cardiograph.inference import Predictor, mean_distance
from cardiograph.inference.queries import Patient
from cardiograph.train.calibrate import calibrate_bundle
from cardiograph.train.steps import DEFAULT_STEPS

SPACES = [{"space": "fused"}, {"space": "learnt"}, {"metric": "cosine"}]


def fitted(dataset, graph):
    config = CONFIG.model_copy(update={"graph": CONFIG.graph.model_copy(update=graph)})
    prepared, _, predictor = learn(dataset, "sign", config)
    return Predictor(calibrate_bundle(predictor.bundle, dataset, prepared, config, DEFAULT_STEPS))


@pytest.fixture(scope="module", params=[0.0, 0.2], ids=["complete reference", "blocks absent"])
def dataset(request):
    return make_problem(groups=500, copies=1, absent=request.param)


@pytest.fixture(scope="module")
def predictor(dataset):
    return fitted(dataset, {})


def without(queries, block, times=1.0):
    """The queries without a block; the values of the other one multiplied."""
    if block == "image":
        return dataclasses.replace(
            queries, image=np.full_like(queries.image, np.nan), clinical=queries.clinical * times
        )
    return dataclasses.replace(queries, image=queries.image * times, clinical=np.full_like(queries.clinical, np.nan))


def having(dataset, block):
    """Queries of test records that have everything but, perhaps, ``block``."""
    rows = dataset.rows("test")
    clinical, image = dataset.inputs.clinical.values[rows], dataset.inputs.image[rows]
    there = ~np.isnan(image).any(1) if block == "clinical" else ~np.isnan(clinical).all(1)
    return dataset.queries(rows[there])


def warned(predictor, queries, start):
    scores = predictor.score(queries)
    patients = [Patient(None, row.tolist(), []) for row in queries.clinical]
    answers = [predictor.prediction(scores, row, patient) for row, patient in enumerate(patients)]
    return np.array([any(warning.startswith(start) for warning in each.warnings) for each in answers])


@pytest.mark.parametrize("graph", SPACES, ids=str)
@pytest.mark.parametrize("block", ["image", "clinical"])
def test_far_patients_are_warned_of_and_like_ones_are_not(dataset, graph, block):
    predictor, queries = fitted(dataset, graph), having(dataset, block)
    unlike = "unlike the training records"
    assert warned(predictor, without(queries, block), unlike).mean() <= 0.1
    assert not warned(predictor, without(queries, block), "not checked for novelty").any()
    if "metric" not in graph:  # the cosine distance does not see a length
        assert warned(predictor, without(queries, block, times=30.0), unlike).mean() > 0.9


def test_distances_are_those_of_the_block_that_is_there(predictor):
    """By hand, for complete reference records: page columns of each training record against those of the others."""
    bundle, places = predictor.bundle, predictor.bundle.reference_points()
    if not places.complete:
        return
    columns = slice(*places.blocks[0])
    pages = places.values[:, columns]
    own = [np.array([row]) for row in range(len(pages))]
    by_hand = np.sort(mean_distance(nearest(pages, pages, k=bundle.served.graph.k, forbidden=own)))
    assert len(by_hand) <= 500
    np.testing.assert_allclose(bundle.uncertainty.partial_novelty["image"].distances, by_hand, rtol=1e-5)


def test_a_bundle_without_such_distances_says_not_judged(dataset, predictor):
    older = predictor.bundle.uncertainty.to_dict() | {"partial_novelty": {}}
    bundle = dataclasses.replace(predictor.bundle, uncertainty=type(predictor.bundle.uncertainty).from_dict(older))
    queries = without(having(dataset, "clinical"), "clinical")
    judge = Predictor(bundle)
    assert warned(judge, queries, "not checked for novelty").all()
    assert judge.prediction(judge.score(queries), 0, Patient(None, queries.clinical[0].tolist(), [])).novelty is None


def test_too_few_training_records_are_reported():
    small = fitted(make_problem(groups=80, copies=1), {})
    queries = having(make_problem(groups=80, copies=1), "clinical")
    assert warned(small, queries, "not checked for novelty: only").all()


def test_who_lacks_the_block_that_neighbours_are_sought_by_is_not_judged(dataset):
    predictor, queries = fitted(dataset, {"space": "image"}), having(dataset, "image")
    assert warned(predictor, without(queries, "image"), "not checked for novelty").all()
    assert not warned(predictor, without(having(dataset, "clinical"), "clinical"), "not checked for novelty").any()


def test_gates_are_kept_with_the_model(predictor, tmp_path, dataset):
    predictor.bundle.save(tmp_path, None)
    queries = without(having(dataset, "image"), "image")
    result, again = predictor.score(queries).uncertainty, Predictor.load(tmp_path).score(queries).uncertainty
    np.testing.assert_array_equal(result.novelty, again.novelty)
    assert not np.isnan(result.novelty).any()
