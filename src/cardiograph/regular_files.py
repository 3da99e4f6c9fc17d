"""Opens regular files only: a device or a FIFO would never end, or would wait for a writer."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

NOT_A_FILE = "not a file"


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file for reading; links are followed.

    Raises:
        OSError: The file cannot be opened; ``strerror`` is ``not a file`` for a folder, device, FIFO or socket.
    """
    try:
        _require_regular(path.stat().st_mode, path)  # before the file is opened: to open a device may do something
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except ValueError as error:  # a NUL in the path
        raise OSError(errno.EINVAL, str(error), str(path)) from error
    handle = os.fdopen(descriptor, "rb")
    try:
        _require_regular(os.fstat(descriptor).st_mode, path)
    except OSError:
        handle.close()
        raise
    return handle


def read_regular(path: Path) -> bytes:
    """Content of a regular file.

    Raises:
        OSError: As for :func:`open_regular`.
    """
    with open_regular(path) as handle:
        return handle.read()


def _require_regular(mode: int, path: Path) -> None:
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, NOT_A_FILE, str(path))
