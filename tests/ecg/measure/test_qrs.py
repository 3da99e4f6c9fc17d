import numpy as np
import pytest

from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.measure.prepare import prepare
from cardiograph.ecg.measure.qrs import detect_qrs


def beats_of(samples, peaks, heights, width=10):
    time = np.arange(samples)
    return sum(h * np.exp(-0.5 * ((time - p) / width) ** 2) for p, h in zip(peaks, heights, strict=True))


def detected(row):
    signal = np.tile(row, (12, 1)).astype(np.float32)
    return detect_qrs(prepare(Ecg(signal, 500.0, "test")))


@pytest.mark.parametrize("rate", [35, 60, 120, 200])
def test_every_beat_is_found_once(rate):
    peaks = np.arange(300, 4800, 30_000 / rate)
    found = detected(beats_of(5000, peaks, np.ones(len(peaks))))
    assert len(found) == len(peaks)
    assert np.abs(found - peaks).max() < 15


def test_a_tall_t_wave_is_no_beat():
    peaks = np.arange(300, 4700, 400)
    row = beats_of(5000, peaks, np.ones(len(peaks))) + beats_of(5000, peaks + 140, np.full(len(peaks), 1.2), 28)
    assert len(detected(row)) == len(peaks)


def test_a_low_beat_in_a_pause_is_found():
    peaks = np.arange(300, 4700, 400)
    heights = np.where(np.arange(len(peaks)) == 5, 0.36, 1.0)
    assert len(detected(beats_of(5000, peaks, heights))) == len(peaks)


def test_noise_without_beats_gives_nothing_below_the_smallest_amplitude():
    assert not len(detected(0.004 * np.random.default_rng(0).standard_normal(5000)))


def test_a_few_t_waves_nearly_as_high_as_beats_are_no_beats():
    peaks = np.arange(300, 4700, 400)
    row = beats_of(5000, peaks, np.ones(len(peaks))) + beats_of(5000, peaks[3:6] + 150, np.full(3, 0.75))
    assert len(detected(row)) == len(peaks)


def test_every_second_beat_may_be_lower():
    peaks = np.arange(300, 4700, 200)
    heights = np.where(np.arange(len(peaks)) % 2, 0.75, 1.0)
    assert len(detected(beats_of(5000, peaks, heights))) == len(peaks)
