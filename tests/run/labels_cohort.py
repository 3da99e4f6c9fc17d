"""A small cohort with two labels, and a run on it without the steps that have their own tests."""

import numpy as np
import pytest

from cardiograph.audit import checks
from cardiograph.config import load_config
from cardiograph.run import multilabel, pipeline
from cardiograph.run.multilabel import run_labels

SETTINGS = {
    "outcome": {"columns": ["A", "B"]},
    "model": {"name": "sign", "baselines": ["logistic"], "epochs": 3, "width": 8, "members": 2},
    "evaluation": {"bootstrap": 100},
}


HEADER = ["patient_id", "A", "B", "ef", "age", "split"]


def rows_of(poison=(), seed=0):
    """Records in a given split; each label has a value of its own, and B is unknown in every seventh record."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(120):
        a, b = rng.random(2) < 0.4
        values = [f"{rng.normal(0.6 - 0.2 * a, 0.04):.3f}", f"{np.clip(rng.normal(50 + 20 * b, 4), 20, 95):.0f}"]
        part = ("train", "train", "train", "val", "test")[number % 5]
        row = [f"p{number}", str(int(a)), str(int(b)) if number % 7 else "", *values, part]
        rows.append([row[0], str(1 - int(a)), "1", "0.9", "99", part] if number in poison else row)
    return rows


def write(path, rows, header=HEADER):
    path.write_text("\n".join(map(",".join, [header, *rows])))
    return path


def run_on(folder, rows):
    """A run without audit, report and repeated trainings, which have their own tests."""
    table = write(folder / "cohort.csv", rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checks, "CHECKS", ())
        patch.setattr(pipeline, "write_report", lambda _: None)
        patch.setattr(pipeline, "measure_optimism", lambda *_: None)
        patch.setattr(multilabel, "SHUFFLES", 1)
        return run_labels(table, folder / "run", load_config(None, SETTINGS)).path
