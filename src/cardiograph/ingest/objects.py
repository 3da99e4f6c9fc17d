"""Which objects of a storage were read before and have not changed, so that they need not be read again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from cardiograph.artifacts.cache import PageCache
from cardiograph.ecg.object_storage import current_versions, is_remote, url_of

_KIND = "object"


def unchanged_objects(paths: Iterable[Path], cache: PageCache) -> dict[Path, str]:
    """Return the SHA-256 (hex) of the files in object storage that were read before and are the same now.

    Args:
        paths: Files; those of this machine are ignored.
        cache: Cache with the versions that were read, see :func:`keep_versions`.

    Raises:
        RunError: If the storage cannot be read.
    """
    before = {path: cache.facts(url_of(path), _KIND) for path in paths if is_remote(path)}
    known = {path: found for path, found in before.items() if found is not None}
    parts = {
        path: {path.with_name(name): version for name, version in known[path]["versions"].items()} for path in known
    }
    now = current_versions({part for each in parts.values() for part in each})
    return {
        path: known[path]["sha256"]
        for path, each in parts.items()
        if all(now.get(part) == version for part, version in each.items())
    }


def keep_versions(path: Path, file_sha256: str, versions: Mapping[str, str], cache: PageCache) -> None:
    """Store the versions of the objects of a file that was read; does nothing for a file of this machine.

    Args:
        path: File.
        file_sha256: SHA-256 (hex) of its content.
        versions: Names and versions of its objects: of a WFDB record, those of all its files.
        cache: Cache.
    """
    if versions:
        cache.keep_facts(url_of(path), _KIND, {"sha256": file_sha256, "versions": dict(versions)})
