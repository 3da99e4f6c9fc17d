"""Files that are there whole or not at all."""

from __future__ import annotations

import hashlib
import json
import math
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.errors import RunError
from cardiograph.regular_files import open_regular, read_regular

_TEMPORARY = ".cardiograph.partial"
"""Ends the names of our temporary files: nothing else in a folder is taken for one."""

_NAME_SHOWN = 40
"""Letters of the target's name in that of its temporary file, so that a long name stays a name."""

FILE_MODE, FOLDER_MODE = 0o600, 0o700
"""Of new files and folders: they hold values of patients. A stricter umask holds, too."""


@contextmanager
def written_whole(target: Path) -> Iterator[Path]:
    """A temporary path in the folder of ``target`` that takes its name when the block ends well, and goes away otherwise.

    A new file can be read by its owner alone; a file that is replaced hands on its mode.

    Raises:
        RunError: The disk is full, the folder read-only, or the like.
    """
    temporary: Path | None = None
    try:
        make_folder(target.parent)
        prefix = f".{target.name[:_NAME_SHOWN]}."
        handle, name = tempfile.mkstemp(prefix=prefix, suffix=_TEMPORARY, dir=target.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        if target.is_file():
            temporary.chmod(stat.S_IMODE(target.stat().st_mode) & 0o777)
        temporary.replace(target)
    except OSError as error:
        raise _not_written(target, error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make a folder that its owner alone may enter, and the folders above it; one that is there stays as it is."""
    folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)


def is_temporary(name: str) -> bool:
    """Whether a file of this name is what a killed write of ours left."""
    return name.startswith(".") and name.endswith(_TEMPORARY)


def remove_temporaries(folder: Path) -> None:
    """Remove what killed writes left in a folder; for the holder of its lock, who knows that the folder is ours."""
    for path in folder.glob(f".*{_TEMPORARY}"):
        if path.is_file() and not path.is_symlink():
            path.unlink()


def write_bytes(target: Path, content: bytes) -> None:
    """Write ``content`` whole or not at all."""
    with written_whole(target) as temporary:
        temporary.write_bytes(content)


def write_output(target: Path, content: bytes) -> None:
    """Write a file that the user named: through a link into the file it leads to, through a device or FIFO directly.

    Raises:
        RunError: As for :func:`written_whole`.
    """
    real = Path(os.path.realpath(target))
    # /dev/stdout may be a file that somebody else has begun to write
    open_already = target.absolute().is_relative_to("/dev") and not real.is_relative_to("/dev/shm")  # noqa: S108
    if not open_already and (real.is_file() or real.is_dir() or not target.exists()):
        write_bytes(real, content)
        return
    try:
        with target.open("ab") as device:
            device.write(content)
    except OSError as error:
        raise _not_written(target, error) from error


def append_line(target: Path, line: str) -> None:
    """Append a line to a log.

    Raises:
        RunError: As for :func:`written_whole`.
    """
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
            handle.write(line + "\n")
    except OSError as error:
        raise _not_written(target, error) from error


def _not_written(target: Path, error: OSError) -> RunError:
    reason = error.strerror or error
    return RunError(f"{target}: cannot be written ({reason}); make room or choose a folder you may write to")


def write_json(target: Path, content: Mapping[str, Any]) -> None:
    """Write JSON, numbers as they are; a NaN would not be JSON and is refused."""
    write_bytes(target, json_bytes(content))


def json_bytes(content: Mapping[str, Any]) -> bytes:
    """JSON as :func:`write_json` writes it."""
    return (json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n").encode()


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
    try:
        content = read_regular(path)
    except OSError as error:
        raise _not_read(path, error, "make the run again") from error
    return arrays_in(memoryview(bytearray(content)), path)


def arrays_in(content: memoryview, path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of safetensors, which share the memory of ``content``.

    Args:
        content: Content of the file.
        path: For the error.

    Raises:
        RunError: The content is damaged.
    """
    try:
        length = int.from_bytes(content[:8], "little")
        if length > len(content) - 8:
            message = "its header is longer than the file"
            raise ValueError(message)
        header, body = json.loads(bytes(content[8 : 8 + length])), content[8 + length :]
        header.pop("__metadata__", None)
        return {name: _array(body, **facts) for name, facts in header.items()}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise _not_read(path, error, "make the run again") from error


_DTYPES = {"F32": "<f4", "F64": "<f8", "I64": "<i8", "I32": "<i4", "U8": "|u1", "BOOL": "|b1"}


def _array(body: memoryview, *, dtype: str, shape: list[int], data_offsets: list[int]) -> NDArray[Any]:
    kind, (first, last) = np.dtype(_DTYPES[dtype]), data_offsets
    if min(shape, default=0) < 0 or not 0 <= first <= last <= len(body):
        message = "an array reaches beyond the file"
        raise ValueError(message)
    if last - first != kind.itemsize * math.prod(shape):
        message = "an array does not fit into its place"
        raise ValueError(message)
    return np.frombuffer(body[first:last], kind).reshape(shape)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        RunError: The file is missing or damaged.
    """
    try:
        return json_in(read_regular(path), path)
    except OSError as error:
        raise _not_read(path, error, "is this a finished run?") from error


def json_in(content: bytes, path: Path) -> dict[str, Any]:
    """A JSON object, without NaN or infinity, which are no JSON.

    Args:
        content: UTF-8.
        path: For the error.

    Raises:
        RunError: The content is damaged.
    """
    try:
        found = json.loads(content.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise _not_read(path, error, "is this a finished run?") from error
    if not isinstance(found, dict):
        message = f"{path}: not a JSON object; make the run again"
        raise RunError(message)
    return found


def _refuse_constant(name: str) -> None:
    message = f"{name} is no number of JSON"
    raise ValueError(message)


def _not_read(path: Path, error: Exception, remedy: str) -> RunError:
    reason = getattr(error, "strerror", None) or error
    return RunError(f"{path}: cannot be read ({reason}); {remedy}")


def sha256_of(path: Path) -> str:
    """SHA-256 (hex) of a file."""
    with open_regular(path) as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
