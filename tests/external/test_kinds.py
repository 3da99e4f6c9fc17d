"""A cohort of pictures that a run of recordings scores, or the reverse, is named."""

from types import SimpleNamespace

import pytest

from cardiograph.external.cohort import kind_notes


@pytest.mark.parametrize(
    ("own", "here", "noted"),
    [
        ({"recordings": 100, "pictures": 0}, {"recordings": 3, "pictures": 9}, True),
        ({"recordings": 0, "pictures": 80}, {"recordings": 10, "pictures": 0}, True),
        ({"recordings": 100, "pictures": 0}, {"recordings": 9, "pictures": 3}, False),
        ({}, {"recordings": 9, "pictures": 3}, False),
        ({"recordings": 100, "pictures": 0}, {"recordings": 0, "pictures": 0}, False),
    ],
)
def test_another_kind_of_ecg_is_noted(own, here, noted):
    dataset = SimpleNamespace(page_index=SimpleNamespace(kinds=here))
    assert [
        f"this cohort {here['recordings']} recordings" in note for note in kind_notes(dataset, {"ecg_kinds": own})
    ] == [True] * noted


def test_a_cohort_without_ecgs_has_no_note():
    assert kind_notes(SimpleNamespace(page_index=None), {"ecg_kinds": {"recordings": 100, "pictures": 0}}) == []
