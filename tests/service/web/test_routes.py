"""The pages over HTTP: what a browser is given, with or without scripts, and what it may send."""

import dataclasses
import hashlib
import re
from html import unescape
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tests.service.conftest import picture

from cardiograph.imaging.reading import FORMAT_TITLES, PAGE_MEDIA_TYPES
from cardiograph.service.web.explanation import ExplanationView, similar
from cardiograph.service.web.site import StaticFiles

BROWSER = {"Accept": "text/html"}
VENDORED = (Path(__file__).parent / "vendored", Path(__file__).parents[3] / "src/cardiograph/service/web/static")


def field(text, name):
    """Value of a hidden or text field in a page."""
    found = re.search(rf'name="{name}" value="([^"]*)"', text)
    return None if found is None else unescape(found[1])


class Form:
    """A form as a browser without scripts fills it in and sends it."""

    def __init__(self, served, key=None):
        self.client, self.headers = served.client, BROWSER | (key or {})
        self.page = served.client.get("/", headers=self.headers).text

    def send(self, page=None, **values):
        """Send the form that is shown; fields that are not named stay as they are."""
        content = {"token": field(self.page, "token"), "kept": field(self.page, "kept") or ""}
        content |= {name: field(self.page, name) or "" for name in re.findall(r'name="(value-\w+)"', self.page)}
        content |= {"patient_id": "", **values}
        files = {name: (None, text) for name, text in content.items()}
        files |= {} if page is None else {"page": ("scan.png", page, "image/png")}
        answer = self.client.post("/", files=files, headers=self.headers)
        self.page = answer.text
        return answer


@pytest.fixture
def form(served):
    return Form(served)


def typed(values):
    return {f"value-{name}": str(value) for name, value in values.items()}


def test_the_form_has_every_variable_with_unit_and_range(form, predictor):
    for variable in predictor.bundle.scaler.variables:
        place = form.page.index(f'name="value-{variable.name}"')
        baselines = form.page[place : place + 600]
        assert f"{variable.low:g} to {variable.high:g}" in baselines
        assert variable.unit in baselines


def test_the_form_names_the_formats_that_are_read(form):
    assert f'multiple accept="{PAGE_MEDIA_TYPES}, .hea, .dat, .mat, .zip, .dcm, ' in form.page
    assert f"printed ECG ({FORMAT_TITLES}) or a file of signals (WFDB, DICOM, " in form.page


def test_an_answer_has_the_number_of_the_library(form, served, predictor, page, values):
    answer = form.send(page, **typed(values))
    direct = predictor.predict(page, values)
    assert answer.history[0].status_code == 303
    assert re.fullmatch(r"/predictions/[0-9a-f]{32}", answer.url.path)
    shown = float(re.search(r'id="probability" value="([^"]+)"', answer.text)[1])
    assert shown == pytest.approx(direct.probability, abs=1e-12)
    assert f"{100 * direct.probability:.1f}\N{NO-BREAK SPACE}%" in answer.text
    for neighbour in direct.neighbours:
        assert neighbour.record_id in answer.text
    entry = served.records.get(answer.url.path.rpartition("/")[2])
    assert entry.answer["probability"] == shown


def test_missing_values_and_a_missing_page_are_reported(form, values):
    text = form.send(**typed({"ef": values["ef"]})).text
    assert text.index("No ECG page: the estimate is made without.") < text.index('id="probability"')
    assert text.index('id="probability"') < text.index("Not given: brain natriuretic peptide, NYHA class, systolic ")


def test_wrong_values_keep_the_form_and_the_page(form, predictor, page, values):
    wrong = form.send(page, **typed({**values, "ef": 45, "sbp": "high"}))
    assert wrong.status_code == 422
    assert field(wrong.text, "value-ef") == "45"
    assert field(wrong.text, "value-bnp") == "463"
    assert re.search(r'aria-describedby="range-ef fault-ef" aria-invalid="true"', wrong.text)
    assert "“45” is not within 0.05 to 0.9. If it is in percent, choose “%” next to the field." in wrong.text
    assert "“high” is not a number" in wrong.text
    assert "This page is kept." in wrong.text
    right = form.send(**typed(values))
    shown = float(re.search(r'id="probability" value="([^"]+)"', right.text)[1])
    assert shown == pytest.approx(predictor.predict(page, values).probability, abs=1e-12)


