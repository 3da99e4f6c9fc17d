"""Which database is meant, how it is made and brought up to date, and the error if it cannot be used."""

import os
import stat
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine

from cardiograph.errors import ConfigError, RecordsError
from cardiograph.service.records import Records, database
from cardiograph.service.records.audit_log import locked_head
from cardiograph.service.records.database import database_url
from cardiograph.service.records.tables import VERSION_TABLE, Table

PASSWORD = "hunter2-öä"  # noqa: S105


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    monkeypatch.delenv("CARDIOGRAPH_DATABASE", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return monkeypatch


def test_an_option_wins_over_the_environment_and_that_over_the_users_folder(environment, tmp_path):
    assert database_url().database == str(tmp_path / "data/cardiograph/records.sqlite")
    environment.setenv("CARDIOGRAPH_DATABASE", "postgresql://u@h/name")
    assert database_url().render_as_string() == "postgresql+psycopg://u@h/name"
    assert database_url("sqlite:////srv/r.sqlite").database == "/srv/r.sqlite"
    environment.delenv("CARDIOGRAPH_DATABASE")
    environment.delenv("XDG_DATA_HOME")
    environment.setenv("HOME", str(tmp_path))
    assert database_url().database == str(tmp_path / ".local/share/cardiograph/records.sqlite")


def test_a_file_may_be_named_without_a_url(environment, tmp_path):
    environment.chdir(tmp_path)
    for text in ("r.sqlite", "sqlite:///r.sqlite"):
        assert database_url(text).database == str(tmp_path / "r.sqlite")


@pytest.mark.parametrize(
    "text",
    [
        f"mysql://u:{PASSWORD}@h/x",
        f"postgresql:/u:{PASSWORD}@h/x",
        f"postgresql://u:{PASSWORD}@h:port/x",
        f"postgresql+asyncpg://u:{PASSWORD}@h/x",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:x?uri=true",
        "sqlite:///x?mode=memory",
    ],
)
def test_what_is_no_such_database_is_refused_without_a_password(text):
    with pytest.raises(ConfigError, match=r"^database: .*give a file, or a URL such as") as refused:
        database_url(text)
    assert PASSWORD not in str(refused.value)


def test_a_server_that_cannot_be_reached_is_named_without_a_password():
    for url in (f"postgresql://u:{PASSWORD}@127.0.0.1:1/x", f"postgresql://127.0.0.1:1/x?user=u&password={PASSWORD}"):
        with pytest.raises(RecordsError, match=r"^database x on 127.0.0.1:1: .*Connection refused") as failed:
            Records.open(url)
        assert PASSWORD not in str(failed.value)
        assert failed.value.__cause__ is None


@pytest.mark.slow
def test_the_error_for_a_wrong_password_does_not_contain_it(postgresql):
    right = database_url(postgresql())
    wrong = right.set(password=PASSWORD).render_as_string(hide_password=False)
    with pytest.raises(RecordsError, match="password authentication failed") as failed:
        Records.open(wrong)
    assert PASSWORD not in str(failed.value)


def test_a_driver_that_is_not_installed_is_named(environment):
    environment.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigError, match=r"pip install 'cardiograph\[postgresql\]'") as failed:
        Records.open(f"postgresql://u:{PASSWORD}@h/x")
    assert PASSWORD not in str(failed.value)


def test_the_tables_are_those_of_the_newest_step(records, url):
    engine = create_engine(database_url(url))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, "compare_type": True})
        assert compare_metadata(context, Table.metadata) == []
    engine.dispose()


