"""The sentence and the curve of a risk over time."""

import pytest

from cardiograph.service.web.risk_plot import BOTTOM, LEFT, RIGHT, TOP, risk_plot
from cardiograph.service.web.risk_words import duration, risk_rows, risk_sentence


def point(time, risk, low=None, high=None):
    return {"time": time, "risk": risk, "low": risk if low is None else low, "high": risk if high is None else high}


def answer(*risks, outcome="all-cause death", band="5th to 95th percentile of 2 networks", unit="days"):
    curve = [point(0, 0), *risks]
    return {"outcome": outcome, "unit": unit, "risks": list(risks), "curve": curve, "band": band}


@pytest.mark.parametrize(
    ("time", "unit", "words"),
    [
        (365, "days", "one year"),
        (366, "days", "one year"),
        (1096, "days", "three years"),
        (1461, "days", "four years"),
        (90, "days", "90 days"),
        (367, "days", "367 days"),
        (1500, "days", "1,500 days"),
        (1, "days", "1 day"),
        (12, "months", "one year"),
        (6, "months", "6 months"),
        (2, "years", "two years"),
        (20, "years", "20 years"),
        (0.5, "years", "0.5 years"),
    ],
)
def test_a_time_is_named_in_years_where_it_is_years(time, unit, words):
    assert duration(time, unit) == words


def test_risks_are_counts_of_patients():
    found = answer(point(365, 0.1104, 0.078, 0.128), point(1096, 0.245, 0.214, 0.277), point(1461, 0.27, 0.233, 0.302))
    assert risk_sentence(found) == (
        "Of 100 such patients, about 11 are expected to die within one year (8 to 13), 24 within three years (21 to 28) "
        "and 27 within four years (23 to 30)."
    )
    assert [row.exact for row in risk_rows(found)] == ["365 days", "1,096 days", "1,461 days"]


@pytest.mark.parametrize(
    ("risk", "sentence"),
    [
        (0.0104, "Of 100 such patients, about 1 is expected to have the event “cardiac death” within 90 days."),
        (0.004, "Of 1,000 such patients, about 4 are expected to have the event “cardiac death” within 90 days."),
        (0.0001, "Of 1,000 such patients, fewer than 1 are expected to have the event “cardiac death” within 90 days."),
    ],
)
def test_small_risks_and_other_events_without_a_band(risk, sentence):
    assert risk_sentence(answer(point(90, risk), outcome="cardiac death", band="")) == sentence


def test_the_curve_runs_from_the_origin_to_the_last_horizon_inside_its_band():
    plot = risk_plot(answer(point(365, 0.1, 0.08, 0.12), point(1461, 0.2, 0.15, 0.24)))
    line = [tuple(map(float, each.split(","))) for each in plot.line.split()]
    assert line[0] == (LEFT, BOTTOM)
    assert line[1:] == list(plot.horizons)
    assert line[-1][0] == RIGHT
    outline = [tuple(map(float, each.split(","))) for each in plot.band.split()]
    above, below = outline[:3], outline[:2:-1]
    assert all(high[1] <= mine[1] <= low[1] for high, mine, low in zip(above, line, below, strict=True))
    assert [tick.text for tick in plot.times] == ["0", "1", "2", "3", "4"] and plot.unit == "years"
    assert [tick.text.split("\N{NO-BREAK SPACE}")[0] for tick in plot.risks] == ["0", "10", "20", "30"]
    assert (plot.risks[0].place, plot.risks[-1].place) == (BOTTOM, TOP)


def test_a_certain_event_ends_at_the_top_of_the_scale():
    plot = risk_plot(answer(point(30, 1.0), band=""))
    assert plot.horizons == ((RIGHT, TOP),)
    assert (plot.band, plot.unit, plot.risks[-1].text) == ("", "days", "100\N{NO-BREAK SPACE}%")


def test_a_risk_of_0_is_drawn():
    assert risk_plot(answer(point(30, 0.0))).horizons == ((RIGHT, BOTTOM),)
