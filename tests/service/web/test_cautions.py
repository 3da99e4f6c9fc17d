"""Doubts above the estimate, notes below it, and no options or commands in either."""

import dataclasses

import pytest

from cardiograph.artifacts.maps import UNCHECKED
from cardiograph.errors import Issue
from cardiograph.evaluate.results import Score
from cardiograph.imaging.prepare import Doubt, page_remarks, refusal
from cardiograph.inference.answers import NOVEL, REPRODUCTION, SAME_VALUES, VOID
from cardiograph.service.web.cautions import cautions
from cardiograph.service.web.plain_words import detail_of, reason_of_map, sentence
from cardiograph.service.web.wording import Limits
from cardiograph.wording import WORDINGS

GOOD = Limits(Score(value=0.8, low=0.7, high=0.9), "AUROC", "", WORDINGS["measured"], report=False, patient_map=False)
TITLES = {"ef": "ejection fraction", "age": "age"}
NO_ECG = Doubt("not_an_ecg", "few traces were found", "give a page with an ECG")


def found(*warnings, missing=(), limits=GOOD):
    return cautions({"warnings": warnings, "missing": missing}, TITLES, limits)


def test_doubts_are_ranked_and_notes_stay_below():
    (page,) = page_remarks(NO_ECG, 1)
    result = found(
        "age is 20 years; training records had 38-88 years",
        f"{NOVEL}99.0 % of them are nearer to their neighbours",
        "not given: ef; the median of the training records is used instead",
        page,
        "scored without clinical values: neighbours are found by what is given alone",
        VOID,
        missing=("clinical",),
    )
    starts = [
        "Records were added",
        "The page was used although it may be no ECG",
        "No clinical values",
        "Age is 20",
        "Unlike",
    ]
    assert len(result.doubts) == len(starts)
    assert all(text.startswith(start) for text, start in zip(result.doubts, starts, strict=True))
    assert result.notes == ("Not given: ejection fraction; the median of the training records is used instead.",)


def test_what_the_library_warns_about_is_ranked(predictor):
    answer = predictor.predict(None, {"ef": 0.07, "age": 20}).as_dict()
    titles = {each.name: each.title for each in predictor.bundle.scaler.variables}
    result = cautions(answer, titles, None)
    assert result.doubts[0] == "No ECG page: the estimate is made without."
    assert {text.split(" is ")[0] for text in result.doubts[1:]} >= {"Ejection fraction", "Age"}
    assert any(text.startswith("Not given: brain natriuretic peptide") for text in result.notes)


def test_a_model_that_says_little_is_a_doubt():
    assert found().doubts == ()
    chance = dataclasses.replace(GOOD, auroc=Score(value=0.55, low=0.45, high=0.65))
    assert "not clearly better than chance: 0.550, 0.450 to 0.650" in found(limits=chance).doubts[0]
    drawn = dataclasses.replace(GOOD, wording=WORDINGS["synthetic patient"])
    assert found(limits=drawn).doubts == (
        "This model was trained on simulated data. Its estimate says nothing about a real patient.",
    )
    assert found(limits=None).doubts == ()


@pytest.mark.parametrize("warning", [VOID, f"{REPRODUCTION} (faults: leak)", SAME_VALUES])
def test_no_command_is_shown(warning):
    (doubt,) = found(warning).doubts
    assert not {"`", "--", "(faults"} & {part for part in ("`", "--", "(faults") if part in doubt}
    assert doubt.endswith(".")


def test_errors_name_the_box_of_the_form_and_no_option():
    text = sentence(refusal(NO_ECG, name="scan.png", gate=True))
    assert text.startswith(
        "few traces were found; give a page with an ECG; to use it all the same, tick “Score the page"
    )
    assert "gate" not in text and "--" not in text
    rate = Issue(
        "page x", "", "", "a file of signals states its rate", "set pages.rate (`predict --rate`)", "rate_missing"
    )
    assert sentence(rate).endswith("; convert the file to DICOM or WFDB, which state it.")
    assert "`" not in detail_of({"code": "no_key", "detail": "send `Authorization: Bearer KEY`."})
    assert detail_of({"code": "line_full", "detail": "The line is full."}) == "The line is full."
    assert "check-maps" not in reason_of_map(UNCHECKED)
    assert reason_of_map("on 20 held-out pages").startswith("On 20")
