"""Drawings of ECGs at one scale: lengths in millimetres, measured in the paths."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from cardiograph.ecg.draw.svg import draw_side_by_side
from cardiograph.ecg.leads import LEADS

SPACE = "{http://www.w3.org/2000/svg}"


def drawn(*ecgs):
    return [ElementTree.fromstring(each) for each in draw_side_by_side(ecgs, ["ECG"] * len(ecgs), rate=100)]  # noqa: S314


def points(path):
    """Points of a path of a lead in mm: a list for each run of samples."""
    numbers = r"-?\d+(?:\.\d+)?"
    x, y, scale_x, scale_y = map(float, re.findall(numbers, path.get("transform")))
    runs = []
    for run in path.get("d").split("M")[1:]:
        start, steps = run.split("l")
        place = np.array(start.split(), float)
        moves = np.array(re.findall(numbers, steps), float).reshape(-1, 2)
        runs.append(np.vstack([place, place + moves.cumsum(0)]) * (scale_x, scale_y) + (x, y))
    return runs


def test_a_second_is_25_mm_and_a_millivolt_10_mm():
    ecg = np.zeros((12, 250), np.float32)
    ecg[LEADS.index("II"), 100:] = 1.0
    (run,) = points(drawn(ecg)[0].findall(f".//{SPACE}path")[1 + LEADS.index("II")])
    assert run[100, 0] - run[0, 0] == pytest.approx(25)
    assert run[99, 1] - run[100, 1] == pytest.approx(10), "upwards is positive"


def test_drawings_share_their_rows():
    low, high = np.zeros((12, 250), np.float32), np.zeros((12, 250), np.float32)
    high[1, 50] = 2.5
    one, other = drawn(low, high)
    assert one.get("viewBox") == other.get("viewBox")
    of_one, of_other = (each.findall(f".//{SPACE}path")[1:] for each in (one, other))
    assert [each.get("transform") for each in of_one] == [each.get("transform") for each in of_other]
    assert float(drawn(low)[0].get("viewBox").split()[3]) < float(one.get("viewBox").split()[3])


def test_nothing_is_drawn_outside():
    ecg = np.random.default_rng(0).normal(0, 1, (12, 250)).clip(-3, 3).astype(np.float32)
    (drawing,) = drawn(ecg)
    width, height = map(float, drawing.get("viewBox").split()[2:])
    for path in drawing.findall(f".//{SPACE}path")[1:]:
        (run,) = points(path)
        assert run.min() >= 0
        assert run[:, 0].max() <= width and run[:, 1].max() <= height


def test_a_gap_is_not_bridged_and_an_absent_lead_has_its_name_alone():
    ecg = np.zeros((12, 250), np.float32)
    ecg[0, 100:120] = np.nan
    ecg[3] = np.nan
    (drawing,) = drawn(ecg)
    paths = drawing.findall(f".//{SPACE}path")[1:]
    assert len(paths) == 11
    assert [len(run) for run in points(paths[0])] == [100, 130]
    assert [each.text for each in drawing.findall(f".//{SPACE}text")] == list(LEADS)


def test_one_sample_between_gaps_is_a_point():
    ecg = np.full((12, 250), np.nan, np.float32)
    ecg[0, 7] = 0.5
    (run,) = points(drawn(ecg)[0].findall(f".//{SPACE}path")[1])
    np.testing.assert_allclose(run[0], run[1])


def test_names_are_escaped():
    (drawing,) = draw_side_by_side([np.zeros((12, 250), np.float32)], ['"><script>'], rate=100)
    assert "<script>" not in drawing
    assert ElementTree.fromstring(drawing).get("aria-label") == '"><script>'  # noqa: S314


def test_no_ecg_is_no_drawing():
    assert draw_side_by_side([], [], rate=100) == []
