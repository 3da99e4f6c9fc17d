"""A folder with one subfolder per class is a cohort; files that are no ECGs are reported."""

import pytest

from cardiograph.cohort.manifest import read_cohort
from cardiograph.config_reading import CohortConfig
from cardiograph.errors import CohortError


@pytest.fixture
def pages(tmp_path):
    for name in ("normal/b.PNG", "normal/a.jpg", "mi/1.tif", "mi/deep/2.webp", "normal/.DS_Store", "mi/Thumbs.db"):
        file = tmp_path / "pages" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
    return tmp_path / "pages"


def read(folder, *positive, **settings):
    return read_cohort(folder, CohortConfig(positive=positive, **settings), outcome="infarction")


def test_class_folders_and_files_come_in_sorted_order(pages):
    cohort = read(pages, "mi")
    assert list(cohort.record_ids) == ["mi/1.tif", "mi/deep/2.webp", "normal/a.jpg", "normal/b.PNG"]
    assert cohort.labels.tolist() == [1, 1, 0, 0]
    assert cohort.table["class_name"].tolist() == ["mi", "mi", "normal", "normal"]
    assert cohort.table["ecg"][1] == str(pages / "mi/deep/2.webp")
    assert cohort.variables == ()


def test_files_that_are_no_pages_are_named(pages):
    (pages / "mi/notes.txt").write_text("x")
    (pages / "loose.png").write_bytes(b"x")
    (pages / "README.txt").write_text("x")
    with pytest.raises(CohortError) as caught:
        read(pages, "mi")
    assert [issue.where for issue in caught.value.issues] == ["file loose.png", "file mi/notes.txt"]


def test_a_readme_outside_the_class_folders_gives_a_note(pages):
    (pages / "README.txt").write_text("x")
    assert any("README.txt" in note for note in read(pages, "mi").table.attrs["notes"])


def test_positive_has_to_name_classes_that_are_there(pages):
    with pytest.raises(CohortError, match="the classes found are mi, normal"):
        read(pages, "infarction")
    with pytest.raises(CohortError, match="did you mean --positive normal"):
        read(pages, "Normal")
    with pytest.raises(CohortError, match="--positive CLASS"):
        read(pages)
    with pytest.raises(CohortError, match="records of both labels"):
        read(pages, "mi", "normal")


def test_empty_folders_are_named(pages, tmp_path):
    (pages / "empty").mkdir()
    with pytest.raises(CohortError, match="folder empty; has no pages or files of signals"):
        read(pages, "mi")
    (tmp_path / "nothing").mkdir()
    with pytest.raises(CohortError, match="no class folders"):
        read(tmp_path / "nothing", "mi")


def test_a_folder_has_no_clinical_values(pages):
    with pytest.raises(CohortError, match="pages, clinical values or both"):
        read(pages, "mi", modality="clinical")


HEADER = "{0} 1 500 9\n{0}.dat 16 200 16 0 0 0 0 I\n"


@pytest.fixture
def signals(tmp_path):
    """WFDB records, one of two segments and one with annotations and a page, among other files."""
    folder = tmp_path / "signals"
    texts = {
        "af/a.hea": HEADER.format("a"), "af/a.dat": "x", "af/a.atr": "x", "af/a.png": "x",
        "af/b.xml": "x", "af/c.SCP": "x", "sr/d.dcm": "x", "sr/e.csv": "x", "sr/f.edf": "x", "sr/f.zip": "x",
        "sr/two.hea": "two/2 1 500 18\ntwo_1 9\ntwo_2 9\n",
        **{f"sr/two_{n}.{end}": HEADER.format(f"two_{n}") for n in (1, 2) for end in ("hea", "dat")},
    }  # fmt: skip
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_a_folder_of_signal_files_has_a_record_for_each_ecg(signals):
    cohort = read(signals, "af")
    assert [*cohort.record_ids] == [
        *("af/a.hea", "af/a.png", "af/b.xml", "af/c.SCP"),
        *("sr/d.dcm", "sr/e.csv", "sr/f.edf", "sr/f.zip", "sr/two.hea"),
    ]
    assert "1 files next to WFDB records of 'af' are not read" in cohort.table.attrs["notes"]


def test_samples_without_a_header_and_other_files_are_named(signals):
    (signals / "sr/lost.dat").write_bytes(b"x")
    (signals / "sr/letter.docx").write_bytes(b"x")
    (signals / "loose.hea").write_text("x")
    (signals / "diagnoses.csv").write_text("x")
    with pytest.raises(CohortError) as caught:
        read(signals, "af")
    assert [issue.where for issue in caught.value.issues] == [
        "file loose.hea",
        "file sr/letter.docx",
        "file sr/lost.dat",
    ]
    assert "no header (.hea) names it" in caught.value.issues[2].rule
