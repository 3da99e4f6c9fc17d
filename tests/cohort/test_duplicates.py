"""Groups are connected components of links by patient, identical page or near-duplicate page."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardiograph.cohort.duplicates import find_groups

BYTES = 1536


def hashes(kinds, seed=0):
    """One random hash for each kind, slightly different in each record."""
    rng = np.random.default_rng(seed)
    originals = rng.integers(40, 216, (max(kinds) + 1, BYTES))
    return (originals[kinds] + rng.integers(-5, 6, (len(kinds), BYTES))).astype(np.uint8)


def test_links_are_counted_by_the_first_reason():
    groups = find_groups(
        patient_ids=["a", "a", None, None, None, None],
        pixel_hashes=["1", "1", "1", "2", "3", "4"],
        perceptual_hashes=hashes([0, 0, 0, 1, 1, 2]),
    )
    assert groups.index.tolist() == [0, 0, 0, 1, 1, 2]
    assert groups.links == {"patient": 1, "same pixels": 1, "same values": 0, "near copy": 1}
    assert len(groups) == 3


def test_a_page_in_two_patients_files_joins_them():
    groups = find_groups(patient_ids=["a", "b", "b", "c"], pixel_hashes=["1", "1", "2", "3"], perceptual_hashes=None)
    assert groups.index.tolist() == [0, 0, 0, 1]


def test_records_without_a_page_are_no_copies_of_each_other():
    groups = find_groups(
        patient_ids=[None] * 3, pixel_hashes=[None] * 3, perceptual_hashes=np.zeros((3, BYTES), np.uint8)
    )
    assert len(groups) == 3


def test_near_copies_can_be_left_alone():
    pages = {"pixel_hashes": ["1", "2"], "perceptual_hashes": hashes([0, 0])}
    assert len(find_groups(patient_ids=[None, None], **pages)) == 1
    assert len(find_groups(patient_ids=[None, None], **pages, near_copies=False)) == 2


def test_equal_values_join_records_that_differ_in_nothing_else():
    values = np.array([[1, 2, 3.0], [1, 2, 3], [1, 2, 4], [1, 2, 3], [1, 2, np.nan], [1, 2, np.nan]])
    patients = [None, None, None, "p", None, None]
    groups = find_groups(patient_ids=patients, pixel_hashes=[None] * 6, perceptual_hashes=None, values=values)
    assert groups.index.tolist() == [0, 0, 1, 2, 3, 4]  # two values are too few, and a patient id keeps records apart
    assert groups.links["same values"] == 1


def test_lengths_are_checked_and_nothing_is_fine():
    assert len(find_groups(patient_ids=[], pixel_hashes=[], perceptual_hashes=None)) == 0
    with pytest.raises(ValueError, match="each record needs"):
        find_groups(patient_ids=["a"], pixel_hashes=[], perceptual_hashes=None)


def test_the_shared_manifest_has_as_many_groups_as_pictures(shared):
    lines = (shared / "ecg-pages" / "manifest.csv").read_text(encoding="utf-8").splitlines()[1:]
    pictures = [line.split(",")[2] for line in lines]
    groups = find_groups(patient_ids=[None] * 690, pixel_hashes=pictures, perceptual_hashes=None)
    assert len(groups) == 367
    assert groups.links["same pixels"] == 690 - 367


records = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c", "d", None]), st.sampled_from(["1", "2", "3", "4", "5", None])),
    max_size=20,
)


@given(records)
def test_groups_are_connected_components(rows):
    patients, pictures = [row[0] for row in rows], [row[1] for row in rows]
    groups = find_groups(patient_ids=patients, pixel_hashes=pictures, perceptual_hashes=None)
    reach = np.eye(len(rows), dtype=bool)
    for one in range(len(rows)):
        for other in range(len(rows)):
            same_patient = patients[one] is not None and patients[one] == patients[other]
            reach[one, other] |= same_patient or (pictures[one] is not None and pictures[one] == pictures[other])
    for _ in rows:  # transitive closure by repeated squaring, the slow and sure way
        reach = (reach.astype(int) @ reach.astype(int)) > 0
    assert np.array_equal(groups.index[:, None] == groups.index[None, :], reach)
    assert sum(groups.links.values()) == len(rows) - len(groups)
