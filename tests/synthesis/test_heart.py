import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardiograph.ecg.leads import LEADS
from cardiograph.synthesis.heart import DOWER, RATE_HZ, clean_beat, record_ecg
from cardiograph.synthesis.states import PATTERNS
from cardiograph.synthesis.variables import LATENTS
from cardiograph.synthesis.waves import Heart

TIME = np.arange(-0.3, 0.7, 1 / RATE_HZ)
NORMAL = Heart()
SHARED = Path(os.environ.get("CARDIOGRAPH_SHARED", Path(__file__).parents[3] / "shared"))


def heart_of(pattern, **changes):
    shown = PATTERNS[pattern]
    medians = {latent.name: latent.median for latent in LATENTS if latent.kind == "ecg"}
    return replace(Heart(conduction=shown.conduction), **{**medians, **shown.medians, **changes})


def leads(heart):
    return dict(zip(LEADS, clean_beat(heart), strict=True))


def qrs(heart, lead):
    """Extremes of the lead during QRS: (lowest, highest)."""
    part = leads(heart)[lead][(TIME > -0.01) & (heart.qrs_ms / 1000 + 0.01 > TIME)]
    return part.min(), part.max()


def t_wave(heart, lead):
    """The largest deflection, signed, from 0.1 s after QRS on."""
    part = leads(heart)[lead][heart.qrs_ms / 1000 + 0.1 < TIME]
    return part[np.abs(part).argmax()]


def duration_ms(signal, threshold):
    above = TIME[np.abs(signal).max(0) > threshold]
    return 1000 * (above[-1] - above[0])


@pytest.mark.parametrize(("conduction", "qrs_ms"), [("normal", 90), ("normal", 110), ("irbbb", 108), ("lbbb", 150)])
def test_qrs_has_the_requested_length(conduction, qrs_ms):
    bare = replace(NORMAL, conduction=conduction, qrs_ms=qrs_ms, rhythm="af", t_wave=0.0)
    assert duration_ms(clean_beat(bare) * (TIME < 0.2), 0.05) == pytest.approx(qrs_ms, abs=16)


@pytest.mark.parametrize("rate", [50, 75, 110])
def test_qt_follows_fridericia(rate):
    heart = replace(NORMAL, rate=rate, qtc_ms=410, rhythm="af")
    second = leads(heart)["V4"]
    end = 1000 * TIME[np.abs(second) > 0.04 * np.abs(second[TIME > 0.15]).max()][-1]
    assert end == pytest.approx(410 * (60 / rate) ** (1 / 3), abs=14)


@pytest.mark.parametrize("pr_ms", [130, 160, 200])
def test_p_starts_pr_before_qrs_and_lasts_a_tenth_of_a_second(pr_ms):
    p_wave = leads(replace(NORMAL, pr_ms=pr_ms))["II"] * (TIME < -0.015)
    above = TIME[np.abs(p_wave) > 0.008]
    assert -1000 * above[0] == pytest.approx(pr_ms, abs=12)
    assert 70 < 1000 * (above[-1] - above[0]) < 125
    assert 0.05 < p_wave.max() < 0.25


def test_no_p_wave_in_fibrillation():
    before = leads(replace(NORMAL, rhythm="af"))["II"][TIME < -0.02]
    assert np.abs(before).max() < 1e-3


def test_normal_r_wave_grows_from_v1_to_v4_and_s_wave_fades():
    r_wave = [qrs(NORMAL, lead)[1] for lead in ("V1", "V2", "V3", "V4")]
    s_wave = [qrs(NORMAL, lead)[0] for lead in ("V2", "V3", "V4", "V5", "V6")]
    assert r_wave == sorted(r_wave)
    assert s_wave == sorted(s_wave)
    assert r_wave[1] < -s_wave[0]  # the transition is between V2 and V4
    assert r_wave[3] > -s_wave[2]
    assert 0.05 < qrs(NORMAL, "V1")[1] < 0.5
    assert qrs(NORMAL, "V6")[0] < -0.02  # septal q


