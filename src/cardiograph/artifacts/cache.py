"""What has been learnt about pages and need not be computed again: file SHA-256 -> page facts -> embeddings.

One SQLite file shared between runs and processes; every entry is committed as it comes, so a killed run loses nothing.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cardiograph.errors import RunError


def cache_folder() -> Path:
    """``$CARDIOGRAPH_CACHE``, else ``$XDG_CACHE_HOME/cardiograph``, else ``~/.cache/cardiograph``."""
    named = os.environ.get("CARDIOGRAPH_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cardiograph"


class PageCache:
    """Facts of pages by file and preparation, embeddings by encoder and pixels.

    Raises:
        RunError: The cache folder cannot be written or the file is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / "pages.sqlite"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(self._path, timeout=60)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.execute(
                "CREATE TABLE IF NOT EXISTS facts (key TEXT PRIMARY KEY, content TEXT) WITHOUT ROWID"
            )
            self._connection.execute("CREATE TABLE IF NOT EXISTS embeddings (key TEXT PRIMARY KEY, content BLOB)")
        except (OSError, sqlite3.Error) as error:
            raise self._explained(error) from error

    def facts(self, file_sha256: str, preparation: str) -> dict[str, Any] | None:
        """Facts of a page file under ``preparation``, or None."""
        found = self._one("SELECT content FROM facts WHERE key = ?", f"{preparation}:{file_sha256}")
        return None if found is None else json.loads(found)

    def keep_facts(self, file_sha256: str, preparation: str, facts: dict[str, Any]) -> None:
        """Remember facts of a page file."""
        self._put("INSERT OR REPLACE INTO facts VALUES (?, ?)", f"{preparation}:{file_sha256}", json.dumps(facts))

    def embedding(self, fingerprint: str, pixels: str) -> NDArray[np.float32] | None:
        """[512] of the page with pixel hash ``pixels`` under an encoder, or None."""
        found = self._one("SELECT content FROM embeddings WHERE key = ?", f"{fingerprint}:{pixels}")
        return None if found is None else np.frombuffer(found, np.float32).copy()

    def keep_embedding(self, fingerprint: str, pixels: str, embedding: NDArray[np.float32]) -> None:
        """Remember an embedding."""
        self._put("INSERT OR REPLACE INTO embeddings VALUES (?, ?)", f"{fingerprint}:{pixels}", embedding.tobytes())

    def _one(self, query: str, key: str) -> Any:  # noqa: ANN401 - text or bytes, as the column has it
        try:
            row: Sequence[Any] | None = self._connection.execute(query, (key,)).fetchone()
        except sqlite3.Error as error:
            raise self._explained(error) from error
        return None if row is None else row[0]

    def _put(self, statement: str, key: str, content: str | bytes) -> None:
        try:
            with self._connection:
                self._connection.execute(statement, (key, content))
        except sqlite3.Error as error:
            raise self._explained(error) from error

    def _explained(self, error: Exception) -> RunError:
        return RunError(
            f"cache {self._path}: {error}; make room, delete the file if it is damaged, or name another folder with "
            "the environment variable CARDIOGRAPH_CACHE"
        )

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