def test_a_page_that_is_kept_can_be_left_out_and_is_kept_once(form, served, page, values):
    form.send(page, **typed({**values, "ef": 45}))
    kept = field(form.page, "kept")
    assert "No ECG page" in form.send(**typed(values), drop="1").text
    again = Form(served)
    text = again.send(**typed({**values, "ef": 45}), kept=kept).text
    assert field(text, "kept") not in ("", kept)
    other = Form(served)
    assert "no longer held" in other.send(**typed(values), kept=kept).text


def test_a_page_can_be_scored_again_with_other_values(form, page, values):
    form.send(page, **typed(values))
    changed = form.send(**typed({**values, "ef": 0.7}))
    assert "No ECG page" not in changed.text
    assert field(changed.text, "value-ef") == "0.7"


@pytest.mark.parametrize(
    ("content", "status", "message"),
    [
        (b"GIF89a ...", 415, "a GIF file"),
        (b"", 422, "0 bytes"),
        (picture(400, 300), 422, "blank"),
        (picture(8000, 6000), 413, "pixels"),
    ],
)
def test_a_bad_page_is_reported_next_to_its_field_and_not_kept(form, content, status, message):
    answer = form.send(content, **{"value-ef": "0.4"})
    assert answer.status_code == status
    assert message in re.search(r'id="page-fault"[^>]*>([^<]*)<', answer.text)[1]
    assert field(answer.text, "kept") is None
    assert field(answer.text, "value-ef") == "0.4"


def test_an_empty_form_is_an_error(form):
    answer = form.send()
    assert answer.status_code == 422
    assert "a score needs an ECG page or a clinical value" in answer.text


def test_a_form_without_its_token_is_not_scored(form, served, values):
    answer = form.send(**typed(values), token="1.made-up")  # noqa: S106 - no password
    assert answer.status_code == 403
    assert field(answer.text, "value-ef") == "0.34"
    assert served.log_entries("prediction") == []
    assert form.send(**typed(values)).status_code == 200


def test_what_was_typed_is_escaped(form):
    text = form.send(**{"value-ef": '"><script>alert(1)</script>', "patient_id": "<b>"}).text
    assert "<script>alert" not in text
    assert "<b>" not in text
    assert field(text, "value-ef") == '"><script>alert(1)</script>'


def test_an_explanation_is_a_part_or_a_whole_page(form, served, predictor, page, values):
    from cardiograph.explain import explain
    from cardiograph.inference import Query

    place = form.send(page, **typed(values)).url.path + "/explanation"
    part = served.client.get(place, headers={"HX-Request": "true", "HX-Target": "why"}).text
    whole = served.client.get(place, headers=BROWSER).text
    assert part.lstrip().startswith("<section")
    assert whole.startswith("<!DOCTYPE html>")
    result = explain(predictor, Query(page, values))
    for text in (part, whole):
        assert f"{100 * result.base:.1f}\N{NO-BREAK SPACE}%" in text
        assert "No attention map is shown" in text
        for effect in result.neighbours:
            assert f"{100 * effect.probability_without:.1f}\N{NO-BREAK SPACE}%" in text


def test_the_audit_log_records_what_was_read(form, served, values):
    place = form.send(**typed(values)).url.path
    served.client.get(f"{place}/explanation", headers=BROWSER)
    prediction = place.rpartition("/")[2]
    assert [entry.subject for entry in served.log_entries("prediction_read")] == [prediction]
    assert [entry.subject for entry in served.log_entries("explanation_read")] == [prediction]


def test_another_answer_than_the_one_given_is_not_explained(serve, predictor, page, values):
    served = serve(hold_bytes=0, keep_pages=True)  # the patient's id is not kept, and it decided who is similar
    reference = predictor.bundle.reference
    nearest = reference.record_ids.index(predictor.predict(page, values).neighbours[0].record_id)
    answer = Form(served).send(page, **typed(values), patient_id=reference.patient_ids[nearest])
    result = served.client.get(f"{answer.url.path}/explanation", headers=BROWSER).text
    assert "The prediction used a patient id" in result
    assert 'id="probability"' in result


