"""ECG files in object storage, such as ``s3://bucket/ecgs/1.hea``: a copy of one for as long as it is read.

A file there is named by a path whose first part is the scheme, so ``Path("s3://bucket/ecgs/1.hea")`` works. Account and
server come from the environment, as the tools of each provider read it (``AWS_ACCESS_KEY_ID``, ``AWS_ENDPOINT_URL`` and
so on). This needs the extra ``storage``.
"""

from __future__ import annotations

import datetime
import platform
import re
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from cardiograph.ecg.readers.record_zip import RECORD_SUFFIXES
from cardiograph.ecg.readers.source import MAX_FILE_BYTES
from cardiograph.ecg.readers.wfdb import record_files
from cardiograph.errors import RunError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

SCHEMES = {
    "s3": "Amazon S3, and other servers of its protocol",
    "gs": "Google Cloud Storage",
    "az": "Azure Blob Storage",
    "abfs": "Azure Blob Storage",
    "abfss": "Azure Blob Storage",
}
"""Schemes of the addresses that are read, and what they stand for."""

LISTED_FROM = 8
"""Number of files of one folder from which the whole folder is listed, instead of asking for each file."""

_RETRIES: Any = {"max_retries": 4, "retry_timeout": datetime.timedelta(seconds=60)}


@dataclass(frozen=True)
class LocalCopy:
    """A file that can be read here.

    Args:
        path: The file.
        versions: Names of all objects that were copied, and their versions; empty for a file that is no object.
    """

    path: Path
    versions: dict[str, str] = field(default_factory=dict)


def remote_path(text: str) -> Path | None:
    """Return the path of a file in object storage; None if the text is no address of one.

    An address whose key has an empty part, ``.`` or ``..`` is none: a path cannot keep it as it is.
    """
    scheme, marks, key = text.partition("://")
    parts = key.split("/")
    usable = marks and scheme.lower() in SCHEMES and len(parts) > 1 and not {"", ".", ".."} & set(parts)
    return Path(f"{scheme.lower()}:", key) if usable else None


def is_remote(path: Path) -> bool:
    """Return whether a path names a file in object storage."""
    return path.parts[:1] != () and path.parts[0][-1] == ":" and path.parts[0][:-1] in SCHEMES


def url_of(path: Path) -> str:
    """Return the address that a path of object storage stands for."""
    return f"{path.parts[0]}//{'/'.join(path.parts[1:])}"


def require_visible(path: Path) -> None:
    """Raise RunError if a worker does not see the folder of a file; a file alone may be missing, and is reported as such.

    An object is visible everywhere.
    """
    if not is_remote(path) and not path.parent.exists():
        message = (
            f"the worker on {platform.node()} has no folder {path.parent}; all machines must see the files under the same "
            "path: mount the folder there, or leave out --on"
        )
        raise RunError(message)


@contextmanager
def local_copy(path: Path) -> Iterator[LocalCopy]:
    """Give a file as a local one: itself, or a copy of an object, which is removed in the end.

    Of a WFDB record, all files are copied. An object that does not exist gives the path of a missing file. Of one that
    is larger than any reader takes, one byte more than the limit is copied.

    Raises:
        RunError: If the storage cannot be read.
    """
    if not is_remote(path):
        yield LocalCopy(path)
        return
    with tempfile.TemporaryDirectory(prefix="cardiograph-") as folder:
        versions: dict[str, str] = {}

        def copied(here: Path) -> bool:
            version = _copy(path.with_name(here.name), here)
            if version is not None:
                versions[here.name] = version
            return version is not None

        here = Path(folder) / path.name
        if copied(here) and path.suffix.lower() in RECORD_SUFFIXES:
            record_files(here, is_there=lambda each: each == here or copied(each))
        yield LocalCopy(here, versions)


@contextmanager
def at_hand(source: Path | bytes) -> Iterator[Path | bytes]:
    """Give the content of a file as it is, and a file as :func:`local_copy` does."""
    if isinstance(source, bytes):
        yield source
        return
    with local_copy(source) as copy:
        yield copy.path


def current_versions(paths: Iterable[Path]) -> dict[Path, str]:
    """Return the versions of objects as the storage states them now; objects that do not exist are left out.

    Raises:
        RunError: If the storage cannot be read.
    """
    folders: dict[Path, list[str]] = defaultdict(list)
    for path in paths:
        folders[path.parent].append(path.name)
    found: dict[Path, str] = {}
    for folder, names in folders.items():
        store = _store(folder)
        try:
            if len(names) < LISTED_FROM:
                listed = [each for name in names if (each := _head(store, name)) is not None]
            else:
                listed = list(store.list_with_delimiter()["objects"])
        except Exception as error:  # noqa: BLE001 - obstore raises errors of its own and built-in ones
            _refuse(folder, error)
        known = {each["path"].rpartition("/")[2]: _version(each) for each in listed}
        found |= {folder / name: known[name] for name in names if name in known}
    return found


def _head(store: ObjectStore, name: str) -> Any:  # noqa: ANN401 - obstore's types exist in stubs alone
    try:
        return store.head(name)
    except FileNotFoundError:
        return None


def _copy(path: Path, here: Path) -> str | None:
    """Copy an object to a file and return its version; None if it does not exist."""
    store = _store(path.parent)
    try:
        found = store.get(path.name)
        if found.meta["size"] > MAX_FILE_BYTES:
            here.write_bytes(bytes(store.get_range(path.name, start=0, length=MAX_FILE_BYTES + 1)))
        else:
            here.write_bytes(bytes(found.bytes()))
    except FileNotFoundError:
        return None
    except Exception as error:  # noqa: BLE001 - obstore raises errors of its own and built-in ones
        _refuse(path, error)
    return _version(found.meta)


def _version(meta: Mapping[str, Any]) -> str:
    return meta.get("e_tag") or f"{meta['size']} {meta['last_modified']}"


@lru_cache(maxsize=64)
def _store(folder: Path) -> ObjectStore:
    """Return the store of a folder; its keys are names."""
    try:
        from obstore.store import from_url
    except ImportError as error:
        message = f"{url_of(folder)}: object storage needs the extra: pip install 'cardiograph[storage]'"
        raise RunError(message) from error
    try:
        return from_url(url_of(folder), retry_config=_RETRIES)
    except Exception as error:  # noqa: BLE001 - obstore raises errors of its own and built-in ones
        _refuse(folder, error)


def _refuse(path: Path, error: Exception) -> NoReturn:
    reason = re.sub(r"\s+", " ", str(error).partition("Debug source")[0]).strip()[:300]
    message = (
        f"{url_of(path)}: the object storage cannot be read ({reason}); check the address, and the account and server in "
        "the environment, for s3:// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL"
    )
    raise RunError(message) from error
