"""The commands that administer the database of a service: keys, audit log, records."""

import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from tests.cli.commands import call

from cardiograph.service.records import PredictionEntry, Records


@pytest.fixture(autouse=True)
def database(tmp_path, monkeypatch):
    """The database that commands take without an argument."""
    monkeypatch.setenv("CARDIOGRAPH_DATABASE", str(tmp_path / "records.sqlite"))
    return str(tmp_path / "records.sqlite")


def json_of(*arguments):
    """Exit status and the JSON of a command."""
    status, output = call(*arguments, "--json")
    return status, json.loads(output)


def test_the_token_is_all_of_stdout_and_grants_the_requested_scopes(database, capsys):
    status, output = call("keys", "create", "ward 3")
    assert status == 0
    token = output.strip()
    with Records.open(database) as records:
        key = records.keys.find(token)
    assert key.scopes == {"predict", "read"}
    assert timedelta(days=89) < key.expires_at - datetime.now(UTC) <= timedelta(days=90)
    assert token not in call("keys", "list")[1]
    assert token not in capsys.readouterr().err


def test_a_key_expires_as_requested():
    _, never = json_of("keys", "create", "monitoring", "--scope", "metrics", "--expires", "never")
    assert (never["scopes"], never["expires_at"]) == (["metrics"], None)
    _, dated = json_of("keys", "create", "study", "--scope", "read", "--scope", "predict", "--expires", "2999-01-31")
    assert (dated["scopes"], dated["expires_at"]) == (["predict", "read"], "2999-02-01T00:00:00+00:00")


@pytest.mark.parametrize("end", ["90", "d", "-1d", "99999d", "0d", "31.01.2027", "2020-01-01", "soon", "9999-12-31"])
def test_an_end_that_is_none_is_refused(end):
    status, output = json_of("keys", "create", "x", f"--expires={end}")
    assert status == 2
    assert "token" not in output


def test_keys_are_listed_and_revoked():
    _, made = json_of("keys", "create", "ward 3")
    status, revoked = json_of("keys", "revoke", made["id"])
    assert (status, revoked["state"]) == (0, "revoked")
    _, listed = json_of("keys", "list")
    assert listed["keys"] == [revoked]
    assert "revoked" in call("keys", "list")[1]
    assert json_of("keys", "revoke", "abc")[0] == 2


def test_a_whole_log_ends_with_0_and_a_broken_one_with_1(database):
    import sqlite3

    json_of("keys", "create", "a")
    json_of("keys", "create", "b")
    status, whole = json_of("audit-log", "verify")
    assert (status, whole["ok"], whole["entries"], whole["first_bad"]) == (0, True, 2, None)
    noted = f"2:{whole['head_hash']}"
    assert f"--known: {noted}" in call("audit-log", "verify")[1]
    assert call("audit-log", "verify", "--known", noted)[0] == 0
    assert call("audit-log", "verify", "--known", f"2:{'0' * 64}")[0] == 1
    assert call("audit-log", "verify", "--known", "2")[0] == 2
    with sqlite3.connect(database) as connection:
        connection.execute("DELETE FROM cardiograph_audit_log WHERE number = 1")
    connection.close()
    assert json_of("audit-log", "verify")[1]["first_bad"] == 1
    assert call("audit-log", "verify") == (1, "broken: entry 1 is missing\n")


def test_old_predictions_are_deleted(database):
    now = datetime.now(UTC)
    with Records.open(database) as records:
        for days in (0, 31, 40):
            moment = now - timedelta(days=days)
            records.add(PredictionEntry(uuid4().hex, moment, "a" * 64, None, None, records.hmac_of({}), {}))
    assert json_of("records", "prune", "--older-than", "30d")[1]["deleted"] == 2
    assert call("records", "prune", "--older-than", "0d")[1].startswith("deleted 1 predictions")
    assert call("records", "prune", "--older-than", "month")[0] == 2
    assert call("audit-log", "verify")[0] == 0


@pytest.mark.parametrize("words", ["keys list", "keys revoke abc", "audit-log verify", "records prune --older-than 1d"])
def test_a_database_that_is_not_there_is_not_made(words, tmp_path):
    status, output = json_of(*words.split(), "--database", str(tmp_path / "other.sqlite"))
    assert status == 8
    assert "other.sqlite: does not exist" in output["error"]
    assert not (tmp_path / "other.sqlite").exists()
