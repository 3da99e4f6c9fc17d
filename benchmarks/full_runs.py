"""Whole runs next to the linear probe: each model of the package on real ECGs, with and without measurements.

usage: python benchmarks/full_runs.py [--development | --pages] [--cache FOLDER] [--weights 0 0.5 1] [--models sign mlp]
       [--set fusion.readings=1 fusion.image=0] [--finetune]

Recordings: the five superclasses of the shared PTB-XL rows, each against the rest. The earlier 1,075 are the training
records, the latest fifth of them for validation, because most patients are not known and a random fifth would share
some with the rest; the later 462 are the test records. With --development, the first 750 and the next 325. Every model
is trained, calibrated and scored by the code of `cardiograph run`, at each weight of the block of measurements. The
probe is that of benchmarks/encoders.py: it learns from all earlier records, or from those that a run trains on ("probe,
training part"), because a run keeps a fifth for validation. Pages: the 367 different shared pages, normal against the
rest, five folds; pages that are refused are left out of both. With --finetune, the same models also read the encoder as
`encoder.finetune` adapts it to each superclass, and as it adapts it to shuffled labels of the training and validation
records (the models themselves keep the true ones). Prints one JSON object with AUROC, and the interval of
each model minus the probe over resamples of the test records.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold

from cached_ecgs import read_cached
from cardiograph.config import load_config
from cardiograph.containers import TEST, TRAIN, VAL, Cohort, Groups, Split
from cardiograph.ecg.read_any import read_any
from cardiograph.encoders.ecg_network import ecg_network
from cardiograph.encoders.readings import shipped_heads
from cardiograph.features.measurements import measurement_table, measurement_vector
from cardiograph.threads import set_threads
from cardiograph.train.data import Dataset, TrainingInputs
from cardiograph.train.finetune import Examples, adapt
from cardiograph.train.trial import fit_and_score
from encoders import CLASSES, EARLIER, SHARED, embed, gains, probe, read_pages, read_recordings

DEVELOPED_ON = 750
VALIDATION = 0.2


def patients(shared: Path) -> np.ndarray:
    """[n] group of each recording: its patient, or itself where the patient is not known."""
    with (shared / "data" / "ptb-xl" / "records.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    return pd.factorize(np.array([row["patient_id"] or f"record {row['ecg_id']}" for row in rows]))[0]


def part_of(groups: np.ndarray, edges: tuple[int, int]) -> Split:
    """The split by date: the latest of the earlier rows are for validation, the later rows for the test."""
    part = np.full(edges[1], TRAIN, dtype=object)
    part[int((1 - VALIDATION) * edges[0]) : edges[0]] = VAL
    part[edges[0] :] = TEST
    return Split(part.astype(str), Groups(groups[: edges[1]]), "by date")


def dataset(embeddings: np.ndarray, measured: np.ndarray | None, labels: np.ndarray, split: Split) -> Dataset:
    """Arrays as the dataset of a run; without measurements if these are None."""
    count = len(labels)
    table = pd.DataFrame(
        {
            "record_id": [f"row {row}" for row in range(count)],
            "patient_id": pd.Series([None] * count, dtype=object),
            "label": labels,
            "class_name": labels.astype(str),
            "ecg": None,
            "split": None,
        }
    )
    measurements = None if measured is None else measurement_table(measured, split.rows(TRAIN))
    readings = shipped_heads().linear()  # used if fusion.readings is above 0
    inputs = TrainingInputs(embeddings, None, labels, split, measurements=measurements, readings=readings)
    return Dataset(Cohort(table, ()), None, split, inputs)


def probes(embeddings: np.ndarray, labels: np.ndarray, split: Split) -> dict[str, np.ndarray]:
    """[test records] probabilities of the probe, from all earlier records and from the training part alone."""
    test, train = split.rows(TEST), split.rows(TRAIN)
    earlier = np.sort(np.concatenate([train, split.rows(VAL)]))
    rows = {"probe": earlier, "probe, training part": train}
    return {
        name: probe(embeddings[each], labels[each]).predict_proba(embeddings[test])[:, 1] for name, each in rows.items()
    }


def adapted(inputs: np.ndarray, labels: np.ndarray, split: Split) -> np.ndarray:
    """[n, 512] embeddings of the encoder after fine-tuning to the labels of the training and validation records."""
    train, val = (Examples(inputs[rows], labels[rows]) for rows in (split.rows(TRAIN), split.rows(VAL)))
    network = ecg_network()
    tuned = adapt(network, train, val, seed=0)
    print(f"fine-tuned: epoch {tuned.epoch}, losses {np.round(tuned.losses, 4).tolist()}", file=sys.stderr, flush=True)
    network.load_state_dict(tuned.tensors)
    return embed(network, inputs)


def shuffled(labels: np.ndarray, split: Split) -> np.ndarray:
    """Labels shuffled within each part of the split."""
    mixed = labels.copy()
    for part in (TRAIN, VAL):
        rows = split.rows(part)
        mixed[rows] = np.random.default_rng(0).permutation(labels[rows])
    return mixed


def runs(data: Dataset, options: argparse.Namespace) -> dict[str, np.ndarray]:
    """[test records] probabilities of each model at each weight of the measurements."""
    found = {}
    for weight in options.weights:
        config = load_config(None, _nested([f"fusion.measurements={weight}", *options.set]))
        for model in options.models:
            scores = fit_and_score(data, config, name=model).test.probabilities
            found[f"{model}, measurements {weight:g}"] = scores
    return found


def on_recordings(options: argparse.Namespace) -> dict[str, Any]:
    """AUROC of the five superclasses."""
    folder = options.shared / "data" / "ptb-xl"
    inputs, labels = read_recordings(options.shared)
    edges = (DEVELOPED_ON, EARLIER) if options.development else (EARLIER, len(labels))
    with (folder / "records.csv").open(newline="") as handle:
        paths = [folder / row["record"] for row in csv.DictReader(handle)][: edges[1]]
    embeddings = embed(ecg_network(), inputs[: edges[1]])
    measured = np.stack([measurement_vector(read_any(path)) for path in paths])
    split = part_of(patients(options.shared), edges)
    chances: dict[str, list[np.ndarray]] = {}
    for target in labels[: edges[1]].T:
        data = dataset(embeddings, measured, target, split)
        found = {**probes(embeddings, target, split), **runs(data, options)}
        for kind, wanted in (("fine-tuned", target), ("fine-tuned, shuffled", shuffled(target, split))):
            if options.finetune:
                tuned = dataset(adapted(inputs[: edges[1]], wanted, split), measured, target, split)
                found |= {f"{name}, {kind}": each for name, each in runs(tuned, options).items()}
        for name, each in found.items():
            chances.setdefault(name, []).append(each)
    return report({name: np.stack(each, 1) for name, each in chances.items()}, labels[split.rows(TEST)])


def on_pages(options: argparse.Namespace) -> dict[str, Any]:
    """AUROC and balanced accuracy of normal pages against the rest, out of fold."""
    inputs, classes, known = read_pages(options.shared, options.cache)
    folder = options.shared / "data" / "ecg-pages"
    with (folder / "manifest.csv").open(newline="") as handle:
        names = sorted({row["image"] for row in csv.DictReader(handle)})
    paths = [folder / name for name, read in zip(names, known, strict=True) if read]
    measured = np.stack([measurement_vector(read_cached(path, options.cache)) for path in paths])
    embeddings, labels = embed(ecg_network(), inputs[known]), (classes[known] != "normal").astype(np.int64)
    chances: dict[str, np.ndarray] = {}
    folds = StratifiedKFold(5, shuffle=True, random_state=0).split(embeddings, classes[known])
    for train, test in folds:
        part = np.full(len(labels), TEST, dtype=object)
        part[train] = TRAIN
        part[np.random.default_rng(0).permutation(train)[: int(VALIDATION * len(train))]] = VAL
        split = Split(part.astype(str), Groups(np.arange(len(labels))), "by fold")
        data = dataset(embeddings, measured, labels, split)
        for name, each in {**probes(embeddings, labels, split), **runs(data, options)}.items():
            chances.setdefault(name, np.zeros(len(labels)))[test] = each
    return {
        name: {
            "auroc": round(float(roc_auc_score(labels, each)), 4),
            "balanced_accuracy": round(float(balanced_accuracy_score(labels, each > 0.5)), 4),
        }
        for name, each in chances.items()
    }


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=SHARED, help="folder of shared data")
    parser.add_argument("--cache", type=Path, help="folder of digitised pages, created if missing")
    parser.add_argument("--pages", action="store_true", help="the shared pages instead of the recordings")
    parser.add_argument("--development", action="store_true", help="only the earlier recordings")
    parser.add_argument("--weights", type=float, nargs="+", default=[0.0, 1.0], help="weights of the measurements")
    parser.add_argument("--models", nargs="+", default=["sign", "mlp", "logistic"])
    parser.add_argument("--finetune", action="store_true", help="also with the encoder adapted to each superclass")
    parser.add_argument("--set", nargs="*", default=[], metavar="SECTION.KEY=VALUE", help="other settings")
    options = parser.parse_args()
    set_threads()
    print(json.dumps(on_pages(options) if options.pages else on_recordings(options), indent=1))


def _nested(changes: list[str]) -> dict[str, Any]:
    """SECTION.KEY=VALUE as the nested settings of a run."""
    nested: dict[str, Any] = {}
    for change in changes:
        place, value = change.split("=", 1)
        section, key = place.split(".")
        nested.setdefault(section, {})[key] = json.loads(value)
    return nested


def report(columns: dict[str, np.ndarray], labels: np.ndarray) -> dict[str, Any]:
    """AUROC of each way, their mean, and the interval of its difference from the probe."""
    found: dict[str, Any] = {}
    for name, each in columns.items():
        values = [float(roc_auc_score(labels[:, at], each[:, at])) for at in range(len(CLASSES))]
        found[name] = dict(zip((*CLASSES, "mean"), np.round([*values, np.mean(values)], 4).tolist(), strict=True))
        if name != "probe":
            found[name]["minus_probe"] = gains(each, columns["probe"], labels)
        before = name.split(", fine-tuned")[0]
        if before != name:
            found[name]["minus_untuned"] = gains(each, columns[before], labels)
    return found


if __name__ == "__main__":
    main()
