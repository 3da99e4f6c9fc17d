from dataclasses import replace

import numpy as np
import pytest
import torch

from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.leads import LEADS
from cardiograph.encoders import ecg_network as module
from cardiograph.encoders import shipped
from cardiograph.encoders.ecg_network import EcgNetwork, ecg_network
from cardiograph.encoders.leads_input import BEAT, BEAT_SAMPLES, INPUT_SHAPE, leads_input, qrs_samples, typical_beat
from cardiograph.encoders.resnet import resnet18_ecg
from cardiograph.errors import WeightsError
from cardiograph.synthesis.clinical_heart import ClinicalHeart
from cardiograph.synthesis.clinical_recording import record_hearts
from cardiograph.synthesis.waves import Heart


def ecg(seconds=10.0, rate=500.0, start=0.0):
    """Twelve sines of 2 Hz with another height and offset in each lead."""
    time = np.arange(round(seconds * rate)) / rate + start
    height = np.arange(1, 13)[:, None] / 10
    return Ecg((height * np.sin(2 * np.pi * 2 * time) + 0.3 * height).astype(np.float32), rate, "test")


def paged():
    """The same on a page of 3 x 4 leads with lead II below."""
    whole = ecg()
    signal = np.full_like(whole.signal, np.nan)
    for place in range(len(LEADS)):
        first = place // 3 * 1250
        signal[place, first : first + 1250] = whole.signal[place, first : first + 1250]
    signal[1] = whole.signal[1]
    return whole.replace(signal=signal)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return EcgNetwork().eval()


def embed(network, *inputs):
    with torch.inference_mode():
        return network(torch.from_numpy(np.stack(inputs))).numpy()


def test_a_recording_becomes_leads_without_their_offset_at_100_hz_and_masks():
    prepared = leads_input(ecg())
    assert prepared.shape == INPUT_SHAPE
    assert prepared.dtype == np.float32
    np.testing.assert_array_equal(prepared[12:, :1000], 1)
    time = np.arange(1000) / 100
    np.testing.assert_allclose(prepared[4, 20:980], 0.5 * np.sin(2 * np.pi * 2 * time)[20:980], atol=0.01)


def test_rates_agree():
    np.testing.assert_allclose(leads_input(ecg(rate=250))[:, 30:970], leads_input(ecg(rate=1000))[:, 30:970], atol=0.01)


def test_leads_of_a_page_move_to_the_start_and_the_strip_keeps_ten_seconds():
    prepared = leads_input(paged())
    assert prepared[12:, :1000].sum(1).tolist() == [250, 1000, *[250] * 10]
    assert prepared[12:, :250].all()
    assert np.abs(prepared[11, :250]).max() == pytest.approx(1.2, abs=0.1)
    assert not prepared[11, 250:1000].any()


def test_short_recordings_end_with_a_mask_and_long_ones_are_cut():
    short, long = leads_input(ecg(4.0)), leads_input(ecg(25.0))
    assert short[12:, :1000].sum(1).tolist() == [400] * 12
    assert not short[:, 400:1000].any()
    np.testing.assert_allclose(long[:, :980], leads_input(ecg())[:, :980], atol=0.02)


def beats_at(times, seconds=10.0, lead_size=1.0):
    """Triangular QRS complexes of 80 ms and a rounded wave 250 ms later, in every lead."""
    time = np.arange(round(seconds * 100)) / 100
    wave = sum(
        np.maximum(1 - np.abs(time - at) / 0.04, 0) + 0.25 * np.exp(-(((time - at - 0.25) / 0.05) ** 2)) for at in times
    )
    return (lead_size * np.arange(1, 13)[:, None] / 6 * wave).astype(np.float32)


def test_qrs_complexes_are_found_over_all_leads_and_their_median_is_the_beat():
    at = np.arange(0.6, 9.5, 0.83)
    signal = beats_at(at)
    np.testing.assert_allclose(qrs_samples(signal) / 100, at, atol=0.011)
    beat = typical_beat(signal)
    assert beat.shape == (12, BEAT_SAMPLES)
    assert beat[5].argmax() == -BEAT[0]
    assert beat[5, 65] == pytest.approx(0.25, abs=0.05)
    premature = signal.copy()
    premature[:, 400:450] *= -2
    np.testing.assert_allclose(typical_beat(premature), beat, atol=0.1)


