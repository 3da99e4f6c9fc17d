"""Columns of MUSIC: their names in the cohort, units and possible ranges."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """A column of MUSIC.

    Args:
        name: Name in the cohort.
        unit: Unit.
        low: Smallest possible value.
        high: Largest possible value; 0 if the column is kept but is no predictor (a code without an order) or is known
            to the package already.
        log: Whether the model takes the logarithm.
        title: Display name, if it differs from the name.
    """

    name: str
    unit: str = ""
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    title: str = ""


def _flag(name: str, title: str = "") -> Column:
    return Column(name, "", 0, 1, title=title)


DAMAGED = (
    "numberofventricularprematurecontractionsperhour",
    "Number of ventricular premature contractions per hour",
)
"""Letters of the header and header of the column whose numbers are damaged."""

MISSING_CODES = {"printervalms": 999.0, "numberofsupraventricularprematurebeatsin24h": 999.0}
"""Letters of a header -> code for a missing value."""

COLUMNS: dict[str, Column] = {
    "age": Column("age"),
    "lvef": Column("ef"),
    "probnpngl": Column("ntprobnp"),
    "nyhaclass": Column("nyha"),
    "systolicbloodpressuremmhg": Column("sbp"),
    "gendermale1": Column("gender_code"),
    "diastolicbloodpressuremmhg": Column("dbp", "mmHg", 20, 200, title="diastolic blood pressure"),
    "weightkg": Column("weight", "kg", 25, 250),
    "heightcm": Column("height", "cm", 100, 220),
    "bodymassindexkgm2": Column("bmi", "kg/m2", 10, 80, title="body mass index"),
    "hfetiologydiagnosis": Column("etiology_code"),
    "diabetesyes1": _flag("diabetes"),
    "historyofdyslipemiayes1": _flag("dyslipidaemia"),
    "peripheralvasculardiseaseyes1": _flag("peripheral_vascular_disease"),
    "historyofhypertensionyes1": _flag("hypertension"),
    "priormyocardialinfarctionyes1": _flag("prior_infarction"),
    "priorimplantabledevice": Column("device_code"),
    "priorrevascularization": Column("revascularisation_code"),
    "syncope": Column("syncope_code"),
    "dailysmokingcigarretesday": Column("cigarettes_a_day"),
    "smokefreetimeyears": Column("smoke_free_years"),
    "albumingl": Column("albumin", "g/L", 5, 80),
    "totalcholesterolmmoll": Column("cholesterol", "mmol/L", 0.5, 20),
    "creatininemoll": Column("creatinine", "umol/L", 10, 2000, log=True),
    "glucosemmoll": Column("glucose", "mmol/L", 1, 60),
    "hemoglobingl": Column("haemoglobin", "g/L", 30, 250),
    "potassiummeql": Column("potassium", "mmol/L", 1, 10),
    "sodiummeql": Column("sodium", "mmol/L", 90, 190),
    "tshmiul": Column("tsh", "mIU/L", 0.001, 200, log=True, title="thyrotropin"),
    "ureamgdl": Column("urea", "as written", 0.5, 300, log=True),
    "cardiothoracicratio": Column("cardiothoracic_ratio", "", 0.2, 1),
    "leftatrialsizemm": Column("left_atrium", "mm", 10, 120),
    "leftventricleenddiastolicdiametermm": Column("lv_diastolic_diameter", "mm", 20, 130),
    "leftventricleendsystolicdiametermm": Column("lv_systolic_diameter", "mm", 10, 120),
    "mitralvalveinsufficiency": Column("mitral_insufficiency", "grade", 0, 4),
    "ecgrhythm": Column("rhythm_code"),
    "printervalms": Column("pr_interval", "ms", 60, 600, title="PR interval"),
    "qrsdurationms": Column("qrs_duration", "ms", 40, 300, title="QRS duration"),
    "qtintervalms": Column("qt_interval", "ms", 200, 800, title="QT interval"),
    "averagerrms": Column("rr_interval", "ms", 250, 3000, title="mean RR interval of the ECG"),
    "averagerrms2": Column("holter_rr_interval", "ms", 250, 3000, title="mean RR interval of the Holter"),
    "leftventricularhypertrophyyes1": _flag("lv_hypertrophy"),
    "intraventricularconductiondisorder": Column("conduction_code"),
    "numberofventricularprematurebeatsin24h": Column("ventricular_beats_24h"),
    "numberofsupraventricularprematurebeatsin24h": Column("supraventricular_beats_24h"),
    "sdnnms": Column("sdnn", "ms", 0, 500, title="SDNN"),
    "amiodaroneyes1": _flag("amiodarone"),
    "angiotensiniireceptorblockeryes1": _flag("angiotensin_receptor_blocker"),
    "betablockersyes1": _flag("beta_blocker"),
    "digoxinyes1": _flag("digoxin"),
    "loopdiureticsyes1": _flag("loop_diuretic"),
    "spironolactoneyes1": _flag("spironolactone"),
    "statinsyes1": _flag("statin"),
    "aceinhibitoryes1": _flag("ace_inhibitor", "ACE inhibitor"),
}
"""Letters of the header -> column."""
