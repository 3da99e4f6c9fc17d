"""The default encoder read by a probe whose penalty is chosen inside the training folds, in folds of whole groups.

usage: python benchmarks/nested_folds.py [--seeds 5] [--shared FOLDER]

Outer folds are stratified and keep groups together: the patient of a PTB-XL recording, and copies as `cardiograph run`
finds them. In each outer fold the strength of the probe (logistic regression on 512 values) is chosen by inner folds of
the same kind, so no tested record had a part in it. Beside it stand the fixed strength of benchmarks/encoders.py, and
labels shuffled among the groups. Embeddings come from the cache where it has them. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cardiograph.artifacts.cache import PageCache, cache_folder
from cardiograph.config import load_config
from cardiograph.ingest.context import MAX_INPUT_BYTES, InputStore, RunContext
from cardiograph.ingest.embed import embed_pages
from cardiograph.ingest.encoder_choice import choose_encoder
from cardiograph.ingest.groups import group_records
from cardiograph.ingest.page_index import index_pages
from cardiograph.progress import NoProgress
from cardiograph.threads import set_threads
from decode_embed import cohort_of
from encoders import CLASSES, FOLDS, SHARED, STRENGTH

STRENGTHS = [3e-4, 1e-3, 3e-3, 1e-2, 1e-1]
INNER_FOLDS = 4


def embedded(files: list[Path], patients: list[str | None]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of the files whose leads can be read, their embeddings, and their groups, by the code of a run."""
    config = load_config(overrides={"pages": {"skip_bad": True}})
    cohort = cohort_of(files)
    cohort.table["record_id"] = [str(row) for row in range(len(files))]
    cohort.table["patient_id"] = patients
    with PageCache(cache_folder()) as cache:
        context = RunContext(config, cache, NoProgress(), inputs=InputStore(MAX_INPUT_BYTES))
        kept, pages = index_pages(cohort, context)
        encoder = choose_encoder(pages, context)
        values = embed_pages(pages, encoder.engine, encoder.facts, context).values
        groups = group_records(kept, pages, config).index
    known = ~np.isnan(values).any(1)
    return kept.record_ids.astype(np.int64)[known], values[known], groups[known]


def probabilities(values: np.ndarray, labels: np.ndarray, groups: np.ndarray, seed: int, *, nested: bool) -> np.ndarray:
    """[n, classes] out-of-fold probabilities."""
    found = np.zeros((len(labels), len(np.unique(labels))))
    for train, test in StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed).split(values, labels, groups):
        probe = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=500))
        if nested:
            inner = StratifiedGroupKFold(INNER_FOLDS, shuffle=True, random_state=seed)
            grid = {"logisticregression__C": STRENGTHS}
            probe = GridSearchCV(probe, grid, scoring="neg_log_loss", cv=inner)
            probe.fit(values[train], labels[train], groups=groups[train])
        else:
            probe.fit(values[train], labels[train])
        found[test] = probe.predict_proba(values[test])
    return found


def scores(values: np.ndarray, labels: np.ndarray, groups: np.ndarray, seeds: int) -> dict[str, Any]:
    """Mean and range over the seeds of AUROC and balanced accuracy, nested, with the fixed strength, and shuffled."""
    found: dict[str, Any] = {}
    for kind in ("nested", "fixed", "shuffled"):
        each = []
        for seed in range(seeds):
            told = labels if kind != "shuffled" else _shuffled(labels, groups, np.random.default_rng(seed))
            chances = probabilities(values, told, groups, seed, nested=kind == "nested")
            two = chances.shape[1] == 2
            auroc = roc_auc_score(told, chances[:, 1] if two else chances, multi_class="ovr")
            each.append((auroc, balanced_accuracy_score(told, chances.argmax(1))))
        means, low, high = np.mean(each, 0), np.min(each, 0), np.max(each, 0)
        found[kind] = {
            name: [round(float(part[place]), 4) for part in (means, low, high)]
            for place, name in enumerate(("auroc", "balanced_accuracy"))
        }
    return found


def _shuffled(labels: np.ndarray, groups: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Labels of whole groups, given to other groups."""
    first = dict(zip(groups[::-1], labels[::-1], strict=True))
    names = list(first)
    given = dict(zip(names, rng.permutation([first[name] for name in names]), strict=True))
    return np.array([given[group] for group in groups])


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="number of times the folds are drawn")
    parser.add_argument("--shared", type=Path, default=SHARED, help="folder of shared data")
    options = parser.parse_args()
    set_threads()
    folder = options.shared / "data" / "ecg-pages"
    with (folder / "manifest.csv").open(newline="") as handle:
        classes = {row["image"]: row["class"] for row in csv.DictReader(handle)}
    names = sorted(classes)
    rows, values, groups = embedded([folder / name for name in names], [None] * len(names))
    kinds = np.array([classes[names[row]] for row in rows])
    found: dict[str, Any] = {
        "pages read": len(rows),
        "pages, normal or not": scores(values, (kinds != "normal").astype(int), groups, options.seeds),
        "pages, four classes": scores(values, np.unique(kinds, return_inverse=True)[1], groups, options.seeds),
    }
    print(json.dumps(found), file=sys.stderr)
    folder = options.shared / "data" / "ptb-xl"
    with (folder / "records.csv").open(newline="") as handle:
        records = list(csv.DictReader(handle))
    files, patients = [folder / each["record"] for each in records], [each["patient_id"] for each in records]
    rows, values, groups = embedded(files, patients)
    for name in CLASSES:
        labels = np.array([int(records[row][name]) for row in rows])
        found[f"PTB-XL, {name}"] = scores(values, labels, groups, options.seeds)
        print(name, json.dumps(found[f"PTB-XL, {name}"]), file=sys.stderr)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