def test_leads_of_a_page_have_the_beats_of_their_own_time_and_hidden_leads_none():
    signal = beats_at(np.arange(0.6, 9.5, 0.83))
    page = np.full_like(signal, np.nan)
    for lead in range(11):
        page[lead, lead // 3 * 250 : lead // 3 * 250 + 250] = signal[lead, lead // 3 * 250 : lead // 3 * 250 + 250]
    beat = typical_beat(page)
    np.testing.assert_allclose(np.nan_to_num(beat[:11, 30:70]), typical_beat(signal)[:11, 30:70], atol=0.1)
    assert np.isnan(beat[11]).all()
    assert np.isnan(typical_beat(np.full((12, 400), np.nan, np.float32))).all()


@pytest.mark.parametrize("samples", [1, 3, 8, 12, 99, 101])
def test_very_short_recordings_have_an_input(samples):
    noise = np.random.default_rng(samples).normal(size=(12, samples)).astype(np.float32)
    assert np.isfinite(leads_input(Ecg(noise, 100.0, "test"))).all()


def test_a_missing_lead_and_a_short_gap_are_masked():
    whole = ecg()
    signal = whole.signal.copy()
    signal[8] = np.nan
    signal[2, 1000:1100] = np.nan
    prepared = leads_input(whole.replace(signal=signal))
    assert not prepared[[8, 20]].any()
    assert prepared[14, :1000].sum() == 980
    assert not prepared[2][prepared[14] == 0].any()


def test_values_under_a_mask_change_nothing(network):
    prepared = leads_input(paged())
    spoiled = prepared.copy()
    spoiled[:12][prepared[12:] == 0] = 7
    clean, other = embed(network, prepared, spoiled)
    assert clean.shape == (module.WIDTH,)
    np.testing.assert_array_equal(clean, other)


def test_time_that_was_not_recorded_does_not_dilute_an_embedding(network):
    """A recording of 5.12 s in the first half of the input is summarised over that half alone."""
    prepared = leads_input(ecg(5.12))
    there = embed(network, prepared)[0]
    alone = embed(network, np.concatenate([prepared[:, :512], prepared[:, 1000:]], axis=1))[0]
    np.testing.assert_allclose(there, alone, rtol=0.15, atol=0.05)


def test_nothing_recorded_gives_finite_values(network):
    assert np.isfinite(embed(network, np.zeros(INPUT_SHAPE, np.float32))).all()


def test_one_of_many_gets_the_embedding_it_gets_alone(network):
    many = [leads_input(ecg(seconds)) for seconds in (3, 10, 7)]
    np.testing.assert_allclose(embed(network, *many)[1], embed(network, many[1])[0], atol=1e-5)


def test_the_network_is_small(network):
    assert sum(each.numel() for each in network.parameters()) < 2_000_000


def test_openvino_gives_what_torch_gives(network):
    import openvino

    model = openvino.convert_model(network, example_input=torch.zeros(1, *INPUT_SHAPE))
    model.reshape([1, *INPUT_SHAPE])
    prepared = leads_input(paged())
    answer = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(prepared[None])[0][0]
    np.testing.assert_allclose(answer, embed(network, prepared)[0], atol=1e-4)


def test_shipped_weights_are_small_and_always_the_same():
    first, second = ecg_network(), ecg_network()
    assert not first.training
    assert (shipped.FOLDER / "ecg.safetensors").stat().st_size < 4_000_000
    recording = leads_input(ecg())
    np.testing.assert_array_equal(embed(first, recording), embed(second, recording))
    untrained = EcgNetwork().state_dict()
    assert set(first.state_dict()) == set(untrained)
    assert not any(
        torch.equal(first.state_dict()[name], tensor) for name, tensor in untrained.items() if tensor.ndim > 1
    )


def test_shipped_weights_tell_drawn_hearts_with_left_bundle_branch_block_from_others():
    hearts = [ClinicalHeart(heart=Heart(rate=55 + 2 * i, voltage=0.8 + 0.02 * i)) for i in range(20)]
    blocked = [replace(each, heart=replace(each.heart, conduction="lbbb", qrs_ms=150)) for each in hearts]
    signal = record_hearts([*hearts, *blocked], np.random.default_rng(0)).signal
    values = embed(ecg_network(), *(leads_input(Ecg(each, 100.0, "test")) for each in signal))
    values = (values - values.mean(0)) / (values.std(0) + 1e-6)
    direction = values[30:].mean(0) - values[:10].mean(0)
    assert (values[10:20] @ direction).max() < (values[20:30] @ direction).min()


def test_changed_and_missing_weights_are_refused(tmp_path, monkeypatch):
    (tmp_path / "ecg.safetensors").write_bytes((shipped.FOLDER / "ecg.safetensors").read_bytes()[:-1] + b"\0\0")
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    with pytest.raises(WeightsError, match="SHA-256 is"):
        ecg_network()
    with pytest.raises(WeightsError, match="cannot be read"):
        resnet18_ecg()
