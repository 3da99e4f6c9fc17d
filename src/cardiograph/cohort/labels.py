"""Labels of records: 0, 1 or unlabelled, from numbers or positive classes; or several classes, numbered by name."""

from __future__ import annotations

import difflib
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from cardiograph.cohort.cells import MISSING_WORDS, as_option
from cardiograph.cohort.identity import RowIssue
from cardiograph.cohort.tables import Cell, as_texts
from cardiograph.config_outcome import OutcomeKind
from cardiograph.containers import class_key
from cardiograph.errors import Issue
from cardiograph.schema import UNLABELLED

NO_CLASS = (MISSING_WORDS - {"none", "nil"}) | {"not known", "not available", "undetermined", "unlabelled", "unlabeled"}
"""Words, in lower case, for an unknown outcome; ``none`` is not among them, because it can be the healthy class."""

BOOLEANS = {"true": "true", "false": "true", "yes": "yes", "no": "yes"}
"""Words of a column of two values, and the one of each pair that usually means label 1."""

MIN_CLASSES, MAX_FOUND_CLASSES = 3, 20
"""Smallest number of classes of a multiclass outcome, and largest number that is taken for one without being named so."""


def class_names(cells: Sequence[Cell], missing: frozenset[str]) -> list[str]:
    """Return the label of each record as written; empty if unknown."""
    texts = as_texts(cells)
    return ["" if text in missing else text for text in texts]


def read_labels(
    names: Sequence[str], positive: Sequence[str], where: Callable[[int], str]
) -> tuple[NDArray[np.int64], list[RowIssue]]:
    """Convert class names to labels, and check them.

    Args:
        names: [records] class names as written; empty if unknown.
        positive: Classes with label 1; one text can name several, separated by commas. If empty, labels must be 0 or 1.
        where: Function that describes the place of a row.

    Returns:
        [records] labels 0, 1 or -1 (unlabelled or invalid), and the faults with their rows (-1: the whole column).
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


def several_classes(names: Sequence[str], positive: Sequence[str], kind: OutcomeKind) -> tuple[str, ...]:
    """Return the classes of a multiclass outcome in the order of their labels; empty if the outcome is binary.

    Args:
        names: [records] class names as written; empty if unknown.
        positive: Classes with label 1 of a binary outcome.
        kind: ``auto`` means multiclass for 3 to 20 different words, none of them a number, without ``positive``: a 2 among
            labels 0 and 1 is a fault, and so is a measurement in the column of the labels.
    """
    found = {name for name in set(names) if name and not _means_unknown(name, ())}
    numbers = {name: number for name in found if (number := _number(name)) is not None}
    words = not numbers and MIN_CLASSES <= len(found) <= MAX_FOUND_CLASSES and not positive
    if kind == "multiclass" or (kind == "auto" and words):
        return tuple(sorted(found, key=lambda name: (numbers.get(name, 0.0), name)))
    return ()


def read_classes(
    names: Sequence[str], classes: Sequence[str], where: Callable[[int], str]
) -> tuple[NDArray[np.int64], list[RowIssue]]:
    """Convert class names to the labels of a multiclass outcome, and check them.

    Args:
        names: [records] class names as written; empty if unknown.
        classes: Result of :func:`several_classes`.
        where: Function that describes the place of a row.

    Returns:
        [records] labels 0, 1, ... or -1 (unlabelled or invalid), and the faults as in :func:`read_labels`.
    """
    number = {name: label for label, name in enumerate(classes)}
    labels = np.array([number.get(name, UNLABELLED) for name in names], dtype=np.int64)
    words = [(row, _no_class(name, where(row))) for row, name in enumerate(names) if name and name not in number]
    found = [*_spelling_issues(names, ()), *_few_classes(labels, names, classes)]
    return labels, [*words, *((-1, issue) for issue in found)]


def _few_classes(labels: NDArray[np.int64], names: Sequence[str], classes: Sequence[str]) -> Iterator[Issue]:
    if len(classes) < 2:
        yield from _one_class(np.minimum(labels, 0), names)
    elif len(classes) < MIN_CLASSES:
        rule = f"outcome.kind = 'multiclass' needs at least {MIN_CLASSES} classes"
        remedy = f"for two classes name the one with label 1: --positive {as_option(classes[0])}"
        yield Issue("column", "label", f"the classes {' and '.join(classes)}", rule, remedy, "two_classes")


def _number(name: str) -> float | None:
    try:
        return float(name)
    except ValueError:
        return None


def positive_classes(positive: Sequence[str], found: Sequence[str]) -> tuple[str, ...]:
    """Return the positive classes as they are written in the cohort.

    Args:
        positive: Class names. A text with commas is a class name or a list of class names; the longest possible names
            are matched first, so ``"HF, systolic,other"`` can be two classes.
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
    rule = "a word for 'unknown' is not a class"
    remedy = f"if the outcome is unknown: --missing label={as_option(name)}; if it is a class, give it another name"
    return Issue(where, "label", name, rule, remedy, "label_word")


def _spelling_issues(names: Sequence[str], positive: Sequence[str]) -> Iterator[Issue]:
    """Yield faults of classes that differ only in case, separators or Unicode form, unless all are positive."""
    counts = Counter(name for name in names if name)
    spellings: dict[str, list[str]] = {}
    for name in counts:
        spellings.setdefault(class_key(name), []).append(name)
    for alike in spellings.values():
        if len(alike) > 1 and not set(alike) <= set(positive):
            written = _written(alike)
            value = "written " + " and ".join(f"{shown} ({counts[name]} rows)" for name, shown in written.items())
            rule = "classes must differ in more than case, spaces, '_', '-' or Unicode form"
            remedy = "use one spelling; for class folders, merge the folders"
            yield Issue("column", "label", value, rule, remedy, "class_spelling")


def _written(names: Sequence[str]) -> dict[str, str]:
    """Return quoted names, with escapes if they look the same."""
    same = len({unicodedata.normalize("NFKC", name) for name in names}) < len(names)
    return {name: ascii(name) if same else repr(name) for name in names}


def _not_a_label(name: str, where: str) -> Issue:
    if name.lower() in NO_CLASS:
        return _no_class(name, where)
    rule = "a label is 0, 1 or empty (unknown)"
    if name.lower() in BOOLEANS:
        word = BOOLEANS[name.lower()]
        word = word.upper() if name.isupper() else word.capitalize() if name.istitle() else word
        remedy = f"name the word that means label 1: --positive {word}"
        return Issue(where, "label", name[:40], rule, remedy, "label")
    remedy = (
        "if labels are words, name the classes with label 1: --positive CLASS,...; a run of several "
        "classes is made with --set outcome.kind=multiclass"
    )
    return Issue(where, "label", name[:40], rule, remedy, "label")


def _positive_issues(names: Sequence[str], positive: Sequence[str], labels: NDArray[np.int64]) -> Iterator[Issue]:
    found = sorted(set(names) - {""})
    absent = [name for name in positive if name not in found]
    for name in absent:
        near = [other for other in found if class_key(other) == class_key(name)]
        near = near or difflib.get_close_matches(name, found, 1)
        remedy = (
            f"did you mean --positive {as_option(near[0])}?" if near else "write the class exactly as in the cohort"
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
        rule = "records of both labels are needed"
        yield Issue("column", "label", "empty in every row", rule, "fill in the known outcomes", "no_labels")
        return
    classes = ", ".join(sorted(set(names) - {""})[:20])
    rule = f"records of both labels are needed; all classes ({classes}) have label {present.pop()}"
    yield Issue("column", "label", "", rule, "add the other class, or change --positive", "one_class")
