"""A database brought to the tables of this version, by Alembic."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from cardiograph.errors import RecordsError
from cardiograph.service.records.tables import VERSION_TABLE

_LOCK = 0x63617264
"""Key of PostgreSQL's advisory lock: two processes that start at once make the tables once."""


def bring_up_to_date(reader: Engine, writer: Engine, *, name: str, create: bool) -> None:
    """Make what is missing, in one transaction.

    Args:
        reader: Gives connections that only look.
        writer: Gives connections that hold SQLite's write lock.
        name: Of the database, for messages.
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