def test_a_prediction_of_another_model_is_shown_without_facts_about_this_one(form, served, page, values):
    own = form.send(page, **typed(values))
    assert 'id="limits"' in own.text
    served.app.state.serving = dataclasses.replace(served.app.state.serving, model_sha256="b" * 64)
    for path in (own.url.path, f"{own.url.path}/explanation"):
        text = served.client.get(path, headers=BROWSER).text
        assert text.index("Another model made this prediction") < text.index('id="probability"')
        assert "the current model cannot explain it" in text
        assert 'id="limits"' not in text
        assert "hx-get" not in text
        assert field(text, "value-ef") == ""


def test_the_form_says_where_page_and_values_stay(form, serve):
    kept = "stored in the records of this service"
    assert "memory for 10 minutes" in form.page and kept not in form.page
    keeping = Form(serve(keep_pages=True)).page
    assert kept in keeping and "memory" not in keeping


def test_nothing_is_called_calibrated_that_may_not_be(form, served):
    assert "calibrated" not in form.page
    assert "calibrated" not in str(served.client.get("/openapi.json").json()["components"]["schemas"]["PredictionBody"])


def test_the_model_compares_with_its_reference_records(form, predictor):
    assert f"<dt>Compares with</dt><dd>{len(predictor.bundle.reference)} reference records</dd>" in form.page


def test_small_distances_are_no_zeros(served):
    record = {"distance": 0.004, "label": 1, "record_id": "r", "clinical": {}}
    rows, places = similar({"neighbours": [record]}, None)
    view = SimpleNamespace(marks=("positive", "negative"), unlabelled="no label", risks=(), labels=())
    shown = {"similar": rows, "places": places, "why": None, "query": None, "current": True, "view": view}
    shown |= {"percent": False, "ecgs": None}
    text = served.app.state.site.render("similar.html", **shown)
    assert re.findall(r'class="ring-label"[^>]*>([^<]*)<', text) == ["0.002", "0.004"]
    assert '<td class="n">0.004</td>' in text


@pytest.mark.parametrize(("direction", "drawn"), [("raised", True), ("did not move", False)])
def test_a_page_that_did_not_move_the_estimate_has_no_map(served, direction, drawn):
    result = {"shown": True, "direction": direction, "page": [20, 10], "box": [0, 0, 20, 10], "reason": "better"}
    text = served.app.state.site.render("map.html", why=ExplanationView({"map": result}, (), ()))
    assert ("<svg" in text) == drawn
    assert ("The page did not change the estimate" in text) != drawn


def test_a_prediction_outlives_its_input(serve, values):
    served = serve(hold_minutes=1e-9)
    form = Form(served)
    text = form.send(**typed(values)).text
    assert 'id="probability"' in text
    assert "Score the patient again" in text
    assert field(text, "value-ef") == ""


def test_every_page_is_strict_and_keeps_nothing(form, values):
    answer = form.send(**typed(values))
    policy = answer.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert not re.search(r" style=| on\w+=|<style|<script(?! src=\"/static/)|javascript:", answer.text)
    assert not re.search(r"(?:src|href|action)=\"(?:https?:)?//", answer.text)
    assert "set-cookie" not in answer.headers


def test_static_files_may_be_kept_for_ever(served):
    files = StaticFiles()
    for name in ("page.css", "page.js", "htmx.min.js", "icon.svg"):
        answer = served.client.get(files.path(name))
        assert answer.status_code == 200
        assert "immutable" in answer.headers["Cache-Control"]
        assert hashlib.sha256(answer.content).hexdigest()[:12] in files.path(name)
    assert served.client.get("/static/htmx.min.js").status_code == 404
    assert served.client.get("/static/..%2Fapp.py").status_code == 404


@pytest.mark.parametrize("folder", VENDORED, ids=("tests", "static"))
def test_vendored_scripts_are_those_of_their_makers(folder):
    (listed,) = folder.glob("*.sha256")
    result, name = listed.read_text().split()
    assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == result
    assert (folder / f"{name.partition('.')[0]}.LICENSE.txt").is_file()


