"""Files of an SQLite database: detecting replaced files, and reserving disk space."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from cardiograph.errors import RecordsError

ROOM_BYTES = 4 << 20
"""Free space below which the service is not ready: about the maximum size of the write-ahead log."""

RESERVE_BYTES = 16 << 20
"""Size of the reserve: deleting a stored page writes about its size to the write-ahead log."""


class NoRoomError(RecordsError):
    """The database could not write because the disk is full."""


class ReplacedError(RecordsError):
    """A file of the database was removed or replaced while the database was open."""


class SqliteFiles:
    """The database file, its write-ahead log and shared memory, and a reserve of disk space.

    An open connection keeps writing to a file that was removed or replaced, and these writes are lost. So the identity
    of each file is noted after opening and compared before and after each transaction.

    Args:
        path: Path of the database.
    """

    def __init__(self, path: Path) -> None:
        real = path.resolve()
        self._path, self._folder = path, real.parent
        self._watched = (path, real.with_name(f"{real.name}-wal"), real.with_name(f"{real.name}-shm"))
        self._reserve = real.with_name(f"{real.name}-reserve")
        self._opened: dict[Path, tuple[int, int] | None] = {}

    def note(self) -> None:
        """Store the identity of each open file, for :meth:`check`."""
        self._opened = {path: _identity(path) for path in self._watched}

    def check(self) -> None:
        """Compare each file with the identity that :meth:`note` stored.

        Raises:
            ReplacedError: If one of them was removed or replaced.
        """
        for path, identity in self._opened.items():
            if _identity(path) != identity:
                message = f"database {self._path}: {path.name} was removed or replaced while in use; restart"
                raise ReplacedError(message)

    def has_room(self) -> bool:
        """Return whether the disk has space for more records."""
        return shutil.disk_usage(self._folder).free >= ROOM_BYTES

    def lay_reserve(self) -> None:
        """Create the reserve, unless it exists or would leave too little space for the records."""
        if self._reserve.exists() or shutil.disk_usage(self._folder).free < RESERVE_BYTES + ROOM_BYTES:
            return
        try:
            with os.fdopen(os.open(self._reserve, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(bytes(RESERVE_BYTES))
        except OSError:  # the reserve is optional
            self.spend_reserve()

    def spend_reserve(self) -> None:
        """Delete the reserve."""
        self._reserve.unlink(missing_ok=True)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
