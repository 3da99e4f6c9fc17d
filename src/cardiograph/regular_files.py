"""Reading of regular files only: a device can be endless, and a FIFO blocks until another process writes to it."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

NOT_A_FILE = "not a file"


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file for reading; symbolic links are followed.

    Raises:
        OSError: If the file cannot be opened; ``strerror`` is ``not a file`` for a folder, device, FIFO or socket.
    """
    try:
        _require_regular(path.stat().st_mode, path)  # before opening, because opening a device can have side effects
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
    """Return the content of a regular file.

    Raises:
        OSError: If :func:`open_regular` cannot open the file.
    """
    with open_regular(path) as handle:
        return handle.read()


def _require_regular(mode: int, path: Path) -> None:
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, NOT_A_FILE, str(path))
