import io
import json

import httpx
import pytest
from PIL import Image
from sqlalchemy import select
from starlette.testclient import TestClient

from cardiograph.inference import Predictor
from cardiograph.service.app import create_app
from cardiograph.service.observability import json_log
from cardiograph.service.records import Records
from cardiograph.service.records.tables import LogRow
from cardiograph.service.settings import ServiceSettings


@pytest.fixture(scope="session")
def predictor(finished_run):
    return Predictor.load(finished_run)


@pytest.fixture(scope="session")
def page(cohort_table):
    """A page of the synthetic cohort, as a file's content."""
    return min((cohort_table.parent / "pages").glob("*.jpg")).read_bytes()


@pytest.fixture(scope="session")
def values():
    return {"ef": 0.34, "bnp": 463, "nyha": 3, "sbp": 132, "age": 70}


class RunningService:
    """A running application, what it keeps, and what it logs."""

    def __init__(self, predictor, folder, **changes):
        self.records, self.log = Records.open(str(folder / "records.sqlite")), io.StringIO()
        self.settings = ServiceSettings(**changes)
        self.app = create_app(self.settings, predictor=predictor, records=self.records, log=json_log(self.log))
        self.client = TestClient(self.app, base_url="http://localhost", raise_server_exceptions=False)

    def key(self, *scopes):
        """The token of a new key."""
        return self.records.keys.create("test", frozenset(scopes), None)[0]

    def log_entries(self, event):
        """Entries of the audit log."""
        with self.records.log._database.reading() as session:
            return session.scalars(select(LogRow).where(LogRow.event == event)).all()

    def ask(self, page=None, values=None, **more):
        files = {} if page is None else {"page": ("scan.jpg", page, "image/jpeg")}
        files |= {} if values is None else {"values": (None, json.dumps(values), "application/json")}
        return self.client.post("/v1/predictions", files=files, **more)


@pytest.fixture
def serve(finished_run, predictor, tmp_path_factory):
    """Makes applications on the small run; each has its own settings."""
    running = []

    def make(**changes):
        served = RunningService(predictor, tmp_path_factory.mktemp("served"), **({"run": finished_run} | changes))
        served.client.__enter__()
        running.append(served)
        return served

    yield make
    for served in running:
        served.client.__exit__(None, None, None)


@pytest.fixture
def served(serve):
    return serve()


@pytest.fixture(scope="session")
def survival_run(tmp_path_factory):
    """A small run with a time-to-event outcome; its table lies beside it."""
    from tests.run.test_survival import SETTINGS, rows_of, write

    from cardiograph.config import load_config
    from cardiograph.run import survival

    folder = tmp_path_factory.mktemp("survival")
    table = write(folder / "cohort.csv", rows_of())
    with pytest.MonkeyPatch.context() as patch:  # the report has its own tests
        patch.setattr(survival, "write_survival_report", lambda _: None)
        return survival.run_survival(table, folder / "run", load_config(None, SETTINGS)).path


@pytest.fixture(scope="session")
def labels_run(tmp_path_factory):
    """A small run with the labels A and B; its table lies beside it."""
    from tests.run.test_multilabel import SETTINGS, write

    from cardiograph.config import load_config
    from cardiograph.run import multilabel, pipeline

    folder = tmp_path_factory.mktemp("labels")
    with pytest.MonkeyPatch.context() as patch:  # the report of one label has its own tests
        patch.setattr(pipeline, "write_report", lambda _: None)
        patch.setattr(multilabel, "SHUFFLES", 1)
        patch.setattr(pipeline, "measure_optimism", lambda *_: None)
        return multilabel.run_labels(write(folder / "cohort.csv"), folder / "run", load_config(None, SETTINGS)).path


def transport_to(served):
    """A transport of the client that sends its requests to an application of :class:`RunningService`."""

    def handle(request):
        sent = {"content": request.read(), "headers": request.headers}
        found = served.client.request(request.method, request.url.path, **sent)
        return httpx.Response(found.status_code, headers=found.headers, content=found.content)

    return httpx.MockTransport(handle)


def picture(width, height, kind="PNG"):
    """A white picture as a file."""
    file = io.BytesIO()
    Image.new("L", (width, height), 255).save(file, kind)
    return file.getvalue()
