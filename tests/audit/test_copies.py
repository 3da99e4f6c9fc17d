"""Copies are counted, reported with their labels, and never separated without a finding."""

import numpy as np

from cardiograph.audit.audit_input import count_files
from cardiograph.audit.copies import check_copies
from cardiograph.containers import Groups


def found(audited):
    return {finding.code: finding for finding in check_copies(audited)}


def test_files_and_images_are_counted_by_class(audited, pages):
    whole = audited([0, 0, 0, 1, 1, -1], pages=pages("aabccd"))
    assert count_files(whole) == (
        6,
        4,
        {
            "0": {"files": 3, "different": 2, "records": 3},
            "1": {"files": 2, "different": 1, "records": 2},
            "unlabelled": {"files": 1, "different": 1, "records": 1},
        },
    )
    assert count_files(audited([0, 1]))[2]["0"] == {"files": 0, "different": 0, "records": 1}


def test_exact_copies(audited, pages):
    finding = found(audited([0, 0, 0, 1, 1], pages=pages("aabcc")))["exact_copies"]
    assert finding.rows == ("r0", "r1", "r3", "r4")
    assert finding.text.startswith("5 files hold 3 different images: 4 files")
    assert not found(audited([0, 1, 1], pages=pages("abc")))


def test_records_without_a_page_are_no_files_and_no_copies(audited, pages):
    whole = audited([0, 0, 0, 1, 1, 1], pages=pages([None, None, "a", "a", "b", None]))
    assert count_files(whole)[:2] == (3, 2)
    assert count_files(whole)[2]["0"] == {"files": 1, "different": 1, "records": 3}
    findings = found(whole)
    assert findings["exact_copies"].rows == ("r2", "r3")
    assert findings["exact_copies"].text.startswith("3 files hold 2 different images: 2 files")
    assert "near_copies" not in findings
    assert findings["copies_with_different_labels"].rows == ("r2", "r3")


def test_near_copies_by_their_traces(audited, pages, rng):
    looks = rng.integers(0, 255, (4, 1536), np.uint8)
    looks[3] = np.clip(looks[0].astype(int) + rng.integers(-5, 6, 1536), 0, 255)
    near = audited([0, 1, 1, 0], pages=pages("abcd", likeness=looks))
    assert found(near)["near_copies"].rows == ("r0", "r3")
    assert not found(audited([0, 1, 1, 0], pages=pages("abcd", likeness=looks), near_copies=False))


def test_copies_with_different_labels_block(audited, pages):
    blocked = found(audited([0, 1, 1, 0], pages=pages("aabc")))["copies_with_different_labels"]
    assert (blocked.severity, blocked.rows) == ("block", ("r0", "r1"))
    assert "copies_with_different_labels" not in found(audited([1, 1, -1, 0], pages=pages("aaab")))


def test_copies_of_one_label_and_two_classes_are_a_warning(audited, pages):
    classes = {"class_name": ["mi", "history", "normal"]}
    finding = found(audited([1, 1, 0], pages=pages("aab"), columns=classes))["copies_with_different_classes"]
    assert (finding.severity, finding.rows) == ("warn", ("r0", "r1"))


def test_a_class_of_few_images(audited, pages):
    findings = found(audited([1] * 8 + [0] * 8, pages=pages("aaaaaaab" + "cdefghij")))
    assert "'1' has 8 files, but only 2 different" in findings["class_of_few_images"].text


def test_a_split_that_parts_groups_blocks(audited):
    groups = Groups(np.array([0, 0, 1, 2, 2, 3]), {"patient": 2})
    part = np.array(["train", "test", "test", "val", "val", "train"])
    finding = found(audited([0, 0, 1, 1, 1, 0], groups=groups, part=part, split="given in the table"))
    (finding,) = finding.values()
    assert (finding.code, finding.severity, finding.rows) == ("split_parts_groups", "block", ("r0", "r1"))
    assert "given in the table" in finding.text
    assert "separates 1 group(s)" in finding.text
    assert "1 of 2 test records" in finding.text


def test_an_excluded_record_does_not_part_its_group(audited):
    groups = Groups(np.array([0, 0, 1]), {"patient": 1})
    part = np.array(["test", "excluded", "train"])
    assert not found(audited([0, -1, 1], groups=groups, part=part))
