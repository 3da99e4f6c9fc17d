import dataclasses

import numpy as np
import pytest

from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.leads import LEADS
from cardiograph.ecg.measure.reference import MEASUREMENTS
from cardiograph.synthesis.clinical_findings import FINDINGS, draw_heart
from cardiograph.synthesis.clinical_heart import PARAMETERS, STATEMENTS, ClinicalHeart, parameters, statements
from cardiograph.synthesis.clinical_recording import record_hearts
from cardiograph.synthesis.clinical_rhythm import draw_rhythm
from cardiograph.synthesis.clinical_waves import beat_tables
from cardiograph.synthesis.waves import Heart

STEADY = {"rr_spread": 0.003}


def clinical(**changes):
    """A heart whose other parameters are those of ``Heart``."""
    own = {field.name for field in dataclasses.fields(ClinicalHeart)} - {"heart"}
    plain = {name: value for name, value in changes.items() if name not in own}
    return ClinicalHeart(
        heart=Heart(**{**STEADY, **plain}), **{name: value for name, value in changes.items() if name in own}
    )


def clean(count=16, **changes):
    """Mean of each measurement of the clean beat over several patients with the same heart."""
    made = record_hearts([clinical(**changes)] * count, np.random.default_rng(3))
    return dict(zip(MEASUREMENTS, made.measurements.mean(0), strict=True))


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(5)
    hearts = [draw_heart(rng) for _ in range(96)]
    return hearts, record_hearts(hearts, rng)


def test_leads_of_drawn_hearts_obey_einthoven_and_goldberger(drawn):
    lead = dict(zip(LEADS, drawn[1].signal.transpose(1, 0, 2), strict=True))
    assert drawn[1].signal.shape == (96, 12, 1000)
    assert np.isfinite(drawn[1].signal).all()
    np.testing.assert_allclose(lead["I"] + lead["III"], lead["II"], atol=1e-5)
    np.testing.assert_allclose(lead["aVR"] + lead["aVL"] + lead["aVF"], 0, atol=1e-5)


def test_hearts_and_recordings_depend_on_the_seed_alone(drawn):
    rng = np.random.default_rng(5)
    hearts = [draw_heart(rng) for _ in range(96)]
    assert hearts == drawn[0]
    np.testing.assert_array_equal(record_hearts(hearts, rng).signal, drawn[1].signal)


def test_measurements_of_drawn_hearts_are_those_of_people(drawn):
    of = dict(zip(MEASUREMENTS, drawn[1].measurements.T, strict=True))
    assert min(np.nanmin(of[f"{wave}_{lead}"]) for wave in "qrs" for lead in LEADS) >= 0
    assert 0.5 < np.nanmedian(of["r_V5"]) < 2.5
    assert np.nanmax(np.abs(of["t_V5"])) < 4
    assert 40 < np.nanmedian(of["p_axis"]) < 75


def test_clean_measurements_are_those_of_the_recording_where_the_rhythm_has_them():
    steady = [clinical(rate=rate, pr_ms=pr, qrs_ms=90) for rate, pr in ((60, 140), (80, 190), (70, 160))]
    made = record_hearts(steady, np.random.default_rng(8))
    for signal, true in zip(made.signal, made.measurements, strict=True):
        of, read = dict(zip(MEASUREMENTS, true, strict=True)), Ecg(signal=signal, rate=100.0, source="test").measure()
        assert read.values["heart_rate"].value == pytest.approx(of["heart_rate"], abs=2)
        assert read.values["pr"].value == pytest.approx(of["pr"], abs=25)
        assert read.values["qt"].value == pytest.approx(of["qt"], abs=35)
        assert read.values["qrs_axis"].value == pytest.approx(of["qrs_axis"], abs=12)
        assert read.values["r_V5"].value == pytest.approx(of["r_V5"], rel=0.35)
    fibrillating = record_hearts([clinical(rhythm="af")], np.random.default_rng(8)).measurements[0]
    assert np.isnan(fibrillating[list(MEASUREMENTS).index("pr")])


def test_every_statement_holds_for_some_hearts_and_not_for_others():
    rng = np.random.default_rng(0)
    held = np.array([list(statements(draw_heart(rng)).values()) for _ in range(1500)])
    assert held.shape[1] == len(STATEMENTS)
    assert (held.sum(0) >= 3).all(), [STATEMENTS[i] for i in np.flatnonzero(held.sum(0) < 3)]
    assert (held.mean(0) < 0.5).all()
    assert 0.1 < held[:, 0].mean() < 0.3


def test_parameters_have_a_name_each_and_are_missing_where_the_rhythm_has_none():
    fibrillating = dict(zip(PARAMETERS, parameters(clinical(rhythm="af")), strict=True))
    sinus = dict(zip(PARAMETERS, parameters(clinical(rate=60)), strict=True))
    assert np.isnan(fibrillating["pr_ms"]) and not np.isnan(sinus["pr_ms"])
    assert sinus["log_rate"] == pytest.approx(np.log(60))
    assert len(FINDINGS) == 33


