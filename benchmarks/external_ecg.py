"""External validation on real ECGs: trained on PTB-XL, scored on LUDB and on the shared printed pages.

usage: python benchmarks/external_ecg.py [--shared ../shared] [--folder FOLDER] [--only abnormal ...]
       [--pages COUNT] [--runs default ...]

Everything goes through the command line of the package: `cardiograph import` of the three cohorts, `cardiograph run` on
PTB-XL (one recording of each known patient, signals alone) for each outcome, and `cardiograph evaluate` of the finished
run on the other cohorts. HEADS says how the diagnoses of LUDB are mapped to the outcomes of PTB-XL. Printed pages are
normal against the rest, each different page once. Controls: the same run without the graph (logistic regression), with
the labels of the PTB-XL records exchanged at random before the run, and age and sex alone (logistic regression on the 426
PTB-XL records that have both; LUDB alone has them). Finished steps in FOLDER are not repeated. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

SHARED = Path(__file__).resolve().parents[2] / "shared"
Row = dict[str, str]
SINUS = {"sinus rhythm", "sinus bradycardia", "sinus tachycardia", "sinus arrhythmia", "irregular sinus rhythm"}
FINDINGS = ("conduction", "extrasystoles", "hypertrophy", "pacing", "ischaemia", "repolarisation")
RESAMPLES = 1000
RUNS = {"default": ("ptb-xl", "sign"), "no graph": ("ptb-xl", "logistic"), "shuffled labels": ("shuffled", "sign")}
"""Name of a run -> its table and model."""


def parts(row: Row, column: str) -> list[str]:
    """Diagnoses of a cell of LUDB, in lower case."""
    return [each.lower() for each in row[column].split("|") if each]


def abnormal(row: Row) -> bool | None:
    """Anything but a sinus rhythm without findings; the axis does not count."""
    return not set(parts(row, "rhythm")) <= SINUS or any(row[name] for name in FINDINGS)


def infarction(row: Row) -> bool | None:
    """STEMI or a scar; None where the cardiologists left open what it is."""
    found = parts(row, "ischaemia")
    if any(each.startswith(("stemi", "scar formation")) for each in found):
        return True
    return None if any(each.startswith("undefined") for each in found) else False


def repolarisation(row: Row) -> bool | None:
    """Ischaemia, or a non-specific change of repolarisation; None where ischaemia or scar was left open."""
    if row["repolarisation"] or any(each.startswith("ischemia") for each in parts(row, "ischaemia")):
        return True
    return None if any(each.startswith("undefined") for each in parts(row, "ischaemia")) else False


def fibrillation(row: Row) -> bool | None:
    """Atrial fibrillation or flutter."""
    return any(each.startswith(("atrial fibrillation", "atrial flutter")) for each in parts(row, "rhythm"))


@dataclass(frozen=True)
class Head:
    """An outcome of PTB-XL and what it is on LUDB.

    Args:
        outcome: Name for `cardiograph import ptb-xl --outcome`.
        ludb: Label of a row of LUDB; None leaves the row out.
        pages: Whether it is also scored on the printed pages.
        controls: Whether the run is repeated with shuffled labels.
    """

    outcome: str
    ludb: Callable[[Row], bool | None]
    pages: bool = False
    controls: bool = False


HEADS = {
    "abnormal": Head("abnormal", abnormal, pages=True, controls=True),
    "rhythm": Head("AFIB", fibrillation),
    "conduction": Head("cd", lambda row: bool(row["conduction"])),
    "hypertrophy": Head("hyp", lambda row: bool(row["hypertrophy"])),
    "infarction": Head("mi", infarction),
    "repolarisation": Head("sttc", repolarisation),
}


def cardiograph(*arguments: str | Path) -> None:
    """Run a command of the package; its messages go to standard error."""
    subprocess.run([sys.executable, "-m", "cardiograph", *map(str, arguments)], check=True, stdout=sys.stderr)


def read(path: Path) -> list[Row]:
    """Rows of a table."""
    with path.open(newline="") as handle:
        return list(csv.DictReader(handle))


def write(rows: list[Row], path: Path, labels: list[str]) -> Path:
    """Write record, patient, ECG and label; a row without a label is left out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as handle:
        table = csv.writer(handle)
        table.writerow(["record_id", "patient_id", "ecg", "label"])
        table.writerows(
            [row["record_id"], row.get("patient_id") or "", row["ecg"], label]
            for row, label in zip(rows, labels, strict=True)
            if label
        )
    return path


def imported(shared: Path, folder: Path, name: str, outcome: str) -> list[Row]:
    """Rows of a public cohort as the package imports it, with the label of an outcome."""
    target = folder / f"{name}-{outcome}"
    if not (target / "cohort.csv").exists():
        cardiograph("import", name, shared / "data" / name, target, "--outcome", outcome)
    return read(target / "cohort.csv")


def one_each(rows: list[Row]) -> list[Row]:
    """Keep the first recording of each known patient."""
    return list({row["patient_id"] or row["record_id"]: row for row in reversed(rows)}.values())[::-1]


