"""The panel at the top of a report: answers in words, and the gravest warning first."""

import math
from types import SimpleNamespace

import pytest

from cardiograph.evaluate.results import Score
from cardiograph.report.audit import _images
from cardiograph.report.panel import alert, difference, scale_of
from cardiograph.report.summary import calibration_in_words, run_summary
from cardiograph.report.tables import decisions
from cardiograph.wording import WORDINGS


def score(value, low=None, high=None):
    return Score(value=value, low=low, high=high)


@pytest.mark.parametrize(
    ("slope", "intercept", "words"),
    [
        ((0.9, 0.7, 1.2), (0.1, -0.2, 0.3), "No miscalibration shown"),
        ((0.5, 0.4, 0.8), (0.1, -0.2, 0.3), "Too extreme"),
        ((1.9, 1.2, 2.4), (0.1, -0.2, 0.3), "Too close to the average"),
        ((1.0, 0.8, 1.2), (-0.5, -0.8, -0.2), "Too high"),
        ((1.0, 0.8, 1.2), (0.5, 0.2, 0.8), "Too low"),
        ((1.0, None, None), (0.5, None, None), "Not known: no interval"),
        ((None, None, None), (None, None, None), "Undefined"),
    ],
)
def test_calibration_in_words_follows_the_intervals(slope, intercept, words):
    assert calibration_in_words(score(*slope), score(*intercept)) == words


def test_the_gravest_warning_comes_first_and_no_other_is_lost():
    warned = [{"severity": "warn", "text": "Copies."}, {"severity": "note", "text": "A note."}]
    simulated = alert(WORDINGS["simulated from the label"], ["Accepted."], warned)
    assert simulated.title.startswith("Simulator check") and simulated.tone == "warning"
    assert simulated.others == ("Accepted.", "The audit warns. Copies.")
    synthetic = alert(WORDINGS["synthetic patient"], ["Accepted.", "Fault."], warned)
    assert (synthetic.title, synthetic.text) == ("Before any number: cautions.", "Accepted.")
    assert synthetic.others[0] == "Fault." and synthetic.others[1].startswith("Synthetic benchmark")
    assert alert(WORDINGS["measured"], [], warned).text == "Copies."
    assert alert(WORDINGS["measured"], []).title == "No warning."


@pytest.mark.parametrize(
    ("found", "start", "dot", "left", "width"),
    [((0.75, 0.6, 0.9), "0.5", 50, 20, 60), ((0.6, 0.4, 0.8), "0", 60, 40, 40), ((0.7, None, None), "0.5", 40, 40, 0)],
)
def test_a_score_is_placed_between_chance_and_1_or_from_0_if_it_reaches_below_chance(found, start, dot, left, width):
    scale = scale_of(score(*found), 0.95)
    assert (scale.start, scale.dot, scale.left) == (start, pytest.approx(dot), pytest.approx(left))
    assert scale.width == pytest.approx(width)
    assert ("no interval" in scale.interval) == (found[1] is None)


def test_an_undefined_score_has_no_scale_and_no_difference():
    assert scale_of(score(None), 0.95) is None
    assert scale_of(SimpleNamespace(value=math.nan, low=math.nan, high=math.nan), 0.95) is None
    assert difference(SimpleNamespace(value=math.nan, low=0.0, high=0.0)) == "undefined"
    assert difference(score(0.02, -0.01, 0.05)) == "+0.020 (\N{MINUS SIGN}0.010 to +0.050)"


def test_the_summary_answers_the_questions_of_a_reader(content):
    found = {answer.question: answer for answer in run_summary(content).answers}
    (_, false_alarms), (missed, hits) = decisions(content).tolist()
    assert found["What is predicted?"].answer == content.outcome
    assert found["Which records?"].answer == f"{len(content.test)} test records"
    assert f"{content.test.positives} reduced ejection fraction" in found["Which records?"].detail
    assert found["AUROC on the test records"].answer == f"{content.metrics.test['auroc'].value:.3f}"
    assert found["What would it decide?"].answer == f"{hits} of {hits + missed} found, {false_alarms} false alarms"
    assert "Calibration slope" in found["Are the probabilities right?"].detail
    assert found["Does the graph help?"].answer in ("It helped", "It did not help", "Undecided")


@pytest.mark.parametrize(
    ("files", "different", "words"),
    [(32, 4, "4 images, each 8 times on average"), (8, 1, "1 image, 8 times"), (5, 5, "5 images, all different"),
     (7, 5, "5 images, each 1.4 times on average")],
)  # fmt: skip
def test_images_are_counted_by_what_differs(files, different, words):
    assert _images(files, different) == words
