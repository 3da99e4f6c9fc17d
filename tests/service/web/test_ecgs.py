"""ECGs of similar patients on the page, on the map and over HTTP, of runs that store them and of runs that do not."""

import re
import shutil
from xml.etree import ElementTree

import numpy as np
import pytest
from tests.service.conftest import RunningService
from tests.service.web.test_language import english_of
from tests.service.web.test_routes import Form, typed

from cardiograph.artifacts.reference_ecgs import stored
from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.leads import LEADS
from cardiograph.inference import Predictor
from cardiograph.service.security.access import scopes_of
from cardiograph.service.web.ecgs import NEAREST, compared_ecgs
from cardiograph.synthesis.heart import record_ecg
from cardiograph.synthesis.waves import Heart


def recording(seed):
    signal = record_ecg(Heart(), np.random.default_rng(seed)).astype(np.float32)
    signal[LEADS.index("V6")] = np.nan
    return Ecg(signal, 500.0, "simulated")


@pytest.fixture(scope="session")
def without(predictor, page, values):
    """Row of a record without an ECG that is not similar to the patient of these tests."""
    found = [predictor.predict(ecg, values) for ecg in (None, page)]
    similar = {each.record_id for answer in found for each in answer.neighbours}
    return next(
        row for row, name in enumerate(predictor.bundle.reference.record_ids) if name not in similar and row > 3
    )


@pytest.fixture(scope="session")
def ecg_run(finished_run, predictor, without, tmp_path_factory):
    """The small run with stored ECGs: simulated ones, and none for one record."""
    folder = shutil.copytree(finished_run, tmp_path_factory.mktemp("ecgs") / "run")
    ecgs = (stored(None if row == without else recording(row)) for row in range(len(predictor.bundle.reference)))
    predictor.bundle.save(folder / "bundle", predictor.engine, ecgs=ecgs)
    return folder


@pytest.fixture(scope="session")
def ecg_predictor(ecg_run, predictor):
    return Predictor.load(ecg_run, like=predictor)


@pytest.fixture
def showing(ecg_run, ecg_predictor, tmp_path):
    """A service of a run that stores ECGs."""
    served = RunningService(ecg_predictor, tmp_path, run=ecg_run)
    with served.client:
        yield served


def explanation(served, answer, **headers):
    place = re.search(r'hx-get="([^"]+)"', answer)[1]
    return served.client.get(place, headers=headers | {"hx-target": "why"}).text


def drawings(text):
    return re.findall(r'<svg class="ecg-drawing".*?</svg>', text)


def test_the_explanation_has_the_ecgs_of_the_nearest_next_to_this_one(showing, page, values):
    answer = Form(showing).send(page, **typed(values)).text
    assert not drawings(answer), "they come with the explanation"
    text = explanation(showing, answer)
    found = drawings(text)
    assert len(found) == 1 + NEAREST
    titles = [re.search('aria-label="([^"]+)"', each)[1] for each in found]
    assert titles[0].startswith("ECG of this patient: 2.5 seconds")
    assert titles[1].endswith("Not recorded: V6.")
    assert len({re.search('viewBox="([^"]+)"', each)[1] for each in found}) == 1, "one scale"
    assert text.count("<details") - text.count("<details open") == NEAREST - 1
    assert "25 mm/s and 10 mm/mV" in text
    assert sum(map(len, found)) < 100_000
    assert not re.search(r" style=| on\w+=", text)


def test_without_an_ecg_of_the_patient_those_of_similar_ones_are_shown(showing, values):
    found = drawings(explanation(showing, Form(showing).send(**typed(values)).text))
    assert len(found) == NEAREST
    assert "this patient" not in found[0]


def test_a_prediction_whose_input_is_gone_still_has_them(ecg_run, ecg_predictor, tmp_path, values):
    served = RunningService(ecg_predictor, tmp_path, run=ecg_run, hold_minutes=1e-9)
    with served.client:
        assert len(drawings(Form(served).send(**typed(values)).text)) == NEAREST


