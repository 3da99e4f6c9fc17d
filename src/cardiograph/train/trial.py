"""One model on one split, trained and scored as in a run but without a run directory, for studies that repeat it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.config import RunConfig
from cardiograph.containers import TEST, VAL
from cardiograph.inference import Predictor
from cardiograph.train.calibrate import calibrate_bundle
from cardiograph.train.data import Dataset, PartScores
from cardiograph.train.fit import PreparedGraph, make_bundle, prepare
from cardiograph.train.steps import DEFAULT_STEPS, PipelineSteps


def nameless(dataset: Dataset) -> Dataset:
    """Return the dataset without patient ids and pages, so that only the split keeps records of a group apart."""
    cohort = dataclasses.replace(dataset.cohort, table=dataset.cohort.table.assign(patient_id=None))
    return dataclasses.replace(dataset, cohort=cohort, page_index=None, encoder=None)


@dataclass(frozen=True)
class TrialScores:
    """Scores of one model on one split.

    Args:
        validation: Scores of the labelled validation records.
        test: Scores of the labelled test records.
        prepared: Features and graph of the model.
    """

    validation: PartScores
    test: PartScores
    prepared: PreparedGraph


def fit_and_score(
    dataset: Dataset,
    config: RunConfig,
    steps: PipelineSteps = DEFAULT_STEPS,
    *,
    name: str = "",
    targets: NDArray[np.int64] | None = None,
) -> TrialScores:
    """Train one model and score the labelled validation and test records.

    Args:
        dataset: Embeddings, clinical values, labels and split.
        config: Settings; the seed is that of training.
        steps: Pipeline steps.
        name: Name of the model; the configured one if empty.
        targets: [records] classes 0..classes-1 to train on instead of the labels, -1 where there is none.
    """
    name = name or config.model.name
    unnamed, inputs, steps = nameless(dataset), dataset.inputs, steps.together
    if targets is not None:
        inputs = dataclasses.replace(inputs, labels=targets, classes=int(targets.max()) + 1)
    prepared = prepare(inputs, config, fuse=steps.fuse, build_graph=steps.build_graph, attach=steps.attach)
    predictor = fit_predictor(name, unnamed, prepared, config, steps, calibrated=targets is None)
    validation, test = (steps.score(predictor, unnamed, prepared, dataset.rows(part)) for part in (VAL, TEST))
    return TrialScores(validation, test, prepared)


def fit_predictor(
    name: str,
    dataset: Dataset,
    prepared: PreparedGraph,
    config: RunConfig,
    steps: PipelineSteps = DEFAULT_STEPS,
    *,
    calibrated: bool = True,
) -> Predictor:
    """Train a model, and calibrate it if there are validation records; targets other than the labels are not."""
    network, _ = steps.fit(name, prepared, config)
    bundle = make_bundle(name, network, dataset, prepared, config)
    if calibrated and len(dataset.rows(VAL)):
        bundle = calibrate_bundle(bundle, dataset, prepared, config, steps)
    return Predictor(bundle)
