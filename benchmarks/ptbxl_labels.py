"""The five superclasses of PTB-XL at once: one network with five heads next to five binary models.

usage: python benchmarks/ptbxl_labels.py [--shuffles 5] [--models sign mlp logistic]

The recordings, embeddings and split are those of benchmarks/full_runs.py: the shared PTB-XL rows, embedded by the shipped
encoder, of which the earlier 1,075 are for training and validation and the later 462 for the test. The label of normal
ECGs against the rest is the label NORM. Most patients are not known, so two records may be of one patient. Prints one
JSON object: AUROC of each label and their mean, with intervals over resamples of groups, for each model with all heads,
for the same model trained on each label alone, and for the first model trained on shuffled rows of labels.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cardiograph.config import RunConfig, load_config
from cardiograph.containers import TEST
from cardiograph.encoders.ecg_network import ecg_network
from cardiograph.evaluate.bootstrap import bootstrap_scores
from cardiograph.inference import Predictor
from cardiograph.models.build import Model
from cardiograph.registry import MODELS
from cardiograph.run.label_summary import macro_auroc
from cardiograph.threads import set_threads
from cardiograph.train.data import Dataset
from cardiograph.train.fit import PreparedGraph, fit_network, make_bundle, prepare
from cardiograph.train.label_heads import LabelHeads
from encoders import CLASSES, EARLIER, SHARED, embed, read_recordings
from full_runs import dataset, part_of, patients


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=SHARED, help="folder of shared data")
    parser.add_argument("--models", nargs="+", default=["sign", "mlp", "logistic"])
    parser.add_argument("--shuffles", type=int, default=5, help="repeats with shuffled labels")
    options = parser.parse_args()
    set_threads()
    inputs, labels = read_recordings(options.shared)
    embeddings, config = embed(ecg_network(), inputs), load_config()
    split = part_of(patients(options.shared), (EARLIER, len(labels)))
    ways: dict[str, list[np.ndarray]] = {}
    heads = LabelHeads(labels.astype(np.int64), split, config)
    for label in range(len(CLASSES)):
        data = dataset(embeddings, None, labels[:, label].astype(np.int64), split)
        prepared = prepare(data.inputs, config)
        for name in options.models:
            if MODELS[name].is_network:
                ways.setdefault(f"{name}, five heads", []).append(
                    chances(name, heads.fit(name, prepared, label=label)[0], data, prepared, config)
                )
            ways.setdefault(f"{name}, one label", []).append(
                chances(name, fit_network(name, prepared, config)[0], data, prepared, config)
            )
        for repeat in range(options.shuffles):
            model = heads.fit(options.models[0], prepared, label=label, shuffle=repeat)[0]
            ways.setdefault(f"shuffled {repeat}", []).append(chances(options.models[0], model, data, prepared, config))
    print(json.dumps(report(ways, labels[split.rows(TEST)], split.groups.index[split.rows(TEST)], config), indent=1))


def chances(name: str, model: Model, data: Dataset, prepared: PreparedGraph, config: RunConfig) -> np.ndarray:
    """[test records] uncalibrated probabilities of a label."""
    predictor = Predictor(make_bundle(name, model, data, prepared, config))
    return predictor.score(data.queries(data.split.rows(TEST))).by_class[:, 1]


def report(
    ways: dict[str, list[np.ndarray]], labels: np.ndarray, groups: np.ndarray, config: RunConfig
) -> dict[str, Any]:
    """AUROC of each label and their mean, with intervals."""
    found: dict[str, Any] = {name: {} for name in ways}
    tables = {}
    for at, label in enumerate(CLASSES):
        columns = {name: each[at] for name, each in ways.items()}
        scores = bootstrap_scores(
            labels[:, at].astype(np.int64), columns, groups, dict.fromkeys(columns, 0.5),
            resamples=1000, confidence=0.95, rng=np.random.default_rng(0), names=("auroc", "auprc"),
        )  # fmt: skip
        for name, each in scores.items():
            found[name][label] = {metric: value.as_dict() for metric, value in each.items()}
        tables[label] = pd.DataFrame(
            {"record_id": np.arange(len(groups)), "group": groups, "label": labels[:, at]}
            | {f"probability_{name}": each for name, each in columns.items()}
        )
    for name in ways:
        found[name]["mean"] = macro_auroc(tables, name, config).as_dict()
    return found


if __name__ == "__main__":
    main()
