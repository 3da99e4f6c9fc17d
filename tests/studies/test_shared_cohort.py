"""A shared cohort repeats trials without letting one change another."""

import dataclasses

import numpy as np
import pytest
from tests.studies.conftest import CLASSES, page_settings

from cardiograph.containers import TEST, VAL
from cardiograph.evaluate.decision import youden_threshold
from cardiograph.studies.faults.records import AugmentationPool
from cardiograph.studies.faults.switches import Faults
from cardiograph.studies.shared_cohort import SharedCohort
from cardiograph.train.steps import DEFAULT_STEPS


def test_a_trial_gives_the_same_scores_whatever_was_tried_before(shared_cohort, make_shared_cohort):
    config = shared_cohort.settings(shared_cohort.config, Faults(), "image", 4)
    for faults in (Faults(header_in_view=True), Faults(duplicates_across_split=True)):
        shared_cohort.fit_and_score(shared_cohort.settings(shared_cohort.config, faults, "image", 5))
    assert shared_cohort.fit_and_score(config, by_class=True) == make_shared_cohort().fit_and_score(
        config, by_class=True
    )


def test_classes_are_as_the_user_wrote_them(shared_cohort):
    assert shared_cohort.classes == tuple(sorted(CLASSES))
    found = shared_cohort.fit_and_score(
        shared_cohort.settings(shared_cohort.config, Faults(), "image", 1), by_class=True
    )
    assert (found.class_accuracy * 6) % 1 == pytest.approx(0, abs=1e-9)  # of six test records
    assert (
        shared_cohort.fit_and_score(shared_cohort.settings(shared_cohort.config, Faults(), "image", 1)).class_accuracy
        is None
    )


def test_the_threshold_comes_from_validation_records(shared_cohort):
    dataset, _ = shared_cohort.build_dataset(shared_cohort.settings(shared_cohort.config, Faults(), "image", 1))
    rng = np.random.default_rng(0)
    parts = {part: rng.random(len(dataset.rows(part))) for part in (VAL, TEST)}
    found = shared_cohort.measure(dataset, parts, DEFAULT_STEPS)
    labels = dataset.cohort.labels
    threshold = youden_threshold(labels[dataset.rows(VAL)], parts[VAL])
    decided = parts[TEST] >= threshold
    truth = labels[dataset.rows(TEST)] == 1
    assert found.sensitivity == pytest.approx(decided[truth].mean())
    assert found.specificity == pytest.approx((~decided)[~truth].mean())


def test_modalities_read_what_they_are_called(shared_cohort):
    def inputs(modality):
        return shared_cohort.build_dataset(shared_cohort.settings(shared_cohort.config, Faults(), modality, 1))[
            0
        ].inputs

    assert inputs("image").clinical is None
    assert inputs("both").clinical is not None
    assert inputs("both").image is not None
    assert inputs("clinical").image is None
    assert set(inputs("clinical").clinical.provenance) == {"simulated blind to the label"}


def test_the_same_seed_gives_the_same_split_to_every_modality(shared_cohort):
    splits = [
        shared_cohort.build_dataset(shared_cohort.settings(shared_cohort.config, Faults(), modality, 7))[
            0
        ].split.part.tolist()
        for modality in ("image", "both", "clinical")
    ]
    assert splits[0] == splits[1] == splits[2]


def test_the_tables_own_split_is_set_aside(values_table, shared_cohort):
    own = SharedCohort(values_table, page_settings(cohort={"positive": []}), None, pool=AugmentationPool(0))
    assert own.had_split
    parts = [own.build_dataset(own.settings(own.config, Faults(), "clinical", seed))[0].split for seed in (1, 2)]
    assert parts[0].source == "drawn"
    assert (parts[0].part != parts[1].part).any()
    assert not shared_cohort.had_split


def test_measured_values_are_read_and_not_simulated(values_table):
    own = SharedCohort(values_table, page_settings(cohort={"positive": []}), None, pool=AugmentationPool(0))
    dataset = own.build_dataset(own.settings(own.config, Faults(), "clinical", 1))[0]
    assert set(dataset.provenances) == {"measured"}
    faulty = own.build_dataset(own.settings(own.config, Faults(simulated_from_label=True), "clinical", 1))[0]
    assert set(faulty.provenances) == {"simulated from the label"}


def test_relabelled_records_are_split_by_their_new_labels(shared_cohort):
    def turned(cohort, groups, seed):
        return dataclasses.replace(cohort, table=cohort.table.assign(label=1 - cohort.labels))

    dataset = shared_cohort.build_dataset(
        shared_cohort.settings(shared_cohort.config, Faults(), "image", 1), relabel=turned
    )[0]
    np.testing.assert_array_equal(dataset.inputs.labels, 1 - shared_cohort.usable[0].labels)


def test_random_weights_settle_on_f32_without_a_trial_of_bfloat16(make_shared_cohort):
    assert make_shared_cohort().config.encoder.precision == "f32"
