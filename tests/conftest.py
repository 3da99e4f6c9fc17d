"""Shared fixtures: a separate cache, the shared data if present, a small synthetic cohort and a run on it."""

import os
import shutil
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings as hypothesis_settings

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
if WORKER.startswith("gw") and hasattr(os, "sched_setaffinity"):
    # one core for each worker: thread pools that share cores wait for each other longer than they work
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[int(WORKER[2:]) % len(cores)]})

REPOSITORY = Path(__file__).resolve().parent.parent

hypothesis_settings.register_profile("cardiograph", deadline=None)  # a busy machine is no fault
hypothesis_settings.load_profile("cardiograph")


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory):
    """No test reads or fills the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["CARDIOGRAPH_CACHE"] = str(folder)
    return folder


def make_runs_cheap(patch):
    """Leave out what takes longer than training: all figures, and pairs of splits with all epochs.

    The run of ``finished_run`` has them, as users have.
    """
    from cardiograph.report.figure_style import STYLE
    from cardiograph.run import pipeline, report
    from cardiograph.train import naive_split

    def measure_optimism(dataset, config, progress):
        model = config.model.model_copy(update={"epochs": 2, "patience": 2})
        return naive_split.measure_optimism(dataset, config.model_copy(update={"model": model}), progress)

    patch.setattr(report, "draw_figures", lambda content: {})
    patch.setattr(naive_split, "SEEDS", 2)
    patch.setattr(pipeline, "measure_optimism", measure_optimism)
    patch.setitem(STYLE, "pdf.fonttype", 3)


@pytest.fixture(scope="session", autouse=True)
def cheap_runs():
    """Make runs cheap, and measure the ceilings of a synthetic cohort on few draws."""
    from cardiograph.synthesis import cohort

    with pytest.MonkeyPatch.context() as patch:
        make_runs_cheap(patch)
        patch.setattr(cohort, "CEILING_PATIENTS", 2000)
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
def prepared(tmp_path_factory, cache_folder, settings):
    """Folder with a synthetic cohort of 60 patients, and a copy of a run on it, with all figures and pairs of splits.

    Workers share what one of them makes, and so do several calls of pytest with the same ``CARDIOGRAPH_TEST_RUNS``.
    """
    from filelock import FileLock

    own = tmp_path_factory.mktemp("prepared")
    base = tmp_path_factory.getbasetemp()
    given = os.environ.get("CARDIOGRAPH_TEST_RUNS")
    shared_folder = Path(given) if given else (base.parent if WORKER else base) / "shared"
    shared_folder.mkdir(parents=True, exist_ok=True)
    with FileLock(shared_folder / "lock"):
        if not (shared_folder / "done").exists():
            make_run(shared_folder, settings)
            (shared_folder / "done").touch()
    shutil.copytree(shared_folder / "run", own / "run")
    if not any(cache_folder.iterdir()):
        shutil.copytree(shared_folder / "cache", cache_folder, dirs_exist_ok=True)
    return SimpleNamespace(
        table=shared_folder / "cohort" / "cohort.csv", run=own / "run", cache=shared_folder / "cache"
    )


def make_run(folder, settings):
    """Write a cohort, a run on it and the cache of its pages to a folder."""
    from cardiograph.config import load_config
    from cardiograph.report.figures import draw_figures
    from cardiograph.run import pipeline, report
    from cardiograph.synthesis import cohort
    from cardiograph.train import naive_split

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CARDIOGRAPH_CACHE", str(folder / "cache"))
        patch.setattr(cohort, "CEILING_PATIENTS", 50_000)
        patch.setattr(report, "draw_figures", draw_figures)
        patch.setattr(naive_split, "SEEDS", 5)
        patch.setattr(pipeline, "measure_optimism", naive_split.measure_optimism)
        table = cohort.write_cohort(folder / "cohort", patients=60, seed=3, workers=1)
        pipeline.run(table, folder / "run", load_config(None, settings))


@pytest.fixture(scope="session")
def cohort_table(prepared):
    """Table of a synthetic cohort of 60 patients."""
    return prepared.table


@pytest.fixture(scope="session")
def finished_run(prepared):
    """A run on the synthetic cohort, pages and clinical values."""
    return prepared.run


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

    table = write_cohort(tmp_path_factory.mktemp("other") / "cohort", patients=50, seed=11, workers=1)
    rows = pd.read_csv(table)
    rows["patient_id"] = "other " + rows["patient_id"].astype(str)
    if "record_id" in rows:
        rows["record_id"] = "other " + rows["record_id"].astype(str)
    rows["ward"] = np.where(np.arange(len(rows)) % 2, "east", "west")
    rows.to_csv(table.parent / "renamed.csv", index=False)
    return table.parent / "renamed.csv"
