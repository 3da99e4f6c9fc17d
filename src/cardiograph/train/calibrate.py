"""Fits what depends on validation scores: calibration, intervals, conformal sets, novelty gates and threshold."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from cardiograph.artifacts.bundle import ModelBundle
from cardiograph.config import EvaluationConfig, RunConfig
from cardiograph.containers import VAL
from cardiograph.evaluate.decision import choose_threshold
from cardiograph.inference import Predictor
from cardiograph.train.data import Dataset
from cardiograph.train.fit import PreparedGraph
from cardiograph.train.novelty_gates import fit_gates
from cardiograph.train.steps import PipelineSteps
from cardiograph.uncertainty.calibrator_choice import fit_calibrator
from cardiograph.uncertainty.class_calibrator_choice import fit_class_calibrator
from cardiograph.uncertainty.conformal import ConformalSets
from cardiograph.uncertainty.several_classes import ClassSets
from cardiograph.uncertainty.uncertainty import Uncertainty, rounded


def calibrate_bundle(
    bundle: ModelBundle, dataset: Dataset, prepared: PreparedGraph, config: RunConfig, steps: PipelineSteps
) -> ModelBundle:
    """Return the bundle calibrated on the validation records, with its threshold.

    Args:
        bundle: Uncalibrated bundle.
        dataset: Cohort with labels, groups and split.
        prepared: Features and graph of the bundle.
        config: Settings of the run.
        steps: Pipeline steps. Scores of steps with faults may bypass the predictor and are not calibrated.
    """
    rows = dataset.rows(VAL)
    labels, groups = dataset.cohort.labels[rows], dataset.split.groups.index[rows]
    found = steps.score(Predictor(bundle), dataset, prepared, rows)
    probabilities = found.probabilities
    if found.scores is not None and found.scores.uncertainty is not None and not steps.cautions:
        uncertainty = fit_uncertainty(found.scores.raw, labels, groups, config.evaluation, seed=config.seed)
        uncertainty = fit_gates(uncertainty, bundle, config.evaluation.novelty, seed=config.seed, prepared=prepared)
        bundle = dataclasses.replace(bundle, uncertainty=uncertainty)
        probabilities = uncertainty.probabilities(found.scores.raw)
    if bundle.served.classes:  # a threshold divides two classes
        return bundle
    threshold = fit_threshold(labels, probabilities, config.evaluation)
    return dataclasses.replace(bundle, served=dataclasses.replace(bundle.served, threshold=threshold))


def fit_uncertainty(
    raw: NDArray[np.float64],
    labels: NDArray[np.int64],
    groups: NDArray[np.int64],
    config: EvaluationConfig,
    *,
    seed: int,
) -> Uncertainty:
    """Fit calibration, intervals and conformal sets to the scores of validation records.

    Args:
        raw: [records] differences of logits, or [records, classes] logits of several classes.
        labels: [records] labels from 0.
        groups: [records] group numbers; calibrators are compared on held-out groups.
        config: Kind of calibration and coverage of the sets.
        seed: Seed of the cross-validation folds.
    """
    raw = rounded(raw)
    rng = np.random.default_rng([seed, 6])
    if raw.ndim == 2:
        found = fit_class_calibrator(raw, labels, groups, kind=config.calibration, rng=rng)
        sets = ClassSets.fit(raw, labels, config.conformal)
        return Uncertainty(found.calibrator, found.reason, found.log_loss, conformal=sets)
    kind = "platt" if config.calibration == "vector" else config.calibration  # the same with two classes
    choice = fit_calibrator(raw, labels, groups, kind=kind, rng=rng)
    both = 0 < labels.sum() < len(labels)
    return Uncertainty(
        choice.calibrator,
        choice.reason,
        {str(kind): float(loss) for kind, loss in choice.log_loss.items()},
        conformal=ConformalSets.fit(raw, labels, config.conformal) if both else None,
    )


def fit_threshold(labels: NDArray[np.int64], probabilities: NDArray[np.float64], config: EvaluationConfig) -> float:
    """Choose the threshold on validation records by the configured rule."""
    return choose_threshold(
        config.threshold_rule,
        labels,
        probabilities,
        sensitivity=config.sensitivity,
        net_benefit_at=config.net_benefit_at if config.threshold_rule == "net_benefit" else None,
    )
