import io
import json

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


def picture(width, height, kind="PNG"):
    """A white picture as a file."""
    file = io.BytesIO()
    Image.new("L", (width, height), 255).save(file, kind)
    return file.getvalue()