def test_the_report_is_framed_by_our_page_alone(served):
    around, inside = served.client.get("/report"), served.client.get("/report/document")
    assert 'href="/"' in around.text
    assert "frame-src 'self'" in around.headers["Content-Security-Policy"]
    policy = inside.headers["Content-Security-Policy"]
    assert "frame-ancestors 'self'" in policy
    assert "sandbox" in policy
    assert inside.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert served.client.get("/v1/report").headers["X-Frame-Options"] == "DENY"


def test_a_scored_patient_is_on_the_map_with_the_links_of_its_score(form, served, values):
    answer = form.send(**typed(values))
    prediction = answer.url.path.rpartition("/")[2]
    assert f'href="/graph?prediction={prediction}"' in answer.text
    assert (
        f'data-source="/graph/content?prediction={prediction}"'
        in served.client.get(f"/graph?prediction={prediction}").text
    )
    before = served.client.get("/graph/content").json()
    found = served.client.get(f"/graph/content?prediction={prediction}").json()
    stored = served.client.get(f"/v1/predictions/{prediction}").json()
    linked = [found["records"][node] for node in found["neighbours"][-1]]
    assert linked == [each["record_id"] for each in stored["prediction"]["neighbours"]]
    assert found["records"][:-1] == before["records"]
    last = {column["title"]: column["values"][-1] for column in found["columns"]}
    assert last["age"] == values["age"]
    assert served.client.get("/graph?prediction=" + "0" * 32).status_code == 404


def test_a_bundle_without_its_run_has_no_map(serve, finished_run):
    served = serve(run=finished_run / "bundle")
    assert "/graph" not in served.client.get("/").text
    assert served.client.get("/graph").status_code == 404


def test_refusals_are_pages_for_people_and_problems_for_programs(serve):
    served = serve(require_key=True, upload_bytes=2000)
    key = {"Authorization": f"Bearer {served.key('predict', 'read')}"}
    other = {"Authorization": f"Bearer {served.key('predict')}"}
    bare = served.client.get("/", headers=BROWSER)
    assert (bare.status_code, bare.headers["WWW-Authenticate"][:5]) == (401, "Basic")
    assert "A key is needed" in bare.text
    assert "default-src 'none'" in bare.headers["Content-Security-Policy"]
    assert served.client.get("/").headers["Content-Type"] == "application/problem+json"
    large = served.client.post("/", headers=BROWSER | key, files={"page": b"x" * 3000})
    assert (large.status_code, "Too large" in large.text) == (413, True)
    part = served.client.get("/nothing", headers=key | {"HX-Request": "true", "HX-Target": "why"})
    assert part.text.lstrip().startswith("<section")
    unread = served.client.get("/predictions/" + "0" * 32, headers=BROWSER | other)
    assert (unread.status_code, "key does not allow" in unread.text) == (403, True)
    assert served.client.get("/predictions/" + "0" * 32, headers=BROWSER | key).status_code == 404


def test_a_page_is_there_for_the_key_that_sent_it(serve, page, values):
    served = serve(require_key=True)
    own, other = ({"Authorization": f"Bearer {served.key('predict', 'read')}"} for _ in range(2))
    form = Form(served, own)
    answer = form.send(page, **typed(values))
    stranger = Form(served, other)
    assert served.client.get(answer.url.path, headers=BROWSER | other).status_code == 404
    assert "no longer held" in stranger.send(**typed(values), kept=field(answer.text, "kept")).text
    wrong = form.send(page, **typed({**values, "ef": 45}))
    assert "no longer held" in stranger.send(**typed(values), kept=field(wrong.text, "kept")).text
    assert "No ECG page" not in form.send(**typed(values)).text
    assert stranger.send(**typed(values), token=field(wrong.text, "token"), kept="").status_code == 403


def test_a_full_line_keeps_the_form_and_the_page(serve, monkeypatch, page, values):
    from cardiograph.service.api.problems import ProblemError
    from cardiograph.service.state import Serving

    async def full(*_, **__):
        raise ProblemError(429, "line_full", "The line is full.", headers={"Retry-After": "3"})

    served = serve()
    form = Form(served)
    with monkeypatch.context() as patch:
        patch.setattr(Serving, "score", full)
        answer = form.send(page, **typed(values))
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "3")
    assert "The line is full." in answer.text
    assert "No ECG page" not in form.send(**typed(values)).text