def test_normal_heart_has_upright_t_and_no_hypertrophy_voltage():
    assert all(t_wave(NORMAL, lead) > 0.05 for lead in ("I", "II", "V2", "V3", "V4", "V5", "V6"))
    assert t_wave(NORMAL, "aVR") < -0.05
    sokolow_lyon = -qrs(NORMAL, "V1")[0] + qrs(NORMAL, "V5")[1]
    assert 1.0 < sokolow_lyon < 3.0


def test_left_bundle_branch_block_is_broad_notched_and_discordant():
    heart = heart_of("left bundle branch block")
    assert heart.qrs_ms >= 120
    for lead in ("I", "V5", "V6"):
        signal = leads(heart)[lead]
        during = signal[(TIME > -0.02) & (heart.qrs_ms / 1000 > TIME)]
        slope = np.sign(np.diff(during[during > 0.3 * during.max()]))
        assert (np.diff(slope[slope != 0]) < 0).sum() >= 1
        assert during.min() > -0.05  # no septal q
        assert t_wave(heart, lead) < -0.1
    assert qrs(heart, "V1")[0] < -0.7
    assert qrs(heart, "V1")[1] < 0.1
    assert t_wave(heart, "V1") > 0.1


def test_anterior_infarct_has_no_r_wave_in_v1_to_v3():
    heart = heart_of("anterior infarct", infarct_anterior=0.9)
    for lead in ("V1", "V2", "V3"):
        signal = leads(heart)[lead]
        first = signal[(TIME > 0) & (np.abs(signal) > 0.08)][0]
        assert first < 0
    assert qrs(heart, "V3")[1] < 0.1 < 0.4 < qrs(NORMAL, "V3")[1]


def test_inferior_infarct_has_broad_q_waves_below():
    heart = heart_of("inferior infarct", infarct_inferior=0.9)
    for lead in ("III", "aVF"):
        signal = leads(heart)[lead]
        during = signal[(TIME > 0) & (heart.qrs_ms / 1000 > TIME)]
        start = np.flatnonzero(np.abs(during) > 0.05)[0]
        q_wave = during[start:]
        width = np.flatnonzero(q_wave > 0)[0] / RATE_HZ if (q_wave > 0).any() else len(q_wave) / RATE_HZ
        assert during[start] < 0
        assert width >= 0.03


def test_hypertrophy_has_voltage_and_strain():
    heart = heart_of("hypertrophy with strain")
    assert -qrs(heart, "V1")[0] + qrs(heart, "V5")[1] > 2.8
    assert t_wave(heart, "V6") < -0.05
    assert t_wave(heart, "V1") > 0
    j_point = leads(heart)["V6"][np.searchsorted(TIME, heart.qrs_ms / 1000 + 0.06)]
    assert j_point < -0.03


def test_low_voltage_is_under_half_a_millivolt_in_limb_leads():
    heart = heart_of("low voltage")
    for lead in LEADS[:6]:
        low, high = qrs(heart, lead)
        assert high - low < 0.65
    assert np.mean([np.ptp(qrs(heart, lead)) for lead in LEADS[:6]]) < 0.5


@pytest.mark.parametrize("axis", [-40, -10, 20, 45, 75, 100])
def test_axis_can_be_read_off_the_limb_leads(axis):
    lead = leads(replace(NORMAL, axis_deg=axis, rhythm="af"))
    during = (TIME > -0.02) & (TIME < 0.11)
    one, foot = (lead[name][during] for name in ("I", "aVF"))
    strongest = np.argmax(one**2 + (2 / np.sqrt(3) * foot) ** 2)
    read = np.rad2deg(np.arctan2(2 / np.sqrt(3) * foot[strongest], one[strongest]))
    assert read == pytest.approx(axis, abs=14)


