"""The leaderboard of a comparison: nothing is drawn beyond an axis, and the page's table fits a screen."""

import dataclasses
import math
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure
from tests.studies.compared import fit_result, made_fold_data

from cardiograph.artifacts.run import RunDirectory
from cardiograph.studies.compare.compare import _summarise, tasks_of
from cardiograph.studies.compare.figure import _painter
from cardiograph.studies.compare.options import CompareRequest, options_of
from cardiograph.studies.compare.report import write_comparison

LEANS = {"both": 1.0, "image": 0.05, "clinical": 0.5}
"""How far the made probabilities follow the label: the three modalities score in different ranges."""

CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="module")
def result():
    """A comparison of every model on three modalities with made probabilities; both together score 1."""
    fold_data, options = (
        made_fold_data(folds=3, modalities=tuple(LEANS)),
        options_of(CompareRequest(folds=3, repeats=2)),
    )
    rng, fits = np.random.default_rng(0), {}
    for task in tasks_of(fold_data, options):
        labels = fold_data.truth(task.place)
        spread = rng.random(len(labels)) * 0.6
        fits[task] = fit_result(np.clip(spread + LEANS[task.modality] * labels, 0, 1), 0.3 + 0.2 * rng.random())
    shared_cohort = SimpleNamespace(
        source=SimpleNamespace(name="made.csv"),
        config=fold_data.config,
        cohort=SimpleNamespace(has_pages=True),
        had_split=False,
        page_notes=[],
    )
    return _summarise(fold_data, shared_cohort, options, fits)


def test_every_dot_of_the_leaderboard_lies_on_its_axis(result):
    figure = Figure()
    _painter(result)(figure)
    modalities = result.facts.modalities
    panels = np.array(figure.axes).reshape(len(modalities), len(result.facts.scores.panels))
    for line, modality in zip(panels, modalities, strict=True):
        rows = [row for row in result.rows if row.modality == modality]
        for axes, metric in zip(line, result.facts.scores.panels, strict=True):
            dots = [each for each in axes.lines if each.get_linestyle() == "None"]
            assert [each.get_xdata()[0] for each in dots] == [row.scores[metric].value for row in rows]
            low, high = axes.get_xlim()
            ends = [end for row in rows for end in dataclasses.astuple(row.scores[metric]) if math.isfinite(end)]
            assert low <= min(ends) and max(ends) <= high, (modality, metric)


def test_a_dot_at_the_end_of_an_axis_is_drawn_whole(result):
    figure = Figure()
    _painter(result)(figure)
    dots = [each for axes in figure.axes for each in axes.lines if each.get_linestyle() == "None"]
    assert len(dots) == len(result.facts.scores.panels) * len(result.rows)
    assert not any(each.get_clip_on() for each in dots)


def test_the_modalities_of_this_comparison_lie_apart(result):
    """The precondition of the test above: an axis that fits the first modality alone loses dots of another."""
    spans = {
        name: [row.scores["auroc"].value for row in result.rows if row.modality == name]
        for name in result.facts.modalities
    }
    assert max(spans["image"]) < min(spans["clinical"]) < min(spans["both"])
    assert math.isclose(max(spans["both"]), 1)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium: install Debian's package `chromium`")
def test_the_tables_of_the_page_fit_a_screen_of_1280_pixels(result, tmp_path):
    from playwright.sync_api import sync_playwright

    write_comparison(RunDirectory(tmp_path), result, {"command": "", "data_hash": "0" * 64, "config_toml": ""})
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--headless", "--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto((tmp_path / "compare.html").as_uri())
        widths = page.evaluate("[...document.querySelectorAll('.scroll')].map(e => [e.scrollWidth, e.clientWidth])")
        whole = page.evaluate("document.documentElement.scrollWidth")
        browser.close()
    assert len(widths) == len(LEANS) + 2
    assert all(needed <= there for needed, there in widths)
    assert whole <= 1280
