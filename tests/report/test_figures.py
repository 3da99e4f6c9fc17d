"""Figures in a page: values on hover, numbers as CSV, axes that reach every value, colours of the theme."""

import csv
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.metrics import auc, roc_auc_score

from cardiograph.report.figure_inline import DARK_COLOURS, inline_svg
from cardiograph.report.figure_spots import reach_every_value, spots_of
from cardiograph.report.figure_style import Values, picture


@pytest.fixture
def axes():
    """Axes from 0 to 10 that fill a figure of 144 x 72 points."""
    figure = Figure(figsize=(2, 1))
    made = figure.add_axes((0, 0, 1, 1))
    made.set(xlim=(0, 10), ylim=(0, 10), xlabel="age", ylabel="risk")
    return made


def test_a_point_is_found_where_it_is_drawn_and_names_its_series(axes):
    axes.plot([0, 5], [0, 2.5], label="GCN")
    assert [(spot.x, spot.y, spot.text) for spot in spots_of(axes.figure)] == [
        (0, 72, "GCN: age 0, risk 0"),
        (72, 54, "GCN: age 5, risk 2.5"),
    ]


def test_a_named_tick_takes_the_place_of_a_number(axes):
    axes.set_yticks([0, 1], ["MLP", "SIGN"])
    axes.plot(5, 1, "o")
    assert [spot.text for spot in spots_of(axes.figure)] == ["age 5, SIGN"]


def test_points_that_a_pointer_cannot_tell_apart_are_one_and_the_bars_of_a_histogram_have_their_counts(axes):
    axes.plot(np.linspace(0, 10, 1000), np.full(1000, 5), label="many")
    axes.hist([1, 1, 7], bins=[0, 5, 10], label="ill")
    texts = [spot.text for spot in spots_of(axes.figure)]
    assert 20 <= sum(text.startswith("many") for text in texts) <= 30
    assert texts[-2:] == ["ill: age 0 to 5, risk 2", "ill: age 5 to 10, risk 1"]


def test_an_axis_reaches_every_value_and_stays_if_it_does(axes):
    axes.plot([2, 3], [4, 5], label="inside")
    reach_every_value(axes.figure)
    assert (axes.get_xlim(), axes.get_ylim()) == ((0, 10), (0, 10))
    axes.set_ylim(10, 0)
    axes.plot(12, -3, "o")
    reach_every_value(axes.figure)
    assert axes.get_xlim()[1] > 12
    assert axes.get_ylim()[0] == 10 and axes.get_ylim()[1] < -3, "an axis that points down still does"


def test_no_figure_of_the_report_loses_a_value_beyond_an_axis(pictures):
    for name, drawn in pictures.items():
        _, _, width, height = map(float, re.search(r'viewBox="([^"]+)"', drawn.svg)[1].split())
        limits = [(axes.get_xlim(), axes.get_ylim()) for axes in drawn.figure.axes]
        reach_every_value(drawn.figure)
        assert limits == [(axes.get_xlim(), axes.get_ylim()) for axes in drawn.figure.axes], name
        assert all(0 <= spot.x <= width and 0 <= spot.y <= height for spot in drawn.spots), name
    with_values = {"roc", "precision_recall", "calibration", "probabilities", "decision_curve", "forest", "learning"}
    assert all(pictures[name].spots for name in with_values)


def test_a_curve_that_leaves_the_decision_figure_is_marked_and_its_numbers_are_in_the_file(pictures, content):
    curve, benefit = pictures["decision_curve"], content.metrics.net_benefit
    bottom = curve.figure.axes[0].get_ylim()[0]
    assert min(benefit.treat_all) < bottom
    assert [line.get_marker() for line in curve.figure.axes[0].lines].count("v") >= 1
    assert [row[0] for row in curve.values.rows] == pytest.approx(benefit.thresholds)
    assert [row[-1] for row in curve.values.rows] == pytest.approx(benefit.treat_all, abs=1e-6)


def test_the_file_of_the_roc_curve_has_its_area(pictures, content):
    rows = list(csv.DictReader(pictures["roc"].values.csv.splitlines()))
    for name, title in content.models.titles.items():
        own = [(float(row["1 - specificity"]), float(row["sensitivity"])) for row in rows if row["model"] == title]
        area = roc_auc_score(content.test.labels, content.test.probabilities[name])
        assert auc(*zip(*own, strict=True)) == pytest.approx(area, abs=1e-5)


def test_the_file_of_the_confusion_matrix_has_every_record(pictures, content):
    rows = list(csv.DictReader(pictures["confusion"].values.csv.splitlines()))
    assert sum(int(row["records"]) for row in rows) == len(content.test)
    assert sum(int(row["records"]) for row in rows if row["truth"] == content.names[1]) == content.test.positives


def test_undefined_numbers_are_empty_cells_and_text_is_no_formula():
    assert Values.of(("a", "b"), [(np.float64("nan"), "=1+1"), (np.int64(2), 0.25)]).csv == "a,b\n,'=1+1\n2,0.25\n"


def test_colours_follow_the_theme_and_ids_are_those_of_the_figure(axes):
    def paint(figure):
        figure.subplots().plot([0, 1], [0, 1], "o", color="#332288", label="a", clip_on=True)

    one, other = (inline_svg(picture((2, 1), paint, "", "").svg, name, "<alt>") for name in ("one", "other"))
    root = ET.fromstring(one)  # noqa: S314
    assert root.get("aria-label") == "<alt>" and root.get("role") == "img"
    styles = " ".join(element.get("style", "") for element in root.iter())
    assert "var(--figure-332288, #332288)" in styles and "var(--figure-ffffff, #ffffff)" in styles
    assert not re.search(rf"(?<!, )({'|'.join(DARK_COLOURS)})", styles), "a colour stays light on a dark page"
    ids = [{element.get("id") for element in ET.fromstring(text).iter()} - {None} for text in (one, other)]  # noqa: S314
    assert ids[0] and not ids[0] & ids[1]
    used = set(re.findall(r"url\(#([^)]+)\)", one)) | set(re.findall(r'xlink:href="#([^"]+)"', one))
    assert used == ids[0]
