import numpy as np
import pytest

from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.leads import LEADS
from cardiograph.ecg.measure.prepare import prepare
from cardiograph.ecg.measure.quality import assess, pacing_spikes
from cardiograph.synthesis.heart import RATE_HZ, record_ecg
from cardiograph.synthesis.waves import Heart


@pytest.fixture(scope="module")
def signal():
    return record_ecg(Heart(), np.random.default_rng(1)).astype(np.float32)


def quality_of(signal):
    return assess(prepare(Ecg(signal.astype(np.float32), RATE_HZ, "test")))


@pytest.mark.parametrize("hertz", [50, 60])
def test_mains_noise_has_its_amplitude(signal, hertz):
    time = np.arange(signal.shape[1]) / RATE_HZ
    disturbed = signal + 0.2 * np.sin(2 * np.pi * hertz * time)
    clean, found = quality_of(signal)["V2"], quality_of(disturbed)["V2"]
    assert found.mains_mv == pytest.approx(0.2, abs=0.04)
    assert clean.mains_mv < 0.03
    assert found.score < clean.score


def test_noise_and_wander_lower_the_score(signal):
    rng = np.random.default_rng(2)
    clean = quality_of(signal)["II"].score
    noisy = quality_of(signal + 0.1 * rng.standard_normal(signal.shape))["II"]
    assert noisy.score < 0.6 * clean
    assert noisy.noise_mv == pytest.approx(0.1, abs=0.02)
    slow = np.sin(2 * np.pi * 0.2 * np.arange(signal.shape[1]) / RATE_HZ)
    assert quality_of(signal + 2 * slow)["II"].score < 0.6 * clean


def test_flat_and_clipped_leads_are_named(signal):
    changed = signal.copy()
    changed[LEADS.index("V1")] = 0.3
    changed[LEADS.index("V2")] = np.clip(changed[LEADS.index("V2")], -0.2, 0.15)
    found = quality_of(changed)
    assert found["V1"].flat
    assert found["V1"].score == 0
    assert found["V2"].clipped
    assert [lead for lead, each in found.items() if each.flat or each.clipped] == ["V1", "V2"]


def test_pacing_spikes_are_found_at_their_samples(signal):
    there = np.ones(signal.shape, dtype=bool)
    assert not len(pacing_spikes(signal.astype(float), there))
    paced = signal.astype(float)
    at = np.arange(300, 4800, 400)
    paced[:, at] += 1.0
    assert np.abs(pacing_spikes(paced, there) - at).max() <= 2
