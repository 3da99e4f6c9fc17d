"""Heart Failure Clinical Records (UCI): 299 patients, no ECG."""

from __future__ import annotations

from collections import Counter
from typing import Any

from cardiograph.errors import CohortError
from cardiograph.public_cohorts.adapter import Adapter, Imported, Source
from cardiograph.public_cohorts.files import SEX, find_file, number, plain, read_cells

FILES = ("heart_failure_clinical_records.csv", "heart_failure_clinical_records_dataset.csv")
CONTENTS = "the release of UCI data set 519: heart_failure_clinical_records_dataset.csv"
FLAGS = {"anaemia": "anaemia", "diabetes": "diabetes", "high_blood_pressure": "hypertension", "smoking": "smoking"}
VALUES = {
    "creatinine_phosphokinase": ("cpk", "creatine phosphokinase", "U/L", 1, 100_000, "log"),
    "platelets": ("platelets", "platelets", "/uL", 1_000, 2_000_000, "identity"),
    "serum_creatinine": ("creatinine", "serum creatinine", "mg/dL", 0.1, 30, "log"),
    "serum_sodium": ("sodium", "serum sodium", "mmol/L", 90, 180, "identity"),
}
"""Column -> name, title, unit, smallest and largest value, transform."""

FILLED = "263358.03"
"""Mean of the platelets, which stands in several rows where they were not measured."""


def read(source: Source) -> Imported:
    """Read the table of patients."""
    path = find_file(source.folder, FILES, CONTENTS)
    header, *cells = read_cells(path, separator=",", encoding="utf-8-sig")
    needed = ["age", "sex", "ejection_fraction", "time", "death_event", *FLAGS, *VALUES]
    lower = [name.lower() for name in header]
    missing = [name for name in needed if name not in lower]
    if missing:
        message = f"{path}: has no column {', '.join(missing)} (in any case); needed: {CONTENTS}"
        raise CohortError(message)
    patients = [dict(zip(lower, row, strict=True)) for row in cells]
    _check(str(path), patients)
    rows = []
    for place, patient in enumerate(patients, 1):
        row = {"record_id": f"uci-{place}", "patient_id": f"uci-{place}", "age": patient["age"]}
        row["ef"] = plain((number(patient["ejection_fraction"]) or 0) / 100)
        row["sex"] = "male" if patient["sex"] == "1" else "female"
        row |= {name: patient[column] for column, name in FLAGS.items()}
        row |= {name: patient[column] for column, (name, *_) in VALUES.items()}
        rows.append(row)
    traps = Counter(
        {
            "time of follow-up ends with the death to be predicted; no predictor (patients)": len(rows),
            "the file has no patient ids; each row is a patient, named by its position": len(rows),
            "follow-up differs between patients, so label 0 means no death during it (patients without death)": sum(
                patient["death_event"] == "0" for patient in patients
            ),
            f"platelets are {FILLED}, the mean that the owners filled in; kept": sum(
                patient["platelets"] == FILLED for patient in patients
            ),
            "rows that equal an earlier one; kept": len(cells) - len({tuple(row) for row in cells}),
        }
    )
    death = [patient["death_event"] for patient in patients]
    extra = {"time": [patient["time"] for patient in patients], "event_death": death}
    return Imported(rows, {"death": death}, _variables(), traps, extra)


def _check(place: str, patients: list[dict[str, str]]) -> None:
    numbers = ("age", "ejection_fraction", "time", *VALUES)
    for line, patient in enumerate(patients, 2):
        for column in ("sex", "death_event", *FLAGS):
            if patient[column] not in ("0", "1"):
                message = f"{place}: row {line}: {column} is {patient[column]!r}; the owners' file has 0 or 1"
                raise CohortError(message)
        for column in numbers:
            if number(patient[column]) is None:
                message = f"{place}: row {line}: {column} is {patient[column]!r}; the owners' file has a number"
                raise CohortError(message)


def _variables() -> list[dict[str, Any]]:
    keys = ("name", "title", "unit", "low", "high", "transform")
    flags = [{"name": name, "low": 0, "high": 1, "whole": True} for name in FLAGS.values()]
    return [dict(SEX), *flags, *(dict(zip(keys, facts, strict=True)) for facts in VALUES.values())]


ADAPTER = Adapter(
    name="uci-hf",
    title="Heart Failure Clinical Records: 299 patients, clinical values, no ECG",
    licence="Creative Commons Attribution 4.0 International (CC BY 4.0)",
    citation=(
        "Heart Failure Clinical Records. UCI Machine Learning Repository, 2020. https://doi.org/10.24432/C5Z89R\n"
        "Chicco D, Jurman G. Machine learning can predict survival of patients with heart failure from serum creatinine "
        "and ejection fraction alone. BMC Medical Informatics and Decision Making 2020;20:16."
    ),
    contents=CONTENTS,
    outcomes={"death": "death during follow-up, which differs between patients"},
    read=read,
)
