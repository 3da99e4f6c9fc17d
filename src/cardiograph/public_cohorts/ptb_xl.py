"""PTB-XL: recordings of ten seconds with SCP statements, in the owners' form or as a list of records."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from cardiograph.errors import CohortError
from cardiograph.public_cohorts.adapter import Adapter, Imported, Row, Source
from cardiograph.public_cohorts.files import (
    AGE_ABOVE_89,
    SEX,
    count_left_out,
    existing,
    find_file,
    number,
    plain,
    read_rows,
    sex_of,
    whole,
)

CONTENTS = (
    "the release 1.0.3 of PTB-XL on PhysioNet: ptbxl_database.csv, scp_statements.csv, records500/ and records100/; or "
    "a part of it as records.csv (ecg_id, record, patient_id, age, sex, scp_codes, NORM, MI, STTC, CD, HYP)"
)
SUPERCLASSES = ("NORM", "MI", "STTC", "CD", "HYP")
RELEASED = 21_799
"""Number of records of version 1.0.3; earlier versions had 21,837, of which 38 were removed."""

AGE_CODE = 300.0
"""Age of a patient above 89 years in the owners' table."""

TRAIN_FOLDS, VAL_FOLD, TEST_FOLD = range(1, 9), 9, 10
"""Folds that the owners recommend for training, validation and test."""

Statements = list[tuple[str, ...]]


def read(source: Source) -> Imported:
    """Read the owners' table if there is one, otherwise the list of records."""
    table = find_file(source.folder, ["ptbxl_database.csv", "records.csv"], CONTENTS)
    return _owners(source, table) if table.name == "ptbxl_database.csv" else _listed(source, table)


def _owners(source: Source, table: Path) -> Imported:
    needed = ["ecg_id", "patient_id", "age", "sex", "recording_date", "scp_codes", "strat_fold", "filename_hr"]
    records = read_rows(table, needed, CONTENTS)
    classes = _diagnostic_classes(find_file(source.folder, ["scp_statements.csv"], CONTENTS))
    traps: Counter[str] = Counter()
    files = "filename_hr" if (source.folder / "records500").is_dir() else "filename_lr"
    if files == "filename_lr":
        traps["records500 is absent: the recordings with 100 Hz of records100 are used"] = len(records)
    paths = [source.folder / f"{record.get(files, '')}.hea" for record in records]
    records, ecgs = existing(records, paths, traps, table, CONTENTS)
    if len(records) > RELEASED:
        message = (
            f"{table}: {len(records):,} records with files; version 1.0.3 has {RELEASED:,}, because 38 of the earlier "
            "versions were removed; import version 1.0.3"
        )
        raise CohortError(message)
    count_left_out(records[0], [*needed, "filename_lr", "site"], traps)
    statements = _statements(table, records, traps)
    found = [{classes[code] for code in codes if code in classes} for codes in statements]
    rows = [_row(record, ecg, traps) for record, ecg in zip(records, ecgs, strict=True)]
    for row, record in zip(rows, records, strict=True):
        row["sex"] = sex_of(whole(record["sex"]), {"0": "male", "1": "female"}, traps)
        row["site"] = whole(record.get("site", ""))
        row["strat_fold"] = whole(record["strat_fold"])
    traps["sex is coded 0 = male and 1 = female; written as words"] = sum(bool(row["sex"]) for row in rows)
    _split(rows, traps)
    return _imported(rows, statements, found, traps)


def _listed(source: Source, table: Path) -> Imported:
    needed = ["ecg_id", "record", "patient_id", "age", "sex", "recording_date", "scp_codes", *SUPERCLASSES]
    records = read_rows(table, needed, CONTENTS)
    traps: Counter[str] = Counter()
    paths = [source.folder / record["record"] for record in records]
    records, ecgs = existing(records, paths, traps, table, CONTENTS)
    statements = [tuple(code for code in record["scp_codes"].split("|") if code) for record in records]
    found = [{name for name in SUPERCLASSES if record[name] == "1"} for record in records]
    rows = [_row(record, ecg, traps) for record, ecg in zip(records, ecgs, strict=True)]
    for row, record in zip(rows, records, strict=True):
        row["sex"] = sex_of(record["sex"], {"male": "male", "female": "female"}, traps)
    traps["no fold: this form has no strat_fold, so a split is drawn"] = len(rows)
    return _imported(rows, statements, found, traps)


def _row(record: Row, ecg: str, traps: Counter[str]) -> Row:
    age = number(record["age"])
    above = age == AGE_CODE
    if above:
        traps[f"age 300 stands for above 89 years; read as {AGE_ABOVE_89} and marked in age_over_89"] += 1
    if not record["patient_id"]:
        traps["patient unknown, treated as a different patient: two such records may be of one"] += 1
    return {
        "record_id": f"ptb-xl-{record['ecg_id']}",
        "patient_id": whole(record["patient_id"]),
        "ecg": ecg,
        "acquired_at": record["recording_date"],
        "age": AGE_ABOVE_89 if above else "" if age is None else plain(age),
        "age_over_89": str(int(above)),
    }


