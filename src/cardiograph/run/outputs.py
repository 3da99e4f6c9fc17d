"""Writes the outputs of a run: the model bundle, the scores of validation and test records, tables and metadata."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.artifacts.bundle import ModelBundle
from cardiograph.artifacts.run import RunDirectory
from cardiograph.config import EvaluationConfig, RunConfig
from cardiograph.containers import TEST, VAL
from cardiograph.evaluate.metrics import metrics_of
from cardiograph.evaluate.predictions import ModelRoles, PartPredictions
from cardiograph.evaluate.results import (
    CalibrationChoice,
    Certainty,
    ConformalSummary,
    NoveltySummary,
    RunMetrics,
)
from cardiograph.evaluate.summary import summarise
from cardiograph.inference import Predictor, Scores
from cardiograph.ingest.context import RunContext
from cardiograph.patient_map.content import MAP_FILE
from cardiograph.registry import GRAPH_MODELS, TITLES, WITHOUT_GRAPH
from cardiograph.run.ecgs import ecgs_to_store
from cardiograph.run.graph_sample import sample_graph
from cardiograph.run.metadata import run_metadata
from cardiograph.run.patient_map import map_content, place_records
from cardiograph.run.readings import READINGS_TABLE, readings_table
from cardiograph.run.subgroups import score_subgroups
from cardiograph.train.calibrate import calibrate_bundle, fit_threshold
from cardiograph.train.data import Dataset, PartScores
from cardiograph.train.fit import FittedModels, make_bundle
from cardiograph.train.steps import PipelineSteps


def summarise_uncertainty(
    predictor: Predictor, found: Scores | None, labels: NDArray[np.int64], config: EvaluationConfig
) -> Certainty | None:
    """Summarise the calibration of the primary model, and its conformal sets and novelty gate on test records.

    Args:
        predictor: Predictor of the primary model.
        found: Scores of the test records; None if a study bypassed the predictor.
        labels: [records] labels from 0.
        config: Configured coverage of the sets and quantile of the gate.

    Returns:
        The summary; None if no uncertainty was fitted.
    """
    uncertainty = predictor.bundle.uncertainty
    if uncertainty is None or found is None or found.uncertainty is None:
        return None
    output, sets = found.uncertainty, uncertainty.conformal
    coverage: dict[str, float | None] = dict.fromkeys(predictor.bundle.served.classes or ("0", "1"))
    inside = uncertainty.included(output.p_values)
    if inside is not None:
        for label, name in enumerate(coverage):
            rows = labels == label
            coverage[name] = float(inside[rows, label].mean()) if rows.any() else None
    judged = np.array([not reason for reason in output.unjudged], dtype=bool)
    return Certainty(
        calibration=CalibrationChoice(
            kind=uncertainty.calibrator.kind, reason=uncertainty.reason, log_loss=uncertainty.compared
        ),
        conformal=ConformalSummary(
            confidence=config.conformal,
            records="one class only" if sets is None else sets.statement,
            coverage=coverage,
            decisions=dict(sorted(Counter(output.decisions).items())),
        ),
        novelty=NoveltySummary(
            quantile=config.novelty,
            judged=int(judged.sum()),
            not_judged=int((~judged).sum()),
            novel=int(output.novel.sum()),
        ),
        width=None if np.isnan(output.high).all() else float(np.nanmedian(output.high - output.low)),
    )


def record_model(
    directory: RunDirectory, dataset: Dataset, fitted: FittedModels, context: RunContext, steps: PipelineSteps
) -> dict[str, Predictor]:
    """Write the bundle of the primary model and return a predictor for every model.

    The primary model is loaded back from disk, so that test scores come from the very files that are served. Only steps
    with faults may score in another way; the bundle names these faults.
    """
    predictors, config, steps = {}, context.config, steps.together
    for name, (network, _) in fitted.networks.items():
        bundle = make_bundle(name, network, dataset, fitted.prepared, config)
        bundle = calibrate_bundle(bundle, dataset, fitted.prepared, config, steps)
        predictors[name] = Predictor(bundle)
        if name == config.model.name:
            if steps.faults:
                bundle = _reproduction(bundle, dataset, fitted, config, steps)
            engine = None if dataset.encoder is None else dataset.encoder.engine
            ecgs = ecgs_to_store(dataset, bundle.reference.record_ids, context)
            bundle.save(directory.path / "bundle", engine, ecgs=ecgs)
            predictors[name] = Predictor.load(directory.path / "bundle")
    return predictors


def _reproduction(
    bundle: ModelBundle, dataset: Dataset, fitted: FittedModels, config: RunConfig, steps: PipelineSteps
) -> ModelBundle:
    """Return the bundle of a model with faults: it names them, and attaches new patients as the faulty steps do."""
    prepared = steps.serve(fitted.prepared, dataset, config)
    reference = make_bundle(config.model.name, bundle.network, dataset, prepared, config).reference
    provenance = f"reproduction of a faulty protocol; {bundle.served.provenance}"
    served = dataclasses.replace(bundle.served, provenance=provenance, reproduces=steps.faults)
    return dataclasses.replace(bundle, served=served, reference=reference)


def record_scores(
    directory: RunDirectory,
    dataset: Dataset,
    fitted: FittedModels,
    predictors: Mapping[str, Predictor],
    config: RunConfig,
    steps: PipelineSteps,
) -> RunMetrics:
    """Score validation and test records with every model, and write tables, metrics and metadata.

    The first predictor, that of the primary model, attaches the records for all models.
    """
    parts, prepared, steps = {part: dataset.rows(part) for part in (VAL, TEST)}, fitted.prepared, steps.together
    scores = {
        name: {part: steps.score(predictor, dataset, prepared, rows) for part, rows in parts.items()}
        for name, predictor in predictors.items()
    }
    probabilities = {name: {part: s.probabilities for part, s in found.items()} for name, found in scores.items()}
    predictions = {
        part: steps.orient_labels(
            PartPredictions(
                dataset.cohort.labels[rows],
                dataset.split.groups.index[rows],
                {name: probabilities[name][part] for name in probabilities},
                dataset.cohort.classes,
            )
        )
        for part, rows in parts.items()
    }
    roles = choose_roles(predictions[VAL], config)
    metrics = summarise(
        predictions[TEST],
        predictions[VAL],
        roles,
        provenance=dataset.provenance,
        settings=config.evaluation,
        seed=config.seed,
    )
    kept = config.model.name
    metrics = metrics.model_copy(
        update={
            "subgroups": score_subgroups(dataset, predictions[TEST], roles, config),
            "certainty": summarise_uncertainty(
                predictors[kept], scores[kept][TEST].scores, predictions[TEST].labels, config.evaluation
            ),
        }
    )
    _write_tables(directory, dataset, predictions, scores[config.model.name])
    directory.write_metrics(metrics)
    shown = place_records(dataset, fitted, scores[kept], config)
    directory.write_arrays("graph.safetensors", sample_graph(dataset, fitted, config, shown))
    directory.write_json(MAP_FILE, map_content(shown, dataset, probabilities[kept], config))
    directory.record(run_metadata(dataset, fitted, roles, config))
    return metrics


def choose_roles(validation: PartPredictions, config: RunConfig) -> ModelRoles:
    """Choose the models that represent the graph and the same features without a graph, by validation log loss."""
    loss = {
        name: metrics_of(p)["log_loss"].value(validation.labels, p, 0.5) for name, p in validation.probabilities.items()
    }
    graphs, primary = [name for name in loss if name in GRAPH_MODELS], config.model.name
    graph = primary if primary in graphs or not graphs else min(graphs, key=loss.__getitem__)
    baseline = min((name for name in loss if name in WITHOUT_GRAPH), key=loss.__getitem__)
    return ModelRoles(
        primary=primary,
        graph=graph,
        baseline=baseline,
        other_baselines=[name for name in WITHOUT_GRAPH if name in loss and name not in (graph, baseline)],
        titles={name: title for name, title in TITLES.items() if name in loss},
        thresholds={}
        if validation.classes
        else {
            name: fit_threshold(validation.labels, p, config.evaluation) for name, p in validation.probabilities.items()
        },
    )


def write_cohort_tables(directory: RunDirectory, dataset: Dataset) -> None:
    """Write the tables that do not depend on a model: records with their values, measurements, readings and split."""
    import pandas as pd

    cohort, split = dataset.cohort, dataset.split
    table = cohort.table.copy()
    table.attrs = {}
    if dataset.page_index is not None:
        table["pixel_hash"] = [each or "" for each in dataset.page_index.pixel_hashes]
    clinical = dataset.inputs.clinical
    if clinical is not None:
        for column, variable in enumerate(clinical.variables):
            table[variable.name] = clinical.values[:, column]
    directory.write_table("cohort.parquet", table)
    ids, measured = cohort.record_ids, dataset.inputs.measurements
    if measured is not None:
        names = [variable.name for variable in measured.variables]
        frame = pd.DataFrame(measured.values, columns=names)
        directory.write_table("measurements.parquet", pd.concat([pd.Series(ids, name="record_id"), frame], axis=1))
    readings = readings_table(dataset)
    if readings is not None:
        directory.write_table(READINGS_TABLE, readings)
    directory.write_table(
        "split.parquet", pd.DataFrame({"record_id": ids, "group": split.groups.index, "part": split.part})
    )


def _write_tables(
    directory: RunDirectory,
    dataset: Dataset,
    predictions: Mapping[str, PartPredictions],
    scores: Mapping[str, PartScores],
) -> None:
    import pandas as pd

    write_cohort_tables(directory, dataset)
    ids = dataset.cohort.record_ids
    frames, neighbour_frames = [], []
    for part, found in predictions.items():
        rows = dataset.rows(part)
        frame = pd.DataFrame({"record_id": ids[rows], "part": part, "group": found.groups, "label": found.labels})
        frame = frame.assign(**probability_columns(found.probabilities))
        frames.append(frame.assign(**_certainty(scores[part])))
        neighbours = scores[part].neighbours
        position, rank = np.nonzero(neighbours.index >= 0)
        sources = scores[part].sources[neighbours.index[position, rank]]
        columns = {"record_id": ids[rows[position]], "rank": rank + 1, "neighbour": ids[sources]}
        neighbour_frames.append(pd.DataFrame({**columns, "distance": neighbours.distance[position, rank]}))
    directory.write_table("predictions.parquet", pd.concat(frames, ignore_index=True))
    directory.write_table("neighbours.parquet", pd.concat(neighbour_frames, ignore_index=True))
    if dataset.inputs.image is not None and dataset.page_index is not None:
        arrays: dict[str, NDArray[Any]] = {
            "image": dataset.inputs.image,
            "likeness": dataset.page_index.perceptual_hashes,
        }
        directory.write_arrays("embeddings.safetensors", arrays)


def probability_columns(probabilities: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """Return the columns of the predictions table: one for each model, with several classes one for each class.

    Args:
        probabilities: Model -> [records] or [records, classes] probabilities.
    """
    columns = {}
    for name, found in probabilities.items():
        if found.ndim == 1:
            columns[f"probability_{name}"] = found
        else:
            columns |= {f"probability_{name}:{label}": found[:, label] for label in range(found.shape[1])}
    return columns


def _certainty(found: PartScores) -> dict[str, Any]:
    """Return the columns of the predictions table with raw scores and uncertainty of the primary model."""
    if found.scores is None or found.scores.uncertainty is None:
        return {}
    output, raw = found.scores.uncertainty, found.scores.raw
    return {
        **({"score": raw} if raw.ndim == 1 else {f"score:{label}": raw[:, label] for label in range(raw.shape[1])}),
        "low": output.low,
        "high": output.high,
        "decision": list(output.decisions),
        "novelty": output.novelty,
        "novel": output.novel,
    }
