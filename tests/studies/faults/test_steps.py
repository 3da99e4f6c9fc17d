"""Each fault does what its name says; without any the steps are the defaults."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.neighbors import kneighbors_graph
from tests.studies.conftest import page_settings

import cardiograph
from cardiograph.config import FusionConfig, GraphConfig
from cardiograph.containers import TEST, TRAIN, VAL, SearchPoints
from cardiograph.evaluate.metrics import score
from cardiograph.evaluate.predictions import PartPredictions
from cardiograph.studies.faults.steps import WARNINGS, ReversedEdges, concatenate_unscaled, steps_of, swap_classes
from cardiograph.studies.faults.switches import FAULTS, THESIS, Faults, FaultyConfig, load_settings, with_faults
from cardiograph.train.data import Dataset
from cardiograph.train.steps import DEFAULT_STEPS
from cardiograph.train.trial import fit_and_score

SIX = np.array([[0.0, 0], [1, 0], [2.5, 0], [0, 4], [1.5, 4.2], [9, 9]], np.float32)
APART = np.arange(6)


def places_of(points):
    return SearchPoints(points, np.ones((len(points), 1), bool), ((0, points.shape[1]),), (1.0,))


def sources_of(neighbours):
    return [set(row[row >= 0].tolist()) for row in neighbours.index]


def read_as_published(points, k):
    """(query, neighbour) of ``nonzero`` read as (source, target)."""
    source, target = kneighbors_graph(points, k, include_self=False).nonzero()
    return [set(source[target == row].tolist()) for row in range(len(points))]


def one_fault(name):
    return Faults(**{name: True})


@pytest.mark.parametrize("k", [1, 2, 3])
def test_reversed_edges_are_those_of_the_matrix_read_the_wrong_way(k):
    graph = ReversedEdges().link(places_of(SIX), APART, APART, GraphConfig(k=k))
    assert sources_of(graph.neighbours) == read_as_published(SIX, k)
    assert sources_of(graph.neighbours)[5] == set()  # the distant record lists others and is not listed


def test_reversed_edges_come_nearest_first():
    found = ReversedEdges().link(places_of(SIX), APART, APART, GraphConfig(k=3)).neighbours.distance
    assert (np.diff(np.where(np.isfinite(found), found, 1e9), axis=1) >= 0).all()


def test_neighbours_of_a_query_are_the_records_that_would_list_it():
    query = np.array([[0.4, 0.3], [20, 20]], np.float32)
    reversed_edges = ReversedEdges()
    reversed_edges.link(places_of(SIX), APART, APART, GraphConfig(k=2))
    neighbours = reversed_edges.join(places_of(SIX), places_of(query), GraphConfig(k=2), [np.zeros(0, np.int64)] * 2)
    for row, place in enumerate(query):
        everyone = np.vstack([SIX, place])
        assert sources_of(neighbours)[row] == read_as_published(everyone, 2)[6]
    assert sources_of(neighbours)[1] == set()


def test_reversed_edges_stay_outside_a_group():
    groups = np.array([0, 0, 1, 1, 2, 2])
    reversed_edges = ReversedEdges()
    graph = reversed_edges.link(places_of(SIX), APART, groups, GraphConfig(k=2))
    assert all(groups[row] not in groups[list(sources)] for row, sources in enumerate(sources_of(graph.neighbours)))
    neighbours = reversed_edges.join(places_of(SIX), places_of(SIX[:1]), GraphConfig(k=2), [np.array([0, 1])])
    assert not sources_of(neighbours)[0] & {0, 1}


def test_unscaled_blocks_keep_the_encoders_values_and_are_517_wide():
    rng = np.random.default_rng(0)
    image, clinical = rng.normal(3, 7, (20, 512)).astype(np.float32), rng.normal(size=(20, 5))
    image[:, 4] = 1  # a dead feature is kept, too
    names = ("ef", "bnp", "nyha", "sbp", "age")
    fusion = concatenate_unscaled(image, (clinical, names), np.arange(15), FusionConfig())
    fused = fusion.transform(image, clinical)
    assert fused.values.shape == (20, 517)
    np.testing.assert_allclose(fused.values, np.hstack([image, clinical]), rtol=1e-6)
    assert fusion.shares["image"] > 0.99


def test_label_0_as_positive_class_swaps_sensitivity_and_specificity():
    rng = np.random.default_rng(1)
    labels, probability = rng.integers(0, 2, 200), rng.random(200)
    before = score(labels, probability, 0.4)
    swapped = swap_classes(PartPredictions(labels, np.arange(200), {"model": probability}))
    after = score(swapped.labels, swapped.probabilities["model"], 0.6)
    assert after["sensitivity"] == before["specificity"] != before["sensitivity"] == after["specificity"]
    assert after["auroc"] == pytest.approx(before["auroc"])
    assert after["balanced_accuracy"] == pytest.approx(before["balanced_accuracy"])


def test_without_faults_every_step_is_the_default():
    assert steps_of(Faults()) == DEFAULT_STEPS


def test_every_fault_has_a_warning_and_gives_it():
    assert tuple(WARNINGS) == FAULTS
    for name in FAULTS:
        (warning,) = steps_of(one_fault(name)).cautions
        assert name in warning
        assert WARNINGS[name] in warning


def scored(shared_cohort, name, seed=3, k=2):
    config = shared_cohort.settings(shared_cohort.config, one_fault(name), "image", seed)
    gcn = config.model.model_copy(update={"name": "gcn"})
    config = config.model_copy(update={"graph": GraphConfig(k=k), "model": gcn})
    dataset, steps = shared_cohort.build_dataset(config)
    return dataset, config, steps


def test_separate_test_graph_lets_a_score_depend_on_the_other_test_records(shared_cohort):
    def probabilities(dataset, config, steps):
        return fit_and_score(dataset, config, steps).test

    def without(dataset, row):
        part = dataset.split.part.copy()
        part[row] = "excluded"
        split = dataclasses.replace(dataset.split, part=part)
        return dataclasses.replace(dataset, split=split, inputs=dataclasses.replace(dataset.inputs, split=split))

    dataset, config, steps = scored(shared_cohort, "separate_test_graph")
    whole = probabilities(dataset, config, steps)
    rows = dataset.rows(TEST)
    assert set(whole.sources) == set(rows)
    neighbour = whole.neighbours.index[0, 0]  # the nearest of the first
    others = np.arange(len(rows)) != neighbour
    fewer = without(dataset, rows[neighbour])
    assert np.abs(whole.probabilities[others] - probabilities(fewer, config, steps).probabilities).max() > 1e-6
    plain = probabilities(dataset, config, DEFAULT_STEPS).probabilities
    np.testing.assert_array_equal(plain[others], probabilities(fewer, config, DEFAULT_STEPS).probabilities)


def test_patient_in_validation_graph_uses_validation_records_only(shared_cohort):
    dataset, config, steps = scored(shared_cohort, "patient_in_validation_graph")
    found = fit_and_score(dataset, config, steps).test
    assert set(found.sources) == set(dataset.rows(VAL))
    assert not set(found.sources) & set(fit_and_score(dataset, config).test.sources)


def test_duplicates_across_split_separates_groups_and_the_default_does_not(shared_cohort):
    true = shared_cohort.groups.index

    def separated_groups(name):
        faults = one_fault(name) if name else Faults()
        split = shared_cohort.build_dataset(shared_cohort.settings(shared_cohort.config, faults, "image", 1))[0].split
        return sum(len(set(split.part[true == group])) > 1 for group in range(len(shared_cohort.groups)))

    assert separated_groups("") == 0
    assert separated_groups("duplicates_across_split") > 0


def test_header_in_view_changes_the_view_and_not_the_groups(shared_cohort):
    whole = shared_cohort.build_dataset(
        shared_cohort.settings(shared_cohort.config, one_fault("header_in_view"), "image", 1)
    )[0]
    grid = shared_cohort.build_dataset(shared_cohort.settings(shared_cohort.config, Faults(), "image", 1))[0]
    (left, top, _, _), (grid_left, grid_top, _, _) = whole.page_index.facts[0].box, grid.page_index.facts[0].box
    assert (left, top) == (0, 0) != (grid_left, grid_top)
    np.testing.assert_array_equal(whole.split.groups.index, grid.split.groups.index)
    np.testing.assert_array_equal(whole.split.part, grid.split.part)
    assert np.abs(whole.inputs.image - grid.inputs.image).max() > 0.1


def test_simulated_from_label_reveals_the_label_in_test_records_and_blind_does_not(shared_cohort):
    def best_column(faults):
        dataset = shared_cohort.build_dataset(shared_cohort.settings(shared_cohort.config, faults, "both", 1))[0]
        labels, values = dataset.cohort.labels, dataset.inputs.clinical.values
        return max(abs(np.corrcoef(labels, values[:, column])[0, 1]) for column in range(5)), dataset

    auroc, dataset = best_column(one_fault("simulated_from_label"))
    assert auroc > 0.6
    assert dataset.provenance == "simulated from the label"
    blind, dataset = best_column(Faults())
    assert blind < 0.5
    assert dataset.provenance == "simulated blind to the label"


def test_without_faults_a_configuration_is_a_plain_one():
    assert type(with_faults(page_settings(), Faults())) is not FaultyConfig
    faulty = with_faults(page_settings(), one_fault("mirrored_ecg"))
    assert faulty.balance.flip
    assert faulty.faults.on() == ("mirrored_ecg",)


def test_the_preset_has_every_fault_and_may_be_freed_of_one():
    config = load_settings(None, {}, preset="thesis")
    assert config.faults.on() == FAULTS
    assert (config.model.epochs, config.model.weight_decay) == (THESIS["model"]["epochs"], 0)
    freed = load_settings(None, {"faults": {"mirrored_ecg": False}}, preset="thesis")
    assert not freed.balance.flip
    assert set(FAULTS) - set(freed.faults.on()) == {"mirrored_ecg"}


def test_nothing_below_studies_names_a_fault():
    package = Path(cardiograph.__file__).parent
    below = [path for path in package.rglob("*.py") if "studies" not in path.parts and not path.name.startswith("cli")]
    assert len(below) > 50
    named = {
        f"{path.relative_to(package)}: {fault}"
        for path in below
        for fault in FAULTS
        if re.search(rf"\b{fault}\b", path.read_text(encoding="utf-8"))
    }
    # a code of a finding, reported by the provenance of a column: it was there before the switch
    assert named == {"audit/circular.py: simulated_from_label"}


def test_the_faulty_steps_keep_the_shape_of_what_they_replace(shared_cohort):
    dataset, _ = shared_cohort.build_dataset(
        shared_cohort.settings(shared_cohort.config, Faults(**dict.fromkeys(FAULTS, True)), "both", 1)
    )
    assert isinstance(dataset, Dataset)
    assert set(dataset.split.part) == {TRAIN, VAL, TEST}
    assert dataset.inputs.image.shape == (len(dataset.cohort), 512)
