"""The map of the patient graph of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.config import RunConfig
from cardiograph.containers import TEST, TRAIN, VAL
from cardiograph.patient_map.content import Column, PatientMap
from cardiograph.patient_map.layout import map_layout
from cardiograph.train.data import Dataset, PartScores
from cardiograph.train.fit import FittedModels
from cardiograph.wording import class_names

MAX_REFERENCE, MAX_QUERIES = 14_000, 3_000
"""Maximum number of training records, and of validation and of test records, on the map; more are sampled."""


def place_records(
    dataset: Dataset, fitted: FittedModels, scores: Mapping[str, PartScores], config: RunConfig
) -> PatientMap:
    """Place the records of a run on a map, with their links.

    Args:
        dataset: Dataset of the run.
        fitted: Fitted models with their graph.
        scores: Scores of the primary model for validation and test records, with their neighbours.
        config: Settings; the seed draws the sample of a large cohort.
    """
    graph, rng = fitted.prepared.graph, np.random.default_rng([config.seed, 6])
    tables = [(TRAIN, graph.rows, graph.neighbours, graph.rows, MAX_REFERENCE)]
    tables += [
        (part, dataset.rows(part), found.neighbours, found.sources, MAX_QUERIES) for part, found in scores.items()
    ]
    chosen = [np.sort(rng.permutation(len(rows))[:most]) for _, rows, _, _, most in tables]
    rows = np.concatenate([table[1][places] for table, places in zip(tables, chosen, strict=True)])
    node = np.full(len(dataset.cohort.labels), -1)
    node[rows] = np.arange(len(rows))

    def linked(places: NDArray[np.int64], index: NDArray[np.int64], sources: NDArray[np.int64]) -> NDArray[np.int64]:
        found = index[places]
        nodes: NDArray[np.int64] = np.where(found >= 0, node[sources[found.clip(min=0)]], -1)
        return nodes

    pairs = list(zip(tables, chosen, strict=True))
    wide = max(table[2].index.shape[1] for table in tables)  # a faulty protocol may use another k for test records
    return PatientMap(
        rows=rows,
        xy=map_layout(fitted.prepared.features.values[rows], config.seed),
        part=np.repeat([table[0] for table in tables], [len(places) for places in chosen]),
        neighbours=np.concatenate(
            [_padded(linked(places, table[2].index, table[3]), wide, -1) for table, places in pairs]
        ),
        distances=np.concatenate([_padded(table[2].distance[places], wide, np.inf) for table, places in pairs]),
        records=sum(len(table[1]) for table in tables),
    )


def map_content(
    shown: PatientMap, dataset: Dataset, probabilities: Mapping[str, NDArray[np.float64]], config: RunConfig
) -> dict[str, Any]:
    """Return the map as plain values, coloured by class, probability, site and clinical values.

    Args:
        shown: The map.
        dataset: Dataset of the run.
        probabilities: Part -> probabilities of the primary model for its records.
        config: Settings.
    """
    cohort, clinical = dataset.cohort, dataset.inputs.clinical
    names = class_names(cohort.outcome, cohort.classes)
    label = cohort.labels[shown.rows].astype(np.float64)
    columns = [Column("Class", np.where(label >= 0, label, np.nan), words=tuple(names))]
    probability = np.full((len(cohort.labels), *np.shape(probabilities[TEST])[1:]), np.nan)
    for part in (VAL, TEST):
        probability[dataset.rows(part)] = probabilities[part]
    columns += [
        Column(f"Probability of {name}", each[shown.rows])
        for name, each in zip(names[-1:] if probability.ndim == 1 else names, np.atleast_2d(probability.T), strict=True)
    ]
    if "site" in cohort.table and cohort.table["site"].nunique() > 1:
        columns.append(Column("Site", cohort.table["site"].fillna("").astype(str).iloc[shown.rows].tolist()))
    if clinical is not None:
        columns += [
            Column(variable.title, clinical.values[shown.rows, place], variable.unit, variable.words)
            for place, variable in enumerate(clinical.variables)
        ]
    ids = [str(each) for each in cohort.record_ids[shown.rows]]
    return shown.plain(ids, columns, {"k": config.graph.k, "metric": config.graph.metric})


def _padded(table: NDArray[Any], width: int, value: float) -> NDArray[Any]:
    return np.pad(table, ((0, 0), (0, width - table.shape[1])), constant_values=value)
