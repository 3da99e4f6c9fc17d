"""ECGs in object storage are read as files are, and only once while they stay the same."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.cli.commands import call
from tests.ingest.storage_server import storage_server
from tests.run.recordings_cohort import recording, write_recordings
from tests.workers.test_place import read_at

from cardiograph.cohort.manifest import read_cohort
from cardiograph.config import load_config
from cardiograph.containers import Cohort
from cardiograph.ecg import object_storage
from cardiograph.ecg.object_storage import current_versions, local_copy, remote_path, url_of
from cardiograph.ecg.pages import prepare_ecg
from cardiograph.ecg.writers import ecg_files
from cardiograph.errors import PageError, RunError

CONFIG = load_config()


@pytest.fixture(scope="module")
def storage():
    with storage_server() as client:
        yield client
    object_storage._store.cache_clear()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Nine recordings as DICOM and WFDB, as files."""
    folder = tmp_path_factory.mktemp("recordings")
    for number in range(9):
        for name, content in ecg_files(
            recording(number, rate=60 + number), ("dicom", "wfdb")[number % 2], f"p{number}"
        ).items():
            (folder / name).write_bytes(content)
    return folder


def put(storage, folder, prefix):
    for path in folder.iterdir():
        storage.put_object(Bucket="ecgs", Key=f"{prefix}/{path.name}", Body=path.read_bytes())


def cohort_of(names):
    rows = len(names)
    columns = {"record_id": [f"r{row}" for row in range(rows)], "patient_id": None, "class_name": "c", "split": None}
    return Cohort(pd.DataFrame({**columns, "label": np.arange(rows) % 2, "ecg": names}), ())


def ecgs_in(folder):
    return sorted(path.name for path in folder.iterdir() if path.suffix in (".dcm", ".hea"))


@pytest.fixture
def copied(monkeypatch):
    """Names of the objects that are copied."""
    names, copy = [], object_storage._copy
    monkeypatch.setattr(object_storage, "_copy", lambda path, here: names.append(path.name) or copy(path, here))
    return names


def test_objects_are_read_as_files_are_and_once(storage, folder, tmp_path, copied):
    put(storage, folder, "once")
    names = ecgs_in(folder)
    here = read_at("threads", cohort_of([str(folder / name) for name in names]), tmp_path / "here")
    objects = cohort_of([str(remote_path(f"s3://ecgs/once/{name}")) for name in names])
    there = read_at("threads", objects, tmp_path / "there")
    assert here[0][0] == there[0][0]
    np.testing.assert_array_equal(here[0][3], there[0][3])
    np.testing.assert_array_equal(here[1], there[1])
    read = set(copied)
    assert read == {path.name for path in folder.iterdir()}  # of a record, all files
    copied.clear()
    again = read_at("threads", objects, tmp_path / "there")
    assert not copied and again[0][0] == there[0][0]
    header = (folder / "p3.hea").read_bytes().replace(b"p3", b"p1")
    storage.put_object(Bucket="ecgs", Key="once/p1.hea", Body=header)
    storage.put_object(Bucket="ecgs", Key="once/p1.dat", Body=(folder / "p3.dat").read_bytes())
    changed = read_at("threads", objects, tmp_path / "there")
    assert set(copied) == {"p1.hea", "p1.dat"}
    different = [one != other for one, other in zip(changed[0][0], there[0][0], strict=True)]
    assert different == [name == "p1.hea" for name in names]


@pytest.mark.slow
def test_workers_copy_objects_themselves(storage, folder, tmp_path, copied):
    put(storage, folder, "workers")
    objects = cohort_of([str(remote_path(f"s3://ecgs/workers/{name}")) for name in ecgs_in(folder)])
    one, measured, _ = read_at("threads", objects, tmp_path / "threads")
    copied.clear()
    other, measured_elsewhere, embedded = read_at("processes:2", objects, tmp_path / "processes")
    assert one[:2] == other[:2] and all(embedded)
    np.testing.assert_array_equal(one[3], other[3])
    np.testing.assert_array_equal(measured, measured_elsewhere)
    assert not copied  # the command itself has copied nothing


