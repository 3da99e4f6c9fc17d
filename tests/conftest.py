"""What tests share: a cache of their own, the shared data where it is there, a small synthetic cohort and a run on it."""

import os
import threading
import time
from pathlib import Path

import pytest

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
if WORKER.startswith("gw") and hasattr(os, "sched_setaffinity"):
    # a core for each worker: thread pools that share the cores wait for each other longer than they work
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
def cheap_fonts():
    """Fonts of PDF figures as outlines: to cut them down to their letters takes longer than to draw."""
    from cardiograph.evaluation.figure_style import STYLE

    STYLE["pdf.fonttype"] = 3


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
    from cardiograph.pipeline import run

    return run(cohort_table, tmp_path_factory.mktemp("runs") / "both", load_config(None, settings)).path


def stub_service(run):
    """The routes that clients use, over the run's own predictor: no records, no limits, no keys."""
    import base64
    import json

    from fastapi import FastAPI, Request
    from fastapi.responses import JSONResponse, Response

    from cardiograph.errors import InputError
    from cardiograph.inference import Predictor, Query

    app, predictor = FastAPI(), Predictor.load(run)

    def answer(page, asked):
        try:
            (told,) = predictor.predict_many([Query(page, asked["values"], patient_id=asked.get("patient_id"))])
        except InputError as error:
            issues = [vars(issue) for issue in error.issues]
            return {"problem": {"status": 422, "title": "No", "detail": error.headline, "code": "c", "issues": issues}}
        return {"prediction": told.as_dict()}

    @app.get("/v1/model")
    def model():
        variables = [vars(each) for each in predictor.bundle.scaler.variables]
        return {"model": predictor.bundle.served.model.name, "takes_pages": True, "variables": variables}

    @app.post("/v1/predictions")
    async def one(request: Request):
        form = await request.form()
        page = await form["page"].read() if "page" in form else None
        told = answer(page, {"values": json.loads(form["values"]), "patient_id": form.get("patient_id")})
        if "problem" in told:
            return JSONResponse(told["problem"], 422, media_type="application/problem+json")
        return JSONResponse({"id": "0" * 32, **told}, 201)

    @app.post("/v1/predictions/batch")
    async def many(request: Request):
        asked = [json.loads(line) for line in (await request.body()).splitlines()]
        told = [
            {"id": each["id"], **answer(base64.b64decode(each["page"]) if each.get("page") else None, each)}
            for each in asked
        ]
        return Response("\n".join(map(json.dumps, told)), media_type="application/x-ndjson")

    return app


@pytest.fixture(scope="session")
def service_url(finished_run):
    """Address of a service on this machine that serves the finished run."""
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(stub_service(finished_run), port=0, log_level="warning", ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)
