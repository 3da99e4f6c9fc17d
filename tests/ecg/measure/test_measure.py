import dataclasses
import json
import math

import numpy as np
import pytest

from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.leads import LEADS
from cardiograph.ecg.measure.delineate import delineate
from cardiograph.ecg.measure.measure import measure
from cardiograph.ecg.measure.reference import MEASUREMENTS
from cardiograph.synthesis.heart import RATE_HZ, record_ecg
from cardiograph.synthesis.waves import Heart

HEARTS = {
    "normal": Heart(),
    "slow, long PR": Heart(rate=52, pr_ms=240),
    "fast": Heart(rate=105, pr_ms=140),
    "long QT": Heart(qtc_ms=480, axis_deg=-20),
    "left bundle branch block": Heart(conduction="lbbb", qrs_ms=160),
    "fibrillation": Heart(rhythm="af", rate=85, rr_spread=0.2),
}


def ecg_of(heart, seed=1):
    return Ecg(record_ecg(heart, np.random.default_rng(seed)).astype(np.float32), RATE_HZ, "synthetic")


def page_of(ecg, rhythm_strip=True):
    """The leads that a 3 x 4 page shows at their own times."""
    signal = np.full_like(ecg.signal, np.nan)
    quarter = ecg.signal.shape[1] // 4
    for column, leads in enumerate((("I", "II", "III"), ("aVR", "aVL", "aVF"), ("V1", "V2", "V3"), ("V4", "V5", "V6"))):
        part = slice(column * quarter, (column + 1) * quarter)
        for lead in leads:
            signal[LEADS.index(lead), part] = ecg.lead(lead)[part]
    if rhythm_strip:
        signal[LEADS.index("II")] = ecg.lead("II")
    return ecg.replace(signal=signal)


@pytest.fixture(scope="module")
def measured():
    return {name: measure(ecg_of(heart)) for name, heart in HEARTS.items()}


@pytest.mark.parametrize("name", HEARTS)
def test_heart_rate_is_that_of_the_heart(measured, name):
    assert measured[name]["heart_rate"].value == pytest.approx(HEARTS[name].rate, rel=0.08)


@pytest.mark.parametrize("name", [name for name, heart in HEARTS.items() if heart.rhythm == "sinus"])
def test_pr_interval_is_that_of_the_heart(measured, name):
    assert measured[name]["pr"].value == pytest.approx(HEARTS[name].pr_ms, abs=24)


@pytest.mark.parametrize("name", HEARTS)
def test_qrs_duration_is_that_of_the_heart(measured, name):
    # the ends of broad complexes fade into the ST segment
    tolerance = 30 if HEARTS[name].conduction == "lbbb" else 22
    assert measured[name]["qrs_duration"].value == pytest.approx(HEARTS[name].qrs_ms, abs=tolerance)


@pytest.mark.parametrize("name", HEARTS)
def test_qtc_is_that_of_the_heart(measured, name):
    assert measured[name]["qtc_fridericia"].value == pytest.approx(HEARTS[name].qtc_ms, abs=32)


@pytest.mark.parametrize("name", ["normal", "long QT"])
def test_qrs_axis_is_that_of_the_heart(measured, name):
    assert measured[name]["qrs_axis"].value == pytest.approx(HEARTS[name].axis_deg, abs=12)


def test_fibrillation_has_no_p_wave_and_irregular_intervals(measured):
    found = measured["fibrillation"]
    assert math.isnan(found["pr"].value)
    assert found["pr"].reason == "no P wave was found"
    assert found["rr_irregularity"].in_range is False
    assert measured["normal"]["rr_irregularity"].in_range is True


def test_qtc_follows_its_formulas(measured):
    found = measured["fast"]
    rr_s = 60 / found["heart_rate"].value
    assert found["qtc_bazett"].value == pytest.approx(found["qt"].value / math.sqrt(rr_s))
    assert found["qtc_fridericia"].value == pytest.approx(found["qt"].value / rr_s ** (1 / 3))


def test_amplitudes_are_those_of_the_beat(measured):
    found = measured["normal"]
    v1 = found.beat[LEADS.index("V1")]
    qrs = v1[200:300] - v1[195:200].mean()
    assert found["s_V1"].value == pytest.approx(-qrs.min(), abs=0.03)
    assert found["sokolow_lyon"].value == found["s_V1"].value + max(found["r_V5"].value, found["r_V6"].value)
    assert found["cornell"].value == found["r_aVL"].value + found["s_V3"].value


def test_a_page_with_gaps_gives_the_values_of_the_whole_recording(measured):
    found = measure(page_of(ecg_of(HEARTS["normal"])))
    whole = measured["normal"]
    for name, tolerance in {
        "heart_rate": 3,
        "pr": 20,
        "qrs_duration": 16,
        "qt": 24,
        "qrs_axis": 12,
        "sokolow_lyon": 0.3,
    }.items():
        assert found[name].value == pytest.approx(whole[name].value, abs=tolerance), name
    assert not [name for name, each in found.values.items() if each.reason]


