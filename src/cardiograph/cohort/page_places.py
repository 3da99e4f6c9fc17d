"""Faults of pages in terms of the input table: row, record, the path as written, and the most likely mistake in it."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from pathlib import Path
from urllib.parse import unquote

from cardiograph.cohort.cells import MISSING_WORDS
from cardiograph.containers import Origin
from cardiograph.ecg.object_storage import SCHEMES, remote_path
from cardiograph.errors import Issue


def page_issue(issue: Issue, record: str, origin: Origin | None) -> Issue:
    """Add the place in the table to a fault of a page, and a specific remedy if the file does not exist.

    Args:
        issue: Fault as reported by the page reader; a fault that is not about the page only gets its place.
        record: Record id.
        origin: Position of the record in the table; None without a table.
    """
    if not issue.where.startswith("page "):
        return issue if origin is None else dataclasses.replace(issue, where=origin.place)
    if origin is None:
        return dataclasses.replace(issue, where=f"{issue.where} (record {record!r})")
    place = origin.place if "(record" in origin.place else f"{origin.place}, record {record!r}"
    placed = dataclasses.replace(issue, where=f"page {origin.page} ({place.replace(' (', ', ').rstrip(')')})")
    if issue.code == "missing" and remote_path(origin.page) is not None:
        return dataclasses.replace(placed, remedy="check bucket and names of the objects; case matters")
    if issue.code != "missing" or (origin.folder / origin.page).is_file():  # of a record, another file may be missing
        return placed
    if special := _special(origin.folder / origin.page):
        return dataclasses.replace(placed, rule=special[0], remedy=special[1])
    remedy, found = _likely_mistake(origin.page, origin.folder)
    rule = f"the file is called {found}" if found else f"no such file; relative paths start at {origin.folder}"
    return dataclasses.replace(placed, rule=rule, remedy=remedy)


def _special(path: Path) -> tuple[str, str] | None:
    """Return rule and remedy for a path that exists and is no file; None for others."""
    if path.is_symlink() and not path.exists():
        return f"this is a link to {path.readlink()}, which does not lead to a file", "repair the link"
    if path.is_dir():
        return "this is a folder", "name the file of one ECG in it"
    return ("this is neither a file nor a folder", "name the file of an ECG") if path.exists() else None


def _likely_mistake(written: str, folder: Path) -> tuple[str, str | None]:
    """Return the remedy for a path that does not exist, and the file that the user probably meant."""
    if written.lower() in MISSING_WORDS:
        return "leave the cell empty if there is no page", None
    if re.match(r"[a-z][a-z0-9+.-]+://", written, re.IGNORECASE) and not written.lower().startswith("file:"):
        return _address_remedy(written), None
    if written.lower().startswith("file:"):
        found = _similar(unquote(re.sub(r"^file:(//)?", "", written, flags=re.IGNORECASE)), folder)
        return "write the path without file://", found
    if written.startswith("~"):
        return "write the full path; ~ is not expanded to your home folder", None
    if re.match(r"[A-Za-z]:[\\/]", written):
        return "this is a Windows path; write the path of the file on this machine", None
    if "\\" in written:
        return "write / instead of \\, and the exact file name", _similar(written.replace("\\", "/"), folder)
    if any((folder / part.strip()).is_file() for part in re.split(r"[;|,]", written) if part.strip()):
        return "write one page per cell, and one row per page", None
    found = _similar(written, folder)
    if found:
        return "write the exact file name; case, accents and extension matter", found
    return "check the path, or leave the cell empty if there is no page", None


def _address_remedy(written: str) -> str:
    known = tuple(f"{scheme}://" for scheme in SCHEMES)
    if written.lower().startswith(known):
        return "write BUCKET/FOLDER/NAME after //, without empty parts, . and .."
    return f"download the page and write the path of the file; of addresses only {', '.join(known)} are read"


def _similar(written: str, folder: Path) -> str | None:
    """Return the only file that matches a path when case, Unicode form and a missing extension are ignored."""
    here, names = folder, list[str]()
    *parents, last = [part for part in written.split("/") if part not in ("", ".")] or [""]
    here = Path("/") if written.startswith("/") else here
    for part in parents:
        name = part if part == ".." or (here / part).is_dir() else _only_match(here, part, ignore_extension=False)
        if name is None:
            return None
        names.append(name)
        here /= name
    name = _only_match(here, last, ignore_extension=True)
    root = "/" if written.startswith("/") else ""
    return None if name is None else root + "/".join([*names, name])


def _only_match(folder: Path, wanted: str, *, ignore_extension: bool) -> str | None:
    """Return the only name in a folder that matches, ignoring case, Unicode form and, optionally, the extension."""
    try:
        names = [each.name for each in folder.iterdir()]
    except OSError:
        return None
    found = [name for name in names if _plain(name) == _plain(wanted)]
    if ignore_extension and not found:
        found = [name for name in names if _plain(Path(name).stem) == _plain(wanted)]
    return found[0] if len(found) == 1 else None


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
