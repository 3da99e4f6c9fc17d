"""What labels add to the shipped weights of the ECG encoder; the checkpoint of this benchmark is not shipped.

usage: python benchmarks/labelled_checkpoint.py [FOLDER] [--cache PAGES] [--development] [--hearts 1920] [--no-labels]

The shipped network continues to learn from new simulated hearts and CODE-15, with the tasks of `cardiograph pretrain`, and
from the five superclasses and frequent statements of the earlier 1,075 of the shared PTB-XL recordings (with
--development the earlier 750). The tasks keep their weights, so that labels do not undo what they taught. The heads of
the tasks learn first, while the network does not change. Interrupted training resumes from FOLDER. Then the probes of
benchmarks/encoders.py read both networks: the later 462 recordings (--development: the next 325) and the shared pages.
With --no-labels only the tasks continue, which shows what more steps add. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

from cardiograph.ecg.read_any import read_any
from cardiograph.ecg.resample import resample
from cardiograph.encoders.ecg_network import WIDTH, ecg_network
from cardiograph.encoders.leads_input import INPUT_RATE_HZ, SAMPLES, leads_input
from cardiograph.pretrain.layouts import random_views
from cardiograph.pretrain.objective import TERM_WEIGHTS, Heads, Objective
from cardiograph.pretrain.records import Records, read_records
from cardiograph.pretrain.stream import Batch, Stream, batches, scales
from cardiograph.pretrain.training import CHECKPOINT, Recipe, State, Trained
from cardiograph.pretrain.weights_file import write_weights
from encoders import CLASSES, EARLIER, RESAMPLES, SHARED, embed, gains, mean_scores, read_pages, recordings

FOLDER = Path(tempfile.gettempdir()) / "labelled-checkpoint"
DEVELOPED_ON = 750
FREQUENT = 15
"""A statement is learned if so many of the training recordings have it."""

LABELLED = 32
"""Labelled recordings in each step."""

HEAD_STEPS = 128
HEAD_RATE = 4e-3


@dataclass(frozen=True)
class LabelledBatch:
    """A batch of the pretraining, [n, 24, samples + 112] labelled views, and their [n, labels] statements."""

    tasks: Batch
    views: np.ndarray
    labels: np.ndarray


class LabelledStream:
    """The stream of a pretraining, with labelled recordings in each batch."""

    def __init__(self, stream: Stream, signal: np.ndarray, labels: np.ndarray) -> None:
        self._stream, self._signal, self._labels = stream, signal, labels

    def __len__(self) -> int:
        return len(self._stream)

    def __getitem__(self, step: int) -> LabelledBatch:
        tasks, rng = self._stream[step], np.random.default_rng([self._stream.seed, 3, step])
        rows = rng.choice(len(self._signal), LABELLED, replace=False)
        return LabelledBatch(tasks, random_views(self._signal[rows], rng), self._labels[rows])


class AllHeads(nn.Module):
    """Heads of the tasks, and one of the labels."""

    def __init__(self, labels: int) -> None:
        super().__init__()
        self.tasks, self.labels = Heads(), nn.Linear(WIDTH, labels)


def read_labelled(shared: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """[n, 12, 1000] leads, [n, 24, 1112] inputs, [n, 5] superclasses and the statements of PTB-XL, earliest first."""
    folder = shared / "data" / "ptb-xl"
    with (folder / "records.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    signal, inputs = np.full((len(rows), 12, SAMPLES), np.nan, np.float32), []
    for place, row in enumerate(rows):
        ecg = read_any(folder / row["record"])
        found = resample(ecg.signal, ecg.rate, INPUT_RATE_HZ)[:, :SAMPLES]
        signal[place, :, : found.shape[1]] = found - np.nanmedian(found, 1)[:, None]
        inputs.append(leads_input(ecg))
    superclasses = np.array([[int(row[name]) for name in CLASSES] for row in rows])
    return signal, np.stack(inputs), superclasses, [row["scp_codes"] for row in rows]


def targets(superclasses: np.ndarray, statements: list[str], rows: int) -> np.ndarray:
    """[rows, labels] superclasses, then the statements that are frequent in the first rows, 0 or 1."""
    sets = [set(each.split("|")) for each in statements[:rows]]
    names = sorted(name for name, count in Counter(name for each in sets for name in each).items() if count >= FREQUENT)
    frequent = np.array([[name in each for name in names] for each in sets])
    return np.hstack([superclasses[:rows], frequent]).astype(np.float32)


def train(options: argparse.Namespace, signal: np.ndarray, labels: np.ndarray, records: Records) -> Trained:
    """Continue the shipped weights; the running statistics of batch normalisation stay as they are."""
    recipe = Recipe(hearts=options.hearts, seed=1000, batch=32, pairs=8, rate=options.rate)
    torch.manual_seed(0)
    network, heads = ecg_network(), AllHeads(labels.shape[1])
    stream = LabelledStream(Stream(recipe.seed, recipe.steps, recipe.batch, recipe.pairs, records), signal, labels)
    objective = Objective(scales())
    TERM_WEIGHTS["labels"] = 0.0 if options.no_labels else options.label_weight

    def terms(batch: LabelledBatch) -> dict[str, torch.Tensor]:
        found = objective.terms(network, heads.tasks, batch.tasks)
        answer = heads.labels(network(torch.from_numpy(batch.views)))
        wanted = torch.from_numpy(batch.labels)
        return {**found, "labels": nn.functional.binary_cross_entropy_with_logits(answer, wanted)}

    if not (options.folder / CHECKPOINT).exists():
        learn_heads(network, heads, stream, terms)
    state = State(network, heads, recipe, records)
    state.resume(options.folder / CHECKPOINT)
    state.train(batches(stream, start=state.step, workers=0), terms, options.folder, lambda steps: None)
    return Trained(network, heads, state.curves, state.seconds)


def learn_heads(network: nn.Module, heads: nn.Module, stream: LabelledStream, terms: Any) -> None:  # noqa: ANN401
    """Fit new heads to the embeddings of the network, which does not change."""
    network.requires_grad_(requires_grad=False)
    optimizer = torch.optim.Adam(heads.parameters(), HEAD_RATE)
    for step in range(min(HEAD_STEPS, len(stream))):
        optimizer.zero_grad()
        Objective.total(terms(stream[step])).backward()
        optimizer.step()
    network.requires_grad_(requires_grad=True)


def macro_gain(one: np.ndarray, other: np.ndarray, labels: np.ndarray) -> list[float]:
    """Difference of the macro AUROC, and its 95 % interval over resamples of the tested recordings."""
    rng, found = np.random.default_rng(0), []
    rows = np.arange(len(labels))
    while len(found) <= RESAMPLES:
        if labels[rows].sum(0).min() > 0:
            found.append(float(np.mean(_auroc(one, labels, rows)) - np.mean(_auroc(other, labels, rows))))
        rows = rng.integers(0, len(labels), len(labels))
    return [round(float(each), 4) for each in (found[0], *np.quantile(found[1:], (0.025, 0.975)))]


def _auroc(chances: np.ndarray, labels: np.ndarray, rows: np.ndarray) -> list[float]:
    return [float(roc_auc_score(labels[rows, at], chances[rows, at])) for at in range(len(CLASSES))]


def main() -> None:
    """Train, probe, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER, help="folder of the checkpoint and the weights")
    parser.add_argument("--shared", type=Path, default=SHARED, help="folder of shared data")
    parser.add_argument("--cache", type=Path, help="folder of digitised pages, created if missing")
    parser.add_argument("--hearts", type=int, default=1920, help="new simulated hearts, each seen four times")
    parser.add_argument("--rate", type=float, default=4e-4, help="largest learning rate")
    parser.add_argument("--label-weight", type=float, default=3.0, help="weight of the labels in the loss")
    parser.add_argument("--no-labels", action="store_true", help="continue without labels")
    parser.add_argument("--development", action="store_true", help="only the earlier recordings, and no pages")
    options = parser.parse_args()
    torch.set_num_threads(1)
    signal, inputs, superclasses, statements = read_labelled(options.shared)
    split = (DEVELOPED_ON, EARLIER) if options.development else (EARLIER, len(inputs))
    labels = targets(superclasses, statements, split[0])
    records = read_records(options.shared / "data" / "code-15")
    trained = train(options, signal[: split[0]], labels, records)
    recipe = Recipe(hearts=options.hearts, seed=1000, batch=32, pairs=8, rate=options.rate)
    write_weights(trained, recipe, records, options.folder / "labelled.safetensors", data="CODE-15, labels of PTB-XL")
    networks = {"shipped": ecg_network(), "continued": trained.network.eval()}
    found: dict[str, Any] = {
        "labels": 0 if options.no_labels else int(labels.shape[1]),
        "steps": recipe.steps,
        "seconds": round(trained.seconds),
        "curves": [trained.curves[0], trained.curves[-1]],
    }
    chances = {}
    for name, network in networks.items():
        found[name], chances[name] = recordings(embed(network, inputs[: split[1]]), superclasses, split)
    tested = superclasses[split[0] : split[1]]
    found["gain"] = gains(chances["continued"], chances["shipped"], tested)
    found["macro_gain"] = macro_gain(chances["continued"], chances["shipped"], tested)
    if not options.development:
        drawn, classes, known = read_pages(options.shared, options.cache)
        found["pages"] = {
            name: mean_scores(embed(network, drawn), classes, known, 5) for name, network in networks.items()
        }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
