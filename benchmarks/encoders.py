"""What a linear probe reads from the frozen embeddings of the ECG encoder, next to an untrained network and chance.

    python benchmarks/encoders.py --cache /tmp/pages > encoders.json
    python benchmarks/encoders.py --development --weights candidate.safetensors

Standardised logistic regression reads the 512 values. Differences of AUROC have 95 % intervals over 1,000 resamples of the
tested recordings. PTB-XL: the probe learns from the earlier 1,075 of the shared
1,537 recordings, in the order of their recording, and is tested on the later 462. Pages: the 367 different shared pages,
digitised, in five stratified folds of each of several seeds; a refused page gets the class shares of its fold's training
pages. With --development only the earlier PTB-XL recordings are used (750 to learn, 325 to test), so that the final
figures stay untouched while the encoder is developed.

With --pixels, only encoders of pictures are compared: resnet18-ecg with its shipped weights or those of --page-weights, and
resnet18 with random weights. They see the pixels of the shared pages, and the PTB-XL recordings drawn as a run draws them.
Controls: shuffled classes, and the page with its grid painted white, on which only the printed text is left.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import torch
from safetensors.torch import load_file
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cached_ecgs import read_cached
from cardiograph.config_reading import PagesConfig
from cardiograph.ecg.pages import read_any_page
from cardiograph.ecg.read_any import read_any
from cardiograph.encoders.ecg_network import EcgNetwork, ecg_network
from cardiograph.encoders.leads_input import INPUT_SHAPE, leads_input
from cardiograph.encoders.weights import build_network, load_weights
from cardiograph.errors import EcgError
from cardiograph.imaging.prepare import prepare_decoded, to_input

SHARED = Path(__file__).resolve().parents[2] / "shared"
CLASSES = ("NORM", "MI", "STTC", "CD", "HYP")
STRENGTH = 3e-3
"""Inverse of the L2 penalty, chosen on the earlier PTB-XL recordings alone."""

EARLIER = 1075
FOLDS = 5
SHUFFLES = 5
RESAMPLES = 1000


def networks(weights: Path | None) -> dict[str, torch.nn.Module]:
    """Return the trained and an untrained network."""
    torch.manual_seed(0)
    untrained = EcgNetwork().eval()
    if weights is None:
        return {"pretrained": ecg_network(), "untrained": untrained}
    trained = EcgNetwork()
    trained.load_state_dict({name: each.float() for name, each in load_file(weights).items()}, strict=False)
    return {"pretrained": trained.eval(), "untrained": untrained}


def embed(network: torch.nn.Module, inputs: np.ndarray) -> np.ndarray:
    """[n, 24, 1112] inputs -> [n, 512] embeddings."""
    with torch.inference_mode():
        parts = [network(torch.from_numpy(inputs[at : at + 64])).numpy() for at in range(0, len(inputs), 64)]
    return np.concatenate(parts)


def probe(values: np.ndarray, labels: np.ndarray) -> Any:  # noqa: ANN401
    """Fit the probe on training rows."""
    classifier = LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=500)
    return make_pipeline(StandardScaler(), classifier).fit(values, labels)


def read_recordings(shared: Path) -> tuple[np.ndarray, np.ndarray]:
    """Inputs [n, 24, 1112] and labels [n, 5] of the shared PTB-XL recordings, earliest first."""
    folder = shared / "data" / "ptb-xl"
    with (folder / "records.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    inputs = np.stack([leads_input(read_any(folder / row["record"])) for row in rows])
    return inputs, np.array([[int(row[name]) for name in CLASSES] for row in rows])


def recordings(values: np.ndarray, labels: np.ndarray, split: tuple[int, int]) -> tuple[dict, np.ndarray]:
    """AUROC of each superclass: probe on the rows before the split, test on those after it; and with shuffled labels.

    Also returns the [tested recordings, classes] probabilities.
    """
    rng = np.random.default_rng(0)
    scores: dict[str, dict[str, float]] = {"labels": {}, "shuffled": {}}
    told = np.zeros((split[1] - split[0], len(CLASSES)))
    for column, name in enumerate(CLASSES):
        earlier, later = labels[: split[0], column], labels[split[0] : split[1], column]
        for kind, targets in (
            ("labels", [earlier]),
            ("shuffled", [rng.permutation(earlier) for _ in range(SHUFFLES)]),
        ):
            chances = [probe(values[: split[0]], target).predict_proba(values[split[0] :])[:, 1] for target in targets]
            scores[kind][name] = round(float(np.mean([roc_auc_score(later, each) for each in chances])), 4)
            if kind == "labels":
                told[:, column] = chances[0]
    return scores, told


def gains(one: np.ndarray, other: np.ndarray, labels: np.ndarray) -> dict[str, list[float]]:
    """95 % interval of the difference of AUROC of two encoders on the same recordings, over resamples of them."""
    found = {}
    for column, name in enumerate(CLASSES):
        rng, differences = np.random.default_rng(0), []
        while len(differences) < RESAMPLES:
            rows = rng.integers(0, len(labels), len(labels))
            wanted = labels[rows, column]
            if 0 < wanted.sum() < len(wanted):
                pair = [roc_auc_score(wanted, each[rows, column]) for each in (one, other)]
                differences.append(pair[0] - pair[1])
        found[name] = [round(float(edge), 3) for edge in np.quantile(differences, (0.025, 0.975))]
    return found


def measured(shared: Path) -> np.ndarray:
    """[n, measurements] measurements of the shared PTB-XL recordings, medians of the earlier rows where missing."""
    folder = shared / "data" / "ptb-xl"
    with (folder / "records.csv").open(newline="") as handle:
        paths = [folder / row["record"] for row in csv.DictReader(handle)]
    values = np.stack([read_any(path).measure().vector() for path in paths])
    return np.where(np.isnan(values), np.nanmedian(values[:EARLIER], 0), values)


def read_pages(shared: Path, cache: Path | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs, classes and whether each different shared page could be read."""
    folder = shared / "data" / "ecg-pages"
    with (folder / "manifest.csv").open(newline="") as handle:
        classes = {row["image"]: row["class"] for row in csv.DictReader(handle)}
    inputs, known = np.zeros((len(classes), *INPUT_SHAPE), np.float32), np.ones(len(classes), dtype=bool)
    for place, name in enumerate(sorted(classes)):
        try:
            inputs[place] = leads_input(read_cached(folder / name, cache))
        except EcgError as error:
            known[place] = False
            print(f"{name}: {error}", file=sys.stderr)
    return inputs, np.array([classes[name] for name in sorted(classes)]), known


