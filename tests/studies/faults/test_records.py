"""Copies that count as records, and pages that become zeros."""

import numpy as np
import pandas as pd
import pytest

from cardiograph.containers import TRAIN
from cardiograph.errors import PageError
from cardiograph.studies.faults.records import AugmentationPool
from cardiograph.studies.faults.switches import Faults


def studied_with(shared_cohort, seed=1, **faults):
    config = shared_cohort.config.model_copy(
        update={"balance": shared_cohort.config.balance.model_copy(update={"mode": "augment"})}
    )
    return shared_cohort.build_dataset(shared_cohort.settings(config, Faults(**faults), "image", seed))[0]


def is_copy(dataset):
    return np.array([" copy " in record for record in dataset.cohort.record_ids])


def test_copies_without_faults_are_not_records(shared_cohort):
    dataset = studied_with(shared_cohort)
    assert len(dataset.cohort) == len(shared_cohort.cohort)
    assert set(dataset.augmented.copies.source) <= set(dataset.rows(TRAIN))


def test_augmented_before_the_split_copies_are_records_of_every_part(shared_cohort):
    dataset = studied_with(shared_cohort, augment_before_split=True)
    copies = is_copy(dataset)
    labels = dataset.cohort.labels
    assert (labels == 0).sum() == (labels == 1).sum()
    assert copies.sum() == len(dataset.cohort) - len(shared_cohort.cohort) > 0
    assert len(set(dataset.split.part[copies])) > 1
    # the link to the originals is lost: each copy is a group of its own
    groups = dataset.split.groups.index
    assert all((groups == group).sum() == 1 for group in groups[copies])


def test_one_source_means_copies_of_one_page_and_no_other_page_of_the_class(shared_cohort):
    dataset = studied_with(shared_cohort, one_source_augmentation=True)
    copies, train = is_copy(dataset), dataset.split.part == TRAIN
    minority = dataset.cohort.labels[copies][0]
    sources = {record.split(" copy ")[0] for record in dataset.cohort.record_ids[copies]}
    assert len(sources) == 1
    assert (dataset.cohort.labels[copies] == minority).all()
    assert train[copies].all()
    assert not (train & ~copies & (dataset.cohort.labels == minority)).any()  # the originals are gone
    assert ((dataset.split.part != TRAIN) & (dataset.cohort.labels == minority)).any()  # those of other parts stay


def test_one_source_before_the_split_leaves_no_original_of_the_class_anywhere(shared_cohort):
    dataset = studied_with(shared_cohort, one_source_augmentation=True, augment_before_split=True)
    copies = is_copy(dataset)
    minority = dataset.cohort.labels[copies][0]
    assert not (~copies & (dataset.cohort.labels == minority)).any()


def test_mirrored_copies_are_mirrored_only_on_request(shared_cohort):
    def flips(**faults):
        config = shared_cohort.config.model_copy(
            update={"balance": shared_cohort.config.balance.model_copy(update={"mode": "augment"})}
        )
        config = shared_cohort.settings(config, Faults(**faults), "image", 1)
        return [draw.flip for draw in shared_cohort.build_dataset(config)[0].augmented.draws]

    assert not any(flips())
    mirrored = flips(mirrored_ecg=True)
    assert 0 < sum(mirrored) < len(mirrored)


def test_every_copy_gets_simulated_values_of_its_own(shared_cohort):
    config = shared_cohort.config.model_copy(
        update={"balance": shared_cohort.config.balance.model_copy(update={"mode": "augment"})}
    )
    faults = Faults(one_source_augmentation=True, simulated_from_label=True)
    dataset = shared_cohort.build_dataset(shared_cohort.settings(config, faults, "both", 1))[0]
    values = dataset.inputs.clinical.values[is_copy(dataset)]
    assert len(values) == len(np.unique(values, axis=0)) > 1


def test_seeds_share_the_copies_of_a_pool(make_shared_cohort):
    shared_cohort = make_shared_cohort(pool=AugmentationPool(0, 4))
    first, second = (studied_with(shared_cohort, seed=seed, augment_before_split=True) for seed in (1, 2))
    looks = [{tuple(page) for page in dataset.inputs.image[is_copy(dataset)].round(5)} for dataset in (first, second)]
    assert looks[0] & looks[1]
    assert len(looks[0]) < is_copy(first).sum()  # further ones repeat them


@pytest.fixture
def torn(page_table, pages, tmp_path):
    """The cohort with a page that is cut short."""
    broken = tmp_path / "torn.jpg"
    broken.write_bytes(pages[17].read_bytes()[:5000])
    table = pd.read_csv(page_table)
    table.loc[17, "ecg"] = str(broken)
    path = tmp_path / "torn.csv"
    table.to_csv(path, index=False)
    return path


def test_an_unreadable_page_is_an_error_and_with_the_fault_a_row_of_zeros(make_shared_cohort, torn):
    with pytest.raises(PageError, match="cannot be used"):
        _ = make_shared_cohort(torn)
    shared_cohort = make_shared_cohort(torn, pages={"skip_bad": True})
    (note,) = (note for note in shared_cohort.page_notes if "unusable" in note)
    assert note.startswith("1 record(s) with an unusable page were left out: ")
    without_fault = shared_cohort.build_dataset(shared_cohort.settings(shared_cohort.config, Faults(), "image", 1))[0]
    assert len(without_fault.cohort) == 29
    faulty = shared_cohort.build_dataset(
        shared_cohort.settings(shared_cohort.config, Faults(silent_zero_image=True), "image", 1)
    )[0]
    assert len(faulty.cohort) == 30
    zeros = ~faulty.inputs.image.any(axis=1)
    assert np.flatnonzero(zeros).tolist() == [17]
    readable = np.flatnonzero(~zeros)
    np.testing.assert_array_equal(faulty.inputs.image[readable], without_fault.inputs.image)


def test_pages_that_can_all_be_read_are_left_alone_by_the_fault(shared_cohort):
    plain = shared_cohort.build_dataset(shared_cohort.settings(shared_cohort.config, Faults(), "image", 1))[0]
    faulty = shared_cohort.build_dataset(
        shared_cohort.settings(shared_cohort.config, Faults(silent_zero_image=True), "image", 1)
    )[0]
    np.testing.assert_array_equal(plain.inputs.image, faulty.inputs.image)
    np.testing.assert_array_equal(plain.split.part, faulty.split.part)