def _diagnostic_classes(path: Path) -> dict[str, str]:
    """Return diagnostic statement -> superclass."""
    rows = read_rows(path, ["diagnostic", "diagnostic_class"], CONTENTS)
    code = next(iter(rows[0]))
    found = {row[code]: row["diagnostic_class"] for row in rows if number(row["diagnostic"]) == 1}
    unknown = set(found.values()) - set(SUPERCLASSES)
    if unknown:
        message = f"{path}: unknown diagnostic_class {', '.join(sorted(unknown))}; known: {', '.join(SUPERCLASSES)}"
        raise CohortError(message)
    return found


def _statements(table: Path, records: Sequence[Row], traps: Counter[str]) -> Statements:
    """Return the statements of each record; one of likelihood 0 (not known) counts, as in the owners' example."""
    found: Statements = []
    for record in records:
        try:
            likelihoods = dict(ast.literal_eval(record["scp_codes"]))
        except (ValueError, SyntaxError, TypeError) as error:
            message = (
                f"{table}: ecg_id {record['ecg_id']}: scp_codes is {record['scp_codes'][:60]!r}; the owners' file has a "
                "dictionary such as {'NORM': 100.0}"
            )
            raise CohortError(message) from error
        found.append(tuple(map(str, likelihoods)))
        traps["a statement has likelihood 0, which means unknown; it counts as made (records)"] += 0 in (
            likelihoods.values()
        )
    return found


def _split(rows: list[Row], traps: Counter[str]) -> None:
    """Write the owners' folds as a split if they divide patients and leave no part empty."""
    parts = {**{str(fold): "train" for fold in TRAIN_FOLDS}, str(VAL_FOLD): "val", str(TEST_FOLD): "test"}
    unknown = {row["strat_fold"] for row in rows} - set(parts)
    if unknown:
        message = f"strat_fold is {', '.join(sorted(unknown))!r}; the owners' folds are 1 to 10"
        raise CohortError(message)
    patients: dict[str, set[str]] = {}
    for row in rows:
        if row["patient_id"]:
            patients.setdefault(row["patient_id"], set()).add(row["strat_fold"])
    crossing = sum(len(folds) > 1 for folds in patients.values())
    present = {parts[row["strat_fold"]] for row in rows}
    if crossing:
        traps["patients have records in several folds, so the folds are not used as a split (patients)"] = crossing
    elif len(present) < len(set(parts.values())):
        traps[f"only folds of {' and '.join(sorted(present))} are present, so no split is written (records)"] = len(
            rows
        )
    else:
        for row in rows:
            row["split"] = parts[row["strat_fold"]]
        traps["the owners' folds are the split (1-8 train, 9 val, 10 test); no patient is in two (records)"] = len(rows)


def _imported(rows: list[Row], statements: Statements, found: Iterable[set[str]], traps: Counter[str]) -> Imported:
    found = list(found)
    for row, codes in zip(rows, statements, strict=True):
        row["statements"] = "|".join(codes)
    abnormal = ["1" if classes - {"NORM"} else "0" if classes else "" for classes in found]
    traps["no diagnostic superclass: unlabelled for abnormal, 0 for each superclass"] = abnormal.count("")
    traps["normal together with another superclass: abnormal"] = sum(
        "NORM" in classes and len(classes) > 1 for classes in found
    )
    outcomes = {"abnormal": abnormal}
    outcomes |= {name.lower(): [str(int(name in classes)) for classes in found] for name in SUPERCLASSES}
    counts = Counter(code for codes in statements for code in codes if code != "NORM")
    outcomes |= {code: [str(int(code in codes)) for codes in statements] for code, _ in counts.most_common()}
    return Imported(rows, outcomes, [dict(SEX)], traps)


ADAPTER = Adapter(
    name="ptb-xl",
    title="PTB-XL: 21,799 recordings of 10 s with SCP statements",
    licence="Creative Commons Attribution 4.0 International (CC BY 4.0)",
    citation=(
        "Wagner P, Strodthoff N, Bousseljot RD, et al. PTB-XL, a large publicly available electrocardiography dataset. "
        "Scientific Data 2020;7:154. https://doi.org/10.1038/s41597-020-0495-6\n"
        "PTB-XL 1.0.3, PhysioNet. https://doi.org/10.13026/kfzx-aw45"
    ),
    contents=CONTENTS,
    outcomes={
        "abnormal": "MI, STTC, CD or HYP against normal only",
        "norm": "normal ECG",
        "mi": "myocardial infarction",
        "sttc": "ST or T change",
        "cd": "conduction disturbance",
        "hyp": "hypertrophy",
    },
    read=read,
    more_outcomes="and each SCP statement of the files, such as AFIB",
)
