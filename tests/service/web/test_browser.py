"""The pages in a browser: with and without scripts, on a phone, in the dark, on paper, read aloud."""

import dataclasses
import io
import json
import re
import shutil
import threading
import time
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest
import uvicorn

from cardiograph.artifacts.maps import Gain, MapVerdict
from cardiograph.inference import Predictor
from cardiograph.inference.labels import load_any
from cardiograph.service.app import create_app
from cardiograph.service.observability import json_log
from cardiograph.service.records import Records
from cardiograph.service.settings import ServiceSettings
from cardiograph.uncertainty.conformal import ConformalSets

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium: install Debian's package `chromium`"),
]
ARGUMENTS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run"),
]
AXE = (Path(__file__).parent / "vendored" / "axe.min.js").read_text(encoding="utf-8")
PHONE = {"viewport": {"width": 360, "height": 740}}
DARK = {"color_scheme": "dark"}


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


def changed(predictor, uncertainty=None, **served):
    """The same model with another uncertainty."""
    bundle = predictor.bundle
    uncertainty = dataclasses.replace(bundle.uncertainty, **(uncertainty or {}))
    served = dataclasses.replace(bundle.served, **served)
    return Predictor(dataclasses.replace(bundle, served=served, uncertainty=uncertainty), predictor.engine)


@contextmanager
def listening(run, predictor, folder, **settings):
    """The address of a server, and its records."""
    records, log = Records.open(str(folder / "records.sqlite")), json_log(io.StringIO())
    app = create_app(ServiceSettings(run=run, **settings), predictor=predictor, records=records, log=log)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        yield f"http://localhost:{server.servers[0].sockets[0].getsockname()[1]}", records
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def address(finished_run, predictor, tmp_path_factory):
    with listening(finished_run, predictor, tmp_path_factory.mktemp("plain")) as (found, _):
        yield found


@pytest.fixture(scope="module")
def unsure(finished_run, predictor, tmp_path_factory):
    """A server whose model shows maps and never decides."""
    gain = Gain(0.2, 0.1, 0.3)
    scores = np.linspace(-50, 50, 60)
    model = changed(
        predictor,
        {"conformal": ConformalSets(scores, scores, 0.9)},
        maps=MapVerdict(pages=20, deletion=gain, insertion=gain, others=gain, randoms=4, seed=0),
    )
    with listening(finished_run, model, tmp_path_factory.mktemp("unsure")) as (found, _):
        yield found


