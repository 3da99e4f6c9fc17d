"""Leads of one heart beat at the same times, and a single lead repeats its beat; other curves do neither."""

import numpy as np
import pytest

from cardiograph.ecg.digitize.digitize import shows_a_heart
from cardiograph.ecg.digitize.heart import beats_together, repeats_a_beat
from cardiograph.ecg.digitize.layout import Layout
from cardiograph.ecg.digitize.rectified import PIXELS_PER_MM
from cardiograph.ecg.digitize.traces import Trace
from cardiograph.synthesis.heart import RATE_HZ, record_ecg
from cardiograph.synthesis.waves import Heart

COLUMNS = np.arange(2000)
PER_MV = 10 * PIXELS_PER_MM


def printed(signal):
    """Heights of a signal in mV on paper, one column for 5 ms."""
    at = np.arange(0, signal.shape[-1], RATE_HZ / (25 * PIXELS_PER_MM)).astype(int)
    return list(-PER_MV * np.atleast_2d(signal)[:, at].astype(float))


def walk(seed):
    """A random walk of about the height of an ECG."""
    return np.cumsum(np.random.default_rng(seed).standard_normal(len(COLUMNS))) * 3


@pytest.fixture(scope="module")
def leads():
    return printed(record_ecg(Heart(), np.random.default_rng(4)))


def test_the_leads_of_one_heart_beat_together(leads):
    assert beats_together(leads) > 0.8
    assert beats_together([leads[1], leads[1] * 0.1]) > 0.8


def test_leads_with_gaps_beat_together_where_both_are_known(leads):
    first, second = leads[0].copy(), leads[1].copy()
    first[:600], second[1400:] = np.nan, np.nan
    assert beats_together([first, second]) > 0.8
    first[:1300] = np.nan
    assert beats_together([first, second]) == 0


def test_curves_that_know_nothing_of_each_other_do_not_beat_together():
    assert beats_together([walk(seed) for seed in range(6)]) < 0.4
    assert beats_together([30 * np.sin(COLUMNS / (17 + 7 * row)) for row in range(4)]) < 0.4
    assert beats_together([walk(1)]) == 0


def test_every_lead_repeats_its_beat(leads):
    assert all(repeats_a_beat(lead) for lead in leads)


@pytest.mark.parametrize(
    "line",
    [
        30 * np.sin(COLUMNS / 20),
        walk(2),
        20 * np.random.default_rng(3).standard_normal(len(COLUMNS)),
        np.zeros(len(COLUMNS)),
        80 * np.exp(-(((COLUMNS - 900) / 8) ** 2)),
    ],
    ids=["sine", "walk", "noise", "flat", "one peak"],
)
def test_other_lines_repeat_no_beat(line):
    assert not repeats_a_beat(line)


def test_a_single_line_with_many_gaps_is_no_lead(leads):
    """Such as a line of large letters: it may repeat something that looks like a beat."""
    single = Layout("1 single", (), 0.0, 0.5)
    whole, letters = leads[1].copy(), leads[1].copy()
    letters[np.arange(len(letters)) % 100 < 15] = np.nan
    assert repeats_a_beat(letters)
    assert shows_a_heart((Trace(0.0, whole),), single)
    assert not shows_a_heart((Trace(0.0, letters),), single)
