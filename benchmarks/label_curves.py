"""Learning curves over labels, with and without a graph, on the shared PTB-XL recordings.

usage: python benchmarks/label_curves.py [--shared ../shared] [--seeds 3] [--settings curve ...] [--folder FOLDER]
       [--figure FILE.svg]

1,537 recordings, five superclasses, 512 values of the shipped encoder and 92 measurements. For each seed, 70 % of the
patients are the pool and 30 % the test; a recording whose patient is unknown counts as a patient of its own. 10 to all of
the pool keep their labels, with at least two records on each side of every superclass; the other pool records stay as
unlabelled neighbours. A test record is never a neighbour, and nothing sees its label. Every way of benchmarks/label_ways.py
chooses its settings by the log loss of inner folds of the labelled records alone. "chosen by inner folds" takes the way
with the least inner loss, over all five superclasses. Networks and attention are a setting of their own ("networks"),
which can be given fewer seeds. Controls: random edges, and shuffled labels.

Settings made by masking, where neighbours may know what the record lacks: half of all records without an embedding, or
without measurements (neighbours in the other block lend theirs); noise of twice the spread on one block (neighbours in the
other block lend the mean); and a second site, whose embeddings are shifted and which has no labels. All test records of
the last are of the second site; in the missing settings only the masked test records are scored.

Figures are macro AUROC with the corrected resampled t interval over seeds, and paired differences from own features.
Each piece is kept in FOLDER and not computed again. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import KFold

from cardiograph.ecg.read_any import read_any
from cardiograph.encoders.ecg_network import ecg_network
from cardiograph.evaluate.bootstrap import resampled_interval
from cardiograph.features.measurements import measurement_vector
from encoders import SHARED, embed, read_recordings
from label_ways import GRAPHLESS, NETWORKS, STRENGTHS, WAYS, Floats, Nodes, Rows, linked, regression, rewired

SIZES = (10, 20, 50, 100, 250, 0)
"""Labelled records; 0 for all of the pool."""

MASKED_SIZES = (50, 0)
POOL = 0.7
KEPT = 128
"""Principal components of the standardised embeddings that are kept (a rotation)."""

CONTROLS = ("means of neighbours", "label spreading")
"""Ways that are repeated with random edges."""

CHOSEN = "chosen by inner folds"
OWN = "own features"
LENT_BY = 10
REGRESSION = "lent by regression, no graph"


def read(shared: Path, folder: Path) -> dict[str, np.ndarray]:
    """Embeddings, measurements, labels and groups; computed once and kept."""
    file = folder / "inputs.npz"
    if not file.exists():
        inputs, labels = read_recordings(shared)
        source = shared / "data" / "ptb-xl"
        with (source / "records.csv").open(newline="") as handle:
            rows = list(csv.DictReader(handle))
        measured = np.stack([measurement_vector(read_any(source / row["record"])) for row in rows])
        groups = pd.factorize(np.array([row["patient_id"] or f"record {row['ecg_id']}" for row in rows]))[0]
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(file, embeddings=embed(ecg_network(), inputs), measured=measured, labels=labels, groups=groups)
    with np.load(file) as stored:
        return dict(stored)


def drawn(data: dict[str, np.ndarray], seed: int) -> tuple[np.ndarray, int]:
    """Order of the records, pool first, and the size of the pool; no known patient is on both sides."""
    rng = np.random.default_rng(seed)
    place = rng.permutation(data["groups"].max() + 1)[data["groups"]]
    order = np.argsort(place, kind="stable")
    pool = int(POOL * len(order))
    while place[order[pool - 1]] == place[order[pool]]:
        pool += 1
    first = rng.permutation(order[:pool])
    return np.concatenate([first, order[pool:]]), pool


def labelled(y: Rows, pool: int, size: int, rng: np.random.Generator) -> Rows:
    """Rows of the pool that keep their labels, at least two records on each side of every label."""
    while True:
        rows = np.sort(rng.permutation(pool)[: size or pool])
        positive = y[rows].sum(0)
        if min(positive.min(), (len(rows) - positive).min()) >= 2:
            return rows


def standardised(values: Floats, pool: int) -> Floats:
    """Values with mean 0 and spread 1 over the pool; missing values at the mean."""
    filled = np.where(np.isnan(values), np.nanmean(values[:pool], 0), values).astype(np.float64)
    return (filled - filled[:pool].mean(0)) / np.maximum(filled[:pool].std(0), 1e-6)


def rotated(x: Floats, pool: int) -> Floats:
    """Principal components of standardised values."""
    return x @ np.linalg.svd(x[:pool] - x[:pool].mean(0), full_matrices=False)[2][:KEPT].T


def losses(logits: Floats, y: Rows) -> list[float]:
    """Log loss of each label."""
    chances = 1 / (1 + np.exp(-np.clip(logits, -15, 15)))
    return [float(log_loss(y[:, at], chances[:, at], labels=[0, 1])) for at in range(y.shape[1])]


def tried(fit: Any, grid: list[dict], y: Rows, rows: Rows, test: Rows) -> dict[str, list[float]]:  # noqa: ANN401
    """AUROC of the test records and inner loss of each label, settings chosen by the inner loss.

    Args:
        fit: Function of labels, rows and settings that scores all nodes.
        grid: Settings to choose among.
        y: [nodes, labels]; those of the test are used for the AUROC alone.
        rows: Labelled rows.
        test: Rows that are scored.
    """
    folds = list(KFold(3, shuffle=True, random_state=1).split(rows))
    inner = []
    for settings in grid:
        scores = np.zeros((len(rows), y.shape[1]))
        for part, out in folds:
            scores[out] = fit(y, rows[part], **settings)[rows[out]]
        inner.append(losses(scores, y[rows]))
    best = np.argmin(inner, axis=0)
    final = {at: fit(y, rows, **grid[at]) for at in sorted(set(best))}
    auroc = [float(roc_auc_score(y[test, c], final[at][test, c])) for c, at in enumerate(best)]
    return {"auroc": auroc, "loss": np.min(inner, axis=0).tolist()}


def curve_piece(data: dict[str, np.ndarray], seed: int, size: int, names: list[str]) -> dict[str, Any]:
    """Some ways for one seed and number of labels."""
    order, pool = drawn(data, seed)
    x, y, groups = data["embeddings"][order], data["labels"][order], data["groups"][order]
    x = rotated(standardised(x, pool), pool)
    nodes = Nodes(x, pool, linked(x, groups, pool))
    rng = np.random.default_rng([seed, size])
    rows, test = labelled(y, pool, size, rng), np.arange(pool, len(x))
    random = rewired(nodes, rng)
    found = {}
    for name in names:
        way, grid = WAYS[name]
        found[name] = tried(lambda y, rows, way=way, **s: way(nodes, y, rows, **s), grid, y, rows, test)
        if name in CONTROLS:
            key = f"{name}, random edges"
            found[key] = tried(lambda y, rows, way=way, **s: way(random, y, rows, **s), grid, y, rows, test)
    best = min(names, key=lambda name: float(np.mean(found[name]["loss"])))
    found[CHOSEN] = {**found[best], "way": best}
    shuffled = y.copy()
    shuffled[rows] = y[rng.permutation(rows)]
    for key, name in ((OWN, OWN), (CHOSEN, best)):
        way, grid = WAYS[name]
        found[f"{key}, shuffled labels"] = tried(
            lambda y, rows, way=way, **s: way(nodes, y, rows, **s), grid, shuffled, rows, test
        )
    return found


def lent(values: Floats, known: np.ndarray, by: Floats, groups: Rows, rng: np.random.Generator | None) -> Floats:
    """[nodes, width] mean over the nearest known pool records in another block; random ones if ``rng`` is given.

    Args:
        values: [nodes, width] the block that is lent.
        known: Pool rows that have it.
        by: [nodes, width] the block in which neighbours are sought.
        groups: [nodes] patients; nothing is lent within one.
        rng: Source of the random edges.
    """
    order = np.concatenate([known, np.arange(len(by))])
    index = linked(by[order], groups[order], len(known))[len(known) :, :LENT_BY]
    if rng is not None:
        index = np.stack([rng.choice(len(known), LENT_BY, replace=False) for _ in by])
    return values[known][index].mean(1)


def fitted_from(values: Floats, known: np.ndarray, by: Floats) -> Floats:
    """Ridge regression of one block on the other, from the pool records that have both: lending without a graph."""
    x = np.hstack([by, np.ones((len(by), 1))])
    weight = np.linalg.solve(x[known].T @ x[known] + 100 * np.eye(x.shape[1]), x[known].T @ values[known])
    return x @ weight


def masked_inputs(data: dict[str, np.ndarray], seed: int, setting: str) -> tuple[dict[str, Floats], Rows, int, Rows]:
    """Inputs of each way in a setting made by masking; labels, size of the pool, and the test rows that are scored."""
    order, pool = drawn(data, seed)
    rng = np.random.default_rng([seed, 77])
    e = rotated(standardised(data["embeddings"][order], pool), pool)
    m, groups = standardised(data["measured"][order], pool), data["groups"][order]
    test = np.arange(pool, len(e))
    whole, other = (m, e) if "measurements" in setting else (e, m)
    if setting.startswith("no "):
        absent = rng.random(len(e)) < 0.5
        known = np.flatnonzero(~absent[:pool])
        flag = absent[:, None].astype(float)

        def filled(values: Floats | float) -> Floats:
            return np.hstack([np.where(flag > 0, values, whole), other, flag])

        return (
            {
                OWN: filled(0.0),
                REGRESSION: filled(fitted_from(whole, known, other)),
                "lent by neighbours": filled(lent(whole, known, other, groups, None)),
                "lent by random records": filled(lent(whole, known, other, groups, rng)),
            },
            data["labels"][order],
            pool,
            test[absent[test]],
        )
    known = np.arange(pool)
    noisy = whole + 2 * whole[:pool].std(0) * rng.normal(size=whole.shape)
    return (
        {
            OWN: np.hstack([noisy, other]),
            REGRESSION: np.hstack([noisy, other, fitted_from(noisy, known, other)]),
            "lent by neighbours": np.hstack([noisy, other, lent(noisy, known, other, groups, None)]),
            "lent by random records": np.hstack([noisy, other, lent(noisy, known, other, groups, rng)]),
        },
        data["labels"][order],
        pool,
        test,
    )


def masked_piece(data: dict[str, np.ndarray], seed: int, size: int, setting: str) -> dict[str, Any]:
    """Logistic regression on the inputs of each way, in a setting made by masking."""
    inputs, y, pool, test = masked_inputs(data, seed, setting)
    rows = labelled(y, pool, size, np.random.default_rng([seed, size]))
    grid = [{"strength": each} for each in STRENGTHS]
    return {
        name: tried(lambda y, rows, x=x, **s: regression(x, y, rows, **s), grid, y, rows, test)
        for name, x in inputs.items()
    }


def site_piece(data: dict[str, np.ndarray], seed: int, size: int) -> dict[str, Any]:
    """Labels from one site, test records from another whose embeddings are shifted and rescaled."""
    order, pool = drawn(data, seed)
    rng = np.random.default_rng([seed, 78])
    x, y, groups = standardised(data["embeddings"][order], pool), data["labels"][order], data["groups"][order]
    second = np.r_[rng.random(pool) < 0.5, np.ones(len(x) - pool, bool)]
    x[second] = x[second] * rng.uniform(0.6, 1.4, x.shape[1]) + rng.normal(0, 0.7, x.shape[1])
    by_site = x.copy()
    for site in (second, ~second):
        in_pool = np.flatnonzero(site)[np.flatnonzero(site) < pool]
        by_site[site] = (x[site] - x[in_pool].mean(0)) / x[in_pool].std(0)
    x, by_site = (rotated(standardised(each, pool), pool) for each in (x, by_site))
    first = np.flatnonzero(~second[:pool])
    pick = np.random.default_rng([seed, size])
    rows = first[labelled(y[first], len(first), min(size, len(first)), pick)]
    test, found = np.arange(pool, len(x)), {}
    for name, each in ((OWN, x), ("own, standardised by site", by_site)):
        nodes = Nodes(each, pool, linked(each, groups, pool))
        for key in (OWN, "means of neighbours", "label spreading"):
            way, grid = WAYS[key]
            title = name if key == OWN else key if each is x else f"{key}, standardised by site"
            found[title] = tried(
                lambda y, rows, way=way, nodes=nodes, **s: way(nodes, y, rows, **s), grid, y, rows, test
            )
    return found


SETTINGS = (
    "curve",
    "networks",
    "no embedding",
    "no measurements",
    "noisy embedding",
    "noisy measurements",
    "second site",
)


def pieces(seeds: int, settings: list[str]) -> Iterator[tuple[str, int, int]]:
    """Setting, number of labels and seed of each piece, in the order of their computation."""
    for seed, setting in itertools.product(range(seeds), settings):
        yield from ((setting, size, seed) for size in (SIZES if setting in ("curve", "networks") else MASKED_SIZES))


def piece(data: dict[str, np.ndarray], folder: Path, what: tuple[str, int, int]) -> dict[str, Any]:
    """Compute a piece, or read it."""
    setting, size, seed = what
    file = folder / f"{setting.replace(' ', '-')}_{size}_{seed}.json"
    if not file.exists():
        if setting in ("curve", "networks"):
            names = [name for name in WAYS if name == OWN or (name in NETWORKS) == (setting == "networks")]
            found = curve_piece(data, seed, size, names)
        elif setting == "second site":
            found = site_piece(data, seed, size)
        else:
            found = masked_piece(data, seed, size, setting)
        partial = file.with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps(found))
        partial.rename(file)
    return dict(json.loads(file.read_text()))


def summary(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Macro AUROC of each way over the seeds, and its paired difference from own features."""
    scores = {name: np.array([np.mean(each[name]["auroc"]) for each in found]) for name in found[0]}

    def bounds(values: np.ndarray) -> list[float | None]:
        interval = resampled_interval(values, train=POOL, test=1 - POOL)
        return [None if each is None else round(each, 4) for each in interval.as_dict().values()]

    result: dict[str, Any] = {
        name: {"auroc": bounds(each), **({} if name == OWN else {"minus_own": bounds(each - scores[OWN])})}
        for name, each in scores.items()
    }
    for name in scores if REGRESSION in scores else ():
        result[name]["minus_regression"] = bounds(scores[name] - scores[REGRESSION])
    if CHOSEN in result:
        names = [each[CHOSEN]["way"] for each in found]
        result[CHOSEN]["ways"] = {name: names.count(name) for name in sorted(set(names))}
    return result


