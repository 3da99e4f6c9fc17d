"""A folder with one folder per class, read as the table it stands for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cardiograph.cohort.tables import RawTable
from cardiograph.errors import CohortError, Issue

PAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp"})
_LITTER = frozenset({"thumbs.db", "desktop.ini"})


def read_folder(path: Path) -> RawTable:
    """List the pages of each class folder.

    Class folders and the files in them (folders inside included) come in sorted order. Hidden files are passed over;
    any other file that is no page is an issue, except beside the class folders, where it is noted.

    Args:
        path: Folder whose folders are the classes.

    Returns:
        A table with the columns ``record_id`` (path relative to ``path``), ``label`` (name of the class folder) and ``ecg``.

    Raises:
        CohortError: The folder cannot be read or has no class folder.
    """
    try:
        entries = sorted(entry for entry in path.iterdir() if not _hidden(entry))
        classes = [entry for entry in entries if entry.is_dir()]
        files = {entry: sorted(_files(entry)) for entry in classes}
    except OSError as error:
        message = f"{path}: cannot be read ({error.strerror}); check the path and its permissions"
        raise CohortError(message) from error
    if not classes:
        message = f"{path}: has no folder per class; make one folder for each class and put its pages there"
        raise CohortError(message)
    loose = [entry for entry in entries if entry not in files]
    issues = [
        _issue(entry.name, "belongs to no class", "move it into a class folder") for entry in loose if _page(entry)
    ]
    notes = [f"file {entry.name!r} beside the class folders is not read" for entry in loose if not _page(entry)]
    rows = []
    for folder, members in files.items():
        pages = [member for member in members if _page(member)]
        names = [member.relative_to(path).as_posix() for member in pages]
        rows += [(name, folder.name, str(page.absolute())) for name, page in zip(names, pages, strict=True)]
        issues += _class_issues(path, folder, members, pages)
    lines = tuple(range(1, len(rows) + 1))
    header = ("record_id", "label", "ecg")
    return RawTable(path.name, path.absolute(), header, tuple(rows), lines, tuple(issues), tuple(notes))


def _class_issues(root: Path, folder: Path, members: list[Path], pages: list[Path]) -> Iterator[Issue]:
    for member in members:
        if not _page(member):
            name = member.relative_to(root).as_posix()
            yield _issue(name, "is not a page (JPEG, PNG, TIFF, BMP, WebP)", "convert it or move it out of the folder")
    if not pages:
        yield Issue(f"folder {folder.name}", "", "", "holds no page", "add pages or remove the folder", "empty_class")


def _issue(name: str, rule: str, remedy: str) -> Issue:
    return Issue(f"file {name}", "", "", rule, remedy, "stray_file")


def _files(folder: Path) -> Iterator[Path]:
    for entry in folder.iterdir():
        if _hidden(entry):
            continue
        if entry.is_dir():
            yield from _files(entry)
        else:
            yield entry


def _page(file: Path) -> bool:
    return file.suffix.lower() in PAGE_SUFFIXES


def _hidden(entry: Path) -> bool:
    return entry.name.startswith((".", "__MACOSX")) or entry.name.lower() in _LITTER