def cohorts(shared: Path, folder: Path, name: str, pages: int | None) -> dict[str, Path]:
    """Tables of a head: to train on, and to score; some of the pages, drawn at random, if ``pages`` is given."""
    head, tables = HEADS[name], folder / name
    trained = one_each(imported(shared, folder, "ptb-xl", head.outcome))
    labels = [row["label"] for row in trained]
    found = {"ptb-xl": write(trained, tables / "ptb-xl.csv", labels)}
    if head.controls:
        known = np.flatnonzero([bool(label) for label in labels])
        mixed = np.array(labels, dtype=object)
        mixed[known] = mixed[np.random.default_rng(0).permutation(known)]
        found["shuffled"] = write(trained, tables / "shuffled.csv", mixed.tolist())
    ludb = imported(shared, folder, "ludb", "lv-hypertrophy")
    mapped = [head.ludb(row) for row in ludb]
    found["ludb"] = write(ludb, tables / "ludb.csv", ["" if each is None else str(int(each)) for each in mapped])
    if head.pages and pages != 0:
        rows = imported(shared, folder, "ecg-pages", "abnormal")
        some = np.random.default_rng(0).permutation(len(rows))[:pages]
        rows = [rows[at] for at in np.sort(some)]
        found["pages"] = write(rows, tables / "pages.csv", [row["label"] for row in rows])
    return found


def evaluated(folder: Path, name: str, tables: dict[str, Path], runs: list[str]) -> dict[str, Any]:
    """Scores of each run of a head on each cohort."""
    found: dict[str, Any] = {}
    for title, (table, model) in RUNS.items():
        if title not in runs or table not in tables:
            continue
        run = folder / name / f"run-{title.replace(' ', '-')}"
        settings = ["--model", model, "--modality", "image", "--outcome", name, "--set", 'model.baselines=["logistic"]']
        if table == "shuffled":  # copies of one recording get different labels by chance
            settings += ["--accept", "copies_with_different_labels"]
        cardiograph("run", tables[table], "--out", run, *settings)  # a finished run is kept
        for cohort in ("ludb", "pages"):
            if cohort not in tables:
                continue
            out = folder / name / f"{title.replace(' ', '-')}-on-{cohort}"
            if not (out / "evaluation.json").exists():
                more = ["--skip-bad-pages"] if cohort == "pages" else []
                cardiograph("evaluate", run, tables[cohort], "--out", out, "--other-ids", *more)
            found.setdefault(cohort, {})[title] = shown(json.loads((out / "evaluation.json").read_text()))
    return found


def shown(evaluation: dict[str, Any]) -> dict[str, Any]:
    """The parts of `evaluation.json` that the docs show."""
    kept = ("counts", "scores", "internal", "confusion", "conformal", "novelty", "threshold")
    return {name: evaluation[name] for name in kept if name in evaluation}


def paired(folder: Path, name: str, cohort: str) -> dict[str, list[float]]:
    """AUROC of the default minus each control on the same records, with 95 % intervals over resampled records."""
    columns = {}
    for title in ("default", "no-graph", "shuffled-labels"):
        file = folder / name / f"{title}-on-{cohort}" / "predictions.csv"
        if file.exists():
            rows = {row["record_id"]: row for row in read(file)}
            columns[title] = np.array([float(rows[key]["probability"]) for key in sorted(rows)])
            labels = np.array([int(rows[key]["label"]) for key in sorted(rows)])
    rng, found = np.random.default_rng(0), {}
    for title in [each for each in columns if each != "default"]:
        differences = []
        while len(differences) < RESAMPLES:
            some = rng.integers(0, len(labels), len(labels))
            if 0 < labels[some].sum() < len(some):
                pair = [roc_auc_score(labels[some], columns[each][some]) for each in ("default", title)]
                differences.append(pair[0] - pair[1])
        value = roc_auc_score(labels, columns["default"]) - roc_auc_score(labels, columns[title])
        found[f"default - {title}"] = np.round([value, *np.quantile(differences, (0.025, 0.975))], 4).tolist()
    return found


def age_and_sex(shared: Path, folder: Path, name: str) -> list[float]:
    """AUROC on LUDB of age and sex alone, learnt from the PTB-XL records that have both."""
    sides = []
    for cohort, outcome in (("ptb-xl", HEADS[name].outcome), ("ludb", "lv-hypertrophy")):
        rows = imported(shared, folder, cohort, outcome)
        labels = [row["label"] if cohort == "ptb-xl" else HEADS[name].ludb(row) for row in rows]
        used = [
            ([float(row["age"]), float(row["sex"] == "male")], int(label))
            for row, label in zip(rows, labels, strict=True)
            if row["age"] and row["sex"] and label not in (None, "")
        ]
        sides.append((np.array([x for x, _ in used]), np.array([y for _, y in used])))
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(*sides[0])
    x, y = sides[1]
    chances, rng, scores = model.predict_proba(x)[:, 1], np.random.default_rng(0), []
    while len(scores) < RESAMPLES:
        some = rng.integers(0, len(y), len(y))
        if 0 < y[some].sum() < len(y):
            scores.append(roc_auc_score(y[some], chances[some]))
    return np.round([roc_auc_score(y, chances), *np.quantile(scores, (0.025, 0.975))], 4).tolist()


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("CARDIOGRAPH_SHARED", SHARED)))
    parser.add_argument("--folder", type=Path, default=Path("benchmarks/results/external_ecg"))
    parser.add_argument("--only", nargs="+", choices=HEADS, default=list(HEADS), help="some of the outcomes")
    parser.add_argument("--pages", type=int, help="score this many printed pages, drawn at random; all by default")
    parser.add_argument("--runs", nargs="+", choices=RUNS, default=list(RUNS), help="some of the runs")
    options = parser.parse_args()
    result: dict[str, Any] = {}
    for name in options.only:
        tables = cohorts(options.shared, options.folder, name, options.pages)
        found = evaluated(options.folder, name, tables, options.runs)
        for cohort, each in found.items():
            each["paired"] = paired(options.folder, name, cohort)
        found["ludb"]["age and sex alone"] = {"auroc": age_and_sex(options.shared, options.folder, name)}
        result[name] = found
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
