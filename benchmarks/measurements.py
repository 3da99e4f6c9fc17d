"""Checks measurements on PTB-XL recordings: heart rate against NeuroKit2, and what they say about the diagnoses.

The superclasses are predicted from the measurements alone by logistic regression and extra trees (five folds), and once
more from shuffled labels. For most recordings the patient is unknown: two may be of one patient. Prints JSON. Usage:

    python benchmarks/measurements.py [--records 400]
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import time
import warnings
from pathlib import Path

import numpy as np
import wfdb
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.measure.measure import measure
from cardiograph.ecg.measure.reference import MEASUREMENTS

SHARED = Path(os.environ.get("CARDIOGRAPH_SHARED", Path(__file__).resolve().parents[2] / "shared"))
SUPERCLASSES = ("NORM", "MI", "STTC", "CD", "HYP")
RATE_RECORDS = 60


def heart_rate_by_neurokit(ecg: Ecg) -> float:
    """Heart rate from the R peaks that NeuroKit2 finds in lead II."""
    import neurokit2 as nk

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        clean = nk.ecg_clean(ecg.lead("II").astype(float), sampling_rate=int(ecg.rate))
        peaks = nk.ecg_peaks(clean, sampling_rate=int(ecg.rate))[1]["ECG_R_Peaks"]
    return float(60 * ecg.rate / np.diff(peaks).mean())


def auroc(model: object, values: NDArray[np.float64], label: NDArray[np.int64]) -> float:
    """AUROC of predictions of five folds."""
    pipeline = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler(), model)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    score = cross_val_predict(pipeline, values, label, cv=folds, method="predict_proba")[:, 1]
    return round(float(roc_auc_score(label, score)), 3)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=400)
    options = parser.parse_args()
    folder = SHARED / "data" / "ptb-xl"
    rows = list(csv.DictReader((folder / "records.csv").open()))[: options.records]
    found, difference, spent = [], [], []
    for number, row in enumerate(rows):
        record = wfdb.rdrecord(str((folder / row["record"]).with_suffix("")))
        ecg = Ecg.from_leads(record.sig_name, record.p_signal.T, record.fs, source="wfdb")
        begin = time.process_time()
        found.append(measure(ecg))
        spent.append(1e3 * (time.process_time() - begin))
        if number < RATE_RECORDS:
            difference.append(found[-1]["heart_rate"].value - heart_rate_by_neurokit(ecg))
    values = np.stack([each.vector() for each in found])
    named = dict(zip(MEASUREMENTS, values.T, strict=True))
    labels = {name: np.array([int(float(row[name])) for row in rows]) for name in SUPERCLASSES}
    shuffled = np.random.default_rng(0).permutation(labels["NORM"])
    trees = ExtraTreesClassifier(300, min_samples_leaf=2, random_state=0)
    logistic = LogisticRegression(C=0.02, max_iter=2000)
    report = {
        "records": len(rows),
        "cpu_ms_median": round(float(np.median(spent)), 1),
        "heart_rate_against_neurokit2": {
            "records": len(difference),
            "within_3_a_minute": round(float(np.mean(np.abs(difference) <= 3)), 3),
            "largest_difference": round(float(np.max(np.abs(difference))), 1),
        },
        "missing_share": {n: round(float(np.isnan(v).mean()), 3) for n, v in named.items() if np.isnan(v).any()},
        "median_by_superclass": {
            name: {
                key: round(float(np.nanmedian(named[key][labels[name] == 1])), 1)
                for key in ("heart_rate", "pr", "qrs_duration", "qtc_fridericia", "qrs_axis", "sokolow_lyon")
            }
            for name in SUPERCLASSES
        },
        "median_qrs_duration": {
            "left bundle branch block": _median_of(rows, named["qrs_duration"], "CLBBB"),
            "right bundle branch block": _median_of(rows, named["qrs_duration"], "CRBBB"),
        },
        "fibrillation": {
            "without_p": _share_of(rows, np.isnan(named["pr"]), "AFIB"),
            "sinus_rhythm_without_p": _share_of(rows, np.isnan(named["pr"]), "SR"),
        },
        "auroc": {
            name: {"logistic": auroc(logistic, values, label), "extra_trees": auroc(trees, values, label)}
            for name, label in {**labels, "shuffled": shuffled}.items()
        },
    }
    print(json.dumps(report, indent=1))


def _has(rows: list[dict[str, str]], code: str) -> NDArray[np.bool_]:
    return np.array([code in row["scp_codes"].split("|") for row in rows])


def _median_of(rows: list[dict[str, str]], values: NDArray[np.float64], code: str) -> float:
    return round(float(np.nanmedian(values[_has(rows, code)])), 1)


def _share_of(rows: list[dict[str, str]], missing: NDArray[np.bool_], code: str) -> float:
    return round(float(missing[_has(rows, code)].mean()), 3)


if __name__ == "__main__":
    main()
