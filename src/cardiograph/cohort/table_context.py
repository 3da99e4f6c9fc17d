"""What reading a row needs to know about the other rows of its table, collected in chunks and in little memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cardiograph.cohort.tables import Cell, RawTable, as_text
from cardiograph.containers import all_plain, identifiers
from cardiograph.schema import Unit


class Repeats:
    """Keys that may occur more than once, found from 8 bytes per key: equal keys have equal hashes."""

    def __init__(self) -> None:
        self._hashes: list[NDArray[np.int64]] = []

    def count(self, keys: Sequence[Hashable]) -> None:
        """Add keys; none can be added once :meth:`among` was called."""
        self._hashes.append(np.fromiter(map(hash, keys), np.int64, len(keys)))

    @cached_property
    def _several(self) -> frozenset[int]:
        hashes = np.sort(np.concatenate([np.zeros(0, np.int64), *self._hashes]))
        self._hashes.clear()
        return frozenset(np.unique(hashes[1:][hashes[1:] == hashes[:-1]]).tolist())

    def __contains__(self, key: Hashable) -> bool:
        """Return False if a key occurs once, and True if it occurs several times (or, rarely, once)."""
        return hash(key) in self._several

    def __bool__(self) -> bool:
        return bool(self._several)


class TableContext:
    """Facts about all rows of a table: :meth:`add` takes every row before :meth:`visit` takes the first one again.

    Args:
        decimal: Decimal mark of text cells.
        candidates: Variable -> other units in which its column is plausible, for columns with faults; None to find them
            in the rows that are read, which are then the whole table.
    """

    def __init__(self, decimal: str, candidates: Mapping[str, tuple[Unit, ...]] | None = None) -> None:
        self.decimal, self.candidates = decimal, candidates
        self.some_page = False
        self.ids = Repeats()
        self._rows, self._people = Repeats(), Repeats()
        self._numbered: set[str] = set()
        self.restart()

    def restart(self) -> None:
        """Forget the rows that were visited, before they are visited again."""
        self.first_places: dict[str, str] = {}
        """Id that may occur again -> place of its first row."""
        self._seen_rows: set[tuple[Cell, ...]] = set()
        self._repeated_rows = self._respelled = 0
        self._example = ("", "")
        self._spellings: dict[str, str] = {}
        self._spelled_otherwise: dict[str, str] = {}
        self._counts: Counter[str] = Counter()

    def add(self, raw: RawTable, *, ids: Sequence[str] | None, patients: Sequence[str], pages: Sequence[str]) -> None:
        """Add the rows of a chunk.

        Args:
            raw: Chunk of the table.
            ids: [rows] record ids as written; None if the table has none.
            patients: [rows] normalised patient ids, empty if not given.
            pages: [rows] page paths as written, empty if not given.
        """
        self.some_page = self.some_page or any(pages)
        self._rows.count(raw.rows)
        self._people.count(_spellings([*filter(None, dict.fromkeys(patients))]))
        if ids is None:
            self._numbered |= {name for name in (*patients, *pages) if ":" in name}
            self.ids.count(list(map(_base, patients, pages, raw.lines)))
        else:
            self.ids.count(identifiers(ids))

    def visit(self, raw: RawTable, cells: Sequence[Cell], patients: Sequence[str]) -> None:
        """Compare the rows of a chunk with those before it, for :meth:`notes`.

        Args:
            raw: Chunk of the table.
            cells: [rows] patient ids as written.
            patients: [rows] normalised patient ids, empty if not given.
        """
        for cell, name in zip(cells, patients, strict=True) if list(cells) != list(patients) else ():
            if cell != name and (text := as_text(cell)) != name:
                self._example = self._example if self._respelled else (text, name)
                self._respelled += 1
        if self._rows:
            for row in raw.rows:
                if row in self._rows:
                    self._repeated_rows += row in self._seen_rows
                    self._seen_rows.add(row)
        names = [*filter(None, dict.fromkeys(patients))] if self._people else []
        for name, key in zip(names, _spellings(names), strict=True):
            if key in self._people:
                first = self._spellings.setdefault(key, name)
                if first != name:
                    self._spelled_otherwise.setdefault(name, first)

    def name_records(self, patients: Sequence[str], pages: Sequence[str], lines: Sequence[int]) -> list[str]:
        """Return ids for the records of a chunk of a table without ``record_id``.

        The id is that of the patient, otherwise the path of the page, otherwise the row in the file, such as ``row-12``;
        a second record with the same id becomes ``p17:2``. Appending rows does not change earlier ids.

        Args:
            patients: [records] patient ids, empty if not given.
            pages: [records] page paths as written, empty if not given.
            lines: [records] row numbers in the file.
        """
        names = []
        for first in map(_base, patients, pages, lines):
            name = first
            if first in self.ids:
                self._counts[first] += 1
                while self._counts[first] > 1 and (name := f"{first}:{self._counts[first]}") in self._numbered:
                    self._counts[first] += 1
            names.append(name)
        return names

    def notes(self) -> Iterator[str]:
        """Yield observations about repeated rows, and about ids that were normalised or may be spellings of one."""
        if self._repeated_rows:
            yield f"{self._repeated_rows} row(s) equal an earlier row in every column; all are kept"
        if self._respelled:
            text, name = self._example
            yield f"{self._respelled} patient ids were normalised, such as {text!a} to {name!r}"
        for name, first in self._spelled_otherwise.items():
            yield f"{first!r} and {name!r} are treated as two patients; if they are one, use one spelling"


def _base(patient: str, page: str, line: int) -> str:
    return patient or page or f"row-{line}"


def _spellings(names: Sequence[str]) -> list[str]:
    """Return forms in which two spellings of one patient, who could be in several parts of a split, are equal."""
    if all_plain(names):
        return [name.lstrip("0") or "0" for name in "\n".join(names).casefold().split("\n")] if names else []
    return ["".join(name.casefold().split()).lstrip("0") or "0" for name in names]
