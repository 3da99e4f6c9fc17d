"""A database for each test: an SQLite file, and, among the slow tests, one of a PostgreSQL server."""

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text

from cardiograph.service.records import PredictionEntry, Records
from cardiograph.service.records.database import database_url


@pytest.fixture(scope="session")
def postgresql():
    """A function that gives the URL of an empty database, on a server of Debian's package that this session starts."""
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or [*map(Path, [shutil.which("initdb") or ""])]
    if not binaries[-1].is_file():
        pytest.skip("PostgreSQL's server is not installed: apt-get install postgresql")
    folder, account = Path(tempfile.mkdtemp(prefix="cg-pg-")), {}
    if os.geteuid() == 0:  # the server refuses to run as root
        name = next(each.pw_name for each in pwd.getpwall() if each.pw_name in ("postgres", "nobody"))
        other = pwd.getpwnam(name)
        account = {"user": other.pw_uid, "group": other.pw_gid, "extra_groups": []}
        os.chown(folder, other.pw_uid, other.pw_gid)

    def command(name, *arguments):
        program = [binaries[-1].with_name(name), "-D", folder / "data", *arguments]
        subprocess.run(program, check=True, cwd=folder, stdout=subprocess.DEVNULL, **account)

    password = secrets.token_hex(12)
    (folder / "password").write_text(password)
    command("initdb", "-U", "cardiograph", "-A", "scram-sha-256", "--pwfile", folder / "password", "-E", "UTF8", "-N")
    command("pg_ctl", "-w", "-l", folder / "log", "-o", f"-k {folder} -c listen_addresses=''", "start")

    url = f"postgresql://cardiograph:{password}@/postgres?host={folder}"

    def emptied():
        engine = create_engine(database_url(url))
        with engine.begin() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
        engine.dispose()
        return url

    yield emptied
    command("pg_ctl", "-m", "immediate", "stop")
    shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def url(request, tmp_path):
    """A database that is not there yet, or is empty."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'records.sqlite'}"
    return request.getfixturevalue("postgresql")()


@pytest.fixture
def records(url):
    with Records.open(url) as opened:
        yield opened


@pytest.fixture
def tamper(url):
    """A function that changes the database behind the back of the records; a query gives its rows."""
    engine = create_engine(database_url(url))

    def execute(statement, **values):
        with engine.begin() as connection:
            result = connection.execute(text(statement), values)
            return result.all() if result.returns_rows else None

    yield execute
    engine.dispose()


@pytest.fixture
def entry():
    """A function that makes a prediction of a synthetic patient, with any field replaced."""

    def made(**fields):
        given = {
            "id": uuid4().hex,
            "created_at": datetime.now(UTC),
            "model_sha256": "a" * 64,
            "key_id": None,
            "page_sha256": "b" * 64,
            "values_hmac": "c" * 64,
            "answer": {"probability": 0.1 + 0.2, "outcome": "décès", "neighbours": [], "low": None},
        }
        return PredictionEntry(**{**given, **fields})

    return made
