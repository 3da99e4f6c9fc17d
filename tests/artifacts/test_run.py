"""A run folder belongs to one process, one configuration and one cohort."""

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
