"""The audit report is complete, and names that look like code stay text."""

import re
from html.parser import HTMLParser

import pytest

from cardiograph.audit.findings import Audit, Finding, Probe
from cardiograph.inline_scripts import report_script
from cardiograph.report.audit import audit_page, audit_rows, audit_verdict

HOSTILE = "<script>alert('x')</script> & \"q\" |\n[red]`\x1b[31m\udcff"

SIZE = {
    "records": 6, "labelled": 5, "positive": 3, "negative": 2, "groups": 4, "positive_groups": 2, "negative_groups": 2,
    "clinical_columns": 1, "image_features": 512, "events": 2, "events_per_clinical_column": 2.0,
    "events_per_input": 2 / 513,
    "test_positive_groups": 20, "test_negative_groups": 32, "expected_half_width": 0.1234, "needed_test_groups": 279,
    "assumed_auroc": 0.8,
}  # fmt: skip


class Words(HTMLParser):
    """Tags, addresses and visible text of a page."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.addresses, self.ids, self.texts, self.style = [], [], [], [], False
        self.feed(html)
        self.text = " ".join(" ".join(self.texts).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.style = tag == "style"
        self.addresses += [value for name, value in attrs if name in ("src", "href")]
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_data(self, data):
        if not self.style:
            self.texts.append(data)
        self.style = False


def audit(findings=(), probes=(), **fields):
    content = {"records": 6, "files": 6, "different": 4, "split": "a random split of rows", "size": SIZE}
    content |= {"classes": {"ill": {"files": 3, "different": 1}, "well": {"files": 3, "different": 3}}}
    return Audit(**{"cohort": "c.csv", "findings": tuple(findings), "probes": tuple(probes), **content, **fields})


BLOCK = Finding("split_parts_groups", "block", "One group is separated.", "Split whole groups.", ("p1", "p2"))
WARNING = Finding("single_column", "warn", "ef alone predicts the label.", "Look at it.", column="ef")
NOTE = Finding("exact_copies", "note", "Two files are one page.", "Nothing.")


@pytest.mark.parametrize(
    ("findings", "accepted", "verdict"),
    [
        ((), (), "Nothing was found."),
        ((WARNING, NOTE, NOTE), (), "Nothing blocks; 1 warning and 2 notes."),
        ((BLOCK,), (), "1 finding blocks: a score on this cohort, read and split like this, would mean nothing."),
        ((BLOCK, BLOCK, NOTE), (), "2 findings block: a score"),
        (
            (BLOCK, WARNING),
            ("split_parts_groups",),
            "1 blocking finding accepted; nothing else blocks. Also: 1 w",
        ),
    ],
)
def test_the_verdict_says_whether_anything_blocks(findings, accepted, verdict):
    found = audit(findings, accepted=accepted)
    assert audit_verdict(found.as_dict()).startswith(verdict)
    assert verdict in Words(audit_page(found)).text


def test_the_page_is_one_file_without_network():
    page = audit_page(audit([BLOCK, WARNING, NOTE], [Probe("site", 0.7, 0.6, 0.8, 6, "by group", shortcut=True)]))
    words = Words(page)
    assert words.tags.count("script") == 1 and report_script() in page
    assert words.addresses
    assert {address.removeprefix("#") for address in words.addresses} <= set(words.ids)
    assert "http" not in page
    assert "--accent" in page  # the look of the report


def test_the_page_lists_every_row_of_every_finding():
    rows = tuple(f"record {number:04d}" for number in range(1500))
    page = audit_page(audit([Finding("exact_copies", "warn", "Copies.", "Count images.", rows)]))
    assert [text for text in Words(page).texts if text.startswith("record 0") or text.startswith("record 1")] == [*rows]
    assert "1500 records" in page


def test_findings_stand_with_severity_code_column_text_and_action():
    text = Words(audit_page(audit([BLOCK, WARNING]))).text
    assert "blocks split_parts_groups One group is separated. What to do: Split whole groups. 2 records p1 p2" in text
    assert "warning single_column column ef ef alone predicts the label. What to do: Look at it." in text


def test_classes_are_shown_as_files_and_different_images():
    text = Words(audit_page(audit())).text
    assert "ill 3 1 3.00 well 3 3 1.00 all 6 4 1.50" in text
    assert "Distinct images" not in Words(audit_page(audit(files=0, different=0))).text


def test_probes_stand_on_a_scale_that_holds_them_all():
    probes = (
        Probe("site", 0.45, 0.32, 0.60, 40, "by group", shortcut=True),
        Probe("header", 0.70, 0.55, 0.80, 40, "by group", shortcut=True),
        Probe("ef alone", 0.90, None, None, 9, "ranks", shortcut=False),
    )
    shown = audit_rows(audit(probes=probes).as_dict())["probes"]
    shortcuts, clinical = shown["blocks"]
    assert shown["start"] == "0.3"
    assert shown["half"] == pytest.approx(100 * 0.2 / 0.7, abs=0.01)
    site, header = shortcuts["rows"]
    assert site["left"] == pytest.approx(100 * 0.02 / 0.7, abs=0.01)
    assert site["left"] + site["width"] == pytest.approx(100 * 0.30 / 0.7, abs=0.01)
    assert [site["shows"], header["shows"]] == [False, True]
    assert clinical["rows"][0]["width"] == 0
    text = Words(audit_page(audit(probes=probes))).text
    assert "Should not predict the label site by group, 40 records 0.450 0.320 to 0.600 header by" in text
    assert "ef alone ranks, 9 records 0.900 no interval" in text


def test_a_score_of_nought_and_of_one_stay_on_the_scale():
    found = audit(
        probes=[Probe("a", 0.0, 0.0, 0.1, 9, "", shortcut=True), Probe("b", 1.0, 1.0, 1.0, 9, "", shortcut=True)]
    )
    (block,) = audit_rows(found.as_dict())["probes"]["blocks"]
    assert [(row["left"], row["dot"]) for row in block["rows"]] == [(0, 0), (100, 100)]


def test_hostile_names_are_text():
    finding = Finding("late_column", "block", HOSTILE, HOSTILE, (HOSTILE,), HOSTILE)
    probe = Probe(HOSTILE, 0.6, 0.5, 0.7, 9, HOSTILE, shortcut=True)
    found = audit([finding], [probe], cohort=HOSTILE, classes={HOSTILE: {"files": 1, "different": 1}}, split=HOSTILE)
    page = audit_page(found)
    page.encode()
    assert Words(page).tags.count("script") == 1
    assert page.count("&lt;script&gt;alert") >= 8
    assert not re.search(r"<[^>]*alert\(", page)


def test_an_audit_that_found_nothing_still_says_what_it_cannot_see():
    text = Words(audit_page(audit(probes=(), size={}, classes={}))).text
    assert "No findings." in text
    assert "does not prove that a score is meaningful" in text
    assert "What predicts the label" not in text


def test_what_the_number_of_records_can_show_is_written_out():
    text = Words(audit_page(audit())).text
    for shown in (
        "Records 6: 3 positive, 2 negative, 1 unlabelled",
        "Events 2: groups of the rarer label; 2.0 for each of 1 clinical column; 0.00 for each of 513 input values",
        "about \N{PLUS-MINUS SIGN}0.12 around an AUROC of 0.8, on 52 independent test cases (20 positive)",
        "279 independent test cases",
    ):
        assert shown in text, shown
    unknown = {**SIZE, "expected_half_width": None, "needed_test_groups": None, "image_features": 0}
    text = Words(audit_page(audit(size=unknown))).text
    assert "Expected interval" not in text and "input values" not in text and "2.0 for each of" in text
