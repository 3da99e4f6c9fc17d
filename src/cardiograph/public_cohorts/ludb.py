"""LUDB: 200 recordings of 10 s with diagnoses in words."""

from __future__ import annotations

from collections import Counter

from cardiograph.errors import CohortError
from cardiograph.public_cohorts.adapter import Adapter, Imported, Row, Source
from cardiograph.public_cohorts.files import AGE_ABOVE_89, SEX, existing, find_file, number, plain, read_rows

CONTENTS = "the release 1.0.1 of LUDB on PhysioNet: ludb.csv (one row per recording) and data/ with WFDB records"
RHYTHM, CONDUCTION, HYPERTROPHY = "Rhythms", "Conduction abnormalities", "Hypertrophies"
TEXTS = {
    "rhythm": RHYTHM,
    "axis": "Electric axis of the heart",
    "conduction": CONDUCTION,
    "extrasystoles": "Extrasystolies",
    "hypertrophy": HYPERTROPHY,
    "pacing": "Cardiac pacing",
    "ischaemia": "Ischemia",
    "repolarisation": "Non-specific repolarization abnormalities",
}
"""Column of the cohort -> column of the owners."""


def read(source: Source) -> Imported:
    """Read the table of recordings."""
    path = find_file(source.folder, ["ludb.csv"], CONTENTS)
    records = read_rows(path, ["ID", "Sex", "Age", *TEXTS.values()], CONTENTS)
    traps: Counter[str] = Counter()
    files = [source.folder / "data" / f"{record['ID']}.hea" for record in records]
    records, ecgs = existing(records, files, traps, path, CONTENTS)
    rows = [_row(record, ecg, traps) for record, ecg in zip(records, ecgs, strict=True)]
    traps["several diagnoses stand in one cell, on lines of their own (cells)"] = sum(
        "\n" in record[column] for record in records for column in TEXTS.values()
    )
    traps["an empty diagnosis means that none was made; read as absent (cells)"] = sum(
        not record[column] for record in records for column in TEXTS.values() if column != TEXTS["axis"]
    )
    traps["no patient numbers: the owners state 200 persons, one recording each (records)"] = len(rows)
    return Imported(rows, _outcomes(records), [dict(SEX)], traps)


def _row(record: Row, ecg: str, traps: Counter[str]) -> Row:
    sex = {"F": "female", "M": "male"}.get(record["Sex"], "")
    if not sex:
        message = f"ludb.csv: recording {record['ID']}: Sex is {record['Sex']!r}; the owners' file has F or M"
        raise CohortError(message)
    above = record["Age"].startswith(">")
    age = number(record["Age"])
    if above:
        traps[f"age is written {record['Age']}; read as {AGE_ABOVE_89} and marked in age_over_89"] += 1
    elif age is None:
        traps["age is no number; left empty"] += 1
    name = f"ludb-{record['ID']}"
    texts = {ours: record[theirs].replace("\n", "|") for ours, theirs in TEXTS.items()}
    shown = AGE_ABOVE_89 if above else "" if age is None else plain(age)
    return {
        "record_id": name,
        "patient_id": name,
        "ecg": ecg,
        "age": shown,
        "age_over_89": str(int(above)),
        "sex": sex,
        **texts,
    }


def _outcomes(records: list[Row]) -> dict[str, list[str]]:
    """Map the diagnoses in words to outcomes."""

    def has(column: str, *words: str) -> list[str]:
        return [str(int(any(word in record[column].lower() for word in words))) for record in records]

    rhythm = [record[RHYTHM].lower() for record in records]
    return {
        "lv-hypertrophy": has(HYPERTROPHY, "left ventricular hypertrophy"),
        "abnormal-rhythm": ["" if not text else str(int(text != "sinus rhythm")) for text in rhythm],
        "atrial-fibrillation-flutter": has(RHYTHM, "atrial fibrillation", "atrial flutter"),
        "conduction": [str(int(bool(record[CONDUCTION]))) for record in records],
        "bundle-branch-block": has(CONDUCTION, "bundle branch block"),
        "av-block": has(CONDUCTION, "av block", "av-block"),
        "ischaemia": [str(int(bool(record[TEXTS["ischaemia"]]))) for record in records],
    }


ADAPTER = Adapter(
    name="ludb",
    title="LUDB: 200 recordings of 10 s with diagnoses and marked waves",
    licence="Open Data Commons Attribution License 1.0 (ODC-By)",
    citation=(
        "Kalyakulina AI, Yusipov II, Moskalenko VA, et al. LUDB: a new open-access validation tool for "
        "electrocardiogram delineation algorithms. IEEE Access 2020;8:186181-186190.\n"
        "Lobachevsky University Electrocardiography Database 1.0.1, PhysioNet. https://doi.org/10.13026/eegm-h675"
    ),
    contents=CONTENTS,
    outcomes={
        "lv-hypertrophy": "left ventricular hypertrophy",
        "abnormal-rhythm": "any rhythm but plain sinus rhythm",
        "atrial-fibrillation-flutter": "atrial fibrillation or flutter",
        "conduction": "any conduction abnormality",
        "bundle-branch-block": "bundle branch block, complete or not",
        "av-block": "atrioventricular block of any degree",
        "ischaemia": "ischaemia, infarction or scar",
    },
    read=read,
)
