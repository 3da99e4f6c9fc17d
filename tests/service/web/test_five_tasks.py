"""Five tasks of a person at the web page: each takes at most six clicks, and no error in the browser.

Typing is not a click; choosing a file, an entry of a list, a link or a button is one.
"""

import json
import re

import cv2
import networkx
import numpy as np
import pandas as pd
import pytest
from tests.service.processes import Process
from tests.service.web.test_browser import browser, probability, pytestmark

__all__ = ["browser", "pytestmark"]  # a fixture and marks of the other module

MOST_CLICKS = 6


class Person:
    """Uses one window of a browser; clicks are counted, and whatever goes wrong in the window is collected."""

    def __init__(self, window):
        self.window, self.clicks, self.wrong = window, 0, []
        window.on("console", lambda message: self.wrong.append(message.text))
        window.on("pageerror", lambda error: self.wrong.append(str(error)))
        window.on("requestfailed", lambda request: self.wrong.append(f"{request.url}: {request.failure}"))
        window.on("response", lambda answer: self.wrong.extend([answer.url] * (answer.status >= 400)))

    def click(self, target):
        """Click on what a selector finds."""
        self.clicks += 1
        (self.window.locator(target) if isinstance(target, str) else target).click()

    def follow(self, name, role="link"):
        """Click on the link or button of this name."""
        self.click(self.window.get_by_role(role, name=name, exact=True))

    def attach(self, label, content):
        """Choose a file in the field of this label."""
        with self.window.expect_file_chooser() as chooser:
            self.click(self.window.get_by_label(label))
        chooser.value.set_files({"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": content})

    def download(self, name):
        """Content of the file that the button of this name saves."""
        with self.window.expect_download() as download:
            self.follow(name, "button")
        return download.value.path().read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def address(finished_run, tmp_path_factory):
    """Address of a service process of its own, as ``cardiograph serve`` starts it."""
    service = Process(finished_run, tmp_path_factory.mktemp("tasks"))
    yield service.url
    assert service.stop() == 0


@pytest.fixture
def person(browser, address):
    """A person at the first page of the service; afterwards, clicks and errors are checked."""
    context = browser.new_context()
    one = Person(context.new_page())
    one.window.goto(address)
    yield one
    context.close()
    assert one.clicks <= MOST_CLICKS
    assert one.wrong == []


