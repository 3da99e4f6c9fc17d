"""Drawings that are to scale."""

import math

import pytest

from cardiograph.service.web.drawings import GAUGE_RADIUS, MAP_CENTRE, MAP_RADIUS, bars, gauge, mark_of, neighbour_plot


def answer(**changes):
    return {"probability": 0.5, "low": 0.25, "high": 0.75, "threshold": 0.3, **changes}


@pytest.mark.parametrize(("probability", "x", "y"), [(0, 34, 152), (0.5, 160, 26), (1, 286, 152)])
def test_the_needle_runs_from_left_to_right(probability, x, y):
    assert gauge(answer(probability=probability)).needle == (x, y)


def test_the_band_spans_the_interval():
    side = GAUGE_RADIUS * math.sqrt(0.5)
    numbers = [float(each) for each in gauge(answer()).band.replace("M", " ").replace("A", " ").split()]
    assert numbers[:2] == pytest.approx([160 - side, 152 - side], abs=0.01)
    assert numbers[-2:] == pytest.approx([160 + side, 152 - side], abs=0.01)


def test_what_is_not_known_is_not_drawn():
    void = gauge(answer(low=None, high=None, threshold=None))
    assert (void.band, void.threshold) == ("", None)


def test_bars_share_a_scale_and_have_a_side():
    left, none, right = bars([-0.2, 0.0, 0.1])
    assert (left.start, left.width, left.raises) == (0, 100, False)
    assert none.width == 0
    assert (right.start, right.width, right.raises) == (100, 50, True)
    assert bars([]) == ()
    assert [bar.width for bar in bars([0.0, 0.0])] == [0, 0]


def test_neighbours_lie_at_their_distance():
    found = neighbour_plot(
        [{"distance": 2.0, "label": 1}, {"distance": 4.0, "label": 0}, {"distance": 4.0, "label": -1}]
    )
    radii = [math.hypot(place.x - MAP_CENTRE, place.y - MAP_CENTRE) for place in found.places]
    assert radii == pytest.approx([MAP_RADIUS / 2, MAP_RADIUS, MAP_RADIUS], abs=0.1)
    assert [place.mark for place in found.places] == ["positive", "negative", "unlabelled"]
    assert found.rings == ((MAP_RADIUS / 2, 2.0), (MAP_RADIUS, 4.0))


def test_nobody_and_copies_can_be_drawn():
    assert neighbour_plot([]).places == ()
    (only,) = neighbour_plot([{"distance": 0.0, "label": 1}]).places
    assert (only.x, only.y) == (MAP_CENTRE, MAP_CENTRE)
    assert mark_of({"label": -1}) == "unlabelled"
