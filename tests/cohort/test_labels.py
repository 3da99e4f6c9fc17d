"""Classes match what the user declares: spelling variants and words for 'unknown' never become label 0 silently."""

import unicodedata
from pathlib import Path

import pytest

from cardiograph.cohort.labels import positive_classes
from cardiograph.cohort.manifest import read_cohort
from cardiograph.config_reading import CohortConfig
from cardiograph.errors import CohortError


@pytest.fixture
def case(shared):
    """Read a file of the shared cases."""

    def read_case(name, **settings):
        return read_cohort(shared.parent / "cases" / name, CohortConfig(**settings), outcome="heart failure")

    return read_case


def codes(error):
    return [issue.code for issue in error.value.issues]


@pytest.mark.parametrize(
    ("first", "second"),
    [("HF", "hf"), ("heart failure", "heart_failure"), ("Café", unicodedata.normalize("NFD", "Café"))],
)
def test_two_spellings_of_a_class_are_a_fault(faults, first, second):
    error = faults(f"label,ef\n{first},0.3\n{second},0.3\nnormal,0.6\n", positive=[first])
    (issue,) = error.issues
    assert issue.code == "class_spelling"
    assert ascii(first)[1:-1] in issue.value or first in issue.value
    shown = issue.value.removeprefix("written ").split(" and ")
    assert shown[0] != shown[1]  # the user sees how they differ
    assert "1 rows" in issue.value


def test_two_spellings_of_a_negative_class_are_a_fault(faults):
    error = faults("label,ef\nHF,0.3\nNormal,0.3\nnormal,0.6\n", positive=["HF"])
    assert [issue.code for issue in error.issues] == ["class_spelling"]


def test_spellings_that_are_all_named_positive_are_taken(read):
    cohort = read("label,ef\nHF,0.3\nhf,0.3\nnormal,0.6\n", positive=["HF,hf"])
    assert cohort.labels.tolist() == [1, 1, 0]


def test_lab_case(case):
    with pytest.raises(CohortError) as caught:
        case("lab_case.csv", positive=["HF"])
    assert codes(caught) == ["class_spelling"]
    assert "'HF' (15 rows) and 'hf' (15 rows)" in str(caught.value)


def test_class_folders_that_differ_in_case_are_a_fault(tmp_path):
    for name in ("HF", "hf", "normal"):
        (tmp_path / "pages" / name).mkdir(parents=True)
        Path(tmp_path / "pages" / name / "1.png").write_bytes(b"x")
    with pytest.raises(CohortError) as caught:
        read_cohort(tmp_path / "pages", CohortConfig(positive=("HF",)), outcome="heart failure")
    assert codes(caught) == ["class_spelling"]
    assert "merge the folders" in caught.value.issues[0].remedy


@pytest.mark.parametrize("word", ["unknown", "Unknown", "N/A", "#N/A", "?", "not known"])
def test_a_word_for_not_known_is_no_class(read, faults, word):
    text = f"label,ef\nHF,0.3\n{word},0.3\nnormal,0.6\n"
    (issue,) = faults(text, positive=["HF"]).issues
    assert (issue.where, issue.column, issue.value, issue.code) == ("row 3", "label", word, "label_word")
    option = issue.remedy.split("--missing label=")[1].split(";")[0].strip("'")
    assert read(text, positive=["HF"], missing=[f"label={option}"]).labels.tolist() == [1, -1, 0]


def test_a_word_for_not_known_has_the_same_remedy_without_classes(faults):
    (issue,) = faults("label,ef\n1,0.3\nunknown,0.3\n0,0.6\n").issues
    assert "--missing label=unknown" in issue.remedy


def test_none_is_a_class_of_the_healthy(read):
    assert read("label,ef\nHF,0.3\nnone,0.6\n", positive=["HF"]).labels.tolist() == [1, 0]


def test_lab_unk(case):
    with pytest.raises(CohortError) as caught:
        case("lab_unk.csv", positive=["HF"])
    assert codes(caught) == ["label_word"] * 13
    labels = case("lab_unk.csv", positive=["HF"], missing=["label=unknown"]).labels
    assert (labels == -1).sum() == 13


def test_lab_comma(case):
    cohort = case("lab_comma.csv", positive=["HF, systolic"])
    assert set(cohort.table["class_name"][cohort.labels == 1]) == {"HF, systolic"}
    assert cohort.labels.sum() == 30


@pytest.mark.parametrize(
    ("positive", "found", "chosen"),
    [
        (["a, b"], ["a", "b", "c"], ("a", "b")),
        (["HF, systolic,other"], ["HF, systolic", "other", "none"], ("HF, systolic", "other")),
        (["HF, systolic"], ["HF", "systolic", "HF, systolic"], ("HF, systolic",)),
        (["HF", "systolic"], ["HF", "systolic", "HF, systolic"], ("HF", "systolic")),
        (["a, lost"], ["a"], ("a", "lost")),
        (["Café"], [unicodedata.normalize("NFD", "Café")], (unicodedata.normalize("NFD", "Café"),)),
    ],
)
def test_a_name_with_a_comma_is_one_class_where_it_is_one(positive, found, chosen):
    assert positive_classes(positive, found) == chosen


def test_a_class_named_in_another_case_is_suggested(faults):
    (issue,) = faults("label,ef\nHF,0.3\nnormal,0.6\n", positive=["hf"]).issues
    assert issue.remedy == "did you mean --positive HF?"


@pytest.mark.parametrize(
    ("words", "named"), [(("True", "False"), "True"), (("NO", "YES"), "YES"), (("no", "yes"), "yes")]
)
def test_two_words_for_yes_and_no_are_named_in_the_remedy(faults, words, named):
    rows = "\n".join(f"p{number},{word},0.4" for number, word in enumerate(words))
    issues = faults(f"patient_id,label,ef\n{rows}\n").issues
    assert {issue.remedy for issue in issues} == {f"name the word that means label 1: --positive {named}"}
