"""Sentences state what the numbers show, and no more."""

import dataclasses

import pytest

from cardiograph.evaluate.bootstrap import Interval
from cardiograph.studies.faults.switches import FAULTS
from cardiograph.studies.ladder.result import Block, LadderFacts, LadderRow
from cardiograph.studies.ladder.wording import (
    PHRASES,
    ladder_notes,
    ladder_reading,
    of_control,
    of_fault_alone,
    of_step,
)

FACTS = LadderFacts(
    cohort="pages.csv", outcome="sick", records=100, groups=60, classes=("a", "b"), seeds=10, first_seed=42,
    confidence=0.95, quick=False, weights="imagenet", model="gcn", simulated=True,
    chance={"auroc": 0.5, "balanced_accuracy": 0.5, "class_accuracy": 0.6}, differences=(),
)  # fmt: skip


def row(name, value, change=None, low=None, high=None):
    changes = {} if change is None else {"auroc": Interval(change, low, high)}
    return LadderRow(name, name, "", {"auroc": Interval(value, value - 0.1, value + 0.1)}, changes, {})


BEFORE = row("thesis", 0.8)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (row("header_in_view", 0.7, -0.1, -0.15, -0.05), "was worth 0.100 (0.050 to 0.150) AUROC"),
        (row("header_in_view", 0.9, 0.1, 0.05, 0.15), "cost 0.100 (0.050 to 0.150) AUROC"),
        (row("header_in_view", 0.81, 0.01, -0.05, 0.07), "10 seeds cannot distinguish"),
    ],
)
def test_a_step_is_described_by_its_sign_and_its_interval(found, expected):
    text = of_step(found, BEFORE, FACTS)
    assert expected in text
    assert text.startswith(PHRASES["header_in_view"])
    assert ("cannot distinguish" in text) == ("cannot distinguish" in expected)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (row("header_in_view", 0.9, 0.1, 0.05, 0.15), "adds 0.100"),
        (row("header_in_view", 0.7, -0.1, -0.15, -0.05), "takes 0.100 (0.050 to 0.150)"),
        (row("header_in_view", 0.8, 0.0, -0.15, 0.15), "10 seeds cannot distinguish"),
    ],
)
def test_a_fault_alone_is_described_by_its_sign_and_its_interval(found, expected):
    assert expected in of_fault_alone(found, BEFORE, FACTS)


@pytest.mark.parametrize(
    ("value", "expected"), [(0.52, "as it must"), (0.7, "trust no score"), (0.3, "trust no score")]
)
def test_permuted_labels_that_score_are_an_alarm(value, expected):
    assert expected in of_control(row("permuted_labels", value, 0, -1, 1), BEFORE, FACTS)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ((0.1, 0.05, 0.15), "costs accuracy"),
        ((-0.1, -0.15, -0.05), "graph helps"),
        ((0.0, -0.1, 0.1), "cannot distinguish"),
    ],
)
def test_the_graph_is_judged_against_the_same_features_without_it(change, expected):
    assert expected in of_control(row("without_graph", 0.8, *change), BEFORE, FACTS)


def test_every_fault_has_its_words():
    assert set(PHRASES) == set(FAULTS)


def test_notes_state_the_limits():
    text = " ".join(ladder_notes(dataclasses.replace(FACTS, seeds=2, weights="random", quick=True), had_split=True))
    for expected in ("Only 2 seeds", "random weights", "brings its own split", "--quick"):
        assert expected in text
    plain = " ".join(ladder_notes(FACTS, had_split=False))
    for expected in ("Only", "random weights", "own split;", "--quick"):
        assert expected not in plain


def test_the_reading_counts_inconclusive_steps():
    rows = (BEFORE, row("header_in_view", 0.7, -0.1, -0.15, -0.05), row("ours", 0.71, 0.01, -0.1, 0.1))
    text = " ".join(
        ladder_reading(
            [Block("image", "Pages alone", rows, Interval(-0.09, -0.2, 0.02))],
            [Block("image", "Pages alone", (BEFORE, row("duplicates_across_split", 0.95, 0.15, 0.1, 0.2)))],
            FACTS,
        )
    )
    assert "when added alone: duplicates_across_split (+0.150 (+0.100 to +0.200))" in text
    assert "from 0.800 with all faults to 0.710 with none" in text
    assert "steps that lower AUROC beyond chance: header_in_view (−0.100)" in text
    assert "1 of 2 steps cannot be distinguished from chance" in text
