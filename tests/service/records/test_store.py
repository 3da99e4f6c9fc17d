"""A prediction that was answered is there, whole, until its time is over."""

import hashlib
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import create_engine, text

from cardiograph.errors import RecordsError
from cardiograph.service.records import Records, database, store
from cardiograph.service.records.database import database_url


def test_a_prediction_is_read_as_it_was_added(records, entry):
    eastern = timezone(timedelta(hours=5))
    there = entry(
        created_at=datetime(2026, 3, 1, 2, 30, 0, 123456, eastern),
        key_id="de0ca9e61842",
        page=b"\x00\xff page",
        clinical={"ef": 0.1 + 0.2, "sbp": 120.0},
    )
    bare = entry(page_sha256=None)
    records.add(there)
    records.add(bare)
    assert records.get(there.id) == there
    assert records.get(there.id).created_at.isoformat() == "2026-02-28T21:30:00.123456+00:00"
    assert records.get(bare.id) == bare
    assert records.get(bare.id).page is None
    gaps = entry(clinical={"ef": 0.4, "sbp": None, "age": float("nan")})
    records.add(gaps)
    assert records.get(gaps.id).clinical == {"ef": 0.4}
    assert [records.get(id_) for id_ in ("0" * 32, "", "p1", "\x00\ud800")] == [None] * 4


@pytest.mark.parametrize(
    "fields",
    [{"id": "p1"}, {"model_sha256": "a"}, {"page_sha256": ""}, {"created_at": datetime(2026, 1, 1)}],
    ids=lambda fields: next(iter(fields)),
)
def test_what_is_no_id_hash_or_time_is_refused(entry, fields):
    with pytest.raises(ValueError, match="a prediction"):
        entry(**fields)


def test_a_prediction_and_its_entry_are_there_both_or_neither(records, entry, tamper):
    first = entry()
    records.add(first)
    with pytest.raises(RecordsError) as failed:
        records.add(entry(id=first.id, answer={"outcome": "SECRET-OUTCOME"}))
    assert "SECRET" not in str(failed.value)
    assert failed.value.__cause__ is None
    tamper("DROP TABLE cardiograph_audit_head")
    lost = entry()
    with pytest.raises(RecordsError):
        records.add(lost)
    assert records.get(lost.id) is None
    assert len(tamper("SELECT number FROM cardiograph_audit_log")) == 1


ADDS = """
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import uuid4
from cardiograph.service.records import PredictionEntry, Records

with Records.open(sys.argv[1]) as records:
    while True:
        entry = PredictionEntry(uuid4().hex, datetime.now(UTC), "a" * 64, None, None, "c" * 64, {"probability": 0.5})
        records.add(entry)
        print(entry.id, flush=True)
"""


def test_acknowledged_records_survive_a_kill(url):
    with subprocess.Popen([sys.executable, "-c", ADDS, url], stdout=subprocess.PIPE, text=True) as process:
        result = [process.stdout.readline().strip() for _ in range(30)]
        process.send_signal(signal.SIGKILL)
        result += process.stdout.read().split()
    result = [id_ for id_ in result if len(id_) == 32]  # the last line may be cut
    with Records.open(url) as records:
        assert len(result) >= 30
        assert [id_ for id_ in result if records.get(id_) is None] == []
        found = records.log.verify()
    assert found.ok, found.reason
    assert found.entries >= len(result)


def test_equal_values_have_an_equal_hmac_and_only_here(records, tmp_path):
    result = records.hmac_of({"ef": 0.4, "sbp": 120})
    assert result == records.hmac_of({"sbp": 120.0, "ef": 0.4, "age": None, "bnp": float("nan")})
    assert result != records.hmac_of({"ef": 0.4, "sbp": 121})
    assert result != hashlib.sha256(b'["values",{"ef":0.4,"sbp":120.0}]').hexdigest()
    with Records.open(f"sqlite:///{tmp_path}/other.sqlite") as others:
        assert result != others.hmac_of({"ef": 0.4, "sbp": 120})


def test_the_secret_stays_with_the_database(records, url):
    with Records.open(url) as again:
        assert again.hmac_of({"ef": 0.4}) == records.hmac_of({"ef": 0.4})


