"""Who and what a row is: record, patient, page, part of a given split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cardiograph.cohort.cells import MISSING_WORDS
from cardiograph.cohort.tables import Cell, as_text
from cardiograph.containers import PARTS, identifier, is_shortened
from cardiograph.errors import Issue

Where = Callable[[int], str]
RowIssue = tuple[int, Issue]
"""A fault and the row it is in; -1 for one of a whole column."""


def name_records(patients: Sequence[str], pages: Sequence[str], lines: Sequence[int]) -> list[str]:
    """Names for records of a table without ``record_id``.

    A record is called as its patient, else as its page is written in the table, else ``row-12`` by its place in the
    file; the second of the same name becomes ``p17:2``. Rows added at the end leave earlier names as they are.

    Args:
        patients: [records] empty where not given.
        pages: [records] as written, empty where not given.
        lines: [records] places in the file.
    """
    seen: Counter[str] = Counter()
    given, names = {*patients, *pages}, []
    for patient, page, line in zip(patients, pages, lines, strict=True):
        first = name = patient or page or f"row-{line}"
        seen[first] += 1
        while seen[first] > 1 and (name := f"{first}:{seen[first]}") in given:
            seen[first] += 1
        names.append(name)
    return names


def record_issues(names: Sequence[str], where: Where) -> Iterator[RowIssue]:
    """Record ids that are empty, shortened, or come twice, whatever their Unicode form."""
    first: dict[str, int] = {}
    for row, written in enumerate(names):
        name = identifier(written)
        if is_shortened(written):
            yield row, shortened_id(where(row), "record_id", written)
        elif not name:
            remedy = "name the record, or remove the column to have records named"
            yield row, Issue(where(row), "record_id", "empty", "each record has a name", remedy, "record_id_empty")
        elif name in first:
            rule = f"record ids differ, and {where(first[name])} has it too"
            yield row, Issue(where(row), "record_id", name[:40], rule, "rename one of the two", "record_id_twice")
        first.setdefault(name, row)


def patient_issues(patients: Sequence[Cell], where: Where) -> Iterator[RowIssue]:
    """Words in the place of a patient, and shortened ids: either would make one patient of several."""
    for row, cell in enumerate(patients):
        name = identifier(cell)
        if is_shortened(cell):
            yield row, shortened_id(where(row), "patient_id", cell)
        elif name and name.lower() in MISSING_WORDS:
            rule = "a patient is named, or the cell is empty"
            yield row, Issue(where(row), "patient_id", name, rule, "leave the cell empty", "patient_id_word")


def shortened_id(where: str, column: str, value: object) -> Issue:
    """The fault of an id that lost digits in a spreadsheet."""
    rule = "an id has all its digits; a spreadsheet shortened this one, and others may look the same now"
    remedy = "write the id whole (in a spreadsheet, format the column as text before the ids are entered)"
    return Issue(where, column, str(value)[:40], rule, remedy, "id_shortened")


def respelled_note(patients: Sequence[Cell]) -> Iterator[str]:
    """How many patient ids were brought into the form in which ids are compared."""
    changed = [(text, name) for text, name in ((as_text(cell), identifier(cell)) for cell in patients) if text != name]
    if changed:
        text, name = changed[0]
        yield f"{len(changed)} patient ids were read in one common form, such as {text!a} as {name!r}"


def patient_notes(patients: Sequence[str]) -> Iterator[str]:
    """Patients that may be one under two spellings, and would then stand on both sides of a split."""
    spellings: dict[str, str] = {}
    for name in dict.fromkeys(filter(None, patients)):
        first = spellings.setdefault("".join(name.casefold().split()).lstrip("0") or "0", name)
        if first != name:
            yield f"patients {first!r} and {name!r} count as two; if they are one, write them alike"


def page_issues(pages: Sequence[str], where: Where, *, modality: str) -> Iterator[RowIssue]:
    """Rows without a page where nothing but pages is read, and an ``ecg`` column without any page.

    Args:
        pages: [records] as written, empty where not given.
        where: The place of a row, for people.
        modality: ``image`` where pages alone are read because the settings say so; ``pages`` where the table has
            nothing else; ``both`` where a record may have clinical values instead.
    """
    if not any(pages):
        rule = "each row has the path of its page" if modality != "both" else "some rows have the path of their page"
        remedy = "fill it in, or remove the column for a cohort without pages"
        yield -1, Issue("column", "ecg", "empty in every row", rule, remedy, "no_pages")
        return
    if modality == "both":
        return
    remedy = {
        "image": "remove the row, or let its clinical values stand in: --modality auto",
        "pages": "fill it in, or remove the row; clinical columns would let its values stand in",
    }[modality]
    for row, page in enumerate(pages):
        if not page:
            rule = "every record of a cohort of pages alone has one"
            yield row, Issue(where(row), "ecg", "empty", rule, remedy, "no_page")


def unknown_issues(
    known: NDArray[np.bool_], where: Where, *, variables: Sequence[str], with_pages: bool
) -> Iterator[RowIssue]:
    """Rows of which nothing is known: neither a page nor a clinical value.

    Args:
        known: [records] whether a record has anything, cells at fault included.
        where: The place of a row, for people.
        variables: Names of the clinical columns, at least one.
        with_pages: Whether the table has a column of pages.
    """
    columns = ", ".join(variables)
    if with_pages:
        rule = f"a record has a page (ecg), a clinical value ({columns}) or both"
        remedy = "fill in the path of the page or what was measured, or remove the row"
    else:
        rule = f"a record has at least one clinical value ({columns})"
        remedy = "fill in what was measured, or remove the row"
    for row in np.flatnonzero(~known).tolist():
        yield row, Issue(where(row), "", "", rule, remedy, "nothing_known")


def page_paths(pages: Sequence[str], folder: Path) -> list[str | None]:
    """Absolute paths of the pages, taken from ``folder`` where relative; None where empty."""
    return [str((folder / page).absolute()) if page else None for page in pages]


def split_issues(parts: Sequence[str], where: Where) -> Iterator[RowIssue]:
    """Parts that have another name, or are missing beside rows that have one; a wholly empty column is none at all."""
    if not any(parts):
        return
    for row, part in enumerate(parts):
        if part not in PARTS:
            rule = f"a part is one of {', '.join(PARTS)}, in every row or in none"
            remedy = "correct it, or remove the split column to have one drawn"
            yield row, Issue(where(row), "split", part[:40] or "empty", rule, remedy, "split_part")
