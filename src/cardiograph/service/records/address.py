"""Where the database of the records lies: an option, the environment, or a file of the user's own."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from cardiograph.errors import ConfigError

ENVIRONMENT = "CARDIOGRAPH_DATABASE"

_DRIVERS = {
    "sqlite": "sqlite+pysqlite",
    "sqlite+pysqlite": "sqlite+pysqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}
_FORMS = "give a file, or a URL such as sqlite:///records.sqlite or postgresql://USER@HOST/NAME"


def database_url(given: str | None = None) -> URL:
    """The database that is meant, so that the service and the commands beside it agree without an argument.

    Args:
        given: A URL, or the path of an SQLite file. Without it ``$CARDIOGRAPH_DATABASE`` counts, and without that
            ``records.sqlite`` in ``$XDG_DATA_HOME/cardiograph``, by default ``~/.local/share/cardiograph``.

    Raises:
        ConfigError: Not such a URL. The text is not repeated: it may hold a password.
    """
    text = given or os.environ.get(ENVIRONMENT)
    if not text:
        folder = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
        return _file(folder / "cardiograph" / "records.sqlite")
    if ":" not in text:
        return _file(Path(text))
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        message = f"database: the URL cannot be read; {_FORMS}"
        raise ConfigError(message) from None
    if url.drivername not in _DRIVERS:
        message = f"database: {url.drivername} is not supported, SQLite and PostgreSQL are; {_FORMS}"
        raise ConfigError(message)
    if not url.drivername.startswith("sqlite"):
        return url.set(drivername=_DRIVERS[url.drivername])
    if not url.database or url.database.startswith((":", "file:")) or url.query:
        message = f"database: SQLite keeps records in a plain file, without options behind '?'; {_FORMS}"
        raise ConfigError(message)
    return _file(Path(url.database))


def shown(url: URL) -> str:
    """The database for a message: the file, or the server and the name, never the user or a password."""
    if url.drivername.startswith("sqlite"):
        return f"database {url.database}"
    host = url.host or str(url.query.get("host", "localhost"))
    return f"database {url.database or ''} on {host}{f':{url.port}' if url.port else ''}"


def _file(path: Path) -> URL:
    return URL.create("sqlite+pysqlite", database=str(path.expanduser().absolute()))