def test_a_run_without_ecgs_shows_nothing_of_them(served, page, values):
    text = explanation(served, Form(served).send(page, **typed(values)).text)
    assert "similar-ecgs" not in text and not drawings(text)
    assert "data-ecgs" not in served.client.get("/graph").text


def test_the_answer_is_that_of_the_run_without_ecgs(showing, served, values):
    found = [each.ask(values=values).json()["prediction"] for each in (showing, served)]
    assert found[0] == found[1]


def test_a_record_without_an_ecg_says_so(ecg_predictor, showing, without):
    reference = ecg_predictor.bundle.reference
    nearest = [{"record_id": reference.record_ids[row]} for row in (3, without)]
    found = compared_ecgs(ecg_predictor.records, nearest, None)
    assert [drawing is None for _, drawing in found.similar] == [False, True]
    site, similar = showing.app.state.site, [{"label": "positive"}] * 2
    assert site.render("similar_ecgs.html", ecgs=found, similar=similar).count("No ECG of this record is stored.") == 1


def test_no_word_of_it_is_english(pseudo, ecg_run, ecg_predictor, tmp_path, page, values):
    served = RunningService(ecg_predictor, tmp_path, run=ecg_run)
    with served.client:
        served.client.headers |= {"accept-language": "ar", "accept": "text/html"}
        text = explanation(served, Form(served).send(page, **typed(values)).text)
    assert drawings(text)
    assert not english_of(text)


def test_the_map_asks_for_the_drawing_of_a_record(showing, ecg_predictor, without):
    text = showing.client.get("/graph").text
    source = re.search('data-ecgs="([^"]+)"', text)[1]
    record = ecg_predictor.bundle.reference.record_ids[2]
    answer = showing.client.get(source + record, headers={"accept-language": "fr"})
    assert answer.headers["content-type"] == "image/svg+xml"
    assert ElementTree.fromstring(answer.text).get("aria-label").startswith(f"ECG de l’enregistrement {record}")  # noqa: S314
    assert showing.client.get(source + "nobody").status_code == 404
    assert showing.client.get(source + ecg_predictor.bundle.reference.record_ids[without]).status_code == 404


def test_programs_get_millivolts(showing, ecg_predictor):
    record = ecg_predictor.bundle.reference.record_ids[2]
    found = showing.client.get(f"/v1/reference/{record}/ecg").json()
    assert (found["record_id"], found["rate_hz"], list(found["leads"])) == (record, 100, list(LEADS))
    assert found["leads"]["V6"] == [None] * 250
    own = stored(recording(2))[LEADS.index("II")] / 1000
    assert found["leads"]["II"] == pytest.approx(own.tolist())


def test_a_run_without_ecgs_has_none_for_programs(served, predictor):
    answer = served.client.get(f"/v1/reference/{predictor.bundle.reference.record_ids[0]}/ecg")
    assert (answer.status_code, answer.json()["code"]) == (404, "no_ecg")


def test_a_record_may_have_any_name(showing, ecg_predictor, monkeypatch):
    reference = ecg_predictor.bundle.reference
    monkeypatch.setitem(reference.__dict__, "record_ids", ("a/b ü?", *reference.record_ids[1:]))
    monkeypatch.setitem(reference.__dict__, "_rows", {"a/b ü?": 0})
    assert showing.client.get("/v1/reference/a%2Fb%20%C3%BC%3F/ecg").json()["record_id"] == "a/b ü?"
    assert showing.client.get("/graph/ecg", params={"record": "a/b ü?"}).status_code == 200


@pytest.mark.parametrize("path", ["/v1/reference/p1/ecg", "/graph/ecg"])
def test_they_need_the_scope_of_stored_predictions(path):
    assert scopes_of("GET", path) == ("read",)
