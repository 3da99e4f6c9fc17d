"""Files that are there whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.errors import RunError

_TEMPORARY = ".partial"


@contextmanager
def written_whole(target: Path) -> Iterator[Path]:
    """A temporary path beside ``target`` that takes its name when the block ends well, and goes away otherwise.

    Raises:
        RunError: The disk is full, the folder read-only, or the like.
    """
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=_TEMPORARY, dir=target.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o644)
        temporary.replace(target)
    except OSError as error:
        message = (
            f"{target}: cannot be written ({error.strerror or error}); make room or choose a folder you may write to"
        )
        raise RunError(message) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def remove_temporaries(folder: Path) -> None:
    """Remove what writes that were killed have left behind; for the holder of the folder's lock."""
    for path in folder.rglob(f".*{_TEMPORARY}"):
        path.unlink()


def write_bytes(target: Path, content: bytes) -> None:
    """Write ``content`` whole or not at all."""
    with written_whole(target) as temporary:
        temporary.write_bytes(content)


def write_json(target: Path, content: Mapping[str, Any]) -> None:
    """Write JSON, numbers as they are; a NaN would not be JSON and is refused."""
    write_bytes(target, (json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n").encode())


def write_arrays(target: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays as safetensors, without a copy of them in memory where they are contiguous."""
    from safetensors.numpy import save_file

    with written_whole(target) as temporary:
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, temporary)


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read safetensors.

    Raises:
        RunError: The file is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return dict(load(path.read_bytes()))
    except (OSError, SafetensorError) as error:
        message = f"{path}: cannot be read ({error}); make the run again"
        raise RunError(message) from error


def map_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Safetensors as arrays that lie on the disk and come into memory where they are looked at.

    Whoever writes into one changes his own copy alone.

    Raises:
        RunError: The file is missing or damaged.
    """
    try:
        with path.open("rb") as handle:
            length = int.from_bytes(handle.read(8), "little")
            header = json.loads(handle.read(length))
        header.pop("__metadata__", None)
        return {name: _mapped(path, 8 + length, **facts) for name, facts in header.items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"{path}: cannot be read ({error}); make the run again"
        raise RunError(message) from error


_DTYPES = {"F32": "<f4", "F64": "<f8", "I64": "<i8", "I32": "<i4", "U8": "|u1"}


def _mapped(path: Path, start: int, *, dtype: str, shape: list[int], data_offsets: list[int]) -> NDArray[Any]:
    kind, (first, last) = np.dtype(_DTYPES[dtype]), data_offsets
    if last - first != kind.itemsize * int(np.prod(shape)) or start + last > path.stat().st_size:
        message = "an array does not fit into its place"
        raise ValueError(message)
    if first == last:
        return np.zeros(shape, kind)
    return np.asarray(np.memmap(path, kind, mode="c", offset=start + first, shape=tuple(shape)))


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        RunError: The file is missing or damaged.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        message = f"{path}: cannot be read ({error}); is this a finished run?"
        raise RunError(message) from error
    if not isinstance(content, dict):
        message = f"{path}: not a JSON object; make the run again"
        raise RunError(message)
    return content


def sha256_of(path: Path) -> str:
    """SHA-256 (hex) of a file."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