def test_old_predictions_are_deleted_and_the_log_records_it(records, entry, tamper, monkeypatch):
    monkeypatch.setattr(store, "DELETE_ROWS", 2)
    now = datetime.now(UTC)
    old = [entry(created_at=now - timedelta(days=30, seconds=number)) for number in range(1, 6)]
    kept = [entry(created_at=now - timedelta(days=30)), entry()]
    for each in [*old, *kept]:
        records.add(each)
    assert records.prune(now - timedelta(days=30)) == 5
    assert records.prune(now - timedelta(days=30)) == 0
    assert [records.get(each.id) for each in old] == [None] * 5
    assert [records.get(each.id) for each in kept] == kept
    rows = tamper(
        "SELECT subject, details FROM cardiograph_audit_log WHERE event = 'predictions_deleted' ORDER BY number"
    )
    assert [details for _, details in rows] == ['{"count":2}', '{"count":2}', '{"count":1}']
    ids = sorted([old[4].id, old[3].id])  # the oldest two
    assert rows[0].subject == hashlib.sha256("\n".join(ids).encode()).hexdigest()
    assert records.log.verify().entries == 10
    assert records.log.verify().ok


def test_each_prediction_is_deleted_once_whoever_prunes(records, entry, monkeypatch):
    monkeypatch.setattr(store, "DELETE_ROWS", 3)
    for _ in range(12):
        records.add(entry())
    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(records.prune, [datetime.now(UTC)] * 4))
    assert sum(counts) == 12
    assert records.log.verify().ok, records.log.verify().reason


@pytest.mark.slow
def test_a_server_that_was_away_is_met_again(postgresql, entry):
    with Records.open(url := postgresql()) as records:
        assert not records.trouble()
        records.add(entry())
        engine = create_engine(database_url(url))
        with engine.begin() as connection:
            others = "backend_type = 'client backend' AND pid <> pg_backend_pid()"
            connection.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"))
        engine.dispose()
        assert not records.trouble()
        records.add(entry())
        assert records.log.verify().entries == 2


def test_a_deleted_page_is_in_no_file_of_sqlite(tmp_path, entry):
    mark = b"THE PAGE OF A PATIENT " * 400
    with Records.open(str(tmp_path / "records.sqlite")) as records:
        records.add(entry(page=mark))

        def holding():
            return [path.name for path in tmp_path.iterdir() if mark[:2000] in path.read_bytes()]

        assert holding()
        assert records.prune(datetime.now(UTC)) == 1
        assert holding() == []


def test_what_a_reader_held_up_is_forgotten_later(tmp_path, entry, monkeypatch):
    monkeypatch.setattr(database, "FORGET_SECONDS", 0)
    mark = b"THE PAGE OF A PATIENT " * 400
    with Records.open(str(tmp_path / "records.sqlite")) as records:
        assert records.forget(), "what an earlier process left is settled first"
        records.add(entry(page=mark))
        log = tmp_path / "records.sqlite-wal"
        with records._database.reading() as session:
            session.execute(text("SELECT 1 FROM cardiograph_predictions")).all()
            assert records.prune(datetime.now(UTC)) == 1
            assert not records.forget()
            assert mark[:2000] in log.read_bytes()
        assert records.forget()
        assert log.read_bytes() == b""


def test_what_was_deleted_before_a_failure_is_forgotten(tmp_path, entry, monkeypatch):
    monkeypatch.setattr(store, "DELETE_ROWS", 1)
    with Records.open(str(tmp_path / "records.sqlite")) as records:
        for _ in range(2):
            records.add(entry())
        some, counts = records._prune_some, iter([1])
        monkeypatch.setattr(
            records, "_prune_some", lambda before, at_once: some(before, at_once) if next(counts) else 0
        )
        with pytest.raises(StopIteration):
            records.prune(datetime.now(UTC))
        assert (tmp_path / "records.sqlite-wal").read_bytes() == b""


def test_few_go_at_once_where_pages_are_kept(records, entry, tamper, monkeypatch):
    monkeypatch.setattr(store, "DELETE_PAGE_ROWS", 2)
    for number in range(5):
        records.add(entry(page=b"page" if number == 3 else None))
    assert records.prune(datetime.now(UTC)) == 5
    rows = tamper("SELECT details FROM cardiograph_audit_log WHERE event = 'predictions_deleted' ORDER BY number")
    assert [details for (details,) in rows] == ['{"count":2}', '{"count":2}', '{"count":1}']


def test_readiness_is_a_write_that_the_database_took(records, tamper):
    assert records.trouble() == ""
    tamper("DROP TABLE cardiograph_audit_head")
    assert records.trouble() == "the database cannot be reached or written"
