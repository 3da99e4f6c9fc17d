"""The registry of measurements: name, unit, reference range, source and function of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from cardiograph.ecg.leads import CHEST, LEADS, LIMB
from cardiograph.ecg.measure.prepare import Floats
from cardiograph.ecg.measure.shapes import Shape, Unmeasurable

KLIGFIELD = "Kligfield et al., J Am Coll Cardiol 49 (2007) 1109"
SURAWICZ = "Surawicz et al., J Am Coll Cardiol 53 (2009) 976"
RAUTAHARJU = "Rautaharju et al., J Am Coll Cardiol 53 (2009) 982"
HANCOCK = "Hancock et al., J Am Coll Cardiol 53 (2009) 992"
INFARCTION = "Thygesen et al., Circulation 138 (2018) e618"


@dataclass(frozen=True)
class MeasurementSpec:
    """A measurement.

    Args:
        title: Name for people.
        unit: Unit; empty for a number without one.
        function: Returns the value of a shape; raises :class:`Unmeasurable` with the reason if there is none.
        low: Lower limit of the reference range of adults, None if there is none.
        high: Upper limit, None if there is none.
        source: Publication of the definition or the reference range.
        per_lead: Whether it is one of twelve, one for each lead.
    """

    title: str
    unit: str
    function: Callable[[Shape], float]
    low: float | None = None
    high: float | None = None
    source: str = ""
    per_lead: bool = False


def _rr_s(shape: Shape) -> Floats:
    if not len(shape.rr_s):
        reason = "fewer than two QRS complexes in succession were found"
        raise Unmeasurable(reason)
    return shape.rr_s


def _heart_rate(shape: Shape) -> float:
    return float(60 / _rr_s(shape).mean())


def _rr_irregularity(shape: Shape) -> float:
    intervals = _rr_s(shape)
    if len(intervals) < 3:
        reason = "fewer than four QRS complexes in succession were found"
        raise Unmeasurable(reason)
    return float(100 * np.sqrt(np.mean(np.diff(intervals) ** 2)) / intervals.mean())


def _other_beats(shape: Shape) -> float:
    return 100 * shape.other_beats


def _between(shape: Shape, start: str, stop: str) -> float:
    return 1e3 * (shape.at(stop) - shape.at(start))


def _qtc(shape: Shape, exponent: float) -> float:
    return _between(shape, "qrs_onset", "t_end") / float(float(_rr_s(shape).mean()) ** exponent)


def _angle(shape: Shape) -> float:
    difference = abs(shape.axis("qrs_onset", "qrs_end") - shape.axis("t_onset", "t_end"))
    return min(difference, 360 - difference)


def _sokolow_lyon(shape: Shape) -> float:
    return shape.qrs("V1").s + max(shape.qrs("V5").r, shape.qrs("V6").r)


def _cornell(shape: Shape) -> float:
    return shape.qrs("aVL").r + shape.qrs("V3").s


def _voltage(shape: Shape, leads: tuple[str, ...]) -> float:
    return max(shape.peak_to_peak(lead) for lead in leads)


def _transition(shape: Shape) -> float:
    for number, lead in enumerate(CHEST, start=1):
        waves = shape.qrs(lead)
        if waves.r >= waves.s:
            return float(number)
    return float(len(CHEST) + 1)


def _q_leads(shape: Shape) -> float:
    count = 0
    for lead in LEADS:
        if lead in ("aVR", "III", "V1"):
            continue
        waves = shape.qrs(lead)
        if lead in ("V2", "V3"):
            count += waves.q_ms >= 20
        else:
            count += waves.q_ms >= 30 and waves.q >= 0.1
    return float(count)


def _range(kind: str, lead: str) -> tuple[float | None, float | None]:
    """Return the reference range of an amplitude in a lead."""
    if kind == "st" and lead != "aVR":
        return -0.05, 0.2 if lead in ("V2", "V3") else 0.1
    if kind == "t" and lead in ("I", "II", "V3", "V4", "V5", "V6"):
        return 0.0, None
    return None, 0.0 if (kind, lead) == ("t", "aVR") else None


def _per_lead() -> dict[str, MeasurementSpec]:
    table: dict[str, MeasurementSpec] = {}
    kinds: tuple[tuple[str, str, str, Callable[[Shape, str], float], str], ...] = (
        ("q", "Depth of Q in", "mV", lambda shape, lead: shape.qrs(lead).q, KLIGFIELD),
        ("r", "Height of R in", "mV", lambda shape, lead: shape.qrs(lead).r, KLIGFIELD),
        ("s", "Depth of S in", "mV", lambda shape, lead: shape.qrs(lead).s, KLIGFIELD),
        ("st", "ST level in", "mV", lambda shape, lead: shape.st_level(lead), INFARCTION),
        ("st_slope", "ST slope in", "mV/s", lambda shape, lead: shape.st_slope(lead), RAUTAHARJU),
        ("t", "T amplitude in", "mV", lambda shape, lead: shape.t_amplitude(lead), RAUTAHARJU),
    )
    for kind, title, unit, function, source in kinds:
        for lead in LEADS:
            low, high = _range(kind, lead)
            table[f"{kind}_{lead}"] = MeasurementSpec(
                f"{title} {lead}", unit, partial(_of_lead, function=function, lead=lead), low, high, source, True
            )
    return table


def _of_lead(shape: Shape, *, function: Callable[[Shape, str], float], lead: str) -> float:
    return function(shape, lead)


def _interval(start: str, stop: str) -> Callable[[Shape], float]:
    return partial(_between, start=start, stop=stop)


MEASUREMENTS: dict[str, MeasurementSpec] = {
    "heart_rate": MeasurementSpec(
        "Heart rate", "1/min", _heart_rate, 50, 100,
        "Kusumoto et al., J Am Coll Cardiol 74 (2019) e51; Page et al., J Am Coll Cardiol 67 (2016) e27",
    ),
    "rr_irregularity": MeasurementSpec(
        "RR irregularity (RMSSD / mean)", "%", _rr_irregularity, None, 10, "Dash et al., Ann Biomed Eng 37 (2009) 1701"
    ),
    "other_beats": MeasurementSpec("Beats of another shape", "%", _other_beats, None, None, KLIGFIELD),
    "p_duration": MeasurementSpec("P duration", "ms", _interval("p_onset", "p_end"), None, 120, HANCOCK),
    "pr": MeasurementSpec(
        "PR interval", "ms", _interval("p_onset", "qrs_onset"), 120, 200,
        "Kusumoto et al., J Am Coll Cardiol 74 (2019) e51; Surawicz et al., J Am Coll Cardiol 53 (2009) 976",
    ),
    "qrs_duration": MeasurementSpec("QRS duration", "ms", _interval("qrs_onset", "qrs_end"), None, 110, SURAWICZ),
    "qt": MeasurementSpec("QT interval", "ms", _interval("qrs_onset", "t_end"), None, None, RAUTAHARJU),
    "qtc_fridericia": MeasurementSpec(
        "QTc (Fridericia)", "ms", partial(_qtc, exponent=1 / 3), 390, 460,
        f"Fridericia, Acta Med Scand 53 (1920) 469; {RAUTAHARJU}",
    ),
    "qtc_bazett": MeasurementSpec(
        "QTc (Bazett)", "ms", partial(_qtc, exponent=1 / 2), 390, 460, f"Bazett, Heart 7 (1920) 353; {RAUTAHARJU}"
    ),
    "p_axis": MeasurementSpec(
        "P axis", "°", lambda shape: shape.axis("p_onset", "p_end"), 0, 75, "Li et al., Am J Cardiol 113 (2014) 372"
    ),
    "qrs_axis": MeasurementSpec(
        "QRS axis", "°", lambda shape: shape.axis("qrs_onset", "qrs_end"), -30, 90, SURAWICZ
    ),
    "t_axis": MeasurementSpec(
        "T axis", "°", lambda shape: shape.axis("t_onset", "t_end"), 15, 75, "Kors et al., Lancet 352 (1998) 601"
    ),
    "qrs_t_angle": MeasurementSpec(
        "Frontal QRS-T angle", "°", _angle, None, 100, "Aro et al., Europace 14 (2012) 872"
    ),
    "sokolow_lyon": MeasurementSpec(
        "Sokolow-Lyon voltage", "mV", _sokolow_lyon, None, 3.5, "Sokolow and Lyon, Am Heart J 37 (1949) 161"
    ),
    "cornell": MeasurementSpec(
        "Cornell voltage (above 2.0 mV is high in women)", "mV", _cornell, None, 2.8,
        "Casale et al., J Am Coll Cardiol 6 (1985) 572",
    ),
    "limb_voltage": MeasurementSpec(
        "Largest QRS of the limb leads (less is low voltage)", "mV", partial(_voltage, leads=LIMB), 0.5, None,
        "Madias, J Electrocardiol 41 (2008) 498",
    ),
    "chest_voltage": MeasurementSpec(
        "Largest QRS of the chest leads (less is low voltage)", "mV", partial(_voltage, leads=CHEST), 1.0, None,
        "Madias, J Electrocardiol 41 (2008) 498",
    ),
    "r_transition": MeasurementSpec(
        "R progression: first chest lead with R at least S (7: none)", "", _transition, None, 4,
        "Patel et al., J Am Heart Assoc 6 (2017) e006281",
    ),
    "q_leads": MeasurementSpec("Leads with a pathological Q wave", "", _q_leads, None, 1, INFARCTION),
    "p_terminal_force": MeasurementSpec(
        "P terminal force in V1", "mV ms", lambda shape: shape.p_terminal_force(), None, 4,
        f"Morris et al., Circulation 29 (1964) 242; {HANCOCK}",
    ),
    **_per_lead(),
}  # fmt: skip
"""Name -> measurement, in the order of tables and vectors."""

MEASUREMENT_GROUPS: dict[str, tuple[str, ...]] = {
    "rate and rhythm": ("heart_rate", "rr_irregularity", "other_beats"),
    "P wave and PR interval": ("p_duration", "pr", "p_axis", "p_terminal_force"),
    "QRS duration and axes": ("qrs_duration", "qrs_axis", "qrs_t_angle"),
    "QT interval": ("qt", "qtc_fridericia", "qtc_bazett"),
    "Q waves": ("q_leads", *(f"q_{lead}" for lead in LEADS)),
    "QRS amplitudes": (
        *("sokolow_lyon", "cornell", "limb_voltage", "chest_voltage", "r_transition"),
        *(f"{wave}_{lead}" for wave in "rs" for lead in LEADS),
    ),
    "ST segment": tuple(f"{what}_{lead}" for what in ("st", "st_slope") for lead in LEADS),
    "T wave": ("t_axis", *(f"t_{lead}" for lead in LEADS)),
}
"""Name for people -> measurements that describe the same part of the ECG; each measurement is in one group."""


def measured(shape: Shape) -> Floats:
    """Return the value of every measurement of a shape, [measurements], NaN where there is none."""
    values = np.full(len(MEASUREMENTS), np.nan)
    for place, spec in enumerate(MEASUREMENTS.values()):
        try:
            values[place] = spec.function(shape)
        except Unmeasurable:
            continue
    return values
