"""What the label cells say: 1, 0, not known, or a class that the user called positive."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from cardiograph.cohort.identity import RowIssue
from cardiograph.cohort.tables import Cell, as_text
from cardiograph.errors import Issue
from cardiograph.schema import UNLABELLED


def class_names(cells: Sequence[Cell], missing: frozenset[str]) -> list[str]:
    """The label of each record as the user wrote it; empty where not known."""
    texts = [as_text(cell) for cell in cells]
    return ["" if text in missing else text for text in texts]


def read_labels(
    names: Sequence[str], positive: Sequence[str], where: Callable[[int], str]
) -> tuple[NDArray[np.int64], list[RowIssue]]:
    """Labels of the records, and what is wrong with them.

    Args:
        names: [records] as written; empty where not known.
        positive: Classes that are label 1; without them only 0 and 1 are understood.
        where: The place of a row, for people.

    Returns:
        [records] 0, 1 or -1 (unlabelled, or at fault), and the faults with their rows (-1: of the whole column).
    """
    numbers = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "": UNLABELLED}
    if positive:
        labels = np.array([UNLABELLED if name == "" else int(name in positive) for name in names], dtype=np.int64)
        return labels, [(-1, issue) for issue in _positive_issues(names, positive, labels)]
    labels = np.array([numbers.get(name, UNLABELLED) for name in names], dtype=np.int64)
    issues = [(row, _not_a_label(name, where(row))) for row, name in enumerate(names) if name not in numbers]
    return labels, issues or [(-1, issue) for issue in _one_class(labels, names)]


def _not_a_label(name: str, where: str) -> Issue:
    rule = "a label is 0, 1 or empty (not known)"
    remedy = "for classes in words: --positive CLASS,... names those that are label 1"
    return Issue(where, "label", name[:40], rule, remedy, "label")


def _positive_issues(names: Sequence[str], positive: Sequence[str], labels: NDArray[np.int64]) -> Iterator[Issue]:
    found = sorted(set(names) - {""})
    absent = [name for name in positive if name not in found]
    for name in absent:
        near = difflib.get_close_matches(name, found, 1)
        remedy = f"did you mean --positive {near[0]}?" if near else "--positive takes names exactly as they are written"
        rule = f"the classes found are {', '.join(found[:20]) or 'none'}"
        yield Issue("--positive", "label", name, rule, remedy, "positive_not_found")
    if not absent:
        yield from _one_class(labels, names)


def _one_class(labels: NDArray[np.int64], names: Sequence[str]) -> Iterator[Issue]:
    present = set(labels.tolist()) - {UNLABELLED}
    if present == {0, 1}:
        return
    if not present:
        rule = "records of both labels are needed to learn from"
        yield Issue("column", "label", "empty in every row", rule, "fill in the known outcomes", "no_labels")
        return
    classes = ", ".join(sorted(set(names) - {""})[:20])
    rule = f"records of both labels are needed; all classes ({classes}) are label {present.pop()}"
    yield Issue("column", "label", "", rule, "add the other class, or change --positive", "one_class")
