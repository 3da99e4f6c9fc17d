"""The database: opening, migration, transactions, and error messages without row content."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from cardiograph.errors import ConfigError, RecordsError
from cardiograph.service.records.sqlite_files import NoRoomError, SqliteFiles
from cardiograph.service.records.tables import VERSION_TABLE

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
    """Resolve the database URL, so that the service and the commands use the same default.

    Args:
        given: URL, or path of an SQLite file; by default ``$CARDIOGRAPH_DATABASE``, else ``records.sqlite`` in
            ``$XDG_DATA_HOME/cardiograph`` (``~/.local/share/cardiograph``).

    Raises:
        ConfigError: If the URL is invalid. The message does not repeat it, since it may contain a password.
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
    """Name the database in a message: the file, or server and name, never user or password."""
    if url.drivername.startswith("sqlite"):
        return f"database {url.database}"
    host = url.host or str(url.query.get("host", "localhost"))
    return f"database {url.database or ''} on {host}{f':{url.port}' if url.port else ''}"


def _file(path: Path) -> URL:
    return URL.create("sqlite+pysqlite", database=str(path.expanduser().absolute()))


_LOCK = 0x63617264
"""Key of PostgreSQL's advisory lock, so that only one of several starting processes creates the tables."""


def migrate(reader: Engine, writer: Engine, *, name: str, create: bool) -> None:
    """Migrate the database to the current schema, in one transaction.

    Args:
        reader: Engine with read-only transactions.
        writer: Engine whose transactions hold SQLite's write lock.
        name: Name of the database, for messages.
        create: Whether to create missing tables.

    Raises:
        RecordsError: If there are no tables and ``create`` is False, or the tables are of a newer version.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    scripts = ScriptDirectory.from_config(config)
    with reader.connect() as connection:
        revision = _revision(connection)
    if revision == scripts.get_current_head():
        return
    if revision is None and not create:
        message = f"{name}: has no records of cardiograph; pass the database of the service with --database"
        raise RecordsError(message)
    if revision is not None and revision not in {each.revision for each in scripts.walk_revisions()}:
        message = (
            f"{name}: its tables are of a newer version (revision {revision}, supported up to "
            f"{scripts.get_current_head()}); update cardiograph or choose another database"
        )
        raise RecordsError(message)
    with writer.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")  # does nothing if another process was first


def _revision(connection: Connection) -> str | None:
    heads = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_heads()
    return " and ".join(map(str, heads)) or None


BUSY_SECONDS = 10
"""Time limit of a transaction for waiting on others, in this or other processes, and of each of its statements."""

FORGET_SECONDS = 1
"""Time limit for emptying SQLite's write-ahead log while readers use it; writers wait meanwhile."""

CONNECT_SECONDS = 5
"""Time limit for connecting to a server."""

_LIMITS = text("SELECT set_config('lock_timeout', :wait, true), set_config('statement_timeout', :step, true)")
"""Timeouts of a PostgreSQL transaction."""

_REMEDY = "check that the server runs and accepts you, or that file and folder are writable and have space"

_NO_ROOM = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
"""SQLite's error codes on a full disk; the second one if its shared memory cannot grow."""


