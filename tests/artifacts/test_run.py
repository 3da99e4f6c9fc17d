"""A run folder belongs to one process, one configuration and one cohort."""

import os
import stat
import subprocess
import sys

import pytest

from cardiograph.artifacts.run import RunDirectory
from cardiograph.config import RunConfig, load_config
from cardiograph.errors import RunError


def test_a_second_process_is_refused_while_the_first_lives(tmp_path):
    code = (
        "import sys; from pathlib import Path; from cardiograph.artifacts.run import RunDirectory\n"
        "with RunDirectory(Path(sys.argv[1])).locked(): print('locked', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path / "run"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(RunError, match="another process is writing it"), RunDirectory(tmp_path / "run").locked():
            pass
        other.kill()
    with RunDirectory(tmp_path / "run").locked():
        pass


def test_errors_inside_the_lock_stay_what_they_are(tmp_path):
    with pytest.raises(FileNotFoundError), RunDirectory(tmp_path / "run").locked():
        (tmp_path / "nowhere").read_text()


def test_another_configuration_is_refused_and_the_difference_named(tmp_path):
    directory = RunDirectory(tmp_path)
    assert directory.begin(RunConfig(), "cohort") is False
    with pytest.raises(RunError) as caught:
        directory.begin(load_config(None, {"model": {"depth": 3}, "seed": 1}), "cohort")
    assert "model.depth: 2 there, 3 now" in str(caught.value)
    assert "seed: 42 there, 1 now" in str(caught.value)


def test_another_cohort_is_refused(tmp_path):
    directory = RunDirectory(tmp_path)
    directory.begin(RunConfig(), "a" * 64)
    with pytest.raises(RunError, match="cohort: SHA-256 aaaaaaaaaaaa there, bbbbbbbbbbbb now"):
        directory.begin(RunConfig(), "b" * 64)


def test_an_unfinished_run_goes_on_and_a_finished_one_says_so(tmp_path):
    directory = RunDirectory(tmp_path)
    assert directory.begin(RunConfig(), "cohort") is False
    assert directory.begin(RunConfig(), "cohort") is False
    with pytest.raises(RunError, match="not a finished run"):
        directory.require_finished()
    directory.finish()
    assert directory.begin(RunConfig(), "cohort") is True


def test_a_folder_with_other_files_is_not_taken(tmp_path):
    (tmp_path / "thesis.docx").write_text("mine")
    with pytest.raises(RunError, match=r"thesis\.docx"):
        RunDirectory(tmp_path).begin(RunConfig(), "cohort")


def test_a_run_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"), RunDirectory(tmp_path / "file" / "run").locked():
        pass


def test_the_configuration_comes_back_whole(tmp_path):
    config = load_config(None, {"cohort": {"positive": ["a", "b"]}, "pages": {"view": "box", "box": [0, 0, 200, 300]}})
    directory = RunDirectory(tmp_path)
    directory.begin(config, "cohort")
    assert directory.config() == config


def test_a_folder_that_is_no_run_is_refused_and_nothing_in_it_is_touched(tmp_path):
    (tmp_path / "deep").mkdir()
    theirs = [tmp_path / "thesis.docx", tmp_path / ".mine.partial", tmp_path / "deep" / ".a.b.cardiograph.partial"]
    theirs.append(tmp_path / ".metrics.json.abcd1234.cardiograph.partial")
    for path in theirs:
        path.write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(RunError, match=r"deep, thesis\.docx"), RunDirectory(tmp_path).locked():
        pass
    assert sorted(tmp_path.rglob("*")) == before
    assert all(path.read_text() == "mine" for path in theirs)


def test_a_run_loses_what_its_own_killed_writes_left_and_nothing_else(tmp_path):
    directory = RunDirectory(tmp_path)
    directory.begin(RunConfig(), "cohort")
    (tmp_path / "bundle").mkdir()
    (tmp_path / "notes").mkdir()
    own = [tmp_path / ".run.json.abcd1234.cardiograph.partial", tmp_path / "bundle" / ".x.abcd1234.cardiograph.partial"]
    theirs = [tmp_path / ".mine.partial", tmp_path / "notes" / ".x.abcd1234.cardiograph.partial"]
    for path in own + theirs:
        path.write_text("")
    with directory.locked():
        assert not any(path.exists() for path in own)
        assert all(path.exists() for path in theirs)


@pytest.mark.parametrize("name", ["run.json", "config.toml", "cohort.parquet", "pages.png"])
def test_a_file_of_a_run_that_is_a_fifo_is_refused_at_once(tmp_path, name):
    os.mkfifo(tmp_path / name)
    directory = RunDirectory(tmp_path)
    read = {
        "run.json": directory.read_json,
        "config.toml": lambda _: directory.config(),
        "cohort.parquet": directory.read_table,
        "pages.png": directory.read_bytes,
    }[name]
    with pytest.raises(RunError, match="not a file"):
        read(name)


def test_settings_of_a_run_that_are_damaged_are_named(tmp_path):
    (tmp_path / "config.toml").write_text("[model]\nno_such_key = 1\n")
    with pytest.raises(RunError, match=r"config\.toml is not of this version or damaged"):
        RunDirectory(tmp_path).config()


def test_a_run_folder_is_for_its_owner_alone(tmp_path):
    with RunDirectory(tmp_path / "runs" / "first").locked():
        pass
    assert stat.S_IMODE((tmp_path / "runs" / "first").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "runs" / "first" / ".lock").stat().st_mode) == 0o600
