"""What is fitted does not move with rows it must not see, and a label never reaches its own record's score."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.contracts.conftest import CONFIG, MODELS, learn, make_problem, with_copies, with_material

from cardiograph.cohort.duplicates import find_groups
from cardiograph.cohort.split import draw_split
from cardiograph.config import SplitConfig
from cardiograph.containers import ClinicalTable
from cardiograph.errors import CohortError
from cardiograph.evaluate.metrics import score
from cardiograph.graph.attach import label_prior, neighbour_votes
from cardiograph.ingest.groups import split_rows
from cardiograph.models.neighbour_table import NeighbourTable
from cardiograph.train.trial import fit_and_score, nameless


def poisoned(dataset, part, every=1):
    """All values of a part (or of every second row) at 1e6 and its labels turned round."""
    rows = dataset.split.rows(part)[::every]
    inputs = dataset.inputs
    image, values, labels = inputs.image.copy(), inputs.clinical.values.copy(), inputs.labels.copy()
    image[rows], values[rows] = 1e6, 1e6
    labels[rows] = (labels[rows] + 1) % inputs.classes
    clinical = ClinicalTable(values, inputs.clinical.variables, inputs.clinical.provenance)
    return with_material(dataset, image=image, clinical=clinical, labels=labels)


def fitted_before_training(prepared):
    """Scaler with its imputation, block weights with what they dropped, features and graph of the reference."""
    yield "scaler", prepared.scaler.to_dict()
    yield "fusion", {name: array.tolist() for name, array in prepared.fusion.arrays().items()}
    yield "block weights", prepared.fusion.recorded()
    yield "rows", prepared.graph.rows.tolist()
    yield "neighbours", prepared.graph.neighbours.index.tolist()
    yield "distances", prepared.graph.neighbours.distance.tolist()
    yield "features", prepared.features.values[prepared.graph.rows].tolist()
    yield "training examples", prepared.train_set.features.tolist()
    yield "training weights", prepared.train_set.weights.tolist()


def scores_of(predictor, dataset, part):
    return predictor.score(dataset.queries(dataset.rows(part))).probabilities


@pytest.mark.parametrize("part", ["val", "test"])
@pytest.mark.parametrize("copies", [False, True])
def test_poisoned_rows_move_nothing_that_is_fitted_on_training_rows(dataset, part, copies):
    start = with_copies(dataset) if copies else dataset
    clean, dirty = (learn(each)[0] for each in (start, poisoned(start, part)))
    assert dict(fitted_before_training(clean)) == dict(fitted_before_training(dirty))


def test_poisoned_test_rows_move_no_network_and_no_score(dataset, fitted, model):
    _, network, predictor = fitted
    dirty = poisoned(dataset, "test")
    again = learn(dirty, model)
    for name, weight in network.state_dict().items():
        assert torch.equal(weight, again[1].state_dict()[name]), name
    for part in ("train", "val"):
        np.testing.assert_array_equal(scores_of(predictor, dataset, part), scores_of(again[2], dirty, part))


def test_poisoned_training_rows_do_move_it(dataset):
    """The poison is one: where it may be seen it changes everything."""
    clean, dirty = (dict(fitted_before_training(learn(each)[0])) for each in (dataset, poisoned(dataset, "train", 2)))
    assert all(clean[name] != dirty[name] for name in ("scaler", "fusion", "block weights", "features"))


def test_its_own_label_does_not_reach_a_record_s_logit(dataset, fitted):
    """Labels are in the loss alone: at given weights no logit moves with any label."""
    prepared, network, predictor = fitted
    neighbour_table = NeighbourTable.of(prepared.graph.neighbours)
    features = torch.from_numpy(prepared.features.values[prepared.graph.rows])
    with torch.inference_mode():
        before, _ = network(features, neighbour_table)
    row = int(dataset.rows("test")[0])
    flipped = dataset.inputs.labels.copy()
    flipped[[row, int(prepared.graph.rows[0])]] ^= 1
    cohort_flipped = with_material(dataset, labels=flipped)
    again = learn(dataset, "gcn")[0]
    assert torch.equal(neighbour_table.index, NeighbourTable.of(again.graph.neighbours).index)
    with torch.inference_mode():
        after, _ = network(features, NeighbourTable.of(again.graph.neighbours))
    assert torch.equal(before, after)
    np.testing.assert_array_equal(
        predictor.score(dataset.queries(np.array([row]))).by_class,
        predictor.score(cohort_flipped.queries(np.array([row]))).by_class,
    )


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), copies=st.integers(1, 4), groups=st.integers(12, 40))
def test_no_edge_lies_inside_a_group(seed, copies, groups):
    whole = with_copies(make_problem(seed, groups, copies), count=3)
    prepared = learn(whole)[0]
    index = whole.split.groups.index
    reference = prepared.graph.rows
    neighbours = prepared.graph.neighbours.index
    assert ((neighbours < 0) | (index[reference][neighbours] != index[reference][:, None])).all()
    sources = np.concatenate([reference, whole.inputs.copies.source])
    train = prepared.train_set.neighbour_table
    assert (~train.valid.numpy() | (index[reference][train.index.numpy()] != index[sources][:, None])).all()
    val = prepared.val_set.neighbour_table
    rows = whole.split.rows("val")
    assert (~val.valid.numpy() | (index[reference][val.index.numpy()] != index[rows][:, None])).all()


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_groups_are_disjoint_for_any_cohort(data):
    count = data.draw(st.integers(12, 60))
    name = st.one_of(st.none(), st.sampled_from([f"n{number}" for number in range(count)]))
    patients = data.draw(st.lists(name, min_size=count, max_size=count))
    pixels = data.draw(st.lists(name, min_size=count, max_size=count))
    labels = np.array(data.draw(st.lists(st.sampled_from([-1, 0, 1]), min_size=count, max_size=count)))
    groups = find_groups(patient_ids=patients, pixel_hashes=pixels, perceptual_hashes=None)
    try:
        split = draw_split(labels, groups, SplitConfig(), np.random.default_rng(data.draw(st.integers(0, 99))))
    except CohortError:
        return  # fewer than three groups of a class
    parts = {name: set(groups.index[split.part == name]) for name in ("train", "val", "test")}
    assert not parts["train"] & parts["val"] | parts["train"] & parts["test"] | parts["val"] & parts["test"]
    for keys in (patients, pixels):
        for key in set(keys) - {None}:
            rows = [row for row, other in enumerate(keys) if other == key and split.part[row] != "excluded"]
            assert len(set(split.part[rows])) <= 1


USUAL = ("sign", "logistic", "boosting")
PERMUTED = [pytest.param(name, marks=() if name in USUAL else pytest.mark.exhaustive) for name in MODELS]
"""A graph network, a linear model and trees in every test run; the other models in the exhaustive tests."""


def permuted_aurocs(model, seeds, *, by_row):
    """Test AUROC of noise with copies, its labels dealt out again to whole groups."""
    for seed in seeds:
        of_group = np.random.default_rng(seed).permutation(np.arange(36) % 2)
        eager = CONFIG.model.model_copy(update={"epochs": 60, "patience": 60, "learning_rate": 0.01, "dropout": 0.0})
        config = CONFIG.model_copy(update={"seed": seed, "model": eager})
        noise = make_problem(5, groups=36, copies=3, signal=0, labels_of_groups=of_group, same_values=True)
        if by_row:
            split = split_rows(noise.cohort, config)
            noise = dataclasses.replace(with_material(nameless(noise), split=split), split=split)
        rows = noise.rows("test")
        values = fit_and_score(noise, config, name=model).test.probabilities
        yield score(noise.cohort.labels[rows], values, 0.5)["auroc"]


@pytest.mark.parametrize("name", PERMUTED)
def test_labels_permuted_by_group_cannot_be_predicted(name):
    found = list(permuted_aurocs(name, range(6), by_row=False))
    assert abs(np.mean(found) - 0.5) < 3 * np.std(found, ddof=1) / np.sqrt(6)


@pytest.mark.parametrize("name", PERMUTED)
def test_the_permutation_test_can_fail(name):
    """The same noise with its copies on both sides of the split looks like knowledge."""
    seeds = 4 if name in USUAL else 16  # votes of five neighbours learn copies by heart less than the others
    found = list(permuted_aurocs(name, range(seeds), by_row=True))
    assert np.mean(found) - 3 * np.std(found, ddof=1) / np.sqrt(seeds) > 0.5


LISTENING = CONFIG.model_copy(
    update={
        "graph": CONFIG.graph.model_copy(update={"space": "learnt"}),
        "model": CONFIG.model.model_copy(update={"votes": True}),
        "fusion": CONFIG.fusion.model_copy(update={"image_components": 6}),
    }
)
"""Everything that looks at labels, or learns from rows, switched on."""


@pytest.mark.parametrize("name", MODELS)
def test_votes_never_bring_a_record_its_own_label(dataset, name):
    """Over all hops: a record's logit stays the same to the bit if its own label is flipped; others may change."""
    prepared, network, _ = learn(dataset, name, LISTENING)
    labels = dataset.inputs.labels[prepared.graph.rows]
    features = torch.from_numpy(prepared.features.values[prepared.graph.rows])

    def logits(known):
        votes = neighbour_votes(prepared.graph.neighbours, known, prior=label_prior(labels))
        with torch.inference_mode():
            return network(features, NeighbourTable.of(prepared.graph.neighbours, votes=votes))[0]

    before, moved = logits(labels), 0
    for row in range(0, len(labels), 7):
        turned = labels.copy()
        turned[row] = 1 - turned[row]
        after = logits(turned)
        assert torch.equal(before[row], after[row])
        moved += int(not torch.equal(before, after))
    assert bool(moved) == (name not in {"mlp", "logistic", "boosting"} and bool(network_listens(network)))


