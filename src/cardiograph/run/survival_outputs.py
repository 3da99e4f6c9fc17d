"""Writes the tables, scores and metadata of a run with a time-to-event outcome."""

from __future__ import annotations

import dataclasses
from typing import Any

from cardiograph.artifacts.run import RunDirectory
from cardiograph.config import RunConfig
from cardiograph.containers import TEST
from cardiograph.evaluate.predictions import ModelRoles
from cardiograph.run.metadata import run_metadata
from cardiograph.run.outputs import write_cohort_tables
from cardiograph.run.survival_models import SurvivalModels
from cardiograph.survival.evaluation import TITLES, SurvivalMetrics, SurvivalTest
from cardiograph.train.data import Dataset
from cardiograph.train.fit import FittedModels, PreparedGraph


def record_survival(  # noqa: PLR0913 - the parts of a run
    directory: RunDirectory,
    dataset: Dataset,
    prepared: PreparedGraph,
    models: SurvivalModels,
    test: SurvivalTest,
    metrics: SurvivalMetrics,
    config: RunConfig,
) -> None:
    """Write cohort, split, predictions on test records, scores and metadata."""
    import pandas as pd

    write_cohort_tables(directory, dataset)
    rows = dataset.rows(TEST)
    columns: dict[str, Any] = {
        "record_id": dataset.cohort.record_ids[rows],
        "part": TEST,
        "group": test.groups,
        "time": test.outcome.time,
        "event": test.outcome.event,
    }
    for name in test.risks:
        columns |= {f"risk_{name}:{horizon:g}": test.at(name, horizon) for horizon in metrics.horizons}
    columns |= {f"points_{name}": points for name, points in test.points.items()}
    directory.write_table("predictions.parquet", pd.DataFrame(columns))
    directory.write_json("metrics.json", metrics.as_dict())
    directory.record(_metadata(dataset, prepared, models, metrics, config))


def _metadata(
    dataset: Dataset, prepared: PreparedGraph, models: SurvivalModels, metrics: SurvivalMetrics, config: RunConfig
) -> dict[str, Any]:
    without = [name for name in metrics.scores if not name.startswith(("sign", "shuffled", "maggic"))]
    titles = {name: title for name, title in TITLES.items() if name in metrics.scores}
    roles = ModelRoles(
        primary=metrics.primary,
        graph=metrics.primary,
        baseline=without[0],
        other_baselines=without[1:],
        titles=titles,
        thresholds={},
    )
    networks = {
        name: (each.network, dataclasses.replace(each.history, train_accuracy=(), val_accuracy=()))
        for name, each in models.networks.items()
    }
    facts = run_metadata(dataset, FittedModels(prepared, networks), roles, config)
    follow_up = {"unit": metrics.unit, "horizons": list(metrics.horizons), "refits": len(models.refits)}
    return facts | {"follow_up": follow_up}
