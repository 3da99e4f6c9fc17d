"""A database that is opened, brought up to date, read and written; its errors come in plain words."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from cardiograph.errors import ConfigError, RecordsError
from cardiograph.service.records.address import shown
from cardiograph.service.records.upgrade import bring_up_to_date

BUSY_SECONDS = 30
"""How long a writer waits for the writers before it, on SQLite."""

FORGET_SECONDS = 1
"""How long readers may keep SQLite's write-ahead log from being emptied; writers wait meanwhile."""

CONNECT_SECONDS = 5
"""How long a server may take to answer."""

_REMEDY = "check that the server runs and lets you in, or that file and folder may be written and have room"


class Database:
    """Sessions on one database; safe for several threads, beside other processes.

    Args:
        url: As :func:`cardiograph.service.records.address.database_url` makes it.
        create: Whether to make the file or the tables where there are none.

    Raises:
        RecordsError: It cannot be reached, read or written, is not there, or was made by a newer version.
        ConfigError: The driver is not installed.
    """

    def __init__(self, url: URL, *, create: bool) -> None:
        self._url = url
        self._sqlite = url.drivername.startswith("sqlite")
        self._turn = threading.Lock() if self._sqlite else nullcontext()  # SQLite's own waiting line is not a fair one
        if self._sqlite:
            self._make_file(create=create)
        self.forgotten = not self._sqlite  # what went before this process did may be left
        self._engine = self._connected()
        self._writer, self._reader = self._engine, self._engine
        if self._sqlite:
            self._writer = self._engine.execution_options(cardiograph_writes=True)
        else:
            self._reader = self._engine.execution_options(isolation_level="REPEATABLE READ")
        with self._told():
            bring_up_to_date(self._reader, self._writer, name=shown(url), create=create)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees the database as it is at its first query, whoever writes meanwhile."""
        with self._told(), Session(self._reader) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction: all of it is on the disk when the block has ended, or nothing."""
        with self._told(), self._turn, Session(self._writer, expire_on_commit=False) as session, session.begin():
            if not self._sqlite:
                session.execute(text("SET LOCAL synchronous_commit TO on"))
            yield session

    def forget(self) -> None:
        """Empty SQLite's write-ahead log into the file, so that deleted rows do not live on in it.

        ``forgotten`` tells whether it could be: readers may hold it up, then it is to be asked for again.
        """
        if not self._sqlite:
            return
        self.forgotten = False
        with self._told(), self._turn, closing(self._engine.raw_connection()) as connection:
            cursor = connection.cursor()
            cursor.execute(f"PRAGMA busy_timeout={FORGET_SECONDS * 1000}")
            try:
                (busy, *_), *_ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                cursor.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
        self.forgotten = not busy

    def close(self) -> None:
        """Close all connections."""
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
            engine = create_engine(self._url, hide_parameters=True, connect_args={"timeout": BUSY_SECONDS})
            event.listen(engine, "connect", _prepare)
            event.listen(engine, "begin", _begin)
            return engine
        arguments = {} if "connect_timeout" in self._url.query else {"connect_timeout": CONNECT_SECONDS}
        try:
            return create_engine(
                self._url,
                hide_parameters=True,
                pool_pre_ping=True,
                isolation_level="READ COMMITTED",
                connect_args=arguments,
            )
        except ModuleNotFoundError:
            message = f"{shown(self._url)}: the driver is not installed; pip install 'cardiograph[postgresql]'"
            raise ConfigError(message) from None

    @contextmanager
    def _told(self) -> Iterator[None]:
        """A failure as an error of ours, alone: a server's own text may repeat the values of a row."""
        try:
            yield
        except (DBAPIError, PoolTimeout, sqlite3.Error) as error:
            message = f"{shown(self._url)}: {self._reason(error)}; {_REMEDY}"
            raise RecordsError(message) from None

    def _reason(self, error: Exception) -> str:
        original = getattr(error, "orig", None) or error
        if not (self._sqlite or isinstance(error, OperationalError)):
            return type(original).__name__
        reason = (str(original).splitlines() or [type(original).__name__])[0]
        return reason.replace(self._url.password, "***") if self._url.password else reason


def _prepare(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own class
    connection.isolation_level = None  # BEGIN comes from us alone
    for setting in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
        connection.execute(f"PRAGMA {setting}").fetchall()


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("cardiograph_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
