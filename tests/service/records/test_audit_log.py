"""The log is one chain whoever writes, and what is done to it behind its back is found."""

import hashlib
import json
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from cardiograph.errors import RecordsError
from cardiograph.service.records import Records, verification
from cardiograph.service.records.audit_log import EVENTS

LOG, HEAD = "cardiograph_audit_log", "cardiograph_audit_head"


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """Five entries are read in three parts, as very many are."""
    monkeypatch.setattr(verification, "CHUNK_ROWS", 2)


@pytest.fixture
def five(records, entry):
    """Records with five entries: a start, three predictions, a read."""
    records.log.append("service_started", "a" * 64)
    for _ in range(3):
        records.add(entry())
    records.log.append("page_read", "d" * 32, key_id="de0ca9e61842", details={"page": "b" * 64, "count": 2})
    return records


def hash_by_hand(number, time, event, subject, key_id, details, previous):
    moment = datetime.fromisoformat(str(time))
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    stamp = moment.strftime("%Y-%m-%dT%H:%M:%S.%f+00:00")
    content = [number, stamp, event, subject, key_id, details, previous]
    return hashlib.sha256(json.dumps(content, separators=(",", ":")).encode()).hexdigest()


def test_each_entry_has_the_documented_hash(five, tamper):
    rows = tamper(f"SELECT number, time, event, subject, key_id, details, previous, hash FROM {LOG} ORDER BY number")
    assert [row.number for row in rows] == [1, 2, 3, 4, 5]
    assert [row.previous for row in rows] == ["0" * 64, *(row.hash for row in rows[:-1])]
    assert [row.hash for row in rows] == [hash_by_hand(*row[:-1]) for row in rows]
    assert rows[4].details == '{"count":2,"page":"' + "b" * 64 + '"}'
    found = five.log.verify()
    assert (found.entries, found.ok, found.first_bad, found.head_hash) == (5, True, None, rows[4].hash)


def test_an_empty_log_is_whole(records):
    assert records.log.verify().ok
    assert records.log.verify().entries == 0


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_can_be_logged(records, event):
    details = {"count": 0} if event == "predictions_deleted" else {}
    records.log.append(event, "a" * 32, details=details)
    assert records.log.verify().entries == 1


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (("patient_seen", "a" * 32), {}),
        (("prediction", "Ann Smith"), {}),
        (("prediction", "a" * 32), {"details": {"name": "Ann Smith"}}),
        (("prediction", "a" * 32), {"details": {"Ann Smith": 1}}),
        (("prediction", "a" * 32), {"key_id": "Ann Smith"}),
    ],
)
def test_only_ids_hashes_and_counts_come_in(records, arguments, options):
    with pytest.raises(ValueError, match="event '") as refused:
        records.log.append(*arguments, **options)
    assert "Ann" not in str(refused.value)
    assert records.log.verify().entries == 0


