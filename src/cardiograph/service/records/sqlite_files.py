"""The files of an SQLite database: whether they are still those that were opened, and the room they have."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from cardiograph.errors import RecordsError

ROOM_BYTES = 4 << 20
"""Free space below which the records are not ready: about the size that the write-ahead log grows to."""

RESERVE_BYTES = 16 << 20
"""Size of the reserve: deleting a kept page writes about as many bytes to the write-ahead log as the page has."""


class NoRoomError(RecordsError):
    """The database could not write for want of space."""


class ReplacedError(RecordsError):
    """A file of the database was removed or replaced while the database was open."""


class SqliteFiles:
    """The database file, its write-ahead log and shared memory, and a reserve of disk space beside them.

    An open connection goes on writing to a file that was removed or replaced, and what it writes is lost. So the
    identity of each file is noted once they are open, and compared before and after each transaction.

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
        """Remember which files are open now."""
        self._opened = {path: _identity(path) for path in self._watched}

    def check(self) -> None:
        """Compare the files with those that were noted.

        Raises:
            ReplacedError: One of them was removed or replaced.
        """
        for path, identity in self._opened.items():
            if _identity(path) != identity:
                message = f"database {self._path}: {path.name} was removed or replaced while in use; start again"
                raise ReplacedError(message)

    def has_room(self) -> bool:
        """Whether the disk has space for the next records."""
        return shutil.disk_usage(self._folder).free >= ROOM_BYTES

    def lay_reserve(self) -> None:
        """Occupy the reserve, unless it is there already or would leave too little space for the records."""
        if self._reserve.exists() or shutil.disk_usage(self._folder).free < RESERVE_BYTES + ROOM_BYTES:
            return
        try:
            with os.fdopen(os.open(self._reserve, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(bytes(RESERVE_BYTES))
        except OSError:  # a reserve is a help, not a need
            self.spend_reserve()

    def spend_reserve(self) -> None:
        """Give the space of the reserve back to the disk."""
        self._reserve.unlink(missing_ok=True)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
