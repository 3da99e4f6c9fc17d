"""Shared fixtures: a separate cache, the shared data if present, a small synthetic cohort and a run on it."""

import os
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
if WORKER.startswith("gw") and hasattr(os, "sched_setaffinity"):
    # one core for each worker: thread pools that share cores wait for each other longer than they work
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[int(WORKER[2:]) % len(cores)]})

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory):
    """No test reads or fills the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["CARDIOGRAPH_CACHE"] = str(folder)
    return folder


@pytest.fixture(scope="session", autouse=True)
def cheap_reports():
    """Draw one figure in the report of a run, and compare two pairs of splits: all of them take longer than training.

    The run of ``finished_run`` has all figures and pairs, as users have.
    """
    from cardiograph.report.figure_style import STYLE
    from cardiograph.report.figures_scores import headline
    from cardiograph.run import report
    from cardiograph.train import naive_split

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "draw_figures", lambda content: {"headline": headline(content)})
        patch.setattr(naive_split, "SEEDS", 2)
        patch.setitem(STYLE, "pdf.fonttype", 3)
        yield


@pytest.fixture(scope="session")
def shared():
    """The folder of shared data."""
    folder = Path(os.environ.get("CARDIOGRAPH_SHARED", REPOSITORY.parent / "shared"))
    if not (folder / "data" / "ecg-pages").is_dir():
        pytest.skip(f"shared data absent: {folder / 'data'} (set CARDIOGRAPH_SHARED)")
    return folder


@pytest.fixture(scope="session")
def settings():
    """Settings that keep a run short."""
    return {
        "encoder": {"weights": "random"},
        "model": {"epochs": 60, "patience": 15},
        "evaluation": {"bootstrap": 200},
    }


@pytest.fixture(scope="session")
def cohort_table(tmp_path_factory):
    """Table of a synthetic cohort of 80 patients."""
    from cardiograph.synthesis.cohort import write_cohort

    return write_cohort(tmp_path_factory.mktemp("synthetic") / "cohort", patients=60, seed=3, workers=2)


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory, cohort_table, settings):
    """A run on the synthetic cohort, pages and clinical values."""
    from cardiograph.config import load_config
    from cardiograph.report.figures import draw_figures
    from cardiograph.run import report
    from cardiograph.run.pipeline import run
    from cardiograph.train import naive_split

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "draw_figures", draw_figures)
        patch.setattr(naive_split, "SEEDS", 5)
        return run(cohort_table, tmp_path_factory.mktemp("runs") / "both", load_config(None, settings)).path


@pytest.fixture(scope="session")
def service_url(finished_run, tmp_path_factory):
    """Address of a service on this machine that serves the finished run."""
    import uvicorn

    from cardiograph.service.app import create_app
    from cardiograph.service.settings import ServiceSettings

    database = str(tmp_path_factory.mktemp("records") / "records.sqlite")
    app = create_app(ServiceSettings(run=finished_run, database=database))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="session")
def other_cohort(tmp_path_factory):
    """Other patients of the same kind, numbered otherwise."""
    from cardiograph.synthesis.cohort import write_cohort

    table = write_cohort(tmp_path_factory.mktemp("other") / "cohort", patients=50, seed=11, workers=2)
    rows = pd.read_csv(table)
    rows["patient_id"] = "other " + rows["patient_id"].astype(str)
    if "record_id" in rows:
        rows["record_id"] = "other " + rows["record_id"].astype(str)
    rows["ward"] = np.where(np.arange(len(rows)) % 2, "east", "west")
    rows.to_csv(table.parent / "renamed.csv", index=False)
    return table.parent / "renamed.csv"
