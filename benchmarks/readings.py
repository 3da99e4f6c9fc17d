"""How well the readings of the shipped ECG encoder agree with cardiologists, on LUDB and on PTB-XL.

    python benchmarks/readings.py > readings.json

Nothing is fitted: the heads are those of the package, which have seen no diagnosis. For each statement that at least ten
recordings have, the AUROC of its probability, with a 95 % interval over 1,000 resamples of recordings, and the mean
probability in recordings with and without it. LUDB: statements of the headers of 120 recordings. PTB-XL: statements of the
1,537 shared recordings. Age and sex: a linear model on the embedding, five folds, on recordings of PTB-XL where they are
known.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cardiograph.ecg.read_any import read_any
from cardiograph.encoders.ecg_network import ecg_network
from cardiograph.encoders.leads_input import leads_input
from cardiograph.encoders.readings import shipped_heads

SHARED = Path(__file__).resolve().parents[2] / "shared"
MIN_RECORDINGS = 10
RESAMPLES = 1000
PTB_XL = {
    "normal": ("NORM",), "fibrillation": ("AFIB",), "tachycardia": ("STACH", "SVTAC", "PSVT"), "bradycardia": ("SBRAD",),
    "atrial ectopy": ("PAC",), "ventricular ectopy": ("PVC", "BIGU", "TRIGU"), "paced": ("PACE",),
    "first-degree block": ("1AVB",), "left bundle branch block": ("CLBBB",), "right bundle branch block": ("CRBBB",),
    "incomplete right block": ("IRBBB",), "left axis": ("LAFB",), "right axis": ("LPFB",),
    "left ventricular hypertrophy": ("LVH", "VCLVH"), "right ventricular hypertrophy": ("RVH",),
    "left atrial enlargement": ("LAO/LAE",), "low voltage": ("LVOLT",), "anterior infarct": ("ASMI", "AMI", "ALMI", "INJAS"),
    "inferior infarct": ("IMI", "ILMI", "IPLMI", "IPMI"), "lateral infarct": ("LMI", "ALMI", "ILMI"),
    "ST depression": ("STD_",), "T inversion": ("INVT",), "flat T wave": ("LOWT",),
}  # fmt: skip
"""Statement of the readings -> statements of PTB-XL that say the same, or nearly (axis: fascicular blocks)."""

LUDB = {
    "fibrillation": ("Atrial fibrillation",), "bradycardia": ("Sinus bradycardia",), "left axis": ("left axis deviation",),
    "first-degree block": ("I degree AV block",), "incomplete right block": ("Incomplete right bundle branch block",),
    "left ventricular hypertrophy": ("Left ventricular hypertrophy",), "paced": ("ventricular pacing",),
    "left atrial enlargement": ("Left atrial hypertrophy", "Left atrial overload"),
    "right atrial enlargement": ("Right atrial overload", "Right atrial hypertrophy"),
    "ventricular ectopy": ("Ventricular extrasystole",),
    "anterior infarct": ("Scar formation: anterior", "Scar formation: septal"), "ST elevation": ("STEMI",),
}  # fmt: skip
"""Statement of the readings -> beginnings or parts of lines of LUDB's headers."""


def read(paths: list[Path]) -> np.ndarray:
    """Embeddings of recordings."""
    network = ecg_network()
    with torch.inference_mode():
        return np.concatenate([network(torch.from_numpy(leads_input(read_any(path))[None])).numpy() for path in paths])


def agreement(probability: np.ndarray, holds: np.ndarray) -> dict[str, Any]:
    """AUROC with its interval, and mean probabilities."""
    rng = np.random.default_rng(0)
    scores = []
    while len(scores) < RESAMPLES:
        rows = rng.integers(0, len(holds), len(holds))
        if 0 < holds[rows].sum() < len(rows):
            scores.append(roc_auc_score(holds[rows], probability[rows]))
    return {
        "recordings": int(holds.sum()),
        "auroc": round(float(roc_auc_score(holds, probability)), 3),
        "interval": [round(float(edge), 3) for edge in np.quantile(scores, (0.025, 0.975))],
        "mean_with": round(float(probability[holds].mean()), 3),
        "mean_without": round(float(probability[~holds].mean()), 3),
    }


def compared(embeddings: np.ndarray, statements: list[str], table: dict[str, tuple[str, ...]], *, whole: bool) -> dict:
    """Agreement for each statement of a table; ``statements`` are joined by ``|`` and compared whole or in part."""
    heads = shipped_heads()
    probabilities = dict(zip(heads.names, heads.probabilities(embeddings).T, strict=True))
    found = {}
    for name, theirs in table.items():
        if whole:
            holds = np.array([bool({*text.split("|")} & {*theirs}) for text in statements])
        else:
            holds = np.array([any(part in line for part in theirs for line in text.split("|")) for text in statements])
            if name == "first-degree block":
                holds = np.array(["I degree AV block" in text.split("|") for text in statements])
        if holds.sum() >= MIN_RECORDINGS:
            found[name] = agreement(probabilities[name], holds)
    return found


def person(embeddings: np.ndarray, rows: list[dict[str, str]]) -> dict[str, float]:
    """Mean error of the age in years, that of the mean age, and AUROC of the sex, of linear models out of fold."""
    known = [place for place, row in enumerate(rows) if row["age"].isdigit() and int(row["age"]) <= 110 and row["sex"]]
    values, age = embeddings[known], np.array([float(rows[place]["age"]) for place in known])
    male = np.array([rows[place]["sex"] == "male" for place in known])
    guessed = cross_val_predict(make_pipeline(StandardScaler(), Ridge(3e3)), values, age, cv=5)
    sex = make_pipeline(StandardScaler(), LogisticRegression(C=1e-3, max_iter=500))
    chance = cross_val_predict(sex, values, male, cv=5, method="predict_proba")[:, 1]
    return {
        "recordings": len(known),
        "age_error_years": round(float(np.abs(guessed - age).mean()), 1),
        "age_error_of_the_mean": round(float(np.abs(age - age.mean()).mean()), 1),
        "sex_auroc": round(float(roc_auc_score(male, chance)), 3),
    }


def main() -> None:
    """Compare and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=SHARED, help="folder of shared data")
    data = parser.parse_args().shared / "data"
    headers = sorted((data / "ludb" / "data").glob("*.hea"))
    lines = [
        "|".join(line.strip("# .") for line in each.read_text().splitlines() if line.startswith("#"))
        for each in headers
    ]
    with (data / "ptb-xl" / "records.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    ptb_xl = read([data / "ptb-xl" / row["record"] for row in rows])
    found = {
        "ludb": compared(read(headers), lines, LUDB, whole=False),
        "ptb_xl": compared(ptb_xl, [row["scp_codes"] for row in rows], PTB_XL, whole=True),
        "age_and_sex": person(ptb_xl, rows),
    }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
