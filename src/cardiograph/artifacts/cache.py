"""Cache of page facts and digitised leads (by SHA-256 of the file), and of embeddings (by encoder and content).

It is one SQLite file, shared between runs and processes. Every entry is committed at once, so a killed run loses
nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cardiograph.artifacts.files import FILE_MODE, make_folder
from cardiograph.errors import RunError


def cache_folder() -> Path:
    """Return ``$CARDIOGRAPH_CACHE``, else ``$XDG_CACHE_HOME/cardiograph``, else ``~/.cache/cardiograph``."""
    named = os.environ.get("CARDIOGRAPH_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cardiograph"


class PageCache:
    """Page facts and leads by file and version, and embeddings by encoder and content.

    Args:
        folder: Cache folder; created if missing.

    Raises:
        RunError: If the cache folder cannot be written or the file is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / "pages.sqlite"
        try:
            make_folder(folder)
            # SQLite gives the same mode to the files that it creates next to this one
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, FILE_MODE))
            self._connection = sqlite3.connect(self._path, timeout=60)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.execute(
                "CREATE TABLE IF NOT EXISTS facts (key TEXT PRIMARY KEY, content BLOB) WITHOUT ROWID"
            )
            for table in ("embeddings", "leads"):
                self._connection.execute(f"CREATE TABLE IF NOT EXISTS {table} (key TEXT PRIMARY KEY, content BLOB)")
        except (OSError, sqlite3.Error) as error:
            raise self._explained(error) from error

    def facts(self, file_sha256: str, preparation: str) -> dict[str, Any] | None:
        """Return the facts of a page file under ``preparation``; None if there are none or the entry is damaged."""
        found = self._one("facts", f"{preparation}:{file_sha256}")
        return None if found is None else json.loads(found)

    def keep_facts(self, file_sha256: str, preparation: str, facts: dict[str, Any]) -> None:
        """Store the facts of a page file."""
        self._put("facts", f"{preparation}:{file_sha256}", json.dumps(facts).encode())

    def embedding(self, fingerprint: str, content: str) -> NDArray[np.float32] | None:
        """Return the [width] embedding of a page (pixel hash) or of leads (file hash); None as for :meth:`facts`."""
        found = self._one("embeddings", f"{fingerprint}:{content}")
        return None if found is None else np.frombuffer(found, np.float32).copy()

    def keep_embedding(self, fingerprint: str, content: str, embedding: NDArray[np.float32]) -> None:
        """Store an embedding."""
        self._put("embeddings", f"{fingerprint}:{content}", embedding.astype(np.float32).tobytes())

    def leads(self, file_sha256: str, version: str) -> bytes | None:
        """Return the packed leads of a page file that was digitised; None as for :meth:`facts`."""
        return self._one("leads", f"{version}:{file_sha256}")

    def keep_leads(self, file_sha256: str, version: str, packed: bytes) -> None:
        """Store the packed leads of a page file."""
        self._put("leads", f"{version}:{file_sha256}", packed)

    def _one(self, table: str, key: str) -> bytes | None:
        """Return the content of an entry; None if it differs from what was stored under this key."""
        try:
            row = self._connection.execute(f"SELECT content FROM {table} WHERE key = ?", (key,)).fetchone()  # noqa: S608
        except sqlite3.Error as error:
            raise self._explained(error) from error
        stored = row[0] if row is not None else None
        if not isinstance(stored, bytes):
            return None
        content = stored[_DIGEST_BYTES:]
        return content if stored == _with_digest(key, content) else None

    def _put(self, table: str, key: str, content: bytes) -> None:
        try:
            with self._connection:
                statement = f"INSERT OR REPLACE INTO {table} VALUES (?, ?)"  # noqa: S608 - fixed table names
                self._connection.execute(statement, (key, _with_digest(key, content)))
        except sqlite3.Error as error:
            raise self._explained(error) from error

    def _explained(self, error: Exception) -> RunError:
        return RunError(
            f"cache {self._path}: {error}; free disk space, delete the file if it is damaged, or set another folder "
            "with the environment variable CARDIOGRAPH_CACHE"
        )

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_DIGEST_BYTES = 32


def _with_digest(key: str, content: bytes) -> bytes:
    """Prepend the SHA-256 of key and content to the content."""
    return hashlib.sha256(key.encode() + b"\0" + content).digest() + content
