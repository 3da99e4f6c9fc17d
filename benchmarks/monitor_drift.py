"""How often `cardiograph monitor` detects a shift of the patients, and how often it raises a false alarm.

usage: python benchmarks/monitor_drift.py [--patients 800] [--recent 400]

A run on the clinical values of synthetic patients (seed 1; no ECGs, so no shift of ECGs is simulated) watches 20 tables of
other patients of the same generator, each with another shift, and 20 tables without one. Each table has three sites and
the outcome of every patient. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cardiograph.config import load_config
from cardiograph.external.watch import Columns, monitor_table
from cardiograph.run.pipeline import run
from cardiograph.schema import KNOWN_BY_NAME
from cardiograph.synthesis.patients import patient_records
from cardiograph.synthesis.truth import cohort_table

VALUES = ("ef", "bnp", "nyha", "sbp", "age")
SETTINGS: dict[str, Any] = {
    "cohort": {"modality": "clinical"},
    "model": {"epochs": 60, "patience": 15},
    "evaluation": {"bootstrap": 200},
}
Change = Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame]


def values(column: str, change: Callable[[pd.Series], Any], site: str | None = None) -> Change:
    """Return a change of the values of a column, at one site or at all."""

    def changed(table: pd.DataFrame, _rng: np.random.Generator) -> pd.DataFrame:
        rows = np.ones(len(table), bool) if site is None else (table["site"] == site).to_numpy()
        return table.assign(**{column: table[column].where(~rows, change(table[column]))})

    return changed


def noise(column: str, deviation: float) -> Change:
    """Return a change that adds noise of a standard deviation in the unit of the column."""

    def changed(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        return table.assign(**{column: table[column] + rng.normal(0, deviation, len(table))})

    return changed


def missing(column: str, share: float, site: str | None = None) -> Change:
    """Return a change that empties a share of the cells of a column, at one site or at all."""

    def changed(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        empty = rng.random(len(table)) < share
        empty &= True if site is None else (table["site"] == site).to_numpy()
        return table.assign(**{column: table[column].mask(empty)})

    return changed


def kept(chosen: Callable[[pd.DataFrame, np.random.Generator], Any]) -> Change:
    """Return a change that keeps some patients only."""
    return lambda table, rng: table[chosen(table, rng)]


def outcomes(before: int, share: float) -> Change:
    """Return a change that turns a share of the labels ``before`` into the other label."""

    def changed(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        turned = (table["label"] == before).to_numpy() & (rng.random(len(table)) < share)
        return table.assign(label=np.where(turned, 1 - before, table["label"]))

    return changed


SHIFTS: dict[str, Change] = {
    "age up by 8 years": values("age", lambda v: v + 8),
    "age up by 4 years": values("age", lambda v: v + 4),
    "BNP in pmol/L instead of pg/mL": values("bnp", lambda v: v / 3.47),
    "BNP in pmol/L at site C only": values("bnp", lambda v: v / 3.47, "C"),
    "another BNP assay, 30 % higher": values("bnp", lambda v: v * 1.3),
    "BNP reported up to 60 pg/mL": values("bnp", lambda v: v.clip(upper=60)),
    "EF of another device, 0.08 lower": values("ef", lambda v: v - 0.08),
    "EF of another device, 0.03 higher": values("ef", lambda v: v + 0.03),
    "EF halved at site B": values("ef", lambda v: v / 2, "B"),
    "EF with noise of 0.12": noise("ef", 0.12),
    "blood pressure 12 mmHg lower": values("sbp", lambda v: v - 12),
    "blood pressure with noise of 25 mmHg": noise("sbp", 25),
    "blood pressure 15 mmHg higher at site A": values("sbp", lambda v: v + 15, "A"),
    "NYHA one class higher": values("nyha", lambda v: v + 1),
    "NYHA always 2 at site B": values("nyha", lambda v: v * 0 + 2, "B"),
    "BNP missing in half of the patients": missing("bnp", 0.5),
    "EF missing at site C": missing("ef", 1.0, "C"),
    "only patients of 65 years and above": kept(lambda t, _: (t["age"] >= 65) | t["age"].isna()),
    "two thirds of the negatives not referred": kept(lambda t, rng: (t["label"] == 1) | (rng.random(len(t)) < 1 / 3)),
    "half of the negatives become positive": outcomes(0, 0.5),
}


def patients(count: int, seed: int) -> pd.DataFrame:
    """Return a table of synthetic patients without ECGs, with numbers in their units."""
    table = cohort_table([record for number in range(count) for record in patient_records(seed, number)])
    table = table.drop(columns="ecg")
    return table.assign(**{name: pd.to_numeric(table[name]) for name in VALUES})


def allowed(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with its values clipped to the range that a cohort allows, as rounded as instruments give them."""
    for name in VALUES:
        variable = KNOWN_BY_NAME[name].variable
        table[name] = table[name].clip(variable.low, variable.high).round(0 if variable.whole else 3)
    return table


def watched(folder: Path, trained: Path, count: int) -> Iterator[dict[str, Any]]:
    """Yield the result of each table: 20 with a shift, then 20 without."""
    changes = [*SHIFTS.items(), *(("none", None) for _ in SHIFTS)]
    for number, (name, change) in enumerate(changes):
        table = patients(count, 100 + number)
        table = table if change is None else change(table, np.random.default_rng(number))
        path = folder / f"recent_{number}.csv"
        allowed(table.copy()).to_csv(path, index=False)
        found = monitor_table(trained, path, columns=Columns("label", "site", "acquired_at"))
        drift = [each for each in found["comparisons"] if each["alert"]]
        rest = len(found["alerts"]) - len(drift)
        yield {"shift": name, "records": found["counts"]["records"], "drift_alerts": len(drift),
               "outcome_alerts": rest, "alerts": found["alerts"][:3]}  # fmt: skip


def main() -> None:
    """Train the run, watch all tables and print the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--patients", type=int, default=800)
    parser.add_argument("--recent", type=int, default=400)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cohort, trained = folder / "cohort.csv", folder / "run"
        patients(given.patients, 1).to_csv(cohort, index=False)
        run(cohort, trained, load_config(None, SETTINGS))
        found = list(watched(folder, trained, given.recent))
    shifted, stable = found[: len(SHIFTS)], found[len(SHIFTS) :]
    result = {
        "python": platform.python_version(),
        "patients": given.patients,
        "recent": given.recent,
        "detected": sum(bool(each["alerts"]) for each in shifted),
        "false_alarms": sum(bool(each["alerts"]) for each in stable),
        "of": len(SHIFTS),
        "tables": found,
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