def network_listens(network):
    """Whether votes have a weight that training moved (SIGN's begins at 0) or are all there is."""
    vote = getattr(network, "vote", None)
    return vote is None or bool((vote[0] != vote[1]).item())


@pytest.mark.parametrize("part", ["val", "test"])
def test_poisoned_rows_move_no_component_and_no_learnt_place(dataset, part):
    clean, dirty = (learn(each, "sign", LISTENING)[0] for each in (dataset, poisoned(dataset, part)))
    assert dict(fitted_before_training(clean)) == dict(fitted_before_training(dirty))
    for name, array in clean.space.arrays().items():
        np.testing.assert_array_equal(array, dirty.space.arrays()[name])
    rows = clean.graph.rows
    np.testing.assert_array_equal(clean.places.of(rows).values, dirty.places.of(rows).values)


@pytest.mark.parametrize("name", MODELS)
def test_poisoned_test_rows_move_no_calibration(dataset, name):
    clean, dirty = (fit_and_score(each, LISTENING, name=name) for each in (dataset, poisoned(dataset, "test")))
    np.testing.assert_array_equal(clean.validation.probabilities, dirty.validation.probabilities)


@pytest.mark.parametrize("name", MODELS)
def test_learnt_space_and_votes_are_kept_with_the_model(dataset, name, tmp_path):
    from cardiograph.inference import Predictor

    predictor = learn(dataset, name, LISTENING)[2]
    predictor.bundle.save(tmp_path, None)
    queries = dataset.queries(dataset.rows("test"))
    first, second = predictor.score(queries), Predictor.load(tmp_path).score(queries)
    np.testing.assert_array_equal(first.by_class, second.by_class)
    np.testing.assert_array_equal(first.neighbours.index, second.neighbours.index)
