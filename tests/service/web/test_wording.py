"""Words, numbers and pictures of the page."""

import base64
import dataclasses
import io
import json

import numpy as np
import pytest
from PIL import Image
from tests.service.conftest import picture

from cardiograph.config_reading import PagesConfig
from cardiograph.errors import PageError
from cardiograph.service.web.form import FormInput, parse_form, refilled_form
from cardiograph.service.web.images import HEAT_COLOUR, heat, scan
from cardiograph.service.web.site import distance, number, percent, points
from cardiograph.service.web.wording import decision_of, limits_of


@pytest.mark.parametrize(
    ("decision", "title", "message"),
    [
        (
            "positive",
            "Points to heart failure",
            "“not heart failure” can be ruled out. Of patients who truly are “not heart failure”, about 10 in 100",
        ),
        ("negative", "Points to not heart failure", "Of patients who truly are “heart failure”, about 10 in 100"),
        ("can't tell", "Can’t tell", "Neither"),
        ("unlike both", "Unlike both", "of neither class"),
        ("too few", "No decision", "too few validation records"),
        ("void", "Void", "uncalibrated"),
        ("no estimate", "No estimate", "reproduces a faulty protocol"),
    ],
)
def test_every_decision_has_words(decision, title, message):
    result = decision_of({"decision": decision, "outcome": "heart failure"}, 0.9)
    assert result.title == title
    assert message in result.text


def test_limits_are_those_of_the_run(finished_run, predictor, tmp_path):
    limits = limits_of(finished_run, predictor.bundle)
    metrics = json.loads((finished_run / "metrics.json").read_text())
    assert limits.auroc.as_dict() == metrics["test"]["auroc"]
    assert limits.verdict == metrics["graph_verdict"]["sentence"]
    assert limits.report
    bare = limits_of(tmp_path, predictor.bundle)
    assert (bare.auroc, bare.verdict, bare.report) == (None, "", False)
    assert limits.wording.badge == bare.wording.badge == "synthetic benchmark"


def test_distances_keep_digits_that_say_something():
    result = [distance(each) for each in (3.4178, 12.0, 0.1, 0.0521, 0.00049, 0.0)]
    assert result == ["3.42", "12.00", "0.10", "0.052", "0.00049", "0"]


def test_a_bundle_of_pages_alone_says_what_they_are(predictor, tmp_path):
    served = dataclasses.replace(predictor.bundle.served, clinical_provenance=())
    assert "values synthetic patient" in served.provenance
    for result, badge in ((served.provenance, "synthetic benchmark"), ("9 records; values measured", "measured")):
        bundle = dataclasses.replace(predictor.bundle, served=dataclasses.replace(served, provenance=result))
        assert limits_of(tmp_path, bundle).wording.badge == badge


def test_numbers_are_formatted_for_reading():
    assert percent(0.4831) == "48.3\N{NO-BREAK SPACE}%"
    ends = [percent(each).replace("\N{NO-BREAK SPACE}", " ") for each in (0, 1e-9, 0.0004, 0.001, 0.9994, 0.9996, 1)]
    assert ends == ["0.0 %", "< 0.1 %", "< 0.1 %", "0.1 %", "99.9 %", "> 99.9 %", "100.0 %"]
    assert [points(each) for each in (0.0312, -0.0312, 0.0004, -0.0004)] == ["+3.1", "−3.1", "0.0", "0.0"]
    assert [number(each) for each in (None, 70.0, 0.34, 1234567.0)] == ["–", "70", "0.34", "1234567"]


def test_texts_become_numbers_or_faults(predictor):
    variables = predictor.bundle.scaler.variables
    parts = {"value-ef": b" 0.34 ", "value-bnp": b"1e3", "value-nyha": b"2.5", "value-age": b"nan", "value-x": b"1"}
    typed = parse_form(parts, variables)
    assert typed.numbers == {"ef": 0.34, "bnp": 1000, "nyha": 2.5}
    faults = typed.faults(predictor.bundle)
    assert set(faults) == {"nyha", "age"}
    assert "whole numbers" in faults["nyha"]
    assert FormInput(texts={"ef": "0,35"}).faults(predictor.bundle)["ef"].startswith("“0,35” is not a number")
    assert FormInput(texts={"ef": ""}).faults(predictor.bundle) == {}


def test_a_form_can_be_filled_in_from_a_query():
    typed = FormInput({"ef": "0.34", "age": ""}, "p1", b"page")
    again = refilled_form(typed.query, "name")
    assert (again.texts, again.patient_id, again.page, again.kept) == ({"ef": "0.34"}, "p1", b"page", "name")
    assert refilled_form(FormInput({"ef": "0.3"}).query, "name").kept == ""


def picture_of(address):
    return Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))


def test_a_scan_is_encoded_again_and_small(page):
    drawn = picture_of(scan(page, side=300, config=PagesConfig(max_pixels=40_000_000)))
    assert (drawn.format, max(drawn.size)) == ("JPEG", 300)
    with pytest.raises(PageError):
        scan(picture(4000, 3000), side=300, config=PagesConfig(max_pixels=1000))


def test_heat_is_clear_where_the_map_is_0():
    cells = np.zeros((14, 14))
    cells[3, 10] = 1
    drawn = np.asarray(picture_of(heat(cells.tolist())))
    side = len(drawn) // 14
    assert (drawn[..., :3] == HEAT_COLOUR).all()
    assert drawn[3 * side + side // 2, 10 * side + side // 2, 3] > 240
    assert drawn[:, : 9 * side, 3].max() == 0
