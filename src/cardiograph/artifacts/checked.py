"""The files of a bundle. Each is read once, so that the bytes that passed the checksum are the bytes in use."""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import weakref
from collections.abc import Mapping
from io import BufferedReader
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from cardiograph.artifacts import files
from cardiograph.errors import RunError
from cardiograph.regular_files import NOT_A_FILE, open_regular

NAME = "bundle.json"
MIN_MAPPED_BYTES = 1 << 30
"""Size in bytes from which a file is memory-mapped instead of read."""

ALWAYS_MAPPED = frozenset({"ecgs.safetensors"})
"""Files that are memory-mapped whatever their size, because a request needs a few rows of them only."""

_OWN = "checksum"


class OpenFile:
    """A file that was read and stays open, to detect changes in place; a replaced file does not count as changed.

    Args:
        path: Path for error messages.
        handle: Open file; a duplicate of its descriptor is kept.
    """

    def __init__(self, path: Path, handle: BufferedReader) -> None:
        self.path = path
        self._descriptor = os.dup(handle.fileno())
        weakref.finalize(self, os.close, self._descriptor)
        self._state = self._size_and_time()

    def _size_and_time(self) -> tuple[int, int]:
        found = os.fstat(self._descriptor)
        return found.st_size, found.st_mtime_ns

    @property
    def changed(self) -> bool:
        """Whether the file was written to since it was read."""
        return self._size_and_time() != self._state


class CheckedFiles:
    """The files of a bundle, all of which passed their checksums.

    Args:
        folder: Folder of the bundle.

    Attributes:
        facts: Content of ``bundle.json`` without its own checksum.
        sha256: SHA-256 (hex) of ``bundle.json``.
        open_files: Every file that was read.

    Raises:
        RunError: If a file is missing, is not a regular file, differs from its checksum, or has an invalid name.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.open_files: list[OpenFile] = []
        content = bytes(self._read(NAME))
        self.sha256 = hashlib.sha256(content).hexdigest()
        self.facts = unsealed(files.json_in(content, folder / NAME), folder / NAME)
        self._contents: dict[str, memoryview] = {}
        for name, expected in _named(self.facts, folder).items():
            found = self._read(name)
            if hashlib.sha256(found).hexdigest() != expected:
                raise _changed(folder / name, "differs from its checksum")
            self._contents[name] = found

    def __contains__(self, name: str) -> bool:
        return name in self._contents

    def __getitem__(self, name: str) -> memoryview:
        if name not in self._contents:
            raise _changed(self.folder / name, f"has no checksum in {NAME}")
        return self._contents[name]

    def arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """Return the arrays of a safetensors file, on the memory that was checked."""
        return files.arrays_in(self[name], self.folder / name)

    def json(self, name: str) -> dict[str, Any]:
        """Return a JSON object."""
        return files.json_in(bytes(self[name]), self.folder / name)

    def _read(self, name: str) -> memoryview:
        path = self.folder / name
        try:
            with open_regular(path) as handle:
                self.open_files.append(OpenFile(path, handle))
                size = os.fstat(handle.fileno()).st_size
                if size >= MIN_MAPPED_BYTES or (size and name in ALWAYS_MAPPED):
                    return memoryview(mmap.mmap(handle.fileno(), size, access=mmap.ACCESS_COPY))
                return memoryview(bytearray(handle.read()))
        except FileNotFoundError as error:
            raise _changed(path, "is missing") from error
        except OSError as error:
            reason = error.strerror or str(error)
            raise _changed(path, reason if reason == NOT_A_FILE else f"cannot be read ({reason})") from error


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``content`` with its own checksum, which does not depend on the order of keys or on white space."""
    return {**content, _OWN: _checksum(content)}


def unsealed(content: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Check and remove the checksum that :func:`sealed` added.

    Raises:
        RunError: If the content differs from its checksum.
    """
    rest = {name: value for name, value in content.items() if name != _OWN}
    if content.get(_OWN) != _checksum(rest):
        raise _changed(path, "differs from its checksum")
    return rest


def _checksum(content: Mapping[str, Any]) -> str:
    plain = json.loads(json.dumps(content))  # so that content has the same checksum before writing and after reading
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def _named(facts: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Return name -> checksum of the files of a bundle."""
    named = facts.get("sha256")
    if not isinstance(named, dict):
        raise _changed(folder / NAME, "has no checksums of the other files")
    for name in named:
        if name in ("", ".", "..", NAME) or "\0" in name or Path(name).name != name:
            message = f"{folder / NAME}: lists {name!r}, which is not a plain file name; make the bundle again"
            raise RunError(message)
    return named


def _changed(path: Path, state: str) -> RunError:
    return RunError(f"{path}: {state}; the bundle was changed or copied in part, copy or make it again")
