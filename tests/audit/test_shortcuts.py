"""Features that should be unrelated to the label are reported only if they predict it."""

import numpy as np
import pytest

from cardiograph.audit.findings import Finding, Probe
from cardiograph.audit.shortcuts import probe_shortcuts

LABELS = np.arange(120) % 2


def codes(audited):
    return {each.code for each in probe_shortcuts(audited) if isinstance(each, Finding)}


def margins(levels):
    return [np.asarray(row, np.uint8).tobytes().hex() for row in levels]


@pytest.mark.parametrize("known", [True, False])
def test_a_header_that_knows_the_label(audited, pages, traits, rng, known):
    levels = rng.integers(200, 255, (120, 1536))
    if known:
        levels[LABELS == 1, 40:60] -= 60
    looks = [traits(margins=text) for text in margins(levels)]
    assert ("shortcut_header" in codes(audited(LABELS, pages=pages(range(120), looks)))) == known


@pytest.mark.parametrize("trait", ["file_bytes", "quantisation", "brightness", "format"])
def test_files_that_know_the_label(audited, pages, traits, rng, trait):
    values = {
        "file_bytes": [int(v) for v in rng.normal(50_000 + 9_000 * LABELS, 3000)],
        "quantisation": [12.0 + 3 * label for label in LABELS],
        "brightness": list(rng.normal(220 - 8 * LABELS, 3)),
        "format": ["PNG" if label else "JPEG" for label in LABELS],
    }[trait]
    assert codes(audited(LABELS, pages=pages(range(120), [traits(**{trait: value}) for value in values]))) == {
        "shortcut_file"
    }
    shuffled = rng.permutation(np.array(values, dtype=object))
    assert not codes(audited(LABELS, pages=pages(range(120), [traits(**{trait: value}) for value in shuffled])))


def test_a_site_that_knows_the_label(audited, rng):
    site = np.where(rng.random(120) < 0.9, np.where(LABELS == 1, "A", "B"), None)
    assert codes(audited(LABELS, columns={"site": site})) == {"shortcut_site"}
    chance = [bool(codes(audited(LABELS, columns={"site": rng.permutation(site)}))) for _ in range(10)]
    assert sum(chance) <= 2  # an interval of 95 % is above 0.5 by chance in one of 40


def test_a_date_that_knows_the_label(audited, rng):
    days = np.array([f"{2019 + 3 * label}-0{1 + row % 9}-11" for row, label in enumerate(LABELS)])
    assert codes(audited(LABELS, columns={"acquired_at": days})) == {"shortcut_acquired_at"}
    assert not codes(audited(LABELS, columns={"acquired_at": rng.permutation(days)}))
    assert not codes(audited(LABELS, columns={"acquired_at": np.array(["11.1.19 ?"] * 120)}))  # not guessed


def test_gaps_that_know_the_label(audited, rng):
    values = rng.normal(120, 10, (120, 1))
    gaps = np.where(rng.random((120, 1)) < 0.15 + 0.6 * LABELS[:, None], np.nan, values)
    assert codes(audited(LABELS, values=gaps, names=("sbp",))) == {"shortcut_missingness"}
    assert not codes(audited(LABELS, values=rng.permutation(gaps), names=("sbp",)))
    assert not codes(audited(LABELS, values=values, names=("sbp",)))


def test_pages_that_are_missing_for_one_label(audited, pages, traits, rng):
    values = rng.normal(120, 10, (120, 1))
    gone = rng.random(120) < 0.15 + 0.6 * LABELS
    for missing, expected in ((gone, {"shortcut_missingness"}), (rng.permutation(gone), set())):
        there = pages(
            [None if absent else row for row, absent in enumerate(missing)],
            [None if absent else traits() for absent in missing],
        )
        cohort = audited(LABELS, values=values, names=("sbp",), pages=there)
        assert codes(cohort) == expected
        (name,) = [each.name for each in probe_shortcuts(cohort) if isinstance(each, Probe) and "gaps" in each.name]
        assert name == "gaps of the ECG pages"


def test_a_shortcut_of_pages_is_sought_where_there_are_pages(audited, pages, traits, rng):
    gone = rng.random(120) < 0.2
    looks = [
        None if absent else traits(brightness=220.0 - 9 * label) for absent, label in zip(gone, LABELS, strict=True)
    ]
    cohort = audited(LABELS, pages=pages([None if absent else row for row, absent in enumerate(gone)], looks))
    (probe,) = [
        each for each in probe_shortcuts(cohort) if isinstance(each, Probe) and each.name.startswith("image files")
    ]
    assert probe.records == (~gone).sum()
    assert probe.auroc > 0.9


def test_a_shortcut_inside_a_patient_is_none(audited, rng):
    """Every patient has a site of its own: a model of one says nothing about another."""
    from cardiograph.containers import Groups

    patients = np.arange(120) // 4
    labels = patients % 2
    assert not codes(audited(labels, columns={"site": patients.astype(str)}, groups=Groups(patients)))
