"""A database that is opened, brought up to date, read and written; its errors come in plain words."""

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


_LOCK = 0x63617264
"""Key of PostgreSQL's advisory lock: two processes that start at once make the tables once."""


def bring_up_to_date(reader: Engine, writer: Engine, *, name: str, create: bool) -> None:
    """Make what is missing, in one transaction.

    Args:
        reader: Gives connections that only look.
        writer: Gives connections that hold SQLite's write lock.
        name: Name of the database, for messages.
        create: Whether to make the tables where there are none.

    Raises:
        RecordsError: There are none and none are to be made, or they are those of a newer version.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    scripts = ScriptDirectory.from_config(config)
    with reader.connect() as connection:
        revision = _revision(connection)
    if revision == scripts.get_current_head():
        return
    if revision is None and not create:
        message = f"{name}: holds no records of cardiograph; give the one that the service writes by --database"
        raise RecordsError(message)
    if revision is not None and revision not in {each.revision for each in scripts.walk_revisions()}:
        message = (
            f"{name}: its tables are of a newer version (step {revision}, this one knows up to "
            f"{scripts.get_current_head()}); update cardiograph or choose another database"
        )
        raise RecordsError(message)
    with writer.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")  # does nothing where another process was first


def _revision(connection: Connection) -> str | None:
    heads = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_heads()
    return " and ".join(map(str, heads)) or None


BUSY_SECONDS = 10
"""How long a transaction waits for those before it, be they of this process or of another, and for each of its steps."""


FORGET_SECONDS = 1
"""How long readers may keep SQLite's write-ahead log from being emptied; writers wait meanwhile."""


CONNECT_SECONDS = 5
"""How long a server may take to answer."""


_LIMITS = text("SELECT set_config('lock_timeout', :wait, true), set_config('statement_timeout', :step, true)")
"""Of PostgreSQL, until the transaction ends."""


_REMEDY = "check that the server runs and lets you in, or that file and folder may be written and have room"


_NO_ROOM = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
"""What SQLite answers on a full disk: the second where its shared memory cannot grow."""


class Database:
    """Sessions on one database; safe for several threads, beside other processes.

    Args:
        url: As :func:`cardiograph.service.records.database.database_url` makes it.
        create: Whether to make the file or the tables where there are none.
        spend_reserve: Whether to free the reserve of disk space first, which opening on a full disk needs.

    Raises:
        RecordsError: It cannot be reached, read or written, is not there, or was made by a newer version.
        ConfigError: The driver is not installed.
    """

    def __init__(self, url: URL, *, create: bool, spend_reserve: bool = False) -> None:
        self._url = url
        self._sqlite = url.drivername.startswith("sqlite")
        self._lock = threading.Lock()  # SQLite's own waiting line is not a fair one; PostgreSQL's costs connections
        self._files = SqliteFiles(Path(str(url.database))) if self._sqlite else None
        if self._sqlite:
            self._make_file(create=create)
        if spend_reserve:
            self.spend_reserve()
        self.forgotten = not self._sqlite  # what went before this process did may be left
        self._engine = self._connected()
        self._writer, self._reader = self._engine, self._engine
        if self._sqlite:
            self._writer = self._engine.execution_options(cardiograph_writes=True)
        else:
            self._reader = self._engine.execution_options(isolation_level="REPEATABLE READ")
        with self._told():
            bring_up_to_date(self._reader, self._writer, name=shown(url), create=create)
            if self._files is not None:
                self._anchor = self._engine.raw_connection()  # SQLite removes its log with the last connection
                self._anchor.cursor().execute("SELECT count(*) FROM sqlite_master").fetchall()
                self._files.note()

    @contextmanager
    def reading(self, *, whole: bool = False) -> Iterator[Session]:
        """A session that sees the database as it is at its first query, whoever writes meanwhile.

        Args:
            whole: Whether whole tables are read, which may take its time.
        """
        with self._told(), Session(self._reader) as session:
            if not (self._sqlite or whole):
                session.execute(_LIMITS, {"wait": f"{BUSY_SECONDS}s", "step": f"{BUSY_SECONDS}s"})
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction: all of it is on the disk when the block has ended, or nothing."""
        session = Session(self._writer, expire_on_commit=False)
        with self._told(), self._turn() as left, session, session.begin():
            session.connection(execution_options={"cardiograph_wait": left})
            if not self._sqlite:
                session.execute(_LIMITS, {"wait": f"{left}ms", "step": f"{BUSY_SECONDS}s"})
                session.execute(text("SET LOCAL synchronous_commit TO on"))
            yield session

    @contextmanager
    def _turn(self) -> Iterator[int]:
        """One writer of this process at a time; gives the milliseconds that are left to wait for those of others."""
        end = time.monotonic() + BUSY_SECONDS
        if not self._lock.acquire(timeout=BUSY_SECONDS):
            message = f"{shown(self._url)}: has been busy for {BUSY_SECONDS} s; ask again later"
            raise RecordsError(message)
        try:
            yield max(1, round((end - time.monotonic()) * 1000))
        finally:
            self._lock.release()

    def forget(self) -> None:
        """Empty SQLite's write-ahead log into the file, so that deleted rows do not live on in it.

        ``forgotten`` tells whether it could be: readers may hold it up, then it is to be asked for again.
        """
        if not self._sqlite:
            return
        self.forgotten = False
        with self._told(), self._turn(), closing(self._engine.raw_connection()) as connection:
            cursor = connection.cursor()
            cursor.execute(f"PRAGMA busy_timeout={FORGET_SECONDS * 1000}")
            (busy, *_), *_ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self.forgotten = not busy

    def has_room(self) -> bool:
        """Whether the disk has space for the next records; that of a server is its own business."""
        return self._files is None or self._files.has_room()

    def lay_reserve(self) -> None:
        """Set disk space aside for :meth:`spend_reserve`, where there is enough."""
        if self._files is not None:
            self._files.lay_reserve()

    def spend_reserve(self) -> None:
        """Free the space that was set aside, so that a full disk takes the next transactions."""
        if self._files is not None:
            self._files.spend_reserve()

    def close(self) -> None:
        """Close all connections."""
        if self._sqlite:
            self._anchor.close()
        self._engine.dispose()

    def _make_file(self, *, create: bool) -> None:
        """SQLite gives the files beside it the same mode."""
        path = Path(str(self._url.database))
        if not create:
            if not path.is_file():
                message = f"{shown(self._url)}: is not there; give the one that the service writes by --database"
                raise RecordsError(message)
            return
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            message = f"{shown(self._url)}: cannot be written ({error.strerror}); choose a folder you may write to"
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
    def _told(self) -> Iterator[None]:
        """A failure as an error of ours, alone: a server's own text may repeat the values of a row."""
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
    connection.isolation_level = None  # BEGIN comes from us alone
    connection.text_factory = lambda raw: raw.decode(errors="replace")  # a text that is none breaks a hash, not us
    for setting in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
        connection.execute(f"PRAGMA {setting}").fetchall()


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    writes, wait = options.get("cardiograph_writes"), options.get("cardiograph_wait", BUSY_SECONDS * 1000)
    connection.exec_driver_sql(f"PRAGMA busy_timeout={wait}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