@pytest.fixture(scope="module")
def photo(page):
    """A photograph of a page: slightly turned and tilted, on a table, with light from one side."""
    drawn = cv2.imdecode(np.frombuffer(page, np.uint8), cv2.IMREAD_COLOR)
    high, wide = drawn.shape[:2]
    corners = np.float32([[0, 0], [wide, 0], [wide, high], [0, high]])
    seen = np.float32([[30, 42], [wide + 20, 24], [wide + 36, high + 30], [22, high + 44]])
    matrix = cv2.getPerspectiveTransform(corners, seen)
    shot = cv2.warpPerspective(drawn, matrix, (wide + 60, high + 70), borderValue=(150, 170, 185))
    light = np.linspace(1.0, 0.8, shot.shape[1])[None, :, None]
    return cv2.imencode(".jpg", (shot * light).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def score_example(person):
    """Score the example patient, and wait until the answer is explained."""
    person.follow("Try an example patient")
    person.follow("Score this patient", "button")
    person.window.wait_for_selector("#why .effects")


def cells(row):
    """Texts of the cells of a row of a table."""
    return row.locator("th, td").all_inner_texts()


def test_score_a_patient_from_a_photo(person, predictor, photo, values):
    window = person.window
    person.attach("Choose a file", photo)
    window.wait_for_selector("[data-chosen]:not([hidden])")
    for label, name in (("Ejection fraction", "ef"), ("Age", "age"), ("Systolic blood pressure", "sbp")):
        window.get_by_label(label, exact=True).fill(str(values[name]))
    person.follow("Score this patient", "button")
    window.wait_for_selector("#answer")
    given = {name: values[name] for name in ("ef", "age", "sbp")}
    expected = predictor.predict(photo, given)
    assert probability(window) == pytest.approx(expected.probability, abs=1e-12)
    assert window.inner_text("#probability") == f"{100 * expected.probability:.1f}\N{NO-BREAK SPACE}%"
    assert f"Of 100 such patients, about {round(100 * expected.probability)} are" in window.inner_text("#sentence")
    if expected.low is None:
        interval = "no interval"
    else:
        low, high = (f"{100 * each:.1f}\N{NO-BREAK SPACE}%" for each in (expected.low, expected.high))
        interval = f"between {low} and {high}"
    assert window.inner_text(".interval") == interval
    assert "No ECG page" not in window.inner_text("#answer")
    assert "Not given: brain natriuretic peptide, NYHA class" in window.inner_text(".warnings")
    window.wait_for_selector("#why .effects")
    assert window.locator("#traces polyline").count() >= 12, "the leads that were read lie over the photograph"


def test_find_why(person, predictor):
    window = person.window
    score_example(person)
    base = float(re.search(r"would estimate ([\d.]+)", window.inner_text("#why"))[1])
    tables = {
        table.locator("caption").inner_text(): [cells(row) for row in table.locator("tbody tr").all()]
        for table in window.locator("#why .effects table").all()
    }
    blocks = {row[0]: points(row[-1]) for row in tables["ECG page and clinical values"]}
    assert set(blocks) == {"ECG page", "clinical values"}
    assert base + sum(blocks.values()) == pytest.approx(100 * probability(window), abs=0.21), "effects add up"
    rows = tables["Each clinical value"]
    assert len(rows) == len(predictor.bundle.scaler.variables)
    assert any(re.fullmatch(r"ejection fraction\s+0\.\d+ fraction", row[0]) for row in rows)
    sizes = [abs(points(row[-1])) for row in rows]
    assert sizes == sorted(sizes, reverse=True), "the value that mattered most comes first"
    assert "Heart rate" in window.inner_text("#ecg-read")


def points(text):
    """Percentage points, as a number."""
    return float(text.replace("−", "-"))


def test_compare_with_a_similar_patient(person, finished_run):
    window, cohort = person.window, pd.read_parquet(finished_run / "cohort.parquet").set_index("record_id")
    score_example(person)
    own, nearest = (cells(window.locator(".similar tbody tr").nth(place)) for place in (0, 1))
    assert own[0] == "this patient"
    record = nearest[0].split()[-1]
    names = ("ef", "bnp", "nyha", "sbp", "age")
    for shown, name in zip(nearest[3 : 3 + len(names)], names, strict=True):
        expected = cohort.loc[record, name]
        assert shown == "–" if pd.isna(expected) else float(shown) == pytest.approx(expected)
    person.follow("Show this patient in the patient graph")
    panel = window.locator("[data-map=record]")
    panel.get_by_role("heading", name="this patient").wait_for()
    assert panel.locator("table").nth(1).locator("tbody tr").first.inner_text().startswith(record)
    person.click(panel.get_by_role("button", name=record, exact=True))
    panel.get_by_role("heading", name=record, exact=True).wait_for()
    facts = dict(cells(row) for row in panel.locator("table").first.locator("tr").all())
    assert facts["age"] == f"{cohort.loc[record, 'age']:g} years"
    assert facts["Site"] == cohort.loc[record, "site"]
    person.follow("Back to the prediction")
    assert window.locator("#answer").count() == 1


def test_read_whether_the_model_can_be_trusted(person, finished_run):
    window, metrics = person.window, json.loads((finished_run / "metrics.json").read_text())
    auroc = metrics["test"]["auroc"]
    shown = f"{auroc['value']:.3f}"
    if auroc["low"] is not None:
        shown += f", {auroc['low']:.3f} to {auroc['high']:.3f}"
    facts = window.inner_text("#limits")
    assert shown in facts
    assert "these patients were drawn by a program" in facts, "the gravest warning comes before the figures"
    assert facts.index("drawn by a program") < facts.index(shown)
    person.follow("Read the run’s report")
    report = window.frame_locator("iframe")
    headline = report.locator("#headline")
    headline.wait_for()
    assert f"{auroc['value']:.3f}" in headline.inner_text()
    folded = report.locator("#context details").first
    assert folded.get_attribute("open") is None
    person.click(report.get_by_role("navigation").get_by_role("link", name="The score in context"))
    folded.get_by_text("The ceiling on these records is").wait_for()


def test_export_the_graph(person, finished_run):
    window, content = person.window, json.loads((finished_run / "patient_map.json").read_text())
    person.follow("Patient graph")
    window.wait_for_selector("[data-patient-map][data-ready]")
    graph = networkx.parse_graphml(person.download("GraphML"))
    assert sorted(graph) == sorted(content["records"])
    assert graph.number_of_edges() == sum(map(len, content["neighbours"]))
    links = pd.read_csv(pd.io.common.StringIO(person.download("Links as CSV")))
    assert len(links) == graph.number_of_edges()
    for row in links.itertuples():
        assert graph.edges[row.neighbour, row.record]["distance"] == row.distance
    age = next(each for each in content["columns"] if each["title"] == "age")
    found = networkx.get_node_attributes(graph, "age")
    assert found == {
        record: value for record, value in zip(content["records"], age["values"], strict=True) if value is not None
    }
