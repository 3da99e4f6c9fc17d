"""PhysioNet Challenges 2020 and 2021: WFDB records whose headers hold age, sex and SNOMED CT codes."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from cardiograph.errors import CohortError
from cardiograph.public_cohorts.adapter import Adapter, Imported, Row, Source
from cardiograph.public_cohorts.files import AGE_ABOVE_89, SEX, number, plain, sex_of
from cardiograph.public_cohorts.snomed import DIAGNOSES, SOURCES
from cardiograph.regular_files import read_regular

CONTENTS = (
    "the release of the PhysioNet Challenge 2020 or 2021, unpacked: .hea and .mat files, in folders of any depth, with "
    "the lines Age, Sex and Dx in each header"
)
AGE_CODE = 300.0
SEXES = {"male": "male", "m": "male", "female": "female", "f": "female"}


def read(source: Source) -> Imported:
    """Read the headers of all records."""
    headers = sorted(source.folder.rglob("*.hea"))
    traps: Counter[str] = Counter()
    rows: list[Row] = []
    codes: list[frozenset[str]] = []
    source.progress.start("reading headers", len(headers), unit="headers")
    for path in headers:
        source.progress.advance()
        text = read_regular(path).decode("utf-8", errors="replace")
        facts = {name.lower(): value.strip() for name, value in re.findall(r"(?m)^# ?(\w+):(.*)$", text)}
        if "dx" not in facts:
            traps["no line Dx in the header; left out (records)"] += 1
        elif not _complete(path, text):
            traps["a file of samples named in the header is absent; left out (records)"] += 1
        else:
            rows.append(_row(source.folder, path, facts, traps))
            codes.append(frozenset(re.findall(r"\d+", facts["dx"])))
    if not rows:
        message = f"{source.folder}: has no record with a line Dx in its .hea and its samples; needed: {CONTENTS}"
        raise CohortError(message)
    mapped = frozenset().union(*(known for _, known in DIAGNOSES.values()))
    traps["SNOMED CT codes without an entry in the table; kept in snomed_codes only (records)"] = sum(
        bool(found - mapped) for found in codes
    )
    traps["no code at all (records)"] = sum(not found for found in codes)
    traps["codes that the challenge scores as the same diagnosis are one outcome (outcomes)"] = sum(
        len(known) > 1 for _, known in DIAGNOSES.values()
    )
    traps["no patient numbers: two records may be of one patient (records)"] = len(rows)
    sites = {row["site"] for row in rows}
    traps["databases are mixed and were labelled by different rules; the column site names them"] = (
        len(sites) if len(sites) > 1 else 0
    )
    for row, found in zip(rows, codes, strict=True):
        row["snomed_codes"] = "|".join(sorted(found))
    outcomes = {name: [str(int(bool(found & known))) for found in codes] for name, (_, known) in DIAGNOSES.items()}
    return Imported(rows, outcomes, [dict(SEX)], traps)


def _complete(path: Path, text: str) -> bool:
    """Return whether all files of samples of a record exist."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    files = {line.split()[0] for line in lines[1:]}
    return bool(files) and all("/" not in file and (path.parent / file).is_file() for file in files)


def _row(folder: Path, path: Path, facts: dict[str, str], traps: Counter[str]) -> Row:
    age = number(facts.get("age", ""))
    above = age == AGE_CODE
    if above:
        traps[f"age 300 stands for above 89 years; read as {AGE_ABOVE_89} and marked in age_over_89"] += 1
    elif age is None or age < 0:
        age = None
        traps["age is NaN, negative or absent; left empty (records)"] += 1
    sex = sex_of(facts.get("sex", "").lower(), SEXES, traps)
    letters = re.match(r"[A-Za-z]*", path.stem)
    return {
        "record_id": path.relative_to(folder).with_suffix("").as_posix(),
        "ecg": str(path),
        "age": AGE_ABOVE_89 if above else "" if age is None else plain(age),
        "age_over_89": str(int(above)),
        "sex": sex,
        "site": SOURCES.get(letters[0] if letters else "", "unknown"),
    }


ADAPTER = Adapter(
    name="physionet-challenge",
    title="PhysioNet Challenges 2020 and 2021: recordings of several databases with SNOMED CT codes",
    licence="Creative Commons Attribution 4.0 International (CC BY 4.0); PTB: ODC-By 1.0",
    citation=(
        "Reyna MA, Sadr N, Perez Alday EA, et al. Will two do? Varying dimensions in electrocardiography: the "
        "PhysioNet/Computing in Cardiology Challenge 2021. Computing in Cardiology 2021;48:1-4.\n"
        "https://physionet.org/content/challenge-2021/"
    ),
    contents=CONTENTS,
    outcomes={name: description for name, (description, _) in DIAGNOSES.items()},
    read=read,
)
