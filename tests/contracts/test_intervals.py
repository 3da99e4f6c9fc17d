"""The interval shown with a probability holds it: every model, every surface, the same numbers that are evaluated."""

import csv
import dataclasses
import io
import re
from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pytest
from tests.contracts.conftest import CONFIG, MODELS, learn, make_problem

from cardiograph.cli.console import show_prediction
from cardiograph.config import RunConfig
from cardiograph.inference import Predictor
from cardiograph.inference.queries import Patient
from cardiograph.service.api.fhir import ModelFacts, risk_assessment
from cardiograph.service.settings import ServiceSettings
from cardiograph.service.web.answer_view import answer_view
from cardiograph.service.web.cautions import cautions
from cardiograph.service.web.site import Site
from cardiograph.train.calibrate import calibrate_bundle
from cardiograph.train.steps import DEFAULT_STEPS

HEX = "0123456789abcdef" * 4


@pytest.fixture(scope="module")
def dataset():
    return make_problem(groups=300, copies=1)


@pytest.fixture(scope="module", params=MODELS)
def served(dataset, request, tmp_path_factory):
    """A calibrated model as it is loaded from its files, and its scores of the test records."""
    folder = tmp_path_factory.mktemp(request.param)
    prepared, _, predictor = learn(dataset, request.param)
    calibrate_bundle(predictor.bundle, dataset, prepared, CONFIG, DEFAULT_STEPS).save(folder, None)
    predictor = Predictor.load(folder)
    queries = dataset.queries(dataset.rows("test"))
    scores = predictor.score(queries)
    patients = [Patient(None, row.tolist(), []) for row in queries.clinical]
    answers = [predictor.prediction(scores, row, patient) for row, patient in enumerate(patients)]
    site = Site(ServiceSettings(run=folder, database=":memory:"), predictor, HEX)
    return SimpleNamespace(predictor=predictor, scores=scores, answers=answers, site=site)


def entry(prediction):
    return SimpleNamespace(
        id="0f" * 16,
        created_at=datetime(2026, 3, 1, tzinfo=UTC),
        model_sha256=HEX,
        page_sha256=None,
        answer=prediction.as_dict(),
        clinical={},
    )


def on_the_console(served, prediction, capsys):
    show_prediction(prediction, uses_graph=False)
    text = " ".join(capsys.readouterr().out.split())
    return re.search(r": (\S+), between (\S+) and (\S+) \(", text).groups()


def in_json(served, prediction, capsys):
    content = prediction.as_dict()
    return content["probability"], content["low"], content["high"]


def in_a_table(served, prediction, capsys):
    file, row = io.StringIO(), prediction.as_row()
    writer = csv.DictWriter(file, row)
    writer.writeheader()
    writer.writerow(row)
    (read,) = csv.DictReader(io.StringIO(file.getvalue()))
    return read["probability"], read["low"], read["high"]


def in_fhir(served, prediction, capsys):
    point, spread = risk_assessment(entry(prediction), ModelFacts(HEX))["prediction"]
    ends = spread["probabilityRange"]
    return point["probabilityDecimal"], ends["low"]["value"], ends["high"]["value"]


def in_the_words_of_fhir(served, prediction, capsys):
    text = risk_assessment(entry(prediction), ModelFacts(HEX))["text"]["div"]
    return re.search(r": ([\d.]+) \(([\d.]+) to ([\d.]+)\)", text).groups()


def on_the_page(served, prediction, capsys):
    view = answer_view(prediction.as_dict(), 0.9)
    page = served.site.render(
        "answer.html",
        answer=view.answer,
        view=view,
        cautions=cautions(view.answer, {}, None),
        of_example=False,
        current=True,
        query=None,
        entry=entry(prediction),
    )
    assert "differ" not in page
    text = (
        page.replace("\N{NO-BREAK SPACE}%", "")
        .replace("&lt;\N{NO-BREAK SPACE}", "")
        .replace("&gt;\N{NO-BREAK SPACE}", "")
    )
    point = re.search(r'<data id="probability" value="[^"]*">([\d.]+)</data>', text)[1]
    return point, *re.search(r"between ([\d.]+) and ([\d.]+)</p>", text).groups()


SURFACES = [on_the_console, in_json, in_a_table, in_fhir, in_the_words_of_fhir, on_the_page]


@pytest.mark.parametrize("surface", SURFACES, ids=lambda each: each.__name__)
def test_the_interval_holds_the_probability(served, surface, capsys):
    for prediction in served.answers[::2]:
        probability, low, high = map(float, surface(served, prediction, capsys))
        assert low <= probability <= high


def test_what_is_evaluated_is_what_is_served(served):
    """The tables of a run and of an evaluation, and all metrics, are made from these arrays."""
    result = served.scores.uncertainty
    assert (result.low <= served.scores.probabilities).all() and (served.scores.probabilities <= result.high).all()
    assert [each.probability for each in served.answers] == served.scores.probabilities.tolist()
    threshold = served.predictor.bundle.served.threshold
    assert [each.positive for each in served.answers] == (result.probabilities >= threshold).tolist()


def test_an_interval_says_something(served):
    result = served.scores.uncertainty
    assert ((result.high - result.low) > 0).all() and np.median(result.high - result.low) < 0.5


@pytest.mark.parametrize("kind", ["none", "temperature", "platt", "isotonic"])
def test_a_map_without_an_interval_shows_none(dataset, kind):
    """A Venn-Abers interval of the same scores would exclude many of these probabilities."""
    evaluation = CONFIG.evaluation.model_copy(update={"calibration": kind})
    config = CONFIG.model_copy(update={"evaluation": evaluation})
    prepared, _, predictor = learn(dataset, "logistic", config)
    bundle = calibrate_bundle(predictor.bundle, dataset, prepared, config, DEFAULT_STEPS)
    result = Predictor(bundle).score(dataset.queries(dataset.rows("test"))).uncertainty
    assert np.isnan(result.low).all() and np.isnan(result.high).all()


def test_a_bundle_with_two_sources_is_read_with_one(served):
    """Bundles of earlier versions hold a calibrator and, besides, Venn-Abers steps of their own."""
    from cardiograph.uncertainty.calibrators import Calibrator
    from cardiograph.uncertainty.uncertainty import Uncertainty

    steps = served.predictor.bundle.uncertainty.calibrator.to_dict()["parameters"]
    older = dataclasses.replace(served.predictor.bundle.uncertainty, calibrator=Calibrator("none", {})).to_dict()
    result = Uncertainty.from_dict({**older, "venn_abers": steps}).predict(np.zeros(3), np.zeros(3), np.zeros(3))
    assert np.isnan(result.low).all()


def test_the_default_gives_intervals():
    assert RunConfig().evaluation.calibration == "venn_abers"