def test_a_database_of_a_newer_version_is_left_alone(records, url, tamper):
    tamper(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    with pytest.raises(RecordsError, match=r"its tables are of a newer version .revision 9999, supported up to 0002"):
        Records.open(url)
    assert tamper(f"SELECT version_num FROM {VERSION_TABLE}") == [("9999",)]


def test_tables_of_others_are_left_alone(url, tamper):
    tamper("CREATE TABLE keys (id INTEGER)")
    tamper("CREATE TABLE alembic_version (version_num VARCHAR(32))")
    tamper("INSERT INTO alembic_version VALUES ('theirs')")
    with Records.open(url) as records:
        assert records.keys.list() == ()
    assert tamper("SELECT version_num FROM alembic_version") == [("theirs",)]


def test_nothing_is_made_unless_it_is_to_be(url, tamper):
    with pytest.raises(RecordsError, match=r"does not exist|has no records"):
        Records.open(url, create=False)
    tamper("CREATE TABLE keys (id INTEGER)")
    with pytest.raises(RecordsError, match="has no records of cardiograph"):
        Records.open(url, create=False)


def test_files_are_for_their_owner_alone(tmp_path, entry):
    os.umask(umask := os.umask(0))
    assert umask != 0o077, "or the test says nothing"
    with Records.open(str(tmp_path / "new/records.sqlite")) as records:
        records.add(entry())
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new").iterdir()}
    assert modes == dict.fromkeys(("records.sqlite", "records.sqlite-wal", "records.sqlite-shm"), 0o600)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_every_connection_waits_for_the_disk(tmp_path):
    with Records.open(str(tmp_path / "records.sqlite")) as records:
        for session_of in (records._database.reading, records._database.writing):
            with session_of() as session:
                pragmas = [session.connection().exec_driver_sql(f"PRAGMA {name}").scalar() for name in
                           ("journal_mode", "synchronous", "secure_delete", "busy_timeout")]  # fmt: skip
            assert pragmas == ["wal", 2, 1, 10_000]


def test_writers_in_a_line_wait_for_one_time_and_not_one_after_another(url, records, monkeypatch):
    monkeypatch.setattr(database, "BUSY_SECONDS", 1)

    def write(_):
        with pytest.raises(RecordsError, match=r"lock|busy|timeout"):
            records.log.append("page_read", "d" * 32)

    with Records.open(url) as others, others._database.writing() as session:
        locked_head(session)
        start = time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(write, range(8)))
        assert time.monotonic() - start < 4, "one after another, they wait for eight times as long"
        assert records.keys.list() == (), "reading does not wait for them"
    records.log.append("page_read", "d" * 32)
    assert records.log.verify().entries == 1


@pytest.mark.slow
def test_every_transaction_of_a_server_has_its_limits(postgresql):
    with Records.open(postgresql()) as records:
        for session_of in (records._database.reading, records._database.writing):
            with session_of() as session:
                shown = [
                    session.connection().exec_driver_sql(f"SHOW {name}").scalar()
                    for name in ("lock_timeout", "statement_timeout")
                ]
            assert shown == ["10s", "10s"]


@pytest.mark.slow
def test_a_server_that_does_not_wait_for_its_disk_is_made_to(postgresql):
    url = postgresql() + "&options=-csynchronous_commit%3Doff"
    with Records.open(url) as records, records._database.writing() as session:
        assert session.connection().exec_driver_sql("SHOW synchronous_commit").scalar() == "on"


def test_a_folder_that_is_not_writable_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    for name in ("file/records.sqlite", "."):
        with pytest.raises(RecordsError, match=r"cannot be written .*choose a writable folder"):
            Records.open(str(tmp_path / name))
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o555)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)  # root may write anywhere
    try:
        with pytest.raises(RecordsError, match=r"cannot be written \(Permission denied\)"):
            Records.open(str(folder / "records.sqlite"))
    finally:
        os.seteuid(user)
        folder.rmdir()


def test_a_file_that_is_no_database_is_an_error(tmp_path):
    (tmp_path / "notes.txt").write_text("not a database, but long enough to be looked at " * 100)
    with pytest.raises(RecordsError, match=r"notes.txt: file is not a database"):
        Records.open(str(tmp_path / "notes.txt"))