class Database:
    """Sessions on one database; safe for several threads and processes.

    Args:
        url: URL of :func:`database_url`.
        create: Whether to create missing files and tables.
        spend_reserve: Whether to free the disk space reserve first, as needed to open the database on a full disk.

    Raises:
        RecordsError: If the database is missing, cannot be reached, read or written, or is of a newer version.
        ConfigError: If the driver is not installed.
    """

    def __init__(self, url: URL, *, create: bool, spend_reserve: bool = False) -> None:
        self._url = url
        self._sqlite = url.drivername.startswith("sqlite")
        self._lock = threading.Lock()  # SQLite's queue of writers is not fair; PostgreSQL's costs connections
        self._files = SqliteFiles(Path(str(url.database))) if self._sqlite else None
        if self._sqlite:
            self._make_file(create=create)
        if spend_reserve:
            self.spend_reserve()
        self.forgotten = not self._sqlite  # rows deleted by an earlier process may be left in the log
        self._engine = self._connected()
        self._writer, self._reader = self._engine, self._engine
        if self._sqlite:
            self._writer = self._engine.execution_options(cardiograph_writes=True)
        else:
            self._reader = self._engine.execution_options(isolation_level="REPEATABLE READ")
        with self._plain_errors():
            migrate(self._reader, self._writer, name=shown(url), create=create)
            if self._files is not None:
                self._anchor = self._engine.raw_connection()  # SQLite deletes its log when the last connection closes
                self._anchor.cursor().execute("SELECT count(*) FROM sqlite_master").fetchall()
                self._files.note()

    @contextmanager
    def reading(self, *, whole: bool = False) -> Iterator[Session]:
        """Open a session that sees the database as of its first query.

        Args:
            whole: Whether whole tables are read, which has no time limit.
        """
        with self._plain_errors(), Session(self._reader) as session:
            if not (self._sqlite or whole):
                session.execute(_LIMITS, {"wait": f"{BUSY_SECONDS}s", "step": f"{BUSY_SECONDS}s"})
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Open a transaction: at the end of the block all or nothing of it is on disk."""
        session = Session(self._writer, expire_on_commit=False)
        with self._plain_errors(), self._turn() as left, session, session.begin():
            session.connection(execution_options={"cardiograph_wait": left})
            if not self._sqlite:
                session.execute(_LIMITS, {"wait": f"{left}ms", "step": f"{BUSY_SECONDS}s"})
                session.execute(text("SET LOCAL synchronous_commit TO on"))
            yield session

    @contextmanager
    def _turn(self) -> Iterator[int]:
        """Serialize the writers of this process; yield the milliseconds left to wait for other processes."""
        end = time.monotonic() + BUSY_SECONDS
        if not self._lock.acquire(timeout=BUSY_SECONDS):
            message = f"{shown(self._url)}: has been busy for {BUSY_SECONDS} s; try again later"
            raise RecordsError(message)
        try:
            yield max(1, round((end - time.monotonic()) * 1000))
        finally:
            self._lock.release()

    def forget(self) -> None:
        """Empty SQLite's write-ahead log into the file, so that it contains no deleted rows.

        ``forgotten`` is False if readers prevented it; then call this again later.
        """
        if not self._sqlite:
            return
        self.forgotten = False
        with self._plain_errors(), self._turn(), closing(self._engine.raw_connection()) as connection:
            cursor = connection.cursor()
            cursor.execute(f"PRAGMA busy_timeout={FORGET_SECONDS * 1000}")
            (busy, *_), *_ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self.forgotten = not busy

    def has_room(self) -> bool:
        """Return whether the disk has space for more records; True for a database server."""
        return self._files is None or self._files.has_room()

    def lay_reserve(self) -> None:
        """Reserve disk space for :meth:`spend_reserve`, if there is enough."""
        if self._files is not None:
            self._files.lay_reserve()

    def spend_reserve(self) -> None:
        """Free the reserved space, so that transactions succeed on a full disk."""
        if self._files is not None:
            self._files.spend_reserve()

    def close(self) -> None:
        """Close all connections."""
        if self._sqlite:
            self._anchor.close()
        self._engine.dispose()

    def _make_file(self, *, create: bool) -> None:
        """Create the file with mode 600, which SQLite copies to its other files."""
        path = Path(str(self._url.database))
        if not create:
            if not path.is_file():
                message = f"{shown(self._url)}: does not exist; pass the database of the service with --database"
                raise RecordsError(message)
            return
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            message = f"{shown(self._url)}: cannot be written ({error.strerror}); choose a writable folder"
            raise RecordsError(message) from error

    def _connected(self) -> Engine:
        if self._sqlite:
            engine = create_engine(
                self._url, hide_parameters=True, pool_timeout=BUSY_SECONDS, connect_args={"timeout": BUSY_SECONDS}
            )
            event.listen(engine, "connect", _prepare)
            event.listen(engine, "begin", _begin)
            return engine
        arguments = {} if "connect_timeout" in self._url.query else {"connect_timeout": CONNECT_SECONDS}
        try:
            return create_engine(
                self._url,
                hide_parameters=True,
                pool_pre_ping=True,
                pool_timeout=BUSY_SECONDS,
                isolation_level="READ COMMITTED",
                connect_args=arguments,
            )
        except ModuleNotFoundError:
            message = f"{shown(self._url)}: the driver is not installed; pip install 'cardiograph[postgresql]'"
            raise ConfigError(message) from None

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        """Convert database errors, without the text of a server, which may contain values of a row."""
        if self._files is not None:
            self._files.check()
        try:
            yield
        except (DBAPIError, PoolTimeout, sqlite3.Error) as error:
            message = f"{shown(self._url)}: {self._reason(error)}; {_REMEDY}"
            code = getattr(getattr(error, "orig", None) or error, "sqlite_errorcode", 0) & 0xFF
            raise (NoRoomError if code in _NO_ROOM else RecordsError)(message) from None
        if self._files is not None:
            self._files.check()

    def _reason(self, error: Exception) -> str:
        original = getattr(error, "orig", None) or error
        if not (self._sqlite or isinstance(error, OperationalError)):
            return type(original).__name__
        reason = (str(original).splitlines() or [type(original).__name__])[0]
        return reason.replace(self._url.password, "***") if self._url.password else reason


def _prepare(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own class
    connection.isolation_level = None  # BEGIN is sent by _begin only
    # invalid text then fails its hash, not the query
    connection.text_factory = lambda raw: raw.decode(errors="replace")
    for setting in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
        connection.execute(f"PRAGMA {setting}").fetchall()


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    writes, wait = options.get("cardiograph_writes"), options.get("cardiograph_wait", BUSY_SECONDS * 1000)
    connection.exec_driver_sql(f"PRAGMA busy_timeout={wait}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
