"""A missing page is reported with row, record, path as written, and the likely mistake in the path."""

import csv
import os

import pytest

from cardiograph.cohort.page_places import page_issue
from cardiograph.containers import Origin
from cardiograph.errors import Issue


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "Pages").mkdir()
    for name in ("A1.PNG", "b2.png", "Mü 3.png"):
        (tmp_path / "Pages" / name).touch()
    (tmp_path / "Pages" / "link.png").symlink_to("gone.png")
    os.mkfifo(tmp_path / "Pages" / "pipe.png")
    return tmp_path


def placed(written, folder, code="missing", place="row 3"):
    issue = Issue("page x.png", "", "not there", "a file", "check", code)
    return page_issue(issue, "p2", Origin(place, written, folder))


@pytest.mark.parametrize(
    ("written", "rule", "remedy"),
    [
        (r"Pages\A1.PNG", "Pages/A1.PNG", "write / instead of"),
        (r"C:\data\Pages\A1.PNG", "no such file", "Windows"),
        ("pages/b2.png", "Pages/b2.png", "case"),
        ("Pages/a1.png", "Pages/A1.PNG", "case"),
        ("Pages/Mu\u0308 3.png", "Pages/Mü 3.png", "accents"),
        ("Pages/b2", "Pages/b2.png", "extension"),
        ("file://pages/b2.png", "Pages/b2.png", "without file://"),
        ("file:///data/x%20y.png", "no such file", "without file://"),
        ("https://example.org/a.png", "no such file", "download"),
        ("~/a.png", "no such file", "~ is not expanded"),
        ("Pages/b2.png;Pages/A1.PNG", "no such file", "one page per cell"),
        ("NA", "no such file", "leave the cell empty"),
        ("Pages", "this is a folder", "name the file"),
        ("Pages/link.png", "this is a link to gone.png", "repair the link"),
        ("Pages/pipe.png", "neither a file nor a folder", "name the file"),
        ("A1.PNG", "no such file; relative paths start at", "check the path, or leave"),
    ],
)
def test_the_likely_mistake_in_a_path_is_named(written, rule, remedy, folder):
    found = placed(written, folder)
    assert found.where == f"page {written} (row 3, record 'p2')"
    assert rule in found.rule
    assert remedy in found.remedy


def test_a_place_that_names_the_record_names_it_once(folder):
    found = placed("x.png", folder, place="row 3 (record 'p2')")
    assert found.where == "page x.png (row 3, record 'p2')"


def test_a_page_that_is_there_keeps_its_remedy(folder):
    found = placed("Pages/b2.png", folder, code="truncated")
    assert (found.where, found.remedy) == ("page Pages/b2.png (row 3, record 'p2')", "check")


def test_every_path_of_the_case_names_row_and_record(shared, folder):
    with (shared.parent / "cases" / "paths.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found = [placed(row["ecg"].strip(), folder, place=f"row {line}") for line, row in enumerate(rows, start=2)]
    assert all(f"(row {line}, " in issue.where for line, issue in enumerate(found, start=2))
    assert all(row["ecg"].strip() in issue.where for row, issue in zip(rows, found, strict=True))
    assert len({issue.remedy for issue in found}) >= 8
