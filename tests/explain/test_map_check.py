"""A map that finds what moves the score passes; one that does not, or is the same for every page, does not."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from tests.contracts.conftest import learn, make_problem
from tests.explain.conftest import case_of

from cardiograph.artifacts.maps import Gain, MapVerdict
from cardiograph.explain.map_check import MappedPage, judge_maps, map_gains, mean_heat, random_heat
from cardiograph.explain.saliency import PageMap
from cardiograph.inference import Predictor

PAGES = 10


class SpotEngine:
    """Its first value is how much bright spot there is on the page; the others never change."""

    def run(self, inputs):
        for page in inputs:
            yield self.maps(page)[0].mean((1, 2))

    def maps(self, page):
        channels = np.zeros((24, 14, 14), np.float32)
        channels[0] = np.maximum(page[0] - 2, 0).reshape(14, 16, 14, 16).mean((1, 3)) * 400
        return (channels,)


@pytest.fixture(scope="module")
def predictor():
    dataset = make_problem(signal=3.0)
    predictor = learn(dataset, "logistic")[2]
    served = dataclasses.replace(
        predictor.bundle.served, encoder=SimpleNamespace(readout="final", architecture="resnet18", reads="page")
    )
    return dataset, Predictor(dataclasses.replace(predictor.bundle, served=served), SpotEngine())


def patient(predictor, dataset, number, place):
    """A patient whose page has a spot, or none, at a place."""
    page = np.random.default_rng(number).normal(0, 0.1, (3, 224, 224)).astype(np.float32)
    if place is not None:
        y, x = place
        page[:, y : y + 24, x : x + 24] += 5
    case = case_of(predictor, dataset, dataset.rows("test")[0])
    (embedding,) = predictor.engine.run([page])
    queries = dataclasses.replace(case.queries, image=embedding[None])
    attached = predictor.attach(queries)
    return dataclasses.replace(
        case,
        patient=dataclasses.replace(case.patient, page=SimpleNamespace(input=page)),
        queries=queries,
        attached=attached,
        scores=predictor.score_attached(attached, queries.ties),
    )


def pages_with(predictor, places):
    dataset, served = predictor
    return [MappedPage.of(patient(served, dataset, number, place)) for number, place in enumerate(places)]


def gains_of(pages):
    return np.array([map_gains(pages, number, np.random.default_rng(number)) for number in range(len(pages))])


def scattered():
    return np.random.default_rng(5).integers(0, 200, (PAGES, 2)).tolist()


def test_maps_that_mark_what_moves_the_score_are_shown(predictor):
    pages = pages_with(predictor, scattered())
    hottest = [np.unravel_index(page.map.heat.argmax(), (14, 14)) for page in pages]
    for (row, column), (y, x) in zip(hottest, scattered(), strict=True):
        assert abs(row * 16 + 8 - (y + 12)) <= 16 and abs(column * 16 + 8 - (x + 12)) <= 16
    verdict = judge_maps(gains_of(pages), seed=0)
    assert verdict.shown and verdict.deletion.value > 0.1 and verdict.insertion.value > 0.1
    assert "better than random maps" in verdict.sentence and "and better than the mean map" in verdict.sentence


def test_maps_that_mark_anything_else_are_hidden(predictor):
    pages = pages_with(predictor, scattered())
    rng = np.random.default_rng(1)
    wrong = [dataclasses.replace(page, map=PageMap(rng.normal(size=(14, 14)), page.map.direction)) for page in pages]
    verdict = judge_maps(gains_of(wrong), seed=0)
    assert not verdict.shown and "did no better than random maps" in verdict.sentence


def test_maps_that_are_the_same_for_every_page_are_hidden(predictor):
    """The spot is always at one place: a fixed map beats random ones, and is the same for every page."""
    pages = pages_with(predictor, [(96, 96)] * PAGES)
    verdict = judge_maps(gains_of(pages), seed=0)
    assert verdict.deletion.low > 0 and verdict.insertion.low > 0
    assert not verdict.shown and "do not distinguish pages" in verdict.sentence


def test_a_page_that_moves_nothing_gains_nothing(predictor):
    pages = pages_with(predictor, scattered())
    pages[0] = dataclasses.replace(pages[0], map=PageMap(np.zeros((14, 14)), 0))
    assert map_gains(pages, 0, np.random.default_rng(0)) == (0, 0, 0)


def test_gains_are_the_same_for_a_seed(predictor):
    pages = pages_with(predictor, scattered())[:3]
    assert (gains_of(pages) == gains_of(pages)).all()


def test_a_random_map_has_the_values_of_the_heat_and_the_smoothness_of_the_map():
    smooth = np.add.outer(np.sin(np.arange(14) / 3), np.cos(np.arange(14) / 4))
    rough = np.random.default_rng(0).normal(size=(14, 14))

    def roughness(heat):
        return (np.diff(heat, axis=0) ** 2).mean() / heat.var()

    for signed in (smooth, rough):
        found = PageMap(signed, 1)
        drawn = [random_heat(found, np.random.default_rng(seed)) for seed in range(40)]
        for heat in drawn:
            np.testing.assert_array_equal(np.sort(heat, axis=None), np.sort(found.heat, axis=None))
        assert np.mean([roughness(heat) for heat in drawn]) == pytest.approx(roughness(found.heat), rel=0.5, abs=0.1)
        correlation = [np.corrcoef(heat.ravel(), found.heat.ravel())[0, 1] for heat in drawn]
        assert abs(np.mean(correlation)) < 0.15


def test_the_mean_map_is_that_of_the_other_pages_of_the_same_direction():
    maps = [PageMap(np.eye(14) * number, direction) for number, direction in ((1, 1), (2, -1), (3, 1), (-4, -1))]
    pages = [SimpleNamespace(map=each) for each in maps]
    np.testing.assert_array_equal(mean_heat(pages, 0), maps[2].heat)
    np.testing.assert_array_equal(mean_heat(pages, 1), maps[3].heat)
    np.testing.assert_array_equal(mean_heat(pages[:2], 0), maps[1].heat)


def test_the_interval_is_that_of_the_mean_over_pages_and_few_pages_have_none():
    gains = np.random.default_rng(0).normal(1, 1, (200, 3))
    verdict = judge_maps(gains, seed=0)
    half = 1.96 * gains[:, 0].std() / np.sqrt(200)
    assert verdict.deletion.value == pytest.approx(gains[:, 0].mean())
    assert verdict.deletion.low == pytest.approx(gains[:, 0].mean() - half, abs=0.02)
    assert verdict.deletion.high == pytest.approx(gains[:, 0].mean() + half, abs=0.02)
    assert np.isnan(judge_maps(gains[:7], seed=0).deletion.low)
    assert not judge_maps(np.ones((7, 3)), seed=0).shown


@pytest.mark.parametrize("low", [0.1, -0.1, np.nan])
@pytest.mark.parametrize("name", ["deletion", "insertion", "others"])
def test_every_interval_has_to_lie_above_nought(name, low):
    good = MapVerdict(24, Gain(0.2, 0.1, 0.3), Gain(0.2, 0.1, 0.3), Gain(0.2, 0.1, 0.3), 4, 0)
    verdict = dataclasses.replace(good, **{name: Gain(0.2, low, 0.3)})
    assert verdict.shown == (low > 0)
    back = MapVerdict.from_dict(verdict.as_dict())
    assert back.shown == verdict.shown and back.sentence == verdict.sentence