def picture_network(encoder: str, weights: str) -> torch.nn.Module:
    """Return an encoder of pictures."""
    network, chosen = build_network(encoder), load_weights(weights, seed=0, cache=Path(), architecture=encoder)
    network.load_state_dict(chosen.tensors, strict=False)
    return network


def picture_inputs(files: list[Path]) -> tuple[np.ndarray, np.ndarray]:
    """[n, ...] inputs of an encoder of pictures: the view that a run shows, and the page with this view painted over.

    Recordings are drawn as a run draws them.
    """
    shown, margins = [], []
    for file in files:
        page = prepare_decoded(
            read_any_page(file, name=file.name, config=PagesConfig()), name=file.name, config=PagesConfig()
        )
        outside = page.page.pixels.copy()
        outside[page.box.top : page.box.bottom, page.box.left : page.box.right] = 255
        shown.append(page.input)
        margins.append(to_input(outside))
    return np.stack(shown), np.stack(margins)


def pixels(arguments: argparse.Namespace) -> dict[str, Any]:
    """Scores of encoders of pictures on the shared pages and on drawn PTB-XL recordings, with their controls."""
    pages_folder, recordings_folder = (arguments.shared / "data" / name for name in ("ecg-pages", "ptb-xl"))
    with (pages_folder / "manifest.csv").open(newline="") as handle:
        classes = {row["image"]: row["class"] for row in csv.DictReader(handle)}
    named, known = np.array([classes[name] for name in sorted(classes)]), np.ones(len(classes), dtype=bool)
    with (recordings_folder / "records.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    labels = np.array([[int(row[name]) for name in CLASSES] for row in rows])
    shown, margins = picture_inputs([pages_folder / name for name in sorted(classes)])
    drawn, _ = picture_inputs([recordings_folder / row["record"] for row in rows])
    found: dict[str, Any] = {}
    for encoder, weights in (("resnet18-ecg", arguments.page_weights), ("resnet18", "random")):
        network = picture_network(encoder, weights)
        values = embed(network, shown)
        found[f"{encoder}, {weights}"] = {
            "pages": mean_scores(values, named, known, arguments.seeds),
            "pages, shuffled classes": mean_scores(values, named, known, arguments.seeds, shuffled=True),
            "pages, only what is printed outside the grid": mean_scores(
                embed(network, margins), named, known, arguments.seeds
            ),
            "PTB-XL, drawn": recordings(embed(network, drawn), labels, (EARLIER, len(rows)))[0],
        }
    return found


def mean_scores(
    values: np.ndarray, classes: np.ndarray, known: np.ndarray, seeds: int, *, shuffled: bool = False
) -> dict[str, float]:
    """Scores of the pages, means over several draws of the folds; with ``shuffled``, of the classes as well."""
    drawn = [np.random.default_rng(seed).permutation(classes) if shuffled else classes for seed in range(seeds)]
    scores = [pages(values, each, known, seed) for seed, each in enumerate(drawn)]
    return {key: round(float(np.mean([score[key] for score in scores])), 4) for key in scores[0]}


def pages(values: np.ndarray, classes: np.ndarray, known: np.ndarray, seed: int) -> dict[str, float]:
    """Normal against the rest, and the four classes, out of fold."""
    names, codes = np.unique(classes, return_inverse=True)
    ill = (classes != "normal").astype(int)
    two, four = np.zeros(len(classes)), np.zeros((len(classes), len(names)))
    for train, test in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(values, codes):
        usable, seen = train[known[train]], test[known[test]]
        two[test] = ill[train].mean()
        four[test] = np.bincount(codes[train], minlength=len(names)) / len(train)
        two[seen] = probe(values[usable], ill[usable]).predict_proba(values[seen])[:, 1]
        four[seen] = probe(values[usable], codes[usable]).predict_proba(values[seen])
    return {
        "auroc": float(roc_auc_score(ill, two)),
        "auroc_of_read_pages": float(roc_auc_score(ill[known], two[known])),
        "balanced_accuracy": float(balanced_accuracy_score(ill, two > 0.5)),
        "four_classes": float(balanced_accuracy_score(codes, four.argmax(1))),
    }


def milliseconds(network: torch.nn.Module, inputs: np.ndarray) -> dict[str, float]:
    """Processor time for one recording, alone and on one thread: the fastest of ten series of ten."""
    torch.set_num_threads(1)
    model = openvino.convert_model(network, example_input=torch.zeros(1, *INPUT_SHAPE))
    model.reshape([1, *INPUT_SHAPE])
    compiled = openvino.compile_model(model, "CPU", {"INFERENCE_NUM_THREADS": 1})
    engines = {"torch": lambda: network(torch.from_numpy(inputs[:1])), "openvino": lambda: compiled(inputs[:1])}
    found = {}
    with torch.inference_mode():
        for name, call in engines.items():
            call()
            series = []
            for _ in range(10):
                start = time.process_time()
                for _ in range(10):
                    call()
                series.append(time.process_time() - start)
            found[name] = round(min(series) * 100, 2)
    return found


def main() -> None:
    """Run both probes and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=SHARED, help="folder of shared data")
    parser.add_argument("--cache", type=Path, help="folder of digitised pages, created if missing")
    parser.add_argument("--weights", type=Path, help="weights file instead of the shipped one")
    parser.add_argument("--pixels", action="store_true", help="encoders of pictures, on pages and drawn recordings")
    parser.add_argument("--page-weights", default="shipped", help="weights file of resnet18-ecg for --pixels")
    parser.add_argument("--seeds", type=int, default=5, help="number of times the folds of the pages are drawn")
    parser.add_argument("--measurements", action="store_true", help="also probe the classical measurements")
    parser.add_argument("--development", action="store_true", help="only the earlier PTB-XL recordings")
    arguments = parser.parse_args()
    if arguments.pixels:
        print(json.dumps({"pixels": pixels(arguments)}, indent=1))
        return
    inputs, labels = read_recordings(arguments.shared)
    found: dict[str, Any] = {}
    split = (750, EARLIER) if arguments.development else (EARLIER, len(inputs))
    each = networks(arguments.weights)
    found["ms_per_recording"] = milliseconds(each["pretrained"], inputs)
    values = {name: embed(network, inputs) for name, network in each.items()}
    if arguments.measurements:
        values["measurements"] = measured(arguments.shared)
        values["pretrained and measurements"] = np.hstack([values["pretrained"], values["measurements"]])
    told = {}
    for name, features in values.items():
        found.setdefault("ptb_xl", {})[name], told[name] = recordings(features[: split[1]], labels, split)
    tested = labels[split[0] : split[1]]
    found["gain_over"] = {name: gains(told["pretrained"], told[name], tested) for name in told if name != "pretrained"}
    if not arguments.development:
        drawn, classes, known = read_pages(arguments.shared, arguments.cache)
        found["refused_pages"] = int((~known).sum())
        for name, network in each.items():
            found.setdefault("pages", {})[name] = mean_scores(embed(network, drawn), classes, known, arguments.seeds)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
