"""Reading of a folder with a subfolder of ECG files for each class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cardiograph.cohort.tables import RawTable
from cardiograph.ecg.readers.registry import READERS
from cardiograph.ecg.readers.wfdb import record_files
from cardiograph.errors import CohortError, Issue
from cardiograph.imaging.reading import FORMAT_TITLES, PAGE_SUFFIXES

_SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini"})
_HEADER, _SAMPLES = ".hea", (".dat", ".mat")
_TABLES = frozenset({".csv", ".tsv", ".txt", ".parquet"})
"""Suffixes that an ECG and a table about the cohort may have."""

_ECG_SUFFIXES = frozenset(suffix for spec in READERS.values() for suffix in spec.suffixes if suffix != ".txt")
"""Suffixes of files of signals; a text in a class folder is more often a note."""

_RULE = f"is no ECG: neither a page ({FORMAT_TITLES}) nor a file of signals"


@dataclass(frozen=True)
class _ClassFolder:
    """The files of a class.

    Args:
        ecgs: An ECG each: a page, a file of signals, or the header of a WFDB record.
        strays: Files that are no ECG, and why.
        unread: Files of the same name as a WFDB header, which no reader needs, such as annotations.
    """

    ecgs: tuple[Path, ...]
    strays: tuple[tuple[Path, str], ...]
    unread: tuple[Path, ...]


def read_folder(path: Path) -> RawTable:
    """List the ECG files of each class folder.

    Class folders and the files in them, including subfolders, are read in sorted order. A WFDB record is one ECG, named
    by its header. Hidden files are ignored. Any other file that is no ECG is an issue inside a class folder, and a note
    outside.

    Args:
        path: Folder with one subfolder per class.

    Returns:
        Table with the columns ``record_id`` (path relative to ``path``), ``label`` (name of the class folder) and
        ``ecg`` (path of the file).

    Raises:
        CohortError: If the folder cannot be read or has no class folder.
    """
    try:
        entries = sorted(entry for entry in path.iterdir() if not _is_hidden(entry))
        classes = {entry: _sorted_out(sorted(_files_in(entry))) for entry in entries if entry.is_dir()}
    except OSError as error:
        message = f"{path}: cannot be read ({error.strerror}); check the path and its permissions"
        raise CohortError(message) from error
    if not classes:
        message = f"{path}: has no class folders; create one folder per class and move its ECG files there"
        raise CohortError(message)
    issues, notes = _loose([entry for entry in entries if entry not in classes])
    rows: list[tuple[str, str, str]] = []
    for folder, files in classes.items():
        names = [ecg.relative_to(path).as_posix() for ecg in files.ecgs]
        rows += [(name, folder.name, str(ecg.absolute())) for name, ecg in zip(names, files.ecgs, strict=True)]
        for stray, rule in files.strays:
            issues.append(_issue(stray.relative_to(path).as_posix(), rule, "convert it or move it out of the folder"))
        if not files.ecgs:
            where, remedy = f"folder {folder.name}", "add some or remove the folder"
            issues.append(Issue(where, "", "", "has no pages or files of signals", remedy, "empty_class"))
        if files.unread:
            notes.append(f"{len(files.unread)} files next to WFDB records of {folder.name!r} are not read")
    lines = tuple(range(1, len(rows) + 1))
    header = ("record_id", "label", "ecg")
    return RawTable(path.name, path.absolute(), header, tuple(rows), lines, tuple(issues), tuple(notes))


def _sorted_out(files: Sequence[Path]) -> _ClassFolder:
    """Tell the ECGs among the files of a class from those that belong to a WFDB record, and from other files."""
    headers = [file for file in files if file.suffix.lower() == _HEADER]
    parts = {part for header in headers for part in record_files(header) if part != header}
    stems = {header.with_suffix("") for header in headers}
    ecgs, strays, unread = [], [], []
    for file in files:
        suffix = file.suffix.lower()
        if file in parts:
            continue
        if suffix in _SAMPLES:
            strays.append((file, "has samples of a WFDB record, and no header (.hea) names it"))
        elif suffix in PAGE_SUFFIXES or suffix in _ECG_SUFFIXES:
            ecgs.append(file)
        elif file.with_suffix("") in stems:
            unread.append(file)
        else:
            strays.append((file, _RULE))
    return _ClassFolder(tuple(ecgs), tuple(strays), tuple(unread))


def _loose(entries: Sequence[Path]) -> tuple[list[Issue], list[str]]:
    """Return issues for ECG files outside the class folders, and notes about other files."""
    issues, notes = [], []
    for entry in entries:
        suffix = entry.suffix.lower()
        if suffix in PAGE_SUFFIXES or suffix in _ECG_SUFFIXES - _TABLES:
            issues.append(_issue(entry.name, "belongs to no class", "move it into a class folder"))
        else:
            notes.append(f"file {entry.name!r} outside the class folders is not read")
    return issues, notes


def _issue(name: str, rule: str, remedy: str) -> Issue:
    return Issue(f"file {name}", "", "", rule, remedy, "stray_file")


def _files_in(folder: Path) -> Iterator[Path]:
    for entry in folder.iterdir():
        if _is_hidden(entry):
            continue
        if entry.is_dir():
            yield from _files_in(entry)
        else:
            yield entry


def _is_hidden(entry: Path) -> bool:
    return entry.name.startswith((".", "__MACOSX")) or entry.name.lower() in _SYSTEM_FILES
