"""No record is reported as stored if its file was replaced or the disk is full; deleting works on a full disk."""

import shutil
import stat
import subprocess
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from cardiograph.errors import RecordsError
from cardiograph.service.records import Records, sqlite_files

NAME = "records.sqlite"


@pytest.fixture
def opened(tmp_path, entry):
    with Records.open(str(tmp_path / NAME)) as records:
        records.add(entry())
        yield records


def removed(path):
    path.unlink()


def replaced(path):
    copy = path.with_name("copy")
    shutil.copy(path, copy)
    copy.replace(path)


@pytest.mark.parametrize("happens", [removed, replaced], ids=lambda happens: happens.__name__)
@pytest.mark.parametrize("ending", ["", "-wal", "-shm"])
def test_nothing_is_recorded_in_a_file_that_was_removed_or_replaced(opened, tmp_path, entry, happens, ending):
    happens(tmp_path / f"{NAME}{ending}")
    for work in (lambda: opened.add(entry()), lambda: opened.get("0" * 32), opened.keys.list):
        with pytest.raises(RecordsError, match="removed or replaced while in use; restart"):
            work()
    assert opened.trouble().startswith("the database file was removed or replaced")


def test_what_is_replaced_during_a_transaction_is_not_recorded(opened, tmp_path, entry, monkeypatch):
    from cardiograph.service.records import store

    append = store.append_entry

    def late(*given, **named):
        append(*given, **named)
        replaced(tmp_path / NAME)

    monkeypatch.setattr(store, "append_entry", late)
    with pytest.raises(RecordsError, match="removed or replaced"):
        opened.add(entry())


def test_a_file_behind_a_link_is_the_file(tmp_path, entry):
    (tmp_path / "disk").mkdir()
    (tmp_path / NAME).symlink_to(tmp_path / "disk" / NAME)
    with Records.open(str(tmp_path / NAME)) as records:
        records.add(entry())
        assert records.trouble() == ""
        (tmp_path / "disk" / NAME).rename(tmp_path / "gone")
        assert records.trouble()


def test_readiness_requires_free_space(opened, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=4_000_000))
    assert opened.trouble().startswith("the disk is full")


def test_the_reserve_is_laid_once_for_its_owner_alone_and_never_on_a_disk_without_room(opened, tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite_files, "RESERVE_BYTES", 1000)
    reserve = tmp_path / f"{NAME}-reserve"
    opened.lay_reserve()
    assert (reserve.stat().st_size, stat.S_IMODE(reserve.stat().st_mode)) == (1000, 0o600)
    opened.lay_reserve()
    reserve.unlink()
    monkeypatch.setattr(sqlite_files, "RESERVE_BYTES", 1 << 60)
    opened.lay_reserve()
    assert not reserve.exists()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(folder):
    with (folder / "filler").open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass
    assert shutil.disk_usage(folder).free == 0


@pytest.mark.parametrize("running", [True, False], ids=["a service has it open", "no service runs"])
def test_old_predictions_can_be_deleted_on_a_full_disk(small_disk, entry, monkeypatch, running):
    monkeypatch.setattr(sqlite_files, "RESERVE_BYTES", 600_000)
    monkeypatch.setattr(sqlite_files, "ROOM_BYTES", 100_000)
    url = str(small_disk / NAME)
    with Records.open(url) as records:
        records.lay_reserve()
        for _ in range(8):
            records.add(entry(page=bytes(40_000)))
        if not running:
            records.close()
        fill(small_disk)
        if running:
            assert records.trouble().startswith("the disk is full")
            with pytest.raises(RecordsError, match="disk is full"):
                for _ in range(50):
                    records.add(entry(page=bytes(40_000)))
        with Records.open(url, create=False, spend_reserve=True) as other:
            assert other.prune(datetime.now(UTC)) == 8
            assert other.trouble() == ""
            assert other.log.verify().ok
