"""What the label cells say: 1, 0, not known, or a class that the user called positive."""

from __future__ import annotations

import difflib
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from cardiograph.cohort.cells import MISSING_WORDS, as_option
from cardiograph.cohort.identity import RowIssue
from cardiograph.cohort.tables import Cell, as_text
from cardiograph.containers import class_key
from cardiograph.errors import Issue
from cardiograph.schema import UNLABELLED

NO_CLASS = (MISSING_WORDS - {"none", "nil"}) | {"not known", "not available", "undetermined", "unlabelled", "unlabeled"}
"""Words, in lower case, that say that an outcome is not known; ``none`` can be the class of the healthy."""


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
        positive: Classes that are label 1, each alone or several separated by commas; without them only 0 and 1 are
            understood.
        where: The place of a row, for people.

    Returns:
        [records] 0, 1 or -1 (unlabelled, or at fault), and the faults with their rows (-1: of the whole column).
    """
    numbers = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "": UNLABELLED}
    if positive:
        chosen = positive_classes(positive, sorted(set(names)))
        words = [(row, _no_class(name, where(row))) for row, name in enumerate(names) if _means_unknown(name, chosen)]
        labels = np.array([UNLABELLED if name == "" else int(name in chosen) for name in names], dtype=np.int64)
        found = [*_spelling_issues(names, chosen), *_positive_issues(names, chosen, labels)]
        return labels, [*words, *((-1, issue) for issue in found)]
    labels = np.array([numbers.get(name, UNLABELLED) for name in names], dtype=np.int64)
    issues = [(row, _not_a_label(name, where(row))) for row, name in enumerate(names) if name not in numbers]
    return labels, issues or [(-1, issue) for issue in _one_class(labels, names)]


def positive_classes(positive: Sequence[str], found: Sequence[str]) -> tuple[str, ...]:
    """The classes that a setting names, as they are written in the cohort.

    Args:
        positive: Names of classes. A text with commas that is no class as it stands is a list: as many of its parts as
            make the name of a class belong together, so ``"HF, systolic,other"`` can be two classes.
        found: Classes of the cohort.
    """
    written = {unicodedata.normalize("NFKC", name): name for name in found}
    chosen: list[str] = []
    for text in positive:
        parts = text.split(",")
        while parts:
            ends = range(len(parts), 0, -1)
            tried = ((end, unicodedata.normalize("NFKC", ",".join(parts[:end]).strip())) for end in ends)
            end, name = next(((end, name) for end, name in tried if name in written), (1, parts[0].strip()))
            chosen.append(name if name in found else written.get(name, name))
            parts = parts[end:]
    return tuple(chosen)


def _means_unknown(name: str, positive: Sequence[str]) -> bool:
    return name.lower() in NO_CLASS and name not in positive


def _no_class(name: str, where: str) -> Issue:
    rule = "a word for 'not known' is no class"
    remedy = f"if it means that: --missing label={as_option(name)}; if it is a class, give it another name"
    return Issue(where, "label", name, rule, remedy, "label_word")


def _spelling_issues(names: Sequence[str], positive: Sequence[str]) -> Iterator[Issue]:
    """Classes that differ in case, separators or Unicode form only, unless the user named each of them positive."""
    counts = Counter(name for name in names if name)
    spellings: dict[str, list[str]] = {}
    for name in counts:
        spellings.setdefault(class_key(name), []).append(name)
    for alike in spellings.values():
        if len(alike) > 1 and not set(alike) <= set(positive):
            written = _written(alike)
            value = "written " + " and ".join(f"{shown} ({counts[name]} rows)" for name, shown in written.items())
            rule = "classes differ in more than case, spaces, '_', '-' or Unicode form"
            remedy = "write them alike; in a folder of classes, make one folder of them"
            yield Issue("column", "label", value, rule, remedy, "class_spelling")


def _written(names: Sequence[str]) -> dict[str, str]:
    """Names in quotes, with escapes where they would look the same."""
    same = len({unicodedata.normalize("NFKC", name) for name in names}) < len(names)
    return {name: ascii(name) if same else repr(name) for name in names}


def _not_a_label(name: str, where: str) -> Issue:
    if name.lower() in NO_CLASS:
        return _no_class(name, where)
    rule = "a label is 0, 1 or empty (not known)"
    remedy = "for classes in words: --positive CLASS,... names those that are label 1"
    return Issue(where, "label", name[:40], rule, remedy, "label")


def _positive_issues(names: Sequence[str], positive: Sequence[str], labels: NDArray[np.int64]) -> Iterator[Issue]:
    found = sorted(set(names) - {""})
    absent = [name for name in positive if name not in found]
    for name in absent:
        near = [other for other in found if class_key(other) == class_key(name)]
        near = near or difflib.get_close_matches(name, found, 1)
        remedy = (
            f"did you mean --positive {as_option(near[0])}?"
            if near
            else "--positive takes names exactly as they are written"
        )
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
