"""Copies that count as records, and pages that become zeros."""

import numpy as np
import pandas as pd
import pytest

from cardiograph.containers import TRAIN
from cardiograph.errors import PageError
from cardiograph.studies.faults.records import Pool
from cardiograph.studies.faults.switches import Faults


def studied_with(lab, seed=1, **faults):
    config = lab.config.model_copy(update={"balance": lab.config.balance.model_copy(update={"mode": "augment"})})
    return lab.study(lab.settings(config, Faults(**faults), "image", seed))[0]


def is_copy(studied):
    return np.array([" copy " in record for record in studied.cohort.record_ids])


def test_sound_copies_are_no_records(lab):
    studied = studied_with(lab)
    assert len(studied.cohort) == len(lab.cohort)
    assert set(studied.augmented.copies.source) <= set(studied.rows(TRAIN))


def test_augmented_before_the_split_copies_are_records_of_every_part(lab):
    studied = studied_with(lab, augment_before_split=True)
    copies = is_copy(studied)
    labels = studied.cohort.labels
    assert (labels == 0).sum() == (labels == 1).sum()
    assert copies.sum() == len(studied.cohort) - len(lab.cohort) > 0
    assert len(set(studied.split.part[copies])) > 1
    # nobody remembers what they are copies of: each is a group of its own
    groups = studied.split.groups.index
    assert all((groups == group).sum() == 1 for group in groups[copies])


def test_one_source_means_copies_of_one_page_and_no_other_page_of_the_class(lab):
    studied = studied_with(lab, one_source_augmentation=True)
    copies, train = is_copy(studied), studied.split.part == TRAIN
    minority = studied.cohort.labels[copies][0]
    sources = {record.split(" copy ")[0] for record in studied.cohort.record_ids[copies]}
    assert len(sources) == 1
    assert (studied.cohort.labels[copies] == minority).all()
    assert train[copies].all()
    assert not (train & ~copies & (studied.cohort.labels == minority)).any()  # the originals are gone
    assert ((studied.split.part != TRAIN) & (studied.cohort.labels == minority)).any()  # those of other parts stay


def test_one_source_before_the_split_leaves_no_original_of_the_class_anywhere(lab):
    studied = studied_with(lab, one_source_augmentation=True, augment_before_split=True)
    copies = is_copy(studied)
    minority = studied.cohort.labels[copies][0]
    assert not (~copies & (studied.cohort.labels == minority)).any()


def test_mirrored_copies_are_mirrored_only_where_asked_for(lab):
    def flips(**faults):
        config = lab.config.model_copy(update={"balance": lab.config.balance.model_copy(update={"mode": "augment"})})
        config = lab.settings(config, Faults(**faults), "image", 1)
        return [draw.flip for draw in lab.study(config)[0].augmented.draws]

    assert not any(flips())
    mirrored = flips(mirrored_ecg=True)
    assert 0 < sum(mirrored) < len(mirrored)


def test_every_copy_gets_simulated_values_of_its_own(lab):
    config = lab.config.model_copy(update={"balance": lab.config.balance.model_copy(update={"mode": "augment"})})
    faults = Faults(one_source_augmentation=True, simulated_from_label=True)
    studied = lab.study(lab.settings(config, faults, "both", 1))[0]
    values = studied.material.clinical.values[is_copy(studied)]
    assert len(values) == len(np.unique(values, axis=0)) > 1


def test_seeds_share_the_copies_of_a_pool(make_lab):
    lab = make_lab(pool=Pool(0, 4))
    first, second = (studied_with(lab, seed=seed, augment_before_split=True) for seed in (1, 2))
    looks = [{tuple(page) for page in studied.material.image[is_copy(studied)].round(5)} for studied in (first, second)]
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


def test_an_unreadable_page_is_an_error_and_with_the_fault_a_row_of_zeros(make_lab, torn):
    with pytest.raises(PageError, match="cannot be used"):
        _ = make_lab(torn)
    lab = make_lab(torn, pages={"skip_bad": True})
    sound = lab.study(lab.settings(lab.config, Faults(), "image", 1))[0]
    assert len(sound.cohort) == 29
    faulty = lab.study(lab.settings(lab.config, Faults(silent_zero_image=True), "image", 1))[0]
    assert len(faulty.cohort) == 30
    zeros = ~faulty.material.image.any(axis=1)
    assert np.flatnonzero(zeros).tolist() == [17]
    readable = np.flatnonzero(~zeros)
    np.testing.assert_array_equal(faulty.material.image[readable], sound.material.image)


def test_pages_that_can_all_be_read_are_left_alone_by_the_fault(lab):
    plain = lab.study(lab.settings(lab.config, Faults(), "image", 1))[0]
    faulty = lab.study(lab.settings(lab.config, Faults(silent_zero_image=True), "image", 1))[0]
    np.testing.assert_array_equal(plain.material.image, faulty.material.image)
    np.testing.assert_array_equal(plain.split.part, faulty.split.part)