CHANGES = {
    "an event": (f"UPDATE {LOG} SET event = 'page_read' WHERE number = 3", 3, "was changed"),
    "a subject": (f"UPDATE {LOG} SET subject = '{'e' * 32}' WHERE number = 3", 3, "was changed"),
    "a time": (f"UPDATE {LOG} SET time = '2020-01-01 00:00:00.000000' WHERE number = 1", 1, "was changed"),
    "a key": (f"UPDATE {LOG} SET key_id = NULL WHERE number = 5", 5, "was changed"),
    "details": (f"UPDATE {LOG} SET details = '{{}}' WHERE number = 5", 5, "was changed"),
    "a previous hash": (f"UPDATE {LOG} SET previous = '{'0' * 64}' WHERE number = 4", 4, "was changed"),
    "a hash": (f"UPDATE {LOG} SET hash = '{'0' * 64}' WHERE number = 4", 4, "was changed"),
    "the first removed": (f"DELETE FROM {LOG} WHERE number = 1", 1, "is missing"),
    "one removed": (f"DELETE FROM {LOG} WHERE number = 3", 3, "is missing"),
    "the last removed": (f"DELETE FROM {LOG} WHERE number >= 4", 4, "is missing: the log ended with entry 5"),
    "all removed": (f"DELETE FROM {LOG}", 1, "is missing: the log ended with entry 5"),
    "one before the first": (
        f"INSERT INTO {LOG} SELECT 0, time, event, subject, key_id, details, previous, hash FROM {LOG} WHERE number = 1",
        0,
        "precedes the first entry",
    ),
    "one behind the last": (f"UPDATE {HEAD} SET number = 4", 5, "follows the end"),
    "another end": (f"UPDATE {HEAD} SET hash = '{'0' * 64}'", 5, "has another hash than the end"),
    "no end": (f"DELETE FROM {HEAD}", None, "the row with the end of the log is missing"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_found_and_the_first_bad_entry_named(five, tamper, change):
    statement, first_bad, reason = CHANGES[change]
    tamper(statement)
    found = five.log.verify()
    assert not found.ok
    assert found.first_bad == first_bad
    assert found.reason.startswith(reason)


def test_two_entries_that_changed_places_are_found(five, tamper):
    for old, new in ((2, 99), (3, 2), (99, 3)):
        tamper(f"UPDATE {LOG} SET number = :new WHERE number = :old", old=old, new=new)
    assert (five.log.verify().first_bad, five.log.verify().reason) == (2, "was changed")


def rehash(tamper, first):
    """What a forger does who knows the encoding: every hash from ``first`` on again, but not the links."""
    columns = "number, time, event, subject, key_id, details, previous"
    for row in tamper(f"SELECT {columns} FROM {LOG} WHERE number >= :first", first=first):
        tamper(f"UPDATE {LOG} SET hash = :hash WHERE number = :number", number=row.number, hash=hash_by_hand(*row))


def test_a_changed_entry_with_a_new_hash_breaks_the_next_link(five, tamper):
    tamper(f"UPDATE {LOG} SET subject = '{'e' * 32}' WHERE number = 1")
    rehash(tamper, 1)
    found = five.log.verify()
    assert (found.first_bad, found.reason) == (2, "does not follow from the entry before it")


def test_a_log_forged_as_a_whole_is_found_by_a_hash_that_was_noted_elsewhere(records, tamper):
    for _ in range(3):
        records.log.append("page_read", "d" * 32)
    noted = (records.log.verify().entries, records.log.verify().head_hash)
    assert records.log.verify(known=noted).ok
    tamper(f"UPDATE {LOG} SET subject = '{'e' * 32}' WHERE number = 3")
    rehash(tamper, 3)
    tamper(f"UPDATE {HEAD} SET hash = (SELECT hash FROM {LOG} WHERE number = 3)")
    assert records.log.verify().ok
    assert records.log.verify(known=noted).first_bad == 3
    tamper(f"DELETE FROM {LOG} WHERE number = 3")
    tamper(f"UPDATE {HEAD} SET number = 2, hash = (SELECT hash FROM {LOG} WHERE number = 2)")
    assert records.log.verify().ok
    assert records.log.verify(known=noted).first_bad == 3


@pytest.mark.parametrize(
    ("statement", "first_bad", "reason"),
    [
        ("UPDATE cardiograph_predictions SET answer = '{}'", 2, "refers to a prediction that was changed since"),
        ("DELETE FROM cardiograph_predictions", None, "0 predictions are stored, but 3 according to the log"),
    ],
    ids=["changed", "removed"],
)
def test_predictions_still_match_the_log(five, tamper, statement, first_bad, reason):
    tamper(statement)
    found = five.log.verify()
    assert (found.ok, found.first_bad, found.reason) == (False, first_bad, reason)


PREDICTIONS = "cardiograph_predictions"
COLUMNS = "created_at, model_sha256, key_id, page_sha256, values_hmac, answer, clinical, page"


def put_another_in_its_place(tamper, removed):
    tamper(
        f"INSERT INTO {PREDICTIONS} (id, {COLUMNS}) SELECT '{'f' * 32}', {COLUMNS} FROM {PREDICTIONS} WHERE id = :id",
        id=removed,
    )
    tamper(f"DELETE FROM {PREDICTIONS} WHERE id = :id", id=removed)


def test_a_prediction_in_the_place_of_another_is_found(five, tamper):
    put_another_in_its_place(tamper, tamper(f"SELECT id FROM {PREDICTIONS}")[0].id)
    found = five.log.verify()
    assert (found.ok, found.reason) == (False, "no entry refers to 1 of the 3 predictions")


def test_a_repeated_entry_stands_for_no_other_prediction(five, tamper):
    result = tamper(f"SELECT subject, details FROM {LOG} WHERE event = 'prediction' ORDER BY number")
    put_another_in_its_place(tamper, result[1].subject)
    five.log.append("prediction", result[0].subject, details=json.loads(result[0].details))
    five.log.append("predictions_deleted", "a" * 32, details={"count": 1})
    found = five.log.verify()
    assert (found.ok, found.reason) == (False, "two entries refer to the same prediction")


def test_keys_still_match_the_log(five, tamper):
    _, key = five.keys.create("ward", frozenset({"read"}), None)
    five.keys.revoke(key.id)
    assert five.log.verify().ok
    tamper("UPDATE cardiograph_keys SET revoked_at = NULL")
    assert five.log.verify().first_bad == 7
    tamper("UPDATE cardiograph_keys SET id = 'eeeeeeeeeeee'")
    assert five.log.verify().reason == "no entry refers to key eeeeeeeeeeee"
    tamper("DELETE FROM cardiograph_keys")
    assert five.log.verify().first_bad == 7


MALFORMED = {
    "a text": "'no such thing'",
    "no UTF-8": "CAST(x'ff00fe' AS TEXT)",
    "bytes": "x'ff'",
    "a number": "3.5",
    "a large number": "9223372036854775807",
    "JSON of another kind": "'[1]'",
    "deep JSON": "'" + "[" * 5000 + "'",
    "letters beyond ASCII": "'é\u0660'",
}
CELLS = {
    LOG: ("number", "time", "event", "subject", "key_id", "details", "previous", "hash"),
    HEAD: ("number", "hash"),
    PREDICTIONS: ("id", *COLUMNS.split(", ")[:-1]),
    "cardiograph_keys": ("id", "name", "secret_sha256", "scopes", "created_at", "expires_at", "revoked_at"),
}


@pytest.mark.parametrize("value", MALFORMED)
@pytest.mark.parametrize(("table", "column"), [(table, column) for table in CELLS for column in CELLS[table]])
def test_a_cell_that_holds_something_else_is_found(table, column, value, tmp_path, entry):
    with Records.open(str(tmp_path / "records.sqlite")) as records:
        records.keys.create("ward", frozenset({"read"}), None)
        records.add(entry())
        records.log.append("page_read", "d" * 32)
        assert records.log.verify().ok
        with sqlite3.connect(tmp_path / "records.sqlite") as connection:
            first = f"rowid = (SELECT min(rowid) FROM {table})"
            connection.execute(f"UPDATE {table} SET {column} = {MALFORMED[value]} WHERE {first}")
        connection.close()
        found = records.log.verify()
        assert (found.ok, bool(found.reason)) == (False, True)


def test_an_entry_forged_with_its_hash_may_hold_no_details(five, tamper):
    for details in ("no JSON", "[1]", "5", '{"count":"many"}'):
        tamper(f"UPDATE {LOG} SET event = 'predictions_deleted', details = :details WHERE number = 1", details=details)
        rehash(tamper, 1)
        assert not five.log.verify().ok


@pytest.mark.parametrize("table", ["cardiograph_settings", "cardiograph_version"])
def test_records_without_a_secret_or_a_version_are_refused_in_words(records, url, tamper, table):
    column = {"cardiograph_settings": "value", "cardiograph_version": "version_num"}[table]
    tamper(f"UPDATE {table} SET {column} = 'é?'")
    with pytest.raises(RecordsError, match=r"secret of the records is missing|newer version"):
        Records.open(url)


def test_a_key_whose_end_cannot_be_read_is_void_and_a_prediction_is_not_answered(tmp_path, entry):
    with Records.open(str(tmp_path / "records.sqlite")) as records:
        token, _ = records.keys.create("ward", frozenset({"read"}), None)
        records.add(kept := entry())
        assert records.keys.find(token)
        with sqlite3.connect(tmp_path / "records.sqlite") as connection:
            connection.execute("UPDATE cardiograph_keys SET expires_at = 'soon'")
            connection.execute("UPDATE cardiograph_predictions SET answer = 'no JSON'")
        connection.close()
        assert records.keys.find(token) is None
        with pytest.raises(RecordsError, match="cannot be read; run `cardiograph audit-log verify`"):
            records.get(kept.id)


def test_threads_write_one_chain(records, entry):
    def add(_):
        records.add(entry())
        records.log.append("page_read", "d" * 32)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(24)))
    assert records.log.verify().ok, records.log.verify().reason
    assert records.log.verify().entries == 48


APPENDS = """
import sys
from cardiograph.service.records import Records, verification

sys.stdin.readline()
with Records.open(sys.argv[1]) as records:
    for _ in range(20):
        records.log.append("page_read", "d" * 32)
"""


def test_processes_make_one_database_and_write_one_chain(url):
    line = [sys.executable, "-c", APPENDS, url]
    processes = [subprocess.Popen(line, stdin=subprocess.PIPE, text=True) for _ in range(2)]
    for process in processes:  # all at once, at a database that is not there yet
        process.stdin.write("go\n")
        process.stdin.close()
    assert [process.wait() for process in processes] == [0] * 2
    with Records.open(url) as records:
        assert records.log.verify().ok, records.log.verify().reason
        assert records.log.verify().entries == 40