@pytest.mark.parametrize(("rate", "ratio"), [(150, 2), (75, 4)])
def test_flutter_conducts_each_second_or_fourth_wave(rate, ratio):
    heart = clinical(rhythm="flutter", ratio=ratio, rate=rate, f_wave_mv=0.2)
    rhythm = draw_rhythm(heart, np.random.default_rng(1))
    assert 60 / np.diff(rhythm.beats).mean() == pytest.approx(rate, rel=0.01)
    assert not rhythm.atria.size
    quiet = clinical(rhythm="flutter", ratio=ratio, rate=rate, f_wave_mv=0.2, voltage=0.2, t_wave=0.0)
    lead = record_hearts([quiet] * 8, np.random.default_rng(1)).signal[:, LEADS.index("aVF")]
    power = np.abs(np.fft.rfft(lead, axis=1)) ** 2
    strongest_hz = (power.mean(0)[35:70].argmax() + 35) / 10
    assert strongest_hz == pytest.approx(5.0, abs=0.11)


def test_second_degree_block_drops_each_third_beat_and_third_degree_block_all():
    rng = np.random.default_rng(2)
    dropping = draw_rhythm(clinical(rhythm="av2", ratio=3, rate=90), rng)
    assert len(dropping.beats) / len(dropping.atria) == pytest.approx(2 / 3, abs=0.12)
    block = draw_rhythm(clinical(rhythm="av3", rate=80), rng)
    assert 60 / np.diff(block.beats).mean() < 49
    gap = (block.beats[:, None] - block.atria).min(axis=1, where=block.beats[:, None] > block.atria, initial=9)
    assert np.ptp(gap) > 0.1


def test_premature_ventricular_beats_come_early_without_a_p_wave_and_the_pause_compensates():
    heart = clinical(ectopy="ventricular", ectopic_share=0.15, rate=60)
    rhythm = draw_rhythm(heart, np.random.default_rng(4))
    assert len(rhythm.atria) <= (~rhythm.early).sum() + 1
    place = int(np.flatnonzero(rhythm.early[1:-1])[0]) + 1
    before, after = np.diff(rhythm.beats)[place - 1 : place + 1]
    assert before < 0.8
    assert before + after == pytest.approx(2.0, abs=0.05)


def test_bundle_branch_blocks_widen_and_turn_the_qrs_complex():
    normal, right = clean(), clean(right_block=True, qrs_ms=140)
    left = clean(conduction="lbbb", qrs_ms=150)
    assert statements(clinical(right_block=True, qrs_ms=140))["wide QRS"]
    assert right["r_V1"] > normal["r_V1"] + 0.2, "R' in V1"
    assert right["s_V6"] > normal["s_V6"] + 0.1, "wide S in V6"
    deep = max(left["q_V1"], left["s_V1"])
    assert deep > normal["s_V1"] and left["q_V6"] < 0.06, "deep QS or S in V1, no Q in V6"
    assert left["qrs_duration"] == pytest.approx(150, abs=3)


def test_infarcts_and_st_shifts_show_in_their_territory():
    normal = clean()
    assert clean(infarct_inferior=1.0)["q_aVF"] > normal["q_aVF"] + 0.15
    assert clean(infarct_anterior=1.0)["r_V2"] < 0.6 * normal["r_V2"]
    assert clean(infarct_lateral=1.0)["q_I"] > normal["q_I"] + 0.1
    posterior = clean(infarct_posterior=1.0)
    assert posterior["r_V2"] - posterior["s_V2"] > normal["r_V2"] - normal["s_V2"] + 0.2
    for place, lead in enumerate(("V2", "aVF", "V6")):
        shift = [0.0] * 4
        shift[place] = 0.3
        assert clean(st_mv=tuple(shift))[f"st_{lead}"] > normal[f"st_{lead}"] + 0.03
        inverted = [0.0] * 3
        inverted[place] = 1.2
        assert clean(t_inversion=tuple(inverted))[f"t_{lead}"] < -0.05


def test_right_load_makes_tall_r_in_v1_and_low_voltage_small_waves():
    normal = clean()
    assert clean(right_load=1.0, axis_deg=100)["r_V1"] > normal["r_V1"] + 0.3
    assert clean(voltage=0.4)["r_V5"] < 0.5 * normal["r_V5"]


def test_a_paced_beat_has_a_spike_before_it():
    table = beat_tables(clinical(paced=True, conduction="lbbb", qrs_ms=160), np.random.default_rng(0)).beats[0]
    centre, height = table[:, 0], table[:, 3:]
    spike = (centre < -0.01) & (centre > -0.02)
    assert spike.sum() == 1
    assert np.abs(height[spike]).max() > 0.1
