"""How well printed pages can be classified once they are read as leads, compared with shuffled labels.

Each of the different shared pages is digitised, measured, and its mean beats are averaged; extra trees read the
measurements, the beats, or both, in five stratified folds. Refused pages stay in the denominator: they get the class
prior of their fold's training pages. The same trees on shuffled labels show what chance gives. Nothing was tuned on
these scores.

    python benchmarks/page_signals.py --cache /tmp/pages > page_signals.json
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.impute import SimpleImputer
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline

from cached_ecgs import read_cached
from cardiograph.ecg.measure.measure import measure
from cardiograph.ecg.measure.reference import MEASUREMENTS
from cardiograph.errors import EcgError

SHARED = Path(__file__).resolve().parents[2] / "shared"
TREES = 400
BEAT_STEP = 5
"""Every fifth sample of the mean beat at 500 Hz, so 100 Hz."""


def read_pages(
    table: pd.DataFrame, folder: Path, cache: Path | None
) -> tuple[list[np.ndarray], list[np.ndarray], list[str], list[float]]:
    """Digitise and measure each page: measurements, mean beats, refusal codes and seconds of processor time."""
    values, beats, codes, seconds = [], [], [], []
    for image in table["image"]:
        start = time.process_time()
        try:
            found = measure(read_cached(folder / image, cache))
            values.append(found.vector(list(MEASUREMENTS)))
            beats.append(np.full(0, np.nan) if found.beat is None else found.beat[:, ::BEAT_STEP].ravel())
            codes.append("")
        except EcgError as error:
            values.append(np.full(len(MEASUREMENTS), np.nan))
            beats.append(np.full(0, np.nan))
            codes.append(error.issues[0].code)
        seconds.append(time.process_time() - start)
        sys.stderr.write(f"\r{len(values)} of {len(table)} pages")
    width = max(len(beat) for beat in beats)
    beats = [beat if len(beat) else np.full(width, np.nan) for beat in beats]
    return values, beats, codes, seconds


def cross_validate(features: np.ndarray, classes: np.ndarray, read: np.ndarray) -> dict[str, float]:
    """Scores of extra trees in five folds: normal against the rest, and of the four classes."""
    names = np.unique(classes)
    probability = np.zeros((len(classes), len(names)))
    for train, test in StratifiedKFold(5, shuffle=True, random_state=0).split(features, classes):
        fitted = make_pipeline(
            SimpleImputer(strategy="median", keep_empty_features=True),
            ExtraTreesClassifier(TREES, class_weight="balanced", min_samples_leaf=2, random_state=0),
        ).fit(features[train[read[train]]], classes[train[read[train]]])
        probability[test] = fitted.predict_proba(features[test])
        prior = np.array([(classes[train] == name).mean() for name in names])
        probability[test[~read[test]]] = prior
    abnormal = classes != "normal"
    score = 1 - probability[:, list(names).index("normal")]
    return {
        "auroc": float(roc_auc_score(abnormal, score)),
        "balanced_accuracy": float(balanced_accuracy_score(abnormal, score >= 0.5)),
        "four_class_balanced_accuracy": float(balanced_accuracy_score(classes, names[probability.argmax(axis=1)])),
    }


def main() -> None:
    """Print the scores as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, help="only so many pages")
    parser.add_argument("--cache", type=Path, help="folder that keeps the digitised pages")
    arguments = parser.parse_args()
    folder = SHARED / "data" / "ecg-pages"
    table = pd.read_csv(folder / "manifest.csv").drop_duplicates("image")
    if arguments.pages:
        table = table.sample(arguments.pages, random_state=0)
    values, beats, codes, seconds = read_pages(table, folder, arguments.cache)
    classes, read = table["class"].to_numpy(dtype=str), np.array([not code for code in codes])
    measured, shapes = np.array(values), np.array(beats)
    both = np.hstack([measured, shapes])
    shuffled = np.random.default_rng(0).permutation(classes)
    result = {
        "pages": len(table),
        "refused": {code: codes.count(code) for code in sorted({*codes} - {""})},
        "median_seconds_per_page": float(np.median(seconds)),
        "measurements": cross_validate(measured, classes, read),
        "mean_beats": cross_validate(shapes, classes, read),
        "both": cross_validate(both, classes, read),
        "both_shuffled_labels": cross_validate(both, shuffled, read),
        "measurements_missing": float(np.isnan(measured[read]).mean()),
    }
    json.dump(result, sys.stdout, indent=2)


if __name__ == "__main__":
    main()
