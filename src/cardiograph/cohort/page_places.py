"""Faults of pages as the user's table has them: row, record, the path as written, and the likeliest slip in it."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from pathlib import Path
from urllib.parse import unquote

from cardiograph.cohort.cells import MISSING_WORDS
from cardiograph.containers import Origin
from cardiograph.errors import Issue


def page_issue(issue: Issue, record: str, origin: Origin | None) -> Issue:
    """A fault of a record's page, with its place in the table and, for a file that is not there, a better remedy.

    Args:
        issue: As the reader of pages gives it; one that is not about the page only gets its place.
        record: Id.
        origin: Origin of the record; None where there is no table.
    """
    if not issue.where.startswith("page "):
        return issue if origin is None else dataclasses.replace(issue, where=origin.place)
    if origin is None:
        return dataclasses.replace(issue, where=f"{issue.where} (record {record!r})")
    place = origin.place if "(record" in origin.place else f"{origin.place}, record {record!r}"
    placed = dataclasses.replace(issue, where=f"page {origin.page} ({place.replace(' (', ', ').rstrip(')')})")
    if issue.code != "missing":
        return placed
    remedy, found = _slip(origin.page, origin.folder)
    rule = f"the file is called {found}" if found else f"no such file; relative paths start at {origin.folder}"
    return dataclasses.replace(placed, rule=rule, remedy=remedy)


def _slip(written: str, folder: Path) -> tuple[str, str | None]:
    """What to do about a path that leads nowhere, and the file that it was likely meant for."""
    if written.lower() in MISSING_WORDS:
        return "leave the cell empty where there is no page", None
    if re.match(r"[a-z][a-z0-9+.-]+://", written, re.IGNORECASE) and not written.lower().startswith("file:"):
        return "download the page and write the path of the file: nothing is fetched from the network", None
    if written.lower().startswith("file:"):
        found = _alike(unquote(re.sub(r"^file:(//)?", "", written, flags=re.IGNORECASE)), folder)
        return "write the path alone, without file://", found
    if written.startswith("~"):
        return "write the whole path: ~ is not replaced by your home folder", None
    if re.match(r"[A-Za-z]:[\\/]", written):
        return "this is a path of a Windows machine: write where the file is on this one", None
    if "\\" in written:
        return "write / in the place of \\, and the name as the file has it", _alike(written.replace("\\", "/"), folder)
    if any((folder / part.strip()).is_file() for part in re.split(r"[;|,]", written) if part.strip()):
        return "write one page in a cell, and a row for each page", None
    found = _alike(written, folder)
    if found:
        return "write the name as the file has it: case, accents and ending count", found
    return "check the path, or leave the cell empty where there is no page", None


def _alike(written: str, folder: Path) -> str | None:
    """The only file that a path fits when case, Unicode form and a missing ending do not count."""
    here, names = folder, list[str]()
    *parents, last = [part for part in written.split("/") if part not in ("", ".")] or [""]
    here = Path("/") if written.startswith("/") else here
    for part in parents:
        name = part if part == ".." or (here / part).is_dir() else _only(here, part, ending=False)
        if name is None:
            return None
        names.append(name)
        here /= name
    name = _only(here, last, ending=True)
    return None if name is None else "/".join([*(["/"] if written.startswith("/") else []), *names, name])


def _only(folder: Path, wanted: str, *, ending: bool) -> str | None:
    """The one name in a folder that is the wanted one but for its letters' form; with ``ending`` also but for its ending."""
    try:
        names = [each.name for each in folder.iterdir()]
    except OSError:
        return None
    found = [name for name in names if _plain(name) == _plain(wanted)]
    if ending and not found:
        found = [name for name in names if _plain(Path(name).stem) == _plain(wanted)]
    return found[0] if len(found) == 1 else None


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
