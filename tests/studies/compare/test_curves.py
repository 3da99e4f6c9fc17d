"""Fewer labels and fewer measurements: whole groups, blind to what is predicted, and nothing else is touched."""

import dataclasses

import numpy as np
import pytest
from tests.studies.compared import made_dataset, made_fold_data

from cardiograph.errors import ConfigError
from cardiograph.studies.compare.folds import (
    BLANKED_SHARES,
    LABEL_SHARES,
    blank_values,
    keep_labels,
    require_blanked_variable,
)


def kept(dataset, share, seed=0):
    return keep_labels(dataset, share, np.random.default_rng(seed))


@pytest.mark.parametrize("seed", range(5))
def test_labels_go_by_whole_groups_and_two_of_each_class_stay(seed):
    dataset = made_fold_data().dataset("both", (0, 0))
    labels, groups = dataset.inputs.labels, dataset.split.groups.index
    train = dataset.split.rows("train")
    train = train[labels[train] >= 0]
    for share in LABEL_SHARES:
        scarce = kept(dataset, share, seed).inputs.labels
        still = scarce[train] >= 0
        for group in np.unique(groups[train]):
            assert len(set(still[groups[train] == group])) == 1
        for label in (0, 1):
            left = train[still & (labels[train] == label)]
            assert len(np.unique(groups[left])) >= 2
            wanted = share * (labels[train] == label).sum()
            assert wanted <= len(left) or np.isclose(wanted, len(left))
            assert len(left) <= max(wanted + 2, 4)


def test_each_of_several_classes_keeps_two_groups_and_its_share():
    dataset = made_dataset(unlabelled=0)
    groups = dataset.split.groups.index
    labels = groups % 3
    dataset = dataclasses.replace(dataset, inputs=dataclasses.replace(dataset.inputs, labels=labels))
    for share in (0.05, 0.5):
        scarce = kept(dataset, share).inputs.labels
        assert (scarce[scarce >= 0] == labels[scarce >= 0]).all()
        for label in range(3):
            count = (labels == label).sum()
            assert len(np.unique(groups[scarce == label])) >= 2
            assert share * count <= (scarce == label).sum() <= max(share * count + 2, 4)


def test_a_smaller_share_is_part_of_a_larger_one_and_all_is_all():
    dataset = made_fold_data().dataset("both", (0, 0))
    before = None
    for share in LABEL_SHARES:
        labels = kept(dataset, share).inputs.labels
        now = set(np.flatnonzero(labels >= 0))
        assert before is None or before <= now
        before = now
    assert (labels == dataset.inputs.labels).all()


def test_records_stay_in_the_graph_and_held_out_labels_stay():
    dataset = made_fold_data().dataset("both", (0, 0))
    scarce = kept(dataset, 0.05)
    assert scarce.split is dataset.split
    for part in ("val", "test"):
        rows = dataset.split.rows(part)
        assert (scarce.inputs.labels[rows] == dataset.inputs.labels[rows]).all()
        assert (scarce.rows(part) == dataset.rows(part)).all()


def test_only_ef_is_blanked_where_there_is_no_bnp_and_more_of_it_at_a_larger_share():
    dataset = made_dataset(patients=400)
    names = [variable.name for variable in dataset.inputs.clinical.variables]
    ef, age = names.index("ef"), names.index("age")
    before = np.zeros(len(dataset.cohort), bool)
    for share in BLANKED_SHARES:
        values = blank_values(dataset, share, np.random.default_rng(1)).inputs.clinical.values
        gone = np.isnan(values[:, ef])
        assert abs(gone.mean() - share) < 0.06
        assert not np.isnan(values[:, age]).any()
        assert (before <= gone).all()
        before = gone


def test_blanking_is_blind_to_the_label():
    dataset = made_dataset()
    turned = dataclasses.replace(dataset, inputs=dataclasses.replace(dataset.inputs, labels=1 - dataset.inputs.labels))
    one, two = (blank_values(each, 0.5, np.random.default_rng(4)).inputs.clinical.values for each in (dataset, turned))
    assert np.array_equal(one, two, equal_nan=True)


def test_a_cohort_without_bnp_and_ef_is_refused():
    dataset = made_dataset()
    inputs = dataclasses.replace(dataset.inputs, clinical=None)
    with pytest.raises(ConfigError, match=r"--missingness.*neither bnp nor ef"):
        require_blanked_variable(dataclasses.replace(dataset, inputs=inputs))
    require_blanked_variable(dataset)
