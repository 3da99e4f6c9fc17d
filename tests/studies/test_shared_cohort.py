"""The laboratory repeats trials without letting one change another."""

import dataclasses

import numpy as np
import pytest
from tests.studies.conftest import CLASSES, page_settings

from cardiograph.containers import TEST, VAL
from cardiograph.evaluate.decision import youden_threshold
from cardiograph.studies.faults.records import Pool
from cardiograph.studies.faults.switches import Faults
from cardiograph.studies.shared_cohort import Laboratory
from cardiograph.train.steps import SOUND


def test_a_trial_gives_the_same_scores_whatever_was_tried_before(lab, make_lab):
    config = lab.settings(lab.config, Faults(), "image", 4)
    for faults in (Faults(header_in_view=True), Faults(duplicates_across_split=True)):
        lab.trial(lab.settings(lab.config, faults, "image", 5))
    assert lab.trial(config, by_class=True) == make_lab().trial(config, by_class=True)


def test_classes_are_as_the_user_wrote_them(lab):
    assert lab.classes == tuple(sorted(CLASSES))
    found = lab.trial(lab.settings(lab.config, Faults(), "image", 1), by_class=True)
    assert (found.class_accuracy * 6) % 1 == pytest.approx(0, abs=1e-9)  # of six test records
    assert lab.trial(lab.settings(lab.config, Faults(), "image", 1)).class_accuracy is None


def test_the_threshold_comes_from_validation_records(lab):
    studied, _ = lab.study(lab.settings(lab.config, Faults(), "image", 1))
    rng = np.random.default_rng(0)
    parts = {part: rng.random(len(studied.rows(part))) for part in (VAL, TEST)}
    found = lab.measure(studied, parts, SOUND)
    labels = studied.cohort.labels
    threshold = youden_threshold(labels[studied.rows(VAL)], parts[VAL])
    decided = parts[TEST] >= threshold
    truth = labels[studied.rows(TEST)] == 1
    assert found.sensitivity == pytest.approx(decided[truth].mean())
    assert found.specificity == pytest.approx((~decided)[~truth].mean())


def test_modalities_read_what_they_are_called(lab):
    def material(modality):
        return lab.study(lab.settings(lab.config, Faults(), modality, 1))[0].material

    assert material("image").clinical is None
    assert material("both").clinical is not None
    assert material("both").image is not None
    assert material("clinical").image is None
    assert set(material("clinical").clinical.provenance) == {"simulated blind to the label"}


def test_the_same_seed_gives_the_same_split_to_every_modality(lab):
    splits = [
        lab.study(lab.settings(lab.config, Faults(), modality, 7))[0].split.part.tolist()
        for modality in ("image", "both", "clinical")
    ]
    assert splits[0] == splits[1] == splits[2]


def test_the_tables_own_split_is_set_aside(values_table, lab):
    own = Laboratory(values_table, page_settings(cohort={"positive": []}), None, pool=Pool(0))
    assert own.had_split
    parts = [own.study(own.settings(own.config, Faults(), "clinical", seed))[0].split for seed in (1, 2)]
    assert parts[0].source == "drawn"
    assert (parts[0].part != parts[1].part).any()
    assert not lab.had_split


def test_measured_values_are_read_and_not_simulated(values_table):
    own = Laboratory(values_table, page_settings(cohort={"positive": []}), None, pool=Pool(0))
    studied = own.study(own.settings(own.config, Faults(), "clinical", 1))[0]
    assert set(studied.provenances) == {"measured"}
    faulty = own.study(own.settings(own.config, Faults(simulated_from_label=True), "clinical", 1))[0]
    assert set(faulty.provenances) == {"simulated from the label"}


def test_relabelled_records_are_split_by_their_new_labels(lab):
    def turned(cohort, groups, seed):
        return dataclasses.replace(cohort, table=cohort.table.assign(label=1 - cohort.labels))

    studied = lab.study(lab.settings(lab.config, Faults(), "image", 1), relabel=turned)[0]
    np.testing.assert_array_equal(studied.material.labels, 1 - lab.own[0].labels)


def test_random_weights_settle_on_f32_without_a_trial_of_bfloat16(make_lab):
    assert make_lab().config.encoder.precision == "f32"
