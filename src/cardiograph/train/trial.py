"""One model on one split, learnt and scored as a run does it, without a folder: what studies repeat many times."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.config import RunConfig
from cardiograph.containers import TEST, VAL
from cardiograph.inference import Predictor
from cardiograph.train.calibrate import calibrated
from cardiograph.train.data import Dataset, PartScores
from cardiograph.train.fit import PreparedGraph, fit_network, make_bundle, prepare
from cardiograph.train.steps import DEFAULT_STEPS, PipelineSteps


def nameless(dataset: Dataset) -> Dataset:
    """The same records without patient ids and pages: nothing but the split keeps records of a group apart."""
    cohort = dataclasses.replace(dataset.cohort, table=dataset.cohort.table.assign(patient_id=None))
    return dataclasses.replace(dataset, cohort=cohort, page_index=None, encoder=None)


@dataclass(frozen=True)
class TrialScores:
    """What one model made of one split.

    Args:
        validation: Scores of the labelled validation records.
        test: Test of the labelled test records.
        prepared: Features and graph behind them.
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
    """Learn one network and score the labelled validation and test records.

    Args:
        dataset: Embeddings, values, labels and split.
        config: Settings; its seed is that of training.
        steps: The steps; the sound ones by default.
        name: Name of the model; the configured one if empty.
        targets: [records] classes 0..classes-1 to be learnt instead of the labels, -1 where there is none.
    """
    name = name or config.model.name
    unnamed, inputs = nameless(dataset), dataset.inputs
    if targets is not None:
        inputs = dataclasses.replace(inputs, labels=targets)
    prepared = prepare(inputs, config, fuse=steps.fuse, link=steps.link, join=steps.join)
    classes = 2 if targets is None else int(targets.max()) + 1
    predictor = fit_predictor(name, unnamed, prepared, config, steps, classes=classes)
    validation, test = (steps.score(predictor, unnamed, prepared, dataset.rows(part)) for part in (VAL, TEST))
    return TrialScores(validation, test, prepared)


def fit_predictor(
    name: str,
    dataset: Dataset,
    prepared: PreparedGraph,
    config: RunConfig,
    steps: PipelineSteps = DEFAULT_STEPS,
    *,
    classes: int = 2,
) -> Predictor:
    """Learn a network, bundle it, and calibrate it where there are two classes and validation records to do so."""
    network, _ = fit_network(name, prepared, config, classes=classes)
    bundle = make_bundle(name, network, dataset, prepared, config)
    if classes == 2 and len(dataset.rows(VAL)):
        bundle = calibrated(bundle, dataset, prepared, config, steps)
    return Predictor(bundle)
