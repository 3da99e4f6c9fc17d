"""Atomic file writes, and readers for JSON and safetensors."""

from __future__ import annotations

import hashlib
import json
import math
import mmap
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from cardiograph.errors import RunError
from cardiograph.regular_files import open_regular, read_regular

_TEMPORARY = ".cardiograph.partial"
"""Suffix of the temporary files of this package, by which they are recognised."""

_MAX_PREFIX_CHARACTERS = 40
"""Number of characters of the target's name in that of its temporary file, so that the name is never too long."""

FILE_MODE, FOLDER_MODE = 0o600, 0o700
"""Permissions of new files and folders, which contain patient data; a stricter umask takes precedence."""


@contextmanager
def written_whole(target: Path) -> Iterator[Path]:
    """Yield a temporary path that is renamed to ``target`` if the block succeeds, and removed otherwise.

    Only the owner can read a new file; a replaced file keeps its permissions.

    Raises:
        RunError: If the file cannot be written, for example because the disk is full or the folder read-only.
    """
    temporary: Path | None = None
    try:
        make_folder(target.parent)
        prefix = f".{target.name[:_MAX_PREFIX_CHARACTERS]}."
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
    """Create a folder and its parents with access for the owner only; an existing folder stays unchanged."""
    folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)


def is_temporary(name: str) -> bool:
    """Return whether a name is that of a temporary file of this package."""
    return name.startswith(".") and name.endswith(_TEMPORARY)


def remove_temporaries(folder: Path) -> None:
    """Remove temporary files of killed writes; only the holder of the folder's lock may call this."""
    for path in folder.glob(f".*{_TEMPORARY}"):
        if path.is_file() and not path.is_symlink():
            path.unlink()


def write_bytes(target: Path, content: bytes) -> None:
    """Write ``content`` atomically."""
    with written_whole(target) as temporary:
        temporary.write_bytes(content)


def write_output(target: Path, content: bytes) -> None:
    """Write a file that the user named, see :func:`written_output`."""
    with written_output(target) as handle:
        handle.write(content)


@contextmanager
def written_output(target: Path) -> Iterator[BinaryIO]:
    """Yield a file whose content becomes that of ``target``, which the user named, if the block succeeds.

    A link is followed; a device or FIFO gets the content at the end of the block.

    Raises:
        RunError: As for :func:`written_whole`.
    """
    real = Path(os.path.realpath(target))
    # /dev/stdout may be a file that another process is writing
    open_already = target.absolute().is_relative_to("/dev") and not real.is_relative_to("/dev/shm")  # noqa: S108
    if not open_already and (real.is_file() or real.is_dir() or not target.exists()):
        with written_whole(real) as temporary, temporary.open("wb") as handle:
            yield handle
        return
    with tempfile.TemporaryFile() as handle:
        yield handle
        try:
            handle.seek(0)
            with target.open("ab") as device:
                shutil.copyfileobj(handle, device)
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
    return RunError(f"{target}: cannot be written ({reason}); free disk space or choose a writable folder")


def write_json(target: Path, content: Mapping[str, Any]) -> None:
    """Write JSON; NaN and infinity raise ValueError because they are not valid JSON."""
    write_bytes(target, json_bytes(content))


def json_bytes(content: Mapping[str, Any]) -> bytes:
    """Return JSON in the format of :func:`write_json`."""
    return (json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n").encode()


def write_arrays(target: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays as safetensors; contiguous arrays are not copied."""
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    with written_whole(target) as temporary:
        try:
            save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, temporary)
        except SafetensorError as error:  # how the package reports a full disk
            raise OSError(str(error)) from error


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read a safetensors file.

    Raises:
        RunError: If the file is missing or damaged.
    """
    try:
        content = read_regular(path)
    except OSError as error:
        raise _not_read(path, error, "make the run again") from error
    return arrays_in(memoryview(bytearray(content)), path)


def map_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Map a safetensors file: memory holds only what is read of its arrays.

    Raises:
        RunError: If the file is missing or damaged.
    """
    try:
        with open_regular(path) as handle:
            content = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_COPY)
    except (OSError, ValueError) as error:
        raise _not_read(path, error, "write it again") from error
    return arrays_in(memoryview(content), path)


def arrays_in(content: memoryview, path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a safetensors file; they share the memory of ``content``.

    Args:
        content: Content of the file.
        path: Path for error messages.

    Raises:
        RunError: If the content is damaged.
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


_DTYPES = {"F32": "<f4", "F64": "<f8", "I64": "<i8", "I32": "<i4", "I16": "<i2", "U8": "|u1", "BOOL": "|b1"}


def _array(body: memoryview, *, dtype: str, shape: list[int], data_offsets: list[int]) -> NDArray[Any]:
    kind, (first, last) = np.dtype(_DTYPES[dtype]), data_offsets
    if min(shape, default=0) < 0 or not 0 <= first <= last <= len(body):
        message = "an array reaches beyond the file"
        raise ValueError(message)
    if last - first != kind.itemsize * math.prod(shape):
        message = "the size of an array does not match its shape"
        raise ValueError(message)
    return np.frombuffer(body[first:last], kind).reshape(shape)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object from a file.

    Raises:
        RunError: If the file is missing or damaged.
    """
    try:
        return json_in(read_regular(path), path)
    except OSError as error:
        raise _not_read(path, error, "is this a finished run?") from error


def json_in(content: bytes, path: Path) -> dict[str, Any]:
    """Parse a JSON object; NaN and infinity are rejected.

    Args:
        content: UTF-8 encoded JSON.
        path: Path for error messages.

    Raises:
        RunError: If the content is damaged.
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
    message = f"{name} is not valid JSON"
    raise ValueError(message)


def _not_read(path: Path, error: Exception, remedy: str) -> RunError:
    reason = getattr(error, "strerror", None) or error
    return RunError(f"{path}: cannot be read ({reason}); {remedy}")


def sha256_of(path: Path) -> str:
    """Return the SHA-256 (hex) of a file."""
    with open_regular(path) as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
