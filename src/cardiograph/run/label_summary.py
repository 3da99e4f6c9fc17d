"""Summary of a run with several labels: scores per label with intervals, macro AUROC, and controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cardiograph.artifacts import files
from cardiograph.artifacts.label_folders import LABELS_FILE
from cardiograph.artifacts.run import RunDirectory
from cardiograph.config import RunConfig
from cardiograph.evaluate.bootstrap import Interval, PooledRecords, bootstrap_scores, drawn_groups, numbered
from cardiograph.evaluate.metrics import weighted_scores
from cardiograph.registry import WITHOUT_GRAPH
from cardiograph.report.labels import render_labels
from cardiograph.run.pipeline import RunResult

if TYPE_CHECKING:
    import pandas as pd

SCORES = ("auroc", "auprc", "brier", "calibration_slope", "calibration_intercept")
"""Metrics of a label, as in :data:`cardiograph.evaluate.metrics.METRICS`."""

REPORT, PREDICTIONS = "report.html", "predictions.parquet"


@dataclass(frozen=True)
class LabelsResult:
    """A finished run with several labels.

    Args:
        path: Folder that holds a run for each label.
        summary: Content of ``labels.json``.
        runs: Label -> its run.
    """

    path: Path
    summary: dict[str, Any]
    runs: dict[str, RunResult]


def summarise_labels(out: Path, config: RunConfig, runs: Mapping[str, RunResult]) -> LabelsResult:
    """Write ``labels.json``, the predictions of all labels and a report, from the finished runs of the labels."""
    tables = {name: _test_predictions(each.path) for name, each in runs.items()}
    primary = config.model.name
    columns = [str(column) for column in next(iter(tables.values()))]
    models = [column.removeprefix("probability_") for column in columns if column.startswith("probability_")]
    labels = {}
    for name, table in tables.items():
        facts, test = RunDirectory(runs[name].path), runs[name].metrics
        labels[name] = {
            "positive": int(table["label"].sum()),
            "known": len(table),
            "threshold": facts.read_json("bundle/bundle.json")["threshold"],
            "scores": _scores(table, models, config),
            "shuffled_auroc": files.read_json(shuffled_file(out, name))["auroc"],
            "graph_helps": None if test.graph_verdict is None else test.graph_verdict.helps,
            "graph_verdict": None if test.graph_verdict is None else test.graph_verdict.sentence,
        }
    summary = {
        "model": primary,
        "labels": labels,
        "macro_auroc": {model: macro_auroc(tables, model, config).as_dict() for model in models},
        "macro_auroc_shuffled": float(np.mean([each["shuffled_auroc"] for each in labels.values()])),
        "without_graph": [model for model in models if model in WITHOUT_GRAPH],
    }
    chosen = {name: table.assign(probability=table[f"probability_{primary}"]) for name, table in tables.items()}
    RunDirectory(out).write_table(PREDICTIONS, joined_predictions(chosen))
    files.write_bytes(out / REPORT, render_labels(summary, config.evaluation.confidence).encode())
    files.write_json(out / LABELS_FILE, summary)
    return LabelsResult(out, summary, dict(runs))


def shuffled_file(out: Path, name: str) -> Path:
    """Return the file with the score of a label where the labels of training and validation were shuffled."""
    return out / f"shuffled-{name}.json"


def macro_auroc(tables: Mapping[str, pd.DataFrame], model: str, config: RunConfig) -> Interval:
    """Return the mean AUROC over labels, with an interval from resamples of groups that all labels share.

    Args:
        tables: Label -> predictions of the test records whose label is known.
        model: Name of the model.
        config: Number of resamples, confidence and seed.
    """
    ids = sorted(set().union(*(table["record_id"] for table in tables.values())))
    row = {name: number for number, name in enumerate(ids)}
    groups = np.zeros(len(ids), dtype=np.int64)
    for table in tables.values():
        groups[[row[name] for name in table["record_id"]]] = table["group"]
    settings, rng = config.evaluation.for_records(len(ids)), np.random.default_rng([config.seed, 18])
    group_of = numbered(groups)
    pools = [
        PooledRecords(
            table["label"].to_numpy(np.int64),
            table[f"probability_{model}"].to_numpy(np.float64),
            group_of[[row[name] for name in table["record_id"]]],
            int(group_of.max()) + 1,
        )
        for table in tables.values()
    ]
    draws = drawn_groups(np.zeros(len(ids), np.int64), groups, resamples=settings.bootstrap, rng=rng)
    means = np.concatenate([_mean_auroc(pools, [pool.weights(counts) for pool in pools]) for counts in draws])
    value = _mean_auroc(pools, [pool.records[None] for pool in pools])[0]
    tail = (1 - settings.confidence) / 2
    low, high = np.nanquantile(means, [tail, 1 - tail])
    return Interval(float(value), float(low), float(high))


def _mean_auroc(pools: Sequence[PooledRecords], weights: Sequence[np.ndarray]) -> np.ndarray:
    """[resamples] mean AUROC of the labels, from the weights of the records of each."""
    found = [
        weighted_scores(pool.labels, pool.values, each, threshold=0.5, names=("auroc",))["auroc"]
        for pool, each in zip(pools, weights, strict=True)
    ]
    means: np.ndarray = np.mean(found, axis=0)
    return means


def _scores(table: pd.DataFrame, models: list[str], config: RunConfig) -> dict[str, Any]:
    """Return model -> metric -> value and interval."""
    found = bootstrap_scores(
        table["label"].to_numpy(np.int64),
        {model: table[f"probability_{model}"].to_numpy(np.float64) for model in models},
        table["group"].to_numpy(np.int64),
        dict.fromkeys(models, 0.5),
        resamples=config.evaluation.for_records(len(table)).bootstrap,
        confidence=config.evaluation.confidence,
        rng=np.random.default_rng([config.seed, 19]),
        names=SCORES,
    )
    return {model: {name: each.as_dict() for name, each in scores.items()} for model, scores in found.items()}


def _test_predictions(run: Path) -> pd.DataFrame:
    table = RunDirectory(run).read_table("predictions.parquet")
    return table[table["part"] == "test"].reset_index(drop=True)


def joined_predictions(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return one row per record: ``label_NAME`` (empty if unknown) and ``probability_NAME`` of each label.

    Args:
        tables: Label -> table with the columns ``record_id``, ``label`` and ``probability``.
    """
    import pandas as pd

    columns = []
    for name, table in tables.items():
        chosen = table.set_index("record_id")[["label", "probability"]]
        columns.append(chosen.set_axis([f"label_{name}", f"probability_{name}"], axis=1))
    joined = pd.concat(columns, axis=1)
    for name in tables:
        joined[f"label_{name}"] = joined[f"label_{name}"].astype("Int64")
    return joined.rename_axis("record_id").reset_index()
