"""Checks of the identifying columns of a table: record id, patient id, page and split."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cardiograph.cohort.cells import MISSING_WORDS
from cardiograph.cohort.table_context import TableContext
from cardiograph.cohort.tables import Cell
from cardiograph.containers import PARTS, all_plain, identifier, is_shortened
from cardiograph.ecg.object_storage import remote_path
from cardiograph.errors import Issue

Where = Callable[[int], str]
RowIssue = tuple[int, Issue]
"""Row number and its fault; the row of a fault of a whole column is -1."""


def record_issues(names: Sequence[str], where: Where, context: TableContext) -> Iterator[RowIssue]:
    """Yield faults of record ids that are empty, shortened, or duplicates after normalisation."""
    if all_plain(names) and "" not in names and not context.ids:
        return
    first = context.first_places
    for row, written in enumerate(names):
        name = identifier(written)
        if is_shortened(written):
            yield row, shortened_id(where(row), "record_id", written)
        elif not name:
            remedy = "fill it in, or remove the column to have ids generated"
            yield row, Issue(where(row), "record_id", "empty", "each record needs an id", remedy, "record_id_empty")
        elif name in first:
            rule = f"record ids must be unique, and {first[name]} has it too"
            yield row, Issue(where(row), "record_id", name[:40], rule, "rename one of the two", "record_id_twice")
        if name in context.ids:
            first.setdefault(name, where(row))


def patient_issues(patients: Sequence[Cell], where: Where) -> Iterator[RowIssue]:
    """Yield faults of patient ids that are shortened or words for "missing": either would merge several patients."""
    if all_plain(patients) and not any(name.lower() in MISSING_WORDS for name in set(map(str, patients))):
        return
    for row, cell in enumerate(patients):
        name = identifier(cell)
        if is_shortened(cell):
            yield row, shortened_id(where(row), "patient_id", cell)
        elif name and name.lower() in MISSING_WORDS:
            rule = "a cell holds a patient id or is empty"
            yield row, Issue(where(row), "patient_id", name, rule, "leave the cell empty", "patient_id_word")


def shortened_id(where: str, column: str, value: object) -> Issue:
    """Return the fault of an id that lost digits in a spreadsheet."""
    rule = "an id needs all its digits; a spreadsheet shortened this one, so that several ids may look the same"
    remedy = "write the complete id (in a spreadsheet, format the column as text before entering ids)"
    return Issue(where, column, str(value)[:40], rule, remedy, "id_shortened")


def page_issues(pages: Sequence[str], where: Where, *, modality: str, some_page: bool) -> Iterator[RowIssue]:
    """Yield faults of missing pages if records have nothing else, and of an ``ecg`` column without any page.

    Args:
        pages: [records] page paths as written, empty if not given.
        where: Function that describes the place of a row.
        modality: ``image`` if the settings restrict the cohort to pages, ``pages`` if the table has nothing else, and
            ``both`` if a record may have clinical values instead.
        some_page: Whether any row of the table has a page.
    """
    if not some_page:
        rule = "each row needs the path of its page" if modality != "both" else "at least one row needs a page path"
        remedy = "fill it in, or remove the column for a cohort without pages"
        yield -1, Issue("column", "ecg", "empty in every row", rule, remedy, "no_pages")
        return
    if modality == "both":
        return
    remedy = {
        "image": "remove the row, or use its clinical values instead: --modality auto",
        "pages": "fill it in, remove the row, or add clinical columns, which can replace a page",
    }[modality]
    for row, page in enumerate(pages):
        if not page:
            rule = "each record of a cohort without clinical values needs a page"
            yield row, Issue(where(row), "ecg", "empty", rule, remedy, "no_page")


def unknown_issues(
    known: NDArray[np.bool_], where: Where, *, variables: Sequence[str], with_pages: bool
) -> Iterator[RowIssue]:
    """Yield faults of rows with neither a page nor a clinical value.

    Args:
        known: [records] whether a record has a page or a clinical value, valid or not.
        where: Function that describes the place of a row.
        variables: Names of the clinical columns, at least one.
        with_pages: Whether the table has a column of pages.
    """
    columns = ", ".join(variables)
    if with_pages:
        rule = f"a record needs a page (ecg), a clinical value ({columns}) or both"
        remedy = "fill in the path of the page or a measured value, or remove the row"
    else:
        rule = f"a record needs at least one clinical value ({columns})"
        remedy = "fill in a measured value, or remove the row"
    for row in np.flatnonzero(~known).tolist():
        yield row, Issue(where(row), "", "", rule, remedy, "nothing_known")


def page_paths(pages: Sequence[str], folder: Path) -> list[str | None]:
    """Return absolute paths of the pages, with relative ones resolved against ``folder``; None if empty.

    A path in object storage starts with its scheme.
    """
    return [str(remote_path(page) or (folder / page).absolute()) if page else None for page in pages]


def split_issues(parts: Sequence[str], where: Where) -> Iterator[RowIssue]:
    """Yield faults of unknown or missing parts; an entirely empty column is ignored."""
    if not any(parts):
        return
    for row, part in enumerate(parts):
        if part not in PARTS:
            rule = f"a part is one of {', '.join(PARTS)}, given for every row or for none"
            remedy = "correct it, or remove the split column to have a split drawn"
            yield row, Issue(where(row), "split", part[:40] or "empty", rule, remedy, "split_part")
