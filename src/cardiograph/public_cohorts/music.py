"""MUSIC: sudden cardiac death in chronic heart failure (clinical values and follow-up; no waveforms are read)."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

from cardiograph.errors import CohortError
from cardiograph.public_cohorts.adapter import Adapter, Imported, Row, Source
from cardiograph.public_cohorts.files import (
    AGE_ABOVE_89,
    SEX,
    count_left_out,
    find_file,
    number,
    plain,
    read_cells,
    sex_of,
)
from cardiograph.public_cohorts.music_columns import COLUMNS, DAMAGED, MISSING_CODES

CONTENTS = (
    "the release of MUSIC on PhysioNet: subject-info.csv (one row per patient, semicolons, decimal commas), "
    "subject-info_codes.csv, subject-info_definitions.csv and folders of Holter and high-resolution ECGs"
)
FOLLOW_UP, EXIT, CAUSE = "followupperiodfromenrollmentdays", "exitofthestudy", "causeofdeath"
LOST, TRANSPLANT, DEATH = "1", "2", "3"
EVENTS = {
    "all-cause-death": ("1", "3", "6", "7"),
    "cardiac-death": ("3", "6", "7"),
    "pump-failure-death": ("6", "7"),
}
"""Outcome -> codes of the cause of death (1 not cardiac, 3 sudden, 6 and 7 pump failure); other deaths compete."""


def read(source: Source) -> Imported:
    """Read the table of patients."""
    path = find_file(source.folder, ["subject-info.csv"], CONTENTS)
    patients = _patients(path)
    traps: Counter[str] = Counter()
    _check_outcomes(path, patients)
    _count_exits(patients, traps)
    rows = [_row(patient, traps) for patient in patients]
    traps["decimal commas, semicolons and Latin-1 are read as such (columns)"] = len(patients[0])
    traps[
        f"{DAMAGED[1]!r} lost its decimal mark in cells such as 4,970,833,333; the column is left out (damaged cells)"
    ] = sum(patient[DAMAGED[0]].count(",") > 1 for patient in patients)
    count_left_out(patients[0], {"patientid", FOLLOW_UP, EXIT, CAUSE, DAMAGED[0], *COLUMNS}, traps)
    traps["urea is labelled mg/dL but its values look like mmol/L; kept as written (values)"] = sum(
        bool(row["urea"]) for row in rows
    )
    traps[
        "smoker is derived: cigarettes a day and no smoke-free year is 1; patients who stopped and those who never "
        "smoked are 0 (current smokers)"
    ] = sum(row["smoker"] == "1" for row in rows)
    imported = Imported(rows, {}, _variables(), traps)
    days = [number(patient[FOLLOW_UP]) or 0.0 for patient in patients]
    imported.extra["time"] = [plain(value) for value in days]
    for name, codes in EVENTS.items():
        events = [_event(patient[CAUSE], codes) for patient in patients]
        labels = [_label(event, time, source.horizon) for event, time in zip(events, days, strict=True)]
        imported.outcomes[name] = labels
        imported.extra[f"event_{name}"] = events
        traps[f"{name}: censored before {plain(source.horizon)} days, so unlabelled"] = labels.count("")
        competing = sum(e == "2" and t <= source.horizon for e, t in zip(events, days, strict=True))
        traps[f"{name}: died of another cause within the horizon (label 0, event 2)"] = competing
    return imported


def _patients(path: Path) -> list[Row]:
    """Return the cells of each patient by the letters of the header; a second column of a name ends in 2."""
    header, *rows = read_cells(path, separator=";", encoding="latin-1")
    keys: list[str] = []
    for name in header:
        key = re.sub(r"[^a-z0-9]", "", name.lower())
        keys.append(f"{key}2" if key in keys else key)
    needed = ["patientid", FOLLOW_UP, EXIT, CAUSE, DAMAGED[0], *COLUMNS]
    missing = [key for key in needed if key not in keys]
    if missing:
        message = f"{path}: lacks the columns {', '.join(missing)} (letters of the header only); needed: {CONTENTS}"
        raise CohortError(message)
    return [dict(zip(keys, row, strict=True)) for row in rows]


def _check_outcomes(path: Path, patients: list[Row]) -> None:
    """Refuse codes that are not allowed, and a cause of death that contradicts the exit from the study."""
    faults = []
    for patient in patients:
        reason, cause, time = patient[EXIT], patient[CAUSE], number(patient[FOLLOW_UP])
        died = cause not in ("", "0")
        if reason not in ("", "0", LOST, TRANSPLANT, DEATH) or cause not in ("", "0", *EVENTS["all-cause-death"]):
            faults.append(f"{patient['patientid']} has exit {reason!r} and cause {cause!r}, which are not in the codes")
        elif died != (reason == DEATH):
            faults.append(f"{patient['patientid']} has exit {reason!r} but cause of death {cause!r}")
        elif time is None or time <= 0:
            faults.append(f"{patient['patientid']} has a follow-up of {patient[FOLLOW_UP]!r} days")
    if faults:
        message = f"{path}: {len(faults)} patients have an outcome that cannot be read: {'; '.join(faults[:5])}"
        raise CohortError(message)


def _count_exits(patients: list[Row], traps: Counter[str]) -> None:
    exits = Counter(patient[EXIT] for patient in patients)
    traps["survivors have an empty exit from the study, though the code list says 0; read as alive"] = exits[""]
    traps["cause of death is 0 or empty: alive, transplanted or lost (not all alive)"] = sum(
        patient[CAUSE] in ("", "0") for patient in patients
    )
    traps["heart transplant: censored at its date"] = exits[TRANSPLANT]
    traps["lost to follow-up: censored at the last contact"] = exits[LOST]


def _event(cause: str, codes: tuple[str, ...]) -> str:
    """Return 1 for the event, 2 for a death of another cause and 0 for censoring."""
    return "1" if cause in codes else "0" if cause in ("", "0") else "2"


def _label(event: str, time: float, horizon: float) -> str:
    """Return the label at the horizon; a competing death before it means that the event never happens."""
    if event != "0" and time <= horizon:
        return "1" if event == "1" else "0"
    return "0" if time >= horizon else ""


def _row(patient: Row, traps: Counter[str]) -> Row:
    row = {"record_id": patient["patientid"], "patient_id": patient["patientid"]}
    for key, column in COLUMNS.items():
        row[column.name] = _cell(patient[key], key, column.name, traps)
    row["age_over_89"] = str(int(patient["age"].startswith(">")))
    row["smoker"] = _smoker(row["cigarettes_a_day"], row["smoke_free_years"])
    row["sex"] = sex_of(row.pop("gender_code"), {"0": "female", "1": "male"}, traps)
    if row["ef"]:
        row["ef"] = plain(float(row["ef"]) / 100)
    return row


def _smoker(cigarettes: str, free_years: str) -> str:
    """Return 1 for a patient who smokes cigarettes and has no smoke-free year, 0 for any other, empty if unknown.

    The owners keep the cigarettes a day of patients who have stopped, so that number alone shows who ever smoked.
    """
    if cigarettes == "0":
        return "0"
    if not cigarettes or not free_years:
        return ""
    return "1" if free_years == "0" else "0"


def _cell(text: str, key: str, name: str, traps: Counter[str]) -> str:
    if key == "age" and text.replace(" ", "") == ">89":
        traps[f"age above 89 years is written >89; read as {AGE_ABOVE_89} and marked in age_over_89"] += 1
        return AGE_ABOVE_89
    value = number(text)
    if value is None:
        if text not in ("", "NA"):
            traps[f"{name}: cells that are no numbers, left empty"] += 1
        return ""
    if MISSING_CODES.get(key) == value:
        traps[f"{name}: 999 stands for missing, left empty"] += 1
        return ""
    return plain(value)


def _variables() -> list[dict[str, Any]]:
    described = [
        {
            "name": column.name,
            "title": column.title or column.name.replace("_", " "),
            "unit": column.unit,
            "low": column.low,
            "high": column.high,
            "transform": "log" if column.log else "identity",
        }
        for column in COLUMNS.values()
        if column.high
    ]
    smoker = {"name": "smoker", "title": "current smoker", "low": 0, "high": 1}
    return [dict(SEX), *described, smoker]


ADAPTER = Adapter(
    name="music",
    title="MUSIC: 992 patients with chronic heart failure, clinical values and follow-up",
    licence="Open Data Commons Attribution License 1.0 (ODC-By); check the page of the release",
    citation=(
        "Martin-Yebra A, Martínez JP, Laguna P. MUSIC (Sudden Cardiac Death in Chronic Heart Failure). PhysioNet. "
        "https://physionet.org/content/music-sudden-cardiac-death/\n"
        "Vazquez R, Bayes-Genis A, Cygankiewicz I, et al. The MUSIC Risk score: a simple method for predicting "
        "mortality in ambulatory patients with chronic heart failure. European Heart Journal 2009;30:1088-1096."
    ),
    contents=CONTENTS,
    outcomes={
        "all-cause-death": "death of any cause within the horizon",
        "cardiac-death": "sudden or pump-failure death (codes 3, 6, 7); other deaths compete",
        "pump-failure-death": "pump-failure death (codes 6, 7); other deaths compete",
    },
    read=read,
    horizon=1461.0,
)
