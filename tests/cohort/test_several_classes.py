"""When labels are several classes, how they are numbered, and what is refused by name."""

import numpy as np
import pytest

from cardiograph.cohort.manifest import read_cohort
from cardiograph.cohort.split import draw_split, given_split
from cardiograph.config import SplitConfig, load_config
from cardiograph.config_outcome import OutcomeConfig
from cardiograph.config_reading import CohortConfig
from cardiograph.containers import Groups
from cardiograph.errors import CohortError, ConfigError


@pytest.fixture
def labelled(tmp_path):
    """Read a table with these labels and one clinical column."""

    def read(*labels, kind="auto", name="positive class", **settings):
        path = tmp_path / "cohort.csv"
        path.write_text("label,ef\n" + "".join(f"{label},0.5\n" for label in labels))
        return read_cohort(path, CohortConfig(**settings), outcome=OutcomeConfig(name=name, kind=kind))

    return read


def codes(labelled, *labels, **settings):
    with pytest.raises(CohortError) as caught:
        labelled(*labels, **settings)
    return [issue.code for issue in caught.value.issues]


def test_three_words_are_three_classes_and_the_notes_say_so(labelled):
    cohort = labelled("normal", "infarct", "", "block", "normal")
    assert cohort.classes == ("block", "infarct", "normal")
    assert cohort.labels.tolist() == [2, 1, -1, 0, 2]
    assert (cohort.class_count, cohort.outcome) == (3, "class")
    assert any("3 classes (block, infarct, normal)" in note for note in cohort.table.attrs["notes"])
    assert labelled("a", "b", "c", name="diagnosis").outcome == "diagnosis"


def test_a_folder_for_each_class_is_read_alike(tmp_path):
    for name in ("normal", "infarct", "block"):
        (tmp_path / "pages" / name).mkdir(parents=True)
        (tmp_path / "pages" / name / "1.png").write_bytes(b"x")
    cohort = read_cohort(tmp_path / "pages", CohortConfig(), outcome=OutcomeConfig())
    assert cohort.classes == ("block", "infarct", "normal")


def test_positive_classes_and_labels_of_0_and_1_stay_binary(labelled):
    assert labelled("normal", "infarct", "block", positive=("infarct",)).classes == ()
    assert labelled(0, 1, 1).classes == ()
    with pytest.raises(CohortError, match="--positive"):
        labelled("normal", "infarct", "block", kind="binary")


def test_two_words_still_need_a_positive_class(labelled):
    assert codes(labelled, "normal", "infarct") == ["label", "label"]


def test_a_number_among_labels_is_no_class_unless_the_kind_is_named(labelled):
    assert codes(labelled, 0, 1, 2, 1) == ["label"]
    assert labelled(3, 10, 2, kind="multiclass").classes == ("2", "3", "10")


def test_many_different_words_are_no_classes(labelled):
    assert set(codes(labelled, *(f"word{chr(97 + number)}" for number in range(21)))) == {"label"}


@pytest.mark.parametrize(
    ("labels", "code"),
    [
        (("a", "b", "a"), "two_classes"),
        (("a", "a"), "one_class"),
        (("", ""), "no_labels"),
        (("Normal", "normal", "b", "c"), "class_spelling"),
        (("a", "b", "c", "unknown"), "label_word"),
    ],
)
def test_classes_that_cannot_be_used_are_named(labelled, labels, code):
    assert codes(labelled, *labels, kind="multiclass") == [code]


def test_positive_classes_contradict_a_multiclass_outcome():
    with pytest.raises(ConfigError, match=r"outcome\.kind is 'multiclass', but cohort.positive"):
        load_config(None, {"outcome": {"kind": "multiclass"}, "cohort": {"positive": ["a"]}})


def test_an_outcome_that_is_only_a_name_is_read_from_a_file_and_keeps_its_kind_from_options(tmp_path):
    path = tmp_path / "old.toml"
    path.write_text('outcome = "heart failure"\n')
    assert load_config(path).outcome == OutcomeConfig(name="heart failure")
    assert load_config(path, {"outcome": {"kind": "multiclass"}}).outcome.name == "heart failure"


def test_a_class_with_a_single_group_cannot_be_split():
    labels, groups = np.array([0, 1, 2, 2] * 4), np.arange(16)
    groups[labels == 1] = 0
    with pytest.raises(CohortError, match=r"class infarct is in 1 group\(s\)"):
        draw_split(labels, Groups(groups), SplitConfig(), np.random.default_rng(0), classes=("a", "infarct", "b"))


def test_every_part_has_every_class_and_groups_stay_whole():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(60), 2)
    labels = np.where(rng.random(120) < 0.05, -1, np.repeat(rng.choice(4, 60, p=[0.5, 0.3, 0.12, 0.08]), 2))
    split = draw_split(labels, Groups(groups), SplitConfig(), rng, classes=tuple("abcd"))
    for part in ("train", "val", "test"):
        assert set(labels[split.part == part]) - {-1} == {0, 1, 2, 3}
    kept = split.part != "excluded"
    assert all(len(set(split.part[kept & (groups == group)])) <= 1 for group in range(60))


def test_a_class_that_is_only_in_the_given_test_part_is_named():
    labels, parts = np.array([0, 1, 0, 1, 0, 1, 2]), ["train", "train", "val", "val", "test", "test", "test"]
    with pytest.raises(CohortError, match="no labelled record of class block in 'train'"):
        given_split(parts, labels, Groups(np.arange(7)), ("a", "b", "block"))