@pytest.fixture
def visit(browser):
    """Opens a page in a window of its own; errors and requests to other hosts fail the test."""
    contexts, wrong = [], []

    def opened(url, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        window = context.new_page()
        host = urlsplit(url).netloc
        window.on("request", lambda request: _note(wrong, request.url, urlsplit(request.url).netloc not in (host, "")))
        window.on("console", lambda message: _note(wrong, message.text, "Content Security Policy" in message.text))
        window.on("pageerror", lambda error: wrong.append(str(error)))
        window.goto(url)
        return window

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []


def _note(wrong, text, bad):
    if bad:
        wrong.append(text)


def upload(page):
    return {"name": "page.jpg", "mimeType": "image/jpeg", "buffer": page}


def fill(window, values, page=None):
    for name, value in values.items():
        window.fill(f"#value-{name}", str(value))
    if page is not None:
        window.set_input_files("#page", upload(page))


def ask(window, values, page=None, *, wait="#why .effects"):
    fill(window, values, page)
    window.click(".go button")
    window.wait_for_selector(wait)
    return window


def probability(window):
    return float(window.get_attribute("#probability", "value"))


def test_from_upload_to_answer_and_why(visit, address, predictor, page, values):
    window = visit(address)
    fill(window, values, page)
    window.wait_for_selector("[data-chosen]:not([hidden])")  # the page is seen before it is sent
    ask(window, {})
    direct = predictor.predict(page, values)
    assert probability(window) == pytest.approx(direct.probability, abs=1e-12)
    assert window.inner_text("#probability") == f"{100 * direct.probability:.1f}\N{NO-BREAK SPACE}%"
    assert re.fullmatch(rf"{address}/predictions/[0-9a-f]{{32}}", window.url)
    assert window.locator("#why .effects").inner_text().count("ejection fraction") == 1
    assert window.locator(".similar tbody tr").count() == len(direct.neighbours) + 1
    assert "No attention map is shown. It has not been checked" in window.inner_text(".map")
    assert "The explanation is shown" in window.inner_text("#status")


def test_one_number_on_the_page_over_http_by_the_command_and_in_the_run(visit, address, finished_run, cohort_table):
    from cardiograph.cli.app import main

    predictions = pd.read_parquet(finished_run / "predictions.parquet")
    row = predictions[predictions["part"] == "test"].iloc[0]
    (metrics,) = [json.loads((finished_run / "metrics.json").read_text())]
    cohort = pd.read_parquet(finished_run / "cohort.parquet").set_index("record_id").loc[row["record_id"]]
    values = {name: cohort[name] for name in ("ef", "bnp", "nyha", "sbp", "age") if pd.notna(cohort[name])}
    values = {name: int(value) if name == "nyha" else float(value) for name, value in values.items()}
    window = ask(visit(address), values, Path(cohort["ecg"]).read_bytes())
    answer = window.request.get(window.url.replace("/predictions/", "/v1/predictions/")).json()
    options = [text for name, value in values.items() for text in (f"--{name}", str(value))]
    result = io.StringIO()
    with redirect_stdout(result), pytest.raises(SystemExit):
        main(["predict", str(finished_run), "--ecg", cohort["ecg"], *options, "--json"])
    assert probability(window) == answer["prediction"]["probability"]
    assert json.loads(result.getvalue())["probability"] == pytest.approx(probability(window), abs=1e-12)
    assert row[f"probability_{metrics['primary']}"] == pytest.approx(probability(window), abs=1e-5)


def test_missing_values_are_named(visit, address):
    window = ask(visit(address), {"ef": 0.3})
    assert "No ECG page" in window.inner_text("#doubts")
    assert "Not given: brain natriuretic peptide, NYHA class" in window.inner_text(".warnings")


@pytest.mark.parametrize("scripts", [True, False])
def test_wrong_values_keep_form_and_file(visit, address, predictor, page, values, scripts):
    window = visit(address, java_script_enabled=scripts)
    ask(window, {**values, "age": 700}, page, wait="#faults")
    assert window.evaluate("document.activeElement.id") == "faults"
    assert window.get_attribute("#value-age", "aria-invalid") == "true"
    assert "allowed 0-120 years" in window.inner_text("#fault-age")
    assert window.input_value("#value-ef") == "0.34"
    assert window.title().startswith("Not scored yet")
    window.click("#faults a")
    assert window.evaluate("document.activeElement.id") == "value-age"
    ask(window, {"age": 70}, wait="#answer")
    assert probability(window) == pytest.approx(predictor.predict(page, values).probability, abs=1e-12)


def test_all_of_it_without_scripts(visit, address, page, values):
    window = ask(visit(address, java_script_enabled=False), values, page, wait="#answer")
    assert window.locator("#why .effects").count() == 0
    window.click("text=Show the explanation")
    assert window.locator("#why .effects tr").count() > len(values)
    assert window.locator("#answer").count() == 1
    ask(window, {"ef": 0.7}, wait="#answer")  # the page of the answer is still there
    assert "No ECG page" not in window.inner_text("#answer")


def test_back_and_forth(visit, address):
    window = ask(visit(address), {"ef": 0.4})
    answered = window.url
    window.go_back()
    window.wait_for_selector("main.asking")
    window.go_forward()
    window.wait_for_selector("#answer")
    assert window.url == answered
    assert window.input_value("#value-ef") == "0.4"
    assert window.evaluate("sessionStorage.getItem('htmx-history-cache')") is None  # no patient stays in the browser


def test_a_page_can_be_dropped(visit, address, page):
    window = visit(address)
    content = window.evaluate_handle(
        """bytes => { const held = new DataTransfer();
        held.items.add(new File([new Uint8Array(bytes)], "page.jpg", {type: "image/jpeg"})); return held; }""",
        list(page),
    )
    window.dispatch_event("[data-drop]", "drop", {"dataTransfer": content})
    window.wait_for_selector("[data-chosen]:not([hidden])")
    assert "No ECG page" not in ask(window, {"ef": 0.4}).inner_text("#answer")


def test_a_large_file_is_refused_before_it_is_sent(visit, address):
    window = visit(address)
    window.set_input_files("#page", upload(b"x" * (9 << 20)))
    assert "9.0 MiB" in window.inner_text("#page-fault")
    sent = []
    window.on("request", lambda request: sent.append(request.method))
    window.fill("#value-ef", "0.4")
    window.evaluate("document.querySelector('#ask').requestSubmit()")
    assert "9.0 MiB" in window.inner_text("#page-fault")
    assert sent == []
    window.set_input_files("#page", [])
    assert window.is_hidden("#page-fault")
    assert "No ECG page" in ask(window, {"ef": 0.4}).inner_text("#answer")


def test_a_service_that_is_gone_loses_nothing(visit, address):
    window = visit(address)
    window.route("**/*", lambda route: route.abort())
    ask(window, {"ef": 0.4}, wait="#status.seen")
    assert "does not respond" in window.inner_text("#status")
    assert window.input_value("#value-ef") == "0.4"


def test_a_key_is_a_password_of_the_browser(visit, finished_run, predictor, tmp_path):
    with listening(finished_run, predictor, tmp_path, require_key=True) as (url, records):
        token, _ = records.keys.create("colleague", frozenset({"predict", "read"}), None)
        password = {"username": "any", "password": token}
        window = ask(visit(url, http_credentials=password), {"ef": 0.4})
        assert window.locator("#answer").count() == 1
        window = ask(visit(url, http_credentials=password, java_script_enabled=False), {"ef": 0.4}, wait="#answer")
        assert window.locator("#answer").count() == 1


def test_cant_tell_and_a_map_with_a_slider(visit, unsure, page, values):
    window = ask(visit(unsure), values, page)
    assert "Can’t tell" in window.inner_text("#decision")
    assert window.get_attribute("#heat", "opacity") == "0.6"
    window.fill("#opacity", "25")
    assert window.get_attribute("#heat", "opacity") == "0.25"
    assert window.evaluate("[...document.querySelectorAll('image')].every(each => each.getBBox().width > 50)")


def test_the_keyboard_is_enough(visit, address):
    window = visit(address)
    window.keyboard.press("Tab")
    assert window.evaluate("document.activeElement.textContent") == "Skip to content"
    outline = window.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    window.focus("#value-ef")
    window.keyboard.type("0.4")
    window.keyboard.press("Enter")
    window.wait_for_selector("#answer")
    window.wait_for_function("document.activeElement.id == 'answer-title'")


def test_a_phone_needs_no_scrolling_sideways(visit, unsure, page, values):
    window = visit(unsure, **PHONE)

    def overhang():
        return window.evaluate("document.documentElement.scrollWidth - innerWidth")

    assert overhang() == 0
    ask(window, {**values, "age": 700}, page, wait="#faults")
    assert overhang() == 0
    ask(window, {"age": 70})
    assert overhang() == 0
    window.goto(f"{unsure}/report")
    assert overhang() == 0


def test_dark_is_dark(visit, address):
    def paper(window):
        shade = window.evaluate("getComputedStyle(document.querySelector('.card')).backgroundColor")
        return sum(map(int, re.findall(r"\d+", shade))) / 3

    assert paper(visit(address, **DARK)) < 50
    assert paper(visit(address)) > 240


def test_motion_can_be_off(visit, address):
    window = visit(address, reduced_motion="reduce")
    answered = ask(window, {"ef": 0.4})
    assert answered.evaluate("document.getAnimations().length") == 0


def test_an_answer_prints_on_one_sheet(visit, unsure, page, values):
    window = ask(visit(unsure), values, page)
    sheets = window.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", sheets)) == 1
    window.emulate_media(media="print")
    text = window.inner_text("main")
    assert re.search(r"\d{1,2} \w+ \d{4}, \d\d:\d\d UTC", text)
    assert re.search(r"model SHA-256 [0-9a-f]{64}", text)
    assert "For research use only" in text
    assert not window.is_visible("form")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(visit, address, unsure, page, values, scheme):
    window = visit(unsure, color_scheme=scheme)
    found = {"form": audited(window)}
    ask(window, {**values, "age": 700}, page, wait="#faults")
    found["error"] = audited(window)
    ask(window, {"age": 70})
    found["answer"] = audited(window)
    window.click("text=Show this patient in the patient graph")
    window.wait_for_selector("[data-map=record] h3")
    found["graph with the patient"] = audited(window)
    window.goto(f"{unsure}/report")
    found["report"] = audited(window)
    window.goto(f"{unsure}/graph")
    window.click("[data-patient-map][data-ready] summary")
    found["graph"] = audited(window)
    window.goto(f"{unsure}/predictions")
    assert window.locator(".past tbody tr").count() == 1
    found["history"] = audited(window)
    window.goto(f"{unsure}/example")
    found["example"] = audited(window)
    window.goto(f"{unsure}/nothing")
    found["refused"] = audited(window)
    hidden = ask(visit(address, color_scheme=scheme, **PHONE), values, page)
    found["phone, map hidden"] = audited(hidden)
    assert not any(found.values()), found


@pytest.mark.parametrize("kind", ["survival_run", "labels_run"])
def test_answers_of_other_kinds_are_accessible_and_fit_a_phone(visit, request, tmp_path, kind):
    run = request.getfixturevalue(kind)
    with listening(run, load_any(run), tmp_path) as (url, _):
        for options in ({}, DARK, PHONE):
            window = visit(url, **options)
            assert audited(window) == []
            ask(window, {"ef": 0.3, "age": 60})
            assert audited(window) == []
            assert window.evaluate("document.documentElement.scrollWidth - innerWidth") == 0
            assert window.inner_text("#sentence").endswith(".")


def audited(window):
    """Ids and places of what axe-core finds in the page; the report in its frame is not checked."""
    window.evaluate(AXE)
    options = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"], "iframes": False}
    found = window.evaluate("options => axe.run(document, options)", options)
    assert len(found["passes"]) > 20
    return [f"{each['id']}: {[node['target'] for node in each['nodes']]}" for each in found["violations"]]