def test_a_page_without_rhythm_strip_is_measured_as_well(measured):
    found = measure(page_of(ecg_of(HEARTS["normal"]), rhythm_strip=False))
    assert found["heart_rate"].value == pytest.approx(measured["normal"]["heart_rate"].value, abs=4)
    assert found["qrs_duration"].value == pytest.approx(measured["normal"]["qrs_duration"].value, abs=20)


def test_a_missing_lead_leaves_only_its_own_values_out(measured):
    ecg = ecg_of(HEARTS["normal"])
    signal = ecg.signal.copy()
    signal[LEADS.index("V1")] = np.nan
    found = measure(ecg.replace(signal=signal))
    missing = {name for name, each in found.values.items() if each.reason}
    own = {f"{kind}_V1" for kind in ("q", "r", "s", "st", "st_slope", "t")}
    assert missing == own | {"sokolow_lyon", "chest_voltage", "r_transition", "p_terminal_force"}
    assert found["s_V1"].reason == "lead V1 shows no whole beat"
    assert "V1" not in found.quality


def test_a_flat_line_has_no_measurement_and_says_why():
    found = measure(Ecg(np.zeros((12, 2500), np.float32), 250.0, "test"))
    assert {each.reason for each in found.values.values()} == {"no QRS complex was found"}
    assert np.isnan(found.vector()).all()
    assert found.warnings[0].endswith("V6: flat.")


def test_two_seconds_with_one_beat_give_amplitudes_but_no_rate():
    ecg = ecg_of(Heart(rate=60, rr_spread=0.0))
    beat = delineate(ecg).aligned.beats.samples[3]
    found = measure(ecg.replace(signal=ecg.signal[:, beat - 250 : beat + 300].copy()))
    assert found["heart_rate"].reason == "fewer than two QRS complexes in succession were found"
    assert found["r_V5"].value > 0.3


@pytest.mark.parametrize("rate", [250.0, 1000.0])
def test_the_sampling_rate_hardly_matters(measured, rate):
    found = measure(ecg_of(HEARTS["normal"]).resampled(rate))
    for name in ("pr", "qrs_duration", "qt"):
        assert found[name].value == pytest.approx(measured["normal"][name].value, abs=10), name


def test_amplitudes_scale_with_the_signal_and_intervals_do_not(measured):
    ecg = ecg_of(HEARTS["normal"])
    double = measure(ecg.replace(signal=2 * ecg.signal))
    assert double["sokolow_lyon"].value == pytest.approx(2 * measured["normal"]["sokolow_lyon"].value, rel=0.05)
    assert double["qrs_duration"].value == pytest.approx(measured["normal"]["qrs_duration"].value, abs=8)


def test_result_has_every_measurement_in_order_and_serialises(measured):
    found = measured["fibrillation"]
    assert tuple(found.values) == tuple(MEASUREMENTS)
    assert found.vector(["qrs_duration", "pr"])[0] == found["qrs_duration"].value
    assert math.isnan(found.vector(["pr"])[0])
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["measurements"]["pr"] == {
        "value": None, "unit": "ms", "low": 120, "high": 200, "reason": "no P wave was found",
    }  # fmt: skip
    assert "no P wave was found" in found._repr_html_()


def test_a_premature_ventricular_beat_is_another_shape():
    ecg = ecg_of(Heart(rate=60, rr_spread=0.0))
    samples = delineate(ecg).aligned.beats.samples
    signal = ecg.signal.copy()
    wide = 1.5 * np.sin(np.linspace(0, 2 * np.pi, 90)) * np.hanning(90)
    start = samples[4] + 260
    signal[:, start : start + 90] += (np.linspace(-1, 1, 12)[:, None] * wide).astype(np.float32)
    found = delineate(ecg.replace(signal=signal))
    assert np.bincount(found.aligned.beats.classes).tolist()[1] == 1
    assert abs(found.aligned.beats.samples[found.aligned.beats.classes == 1][0] - start - 45) < 40


def test_swapped_arms_are_noticed():
    ecg = ecg_of(HEARTS["normal"])
    lead = dict(zip(LEADS, ecg.signal, strict=True))
    swapped = {**lead, "I": -lead["I"], "II": lead["III"], "III": lead["II"], "aVR": lead["aVL"], "aVL": lead["aVR"]}
    assert "arm electrodes may be swapped" in "".join(
        measure(ecg.replace(signal=np.stack([*swapped.values()]))).warnings
    )


def test_a_normal_ecg_has_no_warning(measured):
    assert measured["normal"].warnings == ()


def test_measurements_are_frozen(measured):
    with pytest.raises(dataclasses.FrozenInstanceError):
        measured["normal"].warnings = ("x",)