def test_a_fraction_in_percent_is_converted_and_remembered(form, served, predictor):
    answer = form.send(**{"value-ef": "34.1", "unit-ef": "percent"})
    shown = float(re.search(r'id="probability" value="([^"]+)"', answer.text)[1])
    assert shown == pytest.approx(predictor.predict(None, {"ef": 0.341}).probability, abs=1e-12)
    assert "34.1 <span>%, used as the fraction 0.341</span>" in answer.text
    why = served.client.get(f"{answer.url.path}/explanation").text
    assert '<th scope="row">ejection fraction <span class="small">34.1\N{NO-BREAK SPACE}%</span>' in why
    nearest = served.records.get(answer.url.path.rpartition("/")[2]).answer["neighbours"][0]
    for text in (answer.text, why):
        assert 'ef<span class="small">%</span>' in text
        row = text[text.index(f"</span> {nearest['record_id']}") :]
        assert f'<td class="n">{100 * nearest["clinical"]["ef"]:.12g}</td>' in row[: row.index("</tr>")]
    chosen = '<option value="percent" selected>'
    assert chosen in answer.text and field(answer.text, "value-ef") == "34.1"
    assert chosen in served.client.get("/").text
    back = form.send(**{"value-ef": "0.341", "unit-ef": "fraction"})
    assert "0.341 <span>fraction</span>" in back.text
    assert chosen not in served.client.get("/").text
    assert "cardiograph-fractions" not in served.client.cookies


def test_a_form_that_is_only_shown_again_is_not_scored_and_keeps_its_page(form, served, page):
    shown = form.send(page, **{"value-ef": "0.34", "value-age": "700"}, language="en", show="form")
    assert (shown.status_code, field(shown.text, "value-age")) == (200, "700")
    assert "Not scored yet" not in shown.text and "This page is kept." in shown.text
    shown = form.send(language="en", show="faults")
    assert shown.status_code == 422 and "allowed 0-120 years" in shown.text and "This page is kept." in shown.text
    assert served.log_entries("prediction") == []


def test_a_number_is_read_in_the_language_in_which_it_was_typed(form):
    for language, text, shown in (
        ("fr", "0,34", "0.34"),
        ("fr", "0.34", "0.34"),
        ("en", "0,34", "0,34"),
        ("x", "7,5", "7,5"),
    ):
        assert field(form.send(**{"value-ef": text}, language=language, show="form").text, "value-ef") == shown


def test_the_example_is_marked_until_a_value_changes(served, predictor):
    form = Form(served)
    form.page = served.client.get("/example").text
    medians = np.nanmedian(predictor.bundle.reference.clinical, 0)
    shown = [float(field(form.page, f"value-{each.name}")) for each in predictor.bundle.scaler.variables]
    assert shown == pytest.approx(medians, rel=0.01, abs=0.5)
    assert "no real person" in form.page and 'alt="ECG page that is kept"' in form.page
    answer = form.send()
    assert "No ECG page" not in answer.text
    assert "<strong>Example patient.</strong>" in answer.text
    assert "<strong>Example patient.</strong>" not in form.send(**{"value-age": "60"}).text
    assert served.client.get("/predictions").text.count("example patient, no real one") == 1


def test_own_predictions_are_listed_newest_first_and_for_their_key_alone(serve):
    served = serve(require_key=True)
    own, other = ({"Authorization": f"Bearer {served.key('predict', 'read')}"} for _ in range(2))
    form = Form(served, own)
    assert "There are none yet" in served.client.get("/predictions", headers=own).text
    places = [form.send(**{"value-ef": text}).url.path for text in ("0.3", "0.5")]
    listed = served.client.get("/predictions", headers=own).text
    assert re.findall(r'href="(/predictions/\w+)#answer"', listed) == places[::-1]
    assert len(served.log_entries("prediction_read")) == 4
    assert "There are none yet" in served.client.get("/predictions", headers=other).text  # with the same cookies
    served.client.cookies.clear()
    assert "There are none yet" in served.client.get("/predictions", headers=own).text
    served.client.cookies.set("cardiograph-predictions", "../x.<b>." + "0" * 32)
    assert "There are none yet" in served.client.get("/predictions", headers=own).text
