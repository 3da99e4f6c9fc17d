"""Pages that cannot be used, and pages that differ from the rest."""

import dataclasses

import pytest

from cardiograph.audit.files import check_files
from cardiograph.errors import Issue


def found(audited):
    return {finding.code: finding for finding in check_files(audited)}


def among(traits, count=20, **changes):
    return [traits()] * count + [traits(**changes)]


def whole(audited, pages, looks):
    return audited([0, 1] * (len(looks) // 2) + [0] * (len(looks) % 2), pages=pages(range(len(looks)), looks))


def test_like_pages_are_not_remarked_upon(audited, pages, traits):
    looks = [
        traits(width=1100 + row, file_bytes=50_000 + 999 * row, grid=(30 + row, 140, 1090, 760)) for row in range(20)
    ]
    assert not found(whole(audited, pages, looks))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"width": 780, "height": 1100}, "odd_page_size"),
        ({"width": 2200, "height": 1560, "grid": (60, 280, 2180, 1520)}, "odd_page_size"),
        ({"grid": (300, 140, 1090, 760)}, "odd_page_layout"),
        ({"format": "PNG", "quantisation": None}, "odd_page_format"),
        ({"mode": "L"}, "odd_page_format"),
        ({"grid": None, "margins": ""}, "no_grid_found"),
    ],
)
def test_an_odd_page_is_named(audited, pages, traits, changes, code):
    findings = found(whole(audited, pages, among(traits, **changes)))
    assert findings[code].rows == ("r20",)


def test_half_and_half_is_no_oddity(audited, pages, traits):
    looks = [traits()] * 10 + [traits(width=2200, height=1000)] * 10
    findings = found(whole(audited, pages, looks))
    assert "odd_page_size" not in findings
    assert findings["mixed_page_sizes"].severity == "note"


def test_pages_that_cannot_be_used_are_one_finding_a_kind(audited, pages):
    def issue(name, code):
        return Issue(
            f"page {name} (record '{name}')", "", "cut short", "a file ends where it says", "copy it again", code
        )

    bad = [issue("a", "truncated"), issue("b, c", "truncated"), issue("d", "blank")]
    strict = audited([0, 1], pages=pages("xy", skipped=bad))
    findings = found(strict)
    assert findings["truncated"].rows == ("a", "b, c")
    assert {finding.severity for finding in findings.values()} == {"block"}
    assert "--skip-bad-pages" in findings["blank"].action
    assert {f.severity for f in found(dataclasses.replace(strict, skip_bad=True)).values()} == {"warn"}


def test_a_cohort_without_pages_has_no_files(audited):
    assert not found(audited([0, 1]))


def test_records_without_a_page_are_passed_over(audited, pages, traits):
    looks = [None, *among(traits, width=780, height=1100), None]
    finding = found(whole(audited, pages, looks))["odd_page_size"]
    assert finding.rows == ("r21",)
    findings = found(whole(audited, pages, [None, *among(traits, grid=None, margins="")]))
    assert findings["no_grid_found"].text.startswith("No ECG grid was found on 1 of 21 pages")
    assert findings["no_grid_found"].rows == ("r21",)
    odd = found(whole(audited, pages, [None, *among(traits, mode="L")]))["odd_page_format"]
    assert odd.rows == ("r21",)


def test_recordings_in_the_weights_of_the_encoder_are_named(audited, pages):
    findings = {
        each.code: each for each in check_files(audited([0, 1], pages=dataclasses.replace(pages("xy"), seen=[1])))
    }
    assert findings["seen_by_encoder"].rows == ("r1",)
    assert "pretrained on 1 of these recordings" in findings["seen_by_encoder"].text
    assert "seen_by_encoder" not in {each.code for each in check_files(audited([0, 1], pages=pages("xy")))}
