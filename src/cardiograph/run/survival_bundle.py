"""The model of a time-to-event outcome in the form in which it is served, from the records that it was trained on."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from cardiograph.artifacts.bundle import ModelBundle
from cardiograph.config import RunConfig
from cardiograph.containers import TRAIN
from cardiograph.models.build import Model
from cardiograph.models.examples import Examples
from cardiograph.survival.hazards import FollowUpFacts
from cardiograph.survival.heads import SurvivalExamples, SurvivalNetwork
from cardiograph.survival.outcome import SurvivalOutcome
from cardiograph.train.data import Dataset
from cardiograph.train.fit import PreparedGraph, make_bundle
from cardiograph.train.novelty_gates import fit_gates
from cardiograph.uncertainty.calibrators import Calibrator
from cardiograph.uncertainty.uncertainty import Uncertainty

PRIMARY = "sign"
"""Model that a run keeps."""


def survival_examples(dataset: Dataset, examples: Examples, part: str) -> SurvivalExamples:
    """Return the examples of a part with times in place of labels; a record without follow-up is a neighbour only."""
    rows, table = dataset.split.rows(part), dataset.cohort.table
    outcome = SurvivalOutcome(table["time"].to_numpy(np.float64)[rows], table["event"].to_numpy(np.int64)[rows])
    fields = {each.name: getattr(examples, each.name) for each in dataclasses.fields(examples)}
    return SurvivalExamples(**fields, outcome=outcome)


def outcome_of(dataset: Dataset, part: str) -> SurvivalOutcome:
    """Return the outcome of the records of a part that have follow-up."""
    rows, table = dataset.rows(part), dataset.cohort.table
    return SurvivalOutcome(table["time"].to_numpy(np.float64)[rows], table["event"].to_numpy(np.int64)[rows])


def event_quartiles(times: NDArray[np.float64]) -> tuple[float, ...]:
    """Return the different quartiles of event times, to three digits, in increasing order: the default horizons."""
    return tuple(sorted({float(f"{each:.3g}") for each in np.quantile(times, [0.25, 0.5, 0.75])}))


def make_survival_bundle(
    network: SurvivalNetwork,
    dataset: Dataset,
    prepared: PreparedGraph,
    config: RunConfig,
    *,
    horizons: tuple[float, ...],
    refits: tuple[Model, ...] = (),
) -> ModelBundle:
    """Return the bundle of a discrete-time network, with novelty gates; its probabilities are not calibrated further.

    Args:
        network: Trained network.
        dataset: Dataset that it was trained on.
        prepared: Scaler, fusion and graph of the model.
        config: Settings of the run.
        horizons: Increasing times at which risks are reported.
        refits: Networks refitted on resampled training groups, for the band of a curve.
    """
    plain = config.model_copy(update={"model": config.model.model_copy(update={"votes": False})})
    bundle = make_bundle(PRIMARY, network.network, dataset, prepared, plain)
    unit, edges = str(config.outcome.unit), np.array(network.facts.edges)
    facts = FollowUpFacts.of(outcome_of(dataset, TRAIN), edges, unit=unit, horizons=horizons)
    followed = dataset.cohort.table.iloc[prepared.graph.rows]
    time, event = followed["time"].to_numpy(np.float64), followed["event"].to_numpy(np.int64)
    plain_scores, quantile = Uncertainty(Calibrator("none", {})), config.evaluation.novelty
    uncertainty = fit_gates(plain_scores, bundle, quantile, seed=config.seed, prepared=prepared)
    return dataclasses.replace(
        bundle,
        served=dataclasses.replace(bundle.served, threshold=None, follow_up=facts),
        reference=dataclasses.replace(bundle.reference, time=time, event=event),
        refits=refits,
        uncertainty=uncertainty,
    )
