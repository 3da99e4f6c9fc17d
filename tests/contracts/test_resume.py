"""A run that is killed goes on where it was and ends with the same numbers."""

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

import pytest
from tests.conftest import REPOSITORY

from cardiograph.config import load_config
from cardiograph.run.pipeline import run

SHORT = {
    "encoder": {"weights": "random"},
    "model": {"epochs": 8, "baselines": ["mlp", "logistic"]},
    "evaluation": {"bootstrap": 100},
}


@pytest.fixture
def command(tmp_path, prepared):
    """A small run as a command with a cache without pages, and the table of its cohort."""
    import tomli_w

    from cardiograph.synthesis.cohort import write_cohort

    table = write_cohort(tmp_path / "cohort", patients=20, seed=3, workers=1)
    (tmp_path / "settings.toml").write_text(tomli_w.dumps(SHORT))
    shutil.copytree(prepared.cache / "encoders", tmp_path / "cache" / "encoders")
    out = tmp_path / "run"
    code = (
        "import pytest; from tests.conftest import make_runs_cheap; make_runs_cheap(pytest.MonkeyPatch())\n"
        "from cardiograph.cli.app import main; main()"
    )
    line = [sys.executable, "-c", code, "run", table, "--out", out, "--config", tmp_path / "settings.toml"]
    environment = {**os.environ, "CARDIOGRAPH_CACHE": str(tmp_path / "cache")}
    environment["PYTHONPATH"] = os.pathsep.join([str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])])
    return [str(part) for part in line], out, environment, table


def killed_when(condition, line, environment):
    """Start the command, kill it as soon as ``condition`` comes to hold; whether it was killed at that moment."""
    if condition():
        return False  # left by the process before: nothing would be learnt from a kill at the start
    with subprocess.Popen(line, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        for _ in range(6000):
            if condition() or process.poll() is not None:
                break
            time.sleep(0.02)
        in_time = process.poll() is None and condition()
        process.send_signal(signal.SIGKILL)
    return in_time


@pytest.mark.slow
def test_killed_at_three_stages_it_ends_with_the_same_metrics(command, tmp_path):
    line, out, environment, table = command
    cache = out.parent / "cache" / "pages.sqlite-wal"

    def logged(stage):
        return lambda: (out / "log.jsonl").exists() and f'"name": "{stage}"' in (out / "log.jsonl").read_text()

    conditions = {
        "middle of embedding": lambda: cache.exists() and cache.stat().st_size > 150_000,
        "scoring": logged("training mlp"),
        "report": logged("scoring"),
    }
    killed = [name for name, condition in conditions.items() if killed_when(condition, line, environment)]
    assert len(killed) >= 2, killed
    subprocess.run(line, env=environment, check=True, capture_output=True)
    undisturbed = run(table, tmp_path / "undisturbed", load_config(None, SHORT)).path
    assert (out / "metrics.json").read_bytes() == (undisturbed / "metrics.json").read_bytes()
    assert json.loads((out / "run.json").read_text())["status"] == "finished"
    assert [path.name for path in out.rglob(".*")] == [".lock"]


def test_the_same_command_again_returns_the_finished_run(finished_run, cohort_table, settings):
    before = {path: path.stat().st_mtime_ns for path in finished_run.rglob("*") if path.name != ".lock"}
    result = run(cohort_table, finished_run, load_config(None, settings))
    assert result.metrics.as_dict() == json.loads((finished_run / "metrics.json").read_text())
    assert before == {path: path.stat().st_mtime_ns for path in finished_run.rglob("*") if path.name != ".lock"}


@pytest.mark.parametrize("lost", [(), ("encoders",)], ids=["run folder", "encoder"])
def test_a_full_disk_is_an_error_and_no_finished_run(tmp_path, cohort_table, prepared, settings, lost):
    """The disk is full where the run is written, or where the converted encoder is."""
    shutil.copytree(prepared.cache, tmp_path / "cache", ignore=lambda *_: lost)
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from cardiograph.run.pipeline import run; from cardiograph.config import load_config\n"
        "from cardiograph.errors import CardiographError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
        f"try: run(Path(sys.argv[1]), Path(sys.argv[2]), load_config(None, {settings!r}))\n"
        "except CardiographError as error: print(type(error).__name__, error)"
    )
    arguments = [sys.executable, "-c", code, cohort_table, tmp_path / "run"]
    environment = {**os.environ, "CARDIOGRAPH_CACHE": str(tmp_path / "cache")}
    if lost:
        with contextlib.closing(sqlite3.connect(tmp_path / "cache" / "pages.sqlite")) as pages:
            pages.execute("DELETE FROM embeddings")
            pages.commit()
    result = subprocess.run(arguments, capture_output=True, text=True, check=True, env=environment).stdout
    assert result.startswith("RunError"), result
    assert "free disk space" in result
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "unfinished"
    assert not [path for path in (tmp_path / "run").iterdir() if path.stat().st_size > 200_000]