def draw(curves: dict[str, Any], file: Path) -> None:
    """Draw macro AUROC by number of labels, and differences from own features."""
    from matplotlib.figure import Figure

    shown = [name for name in WAYS if name not in GRAPHLESS]
    figure = Figure(figsize=(11, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    sizes = list(curves)
    at = np.arange(len(sizes))
    styles = {OWN: ("black", 2.5, "-"), "own, MLP": ("0.55", 1.5, "-"), CHOSEN: ("#d62728", 2.0, "--")}
    colours = [f"C{each}" for each in (0, 1, 2, 4, 5, 6, 7, 8, 9)]
    for name in (*styles, *shown):
        colour, width, dash = styles.get(name, (colours[shown.index(name) % 9] if name in shown else "0.5", 1.2, "-"))
        dash = ":" if name in shown and shown.index(name) >= 9 else dash
        # Networks have fewer seeds, so that only their paired difference can be compared.
        levels = [np.nan if name in NETWORKS else curves[s][name]["auroc"][0] for s in sizes]
        left.plot(at, levels, dash, color=colour, lw=width, label=name)
        if name != OWN:
            values = np.array([curves[s][name]["minus_own"] for s in sizes], dtype=float)
            shift = 0.04 * ((*styles, *shown).index(name) - 6)
            error = [values[:, 0] - values[:, 1], values[:, 2] - values[:, 0]]
            right.errorbar(at + shift, values[:, 0], error, fmt="o", ms=3, color=colour, lw=1)
    key = "means of neighbours, random edges"
    left.plot(at, [curves[s][key]["auroc"][0] for s in sizes], ":", color="0.3", label=key)
    right.axhline(0, color="black", lw=2)
    right.axhline(0.02, color="0.5", lw=1, ls="--")
    left.set(ylabel="macro AUROC of five superclasses", title="PTB-XL, 1,537 recordings")
    right.set(title="minus own features, 95 % interval")
    for axes in (left, right):
        axes.set(xticks=at, xlabel="labelled records of the pool")
        axes.set_xticklabels(sizes)
        axes.grid(alpha=0.3)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    figure.savefig(file, metadata={"Date": None})


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("CARDIOGRAPH_SHARED", SHARED)))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path("benchmarks/results/label_curves"))
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--seconds", type=float, help="stop after this time; the next call goes on")
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = read(options.shared, options.folder)
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    end = time.monotonic() + (options.seconds or np.inf)
    for setting, size, seed in pieces(options.seeds, options.settings):
        if time.monotonic() > end:
            return
        found.setdefault((setting, str(size or "all")), []).append(piece(data, options.folder, (setting, size, seed)))
    result: dict[str, Any] = {"seeds": options.seeds, "pool": POOL}
    for (setting, label), each in found.items():
        result.setdefault(setting, {})[label] = summary(each)
    if options.figure is not None:
        merged = {n: {**result["networks"].get(n, {}), **each} for n, each in result["curve"].items()}
        draw(merged, options.figure)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