def write_table(path, pages):
    rows = {"record_id": [f"p{row}" for row in range(len(pages))], "ecg": pages, "label": np.arange(len(pages)) % 2}
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("s3://ecgs/nothing/here.dcm", "check bucket"),
        ("s3://ecgs/alone.hea", "alone.dat"),
        ("S3://ecgs//alone.hea", "without empty parts"),
        ("s3://ecgs/../alone.hea", "without empty parts"),
        ("https://example.org/a.png", "of addresses only s3://"),
    ],
)
def test_a_missing_object_is_named_with_its_row(storage, folder, tmp_path, page, words):
    storage.put_object(Bucket="ecgs", Key="alone.hea", Body=(folder / "p1.hea").read_bytes().replace(b"p1", b"alone"))
    table = write_table(tmp_path / "cohort.csv", [str(folder / "p0.dcm"), page])
    with pytest.raises(PageError) as error:
        read_at("threads", read_cohort(table, CONFIG.cohort, outcome=CONFIG.outcome), tmp_path / "cache", config=CONFIG)
    text = str(error.value)
    assert words in text and page in text and "row 3" in text and "cardiograph-" not in text


def test_a_storage_that_does_not_answer_ends_the_command(storage, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(object_storage, "_RETRIES", {"max_retries": 0})
    words = r"s3://unreachable/a\.dcm: the object storage cannot be read .*AWS_ENDPOINT_URL"
    with pytest.raises(RunError, match=words), local_copy(Path("s3://unreachable/a.dcm")):
        pass
    with pytest.raises(RunError, match="cannot be read"):
        current_versions([Path("s3://unreachable/a.dcm")])


def test_versions_of_few_and_of_many(storage):
    paths = [Path(f"s3://ecgs/versions/{number}") for number in range(20)]
    for number in range(18):
        storage.put_object(Bucket="ecgs", Key=f"versions/{number}", Body=bytes([number]))
    storage.put_object(Bucket="ecgs", Key="versions/deeper/0", Body=b"another")
    assert set(current_versions(paths)) == set(paths[:18])
    assert current_versions(paths[:3]) == dict(list(current_versions(paths).items())[:3])


def test_an_object_that_is_too_large_is_refused_as_a_file_is(storage, monkeypatch, tmp_path):
    from cardiograph.ecg.readers import read

    monkeypatch.setattr(object_storage, "MAX_FILE_BYTES", 1000)
    monkeypatch.setattr(read, "MAX_FILE_BYTES", 1000)
    storage.put_object(Bucket="ecgs", Key="large.dcm", Body=bytes(128) + b"DICM" + bytes(5000))
    with local_copy(Path("s3://ecgs/large.dcm")) as copy:
        assert copy.path.stat().st_size == 1001
    assert not copy.path.exists()
    with pytest.raises(PageError, match="at most"):
        prepare_ecg(Path("s3://ecgs/large.dcm"), name="large", config=load_config().pages)


def test_addresses():
    assert url_of(remote_path("S3://Bucket/a b/c.dcm")) == "s3://Bucket/a b/c.dcm"
    for text in ("s3://bucket", "s3:/bucket/a", "https://a/b", "s3://bucket//a", "s3://bucket/./a", "/s3:/b/c", ""):
        assert remote_path(text) is None
    assert not any(object_storage.is_remote(Path(text)) for text in ("", "/", "a", "/s3:/b/c", "file:/a/b", "C:/a/b"))


@pytest.mark.slow
def test_a_run_on_objects_has_the_results_of_a_run_on_files(storage, tmp_path, monkeypatch):
    monkeypatch.setenv("CARDIOGRAPH_CACHE", str(tmp_path / "cache"))
    table = write_recordings(tmp_path)
    for path in tmp_path.glob("*.dcm"):
        storage.put_object(Bucket="ecgs", Key=f"run/{path.name}", Body=path.read_bytes())
    rows = pd.read_csv(table)
    rows.assign(ecg="s3://ecgs/run/" + rows["ecg"]).to_csv(tmp_path / "objects.csv", index=False)
    options = (
        "--set",
        "model.epochs=5",
        "--set",
        "split.train=0.5",
        "--set",
        "split.test=0.3",
        "--set",
        "split.val=0.2",
    )
    for name in ("cohort.csv", "objects.csv"):
        assert call("run", tmp_path / name, "--out", tmp_path / name.removesuffix(".csv"), *options)[0] == 0
    first, second = ((tmp_path / name / "metrics.json").read_bytes() for name in ("cohort", "objects"))
    assert first == second
    assert call("predict", tmp_path / "objects", "--ecg", "s3://ecgs/run/p3.dcm")[0] == 0