def test_early_transition_turns_the_chest_leads():
    early, late = (qrs(replace(NORMAL, rotation_deg=angle), "V3") for angle in (20, -20))
    assert early[1] / -early[0] > 1.5 * late[1] / -late[0]


@settings(max_examples=20, deadline=None)
@given(
    rhythm=st.sampled_from(["sinus", "af"]),
    conduction=st.sampled_from(["normal", "irbbb", "lbbb"]),
    seed=st.integers(0, 2**32 - 1),
    scale=st.floats(-8, 8),
)
def test_any_latents_give_a_finite_signal_that_obeys_einthoven(rhythm, conduction, seed, scale):
    """Eight spreads from the median, further than any draw goes."""
    values = {
        latent.name: float(latent.from_gaussian(latent.to_gaussian(latent.median) + scale * latent.spread))
        for latent in LATENTS
        if latent.kind == "ecg"
    }
    signal = record_ecg(Heart(rhythm=rhythm, conduction=conduction, **values), np.random.default_rng(seed))
    assert signal.shape == (12, 5000)
    assert np.isfinite(signal).all()
    assert np.abs(signal[0] + signal[2] - signal[1]).max() < 1e-12
    assert np.abs(signal).max() < 15


def _rr(signal):
    """Intervals between the R peaks of V5, s."""
    lead = signal[LEADS.index("V5")]
    high = lead > 0.6 * lead.max()
    starts = np.flatnonzero(np.diff(high.astype(int)) == 1)
    return np.diff(starts) / RATE_HZ


def test_rate_is_as_requested_and_fibrillation_is_irregular():
    spread = {}
    for rhythm, rr_spread in (("sinus", 0.03), ("af", 0.2)):
        heart = replace(NORMAL, rhythm=rhythm, rr_spread=rr_spread, rate=80)
        gaps = np.concatenate([_rr(record_ecg(heart, np.random.default_rng(seed))) for seed in range(12)])
        assert 60 / gaps.mean() == pytest.approx(80, rel=0.06)
        spread[rhythm] = gaps.std() / gaps.mean()
    assert spread["sinus"] < 0.06
    assert spread["af"] > 0.12


def test_beats_vary_and_baseline_wanders_but_stays_in_its_row():
    signal = record_ecg(NORMAL, np.random.default_rng(1))
    lead = signal[1]
    assert 0 < np.std(np.sort(lead)[-40:]) < 0.2
    assert np.abs(np.median(lead.reshape(10, -1), axis=1)).max() < 0.25


def test_same_chance_same_signal():
    first, second = (record_ecg(NORMAL, np.random.default_rng(4)) for _ in range(2))
    assert np.array_equal(first, second)


def test_a_real_record_is_a_dipole_seen_through_these_leads():
    """PTB s0010_re: Dower's matrix explains most of eight real leads, and the chest leads the other way round less."""
    path = SHARED / "data/ptb-sample/s0010_re.dat"
    if not path.exists():
        pytest.skip(f"no shared data at {path}")
    record = np.fromfile(path, "<i2").reshape(-1, 12)[:10000] / 2000  # 2000 units per mV, I II III aVR aVL aVF V1..V6
    eight = record[:, [0, 1, 6, 7, 8, 9, 10, 11]]
    eight = eight - np.median(eight, axis=0)

    def explained(matrix):
        rest = eight - eight @ np.linalg.pinv(matrix).T @ matrix.T
        return 1 - (rest**2).sum() / (eight**2).sum()

    other_way_round = DOWER[[0, 1, 7, 6, 5, 4, 3, 2]]
    assert explained(DOWER) > 0.8
    assert explained(DOWER) > explained(other_way_round) + 0.05
    synthetic = record_ecg(NORMAL, np.random.default_rng(0))[[0, 1, 6, 7, 8, 9, 10, 11]]
    ratio = np.ptp(synthetic, axis=1).mean() / np.ptp(eight, axis=0).mean()
    assert 0.4 < ratio < 2.5
