"""Trains one model on one fold, with the training code of a run of its kind of outcome, and scores the test records."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.config import RunConfig
from cardiograph.containers import TEST, TRAIN, VAL
from cardiograph.graph.attach import group_members
from cardiograph.inference.survival import SurvivalPredictor
from cardiograph.models.neighbour_table import NeighbourTable
from cardiograph.run.survival import scores_over_time
from cardiograph.run.survival_bundle import PRIMARY, make_survival_bundle
from cardiograph.run.survival_models import NETWORKS, CoxModel, fit_survival_network, survival_sets
from cardiograph.schema import UNLABELLED
from cardiograph.studies.compare.fold_data import FoldData
from cardiograph.studies.controls import RandomEdges
from cardiograph.survival.cox import log_likelihood
from cardiograph.survival.curves import Floats
from cardiograph.survival.heads import SurvivalExamples
from cardiograph.survival.outcome import EVENT, SurvivalOutcome
from cardiograph.train.data import Dataset, PartScores
from cardiograph.train.fit import PreparedGraph, prepare
from cardiograph.train.label_heads import LabelHeads, with_label
from cardiograph.train.steps import DEFAULT_STEPS, PipelineSteps
from cardiograph.train.trial import fit_and_score


@dataclass(frozen=True)
class Fitted:
    """A trained model.

    Args:
        predicted: [labelled test records] probabilities; [records, classes or labels] with several, NaN where a label is
            unknown; risks by the horizon for the time to an event.
        loss: Loss of the labelled validation records, before calibration.
    """

    predicted: Floats
    loss: float


def fit_fold(fold_data: FoldData, dataset: Dataset, config: RunConfig, *, name: str, rewired: bool) -> Fitted:
    """Train a model and score the test records.

    Args:
        fold_data: Cohort with its folds.
        dataset: Dataset of a fold.
        config: Settings with the seed of training.
        name: Name of the model.
        rewired: Whether neighbours are random.
    """
    if fold_data.kind == "survival":
        return _fit_follow_up(fold_data, dataset, config, name=name, rewired=rewired)
    if fold_data.kind == "multilabel":
        return _fit_labels(fold_data, dataset, config, name=name, rewired=rewired)
    found = fit_and_score(dataset, config, _steps(config, rewired=rewired), name=name)
    return Fitted(found.test.probabilities, log_loss(found.validation, dataset.cohort.labels[dataset.rows(VAL)]))


def log_loss(found: PartScores, labels: NDArray[np.int64]) -> float:
    """Return the mean log loss of the scores before calibration.

    Args:
        found: Scores of the records.
        labels: [records] labels from 0.
    """
    if found.by_class.shape[1] > 2:
        logits = np.log(np.clip(found.by_class, 1e-12, 1)) if found.scores is None else found.scores.raw
        return float((np.logaddexp.reduce(logits, axis=1) - logits[np.arange(len(labels)), labels]).mean())
    if found.scores is None:
        clipped = np.clip(found.probabilities, 1e-12, 1 - 1e-12)
        margin = np.log(clipped) - np.log1p(-clipped)
    else:
        margin = found.scores.raw
    return float(np.logaddexp(0, np.where(labels == 1, -margin, margin)).mean())


def _steps(config: RunConfig, *, rewired: bool) -> PipelineSteps:
    """Return the steps of a fit; random edges are drawn in the same way at each call."""
    if not rewired:
        return DEFAULT_STEPS
    edges = RandomEdges(np.random.default_rng([config.seed, 7]))
    return dataclasses.replace(DEFAULT_STEPS, build_graph=edges.link, attach=edges.join, score=edges.score)


def _fit_labels(fold_data: FoldData, dataset: Dataset, config: RunConfig, *, name: str, rewired: bool) -> Fitted:
    """Train the heads of several labels as a run does; the loss is the mean over the labels."""
    kept = dataset.inputs.labels != UNLABELLED
    values = np.where(kept[:, None], fold_data.label_values, UNLABELLED)
    heads, test, losses = LabelHeads(values, dataset.split, config), dataset.rows(TEST), []
    predicted = np.full((len(test), values.shape[1]), np.nan)
    for label, column in enumerate(values.T):
        cohort = dataclasses.replace(dataset.cohort, table=dataset.cohort.table.assign(label=column), classes=())
        one = with_label(dataset, cohort, kept)
        steps = dataclasses.replace(
            _steps(config, rewired=rewired),
            fit=lambda model, prepared, _config, label=label: heads.fit(model, prepared, label=label),
        )
        found = fit_and_score(one, config, steps, name=name)
        predicted[np.isin(test, one.rows(TEST)), label] = found.test.probabilities
        losses.append(log_loss(found.validation, column[one.rows(VAL)]))
    return Fitted(predicted, float(np.mean(losses)))


def _fit_follow_up(fold_data: FoldData, dataset: Dataset, config: RunConfig, *, name: str, rewired: bool) -> Fitted:
    """Train a model of the time to an event; the loss is the negative partial log likelihood for each event."""
    steps = _steps(config, rewired=rewired)
    prepared = prepare(dataset.inputs, config, fuse=steps.fuse, build_graph=steps.build_graph, attach=steps.attach)
    sets, times, rows = survival_sets(dataset, prepared), np.array([fold_data.horizon]), dataset.rows(TEST)
    known = sets[1].known
    if name not in NETWORKS:
        x = prepared.features.values.astype(np.float64)
        train, val = (x[dataset.split.rows(part)][each.used] for part, each in zip((TRAIN, VAL), sets, strict=True))
        cox = CoxModel.fit((train, sets[0].known), (val, known))
        scored, risk = val @ cox.coefficients, cox.risk(x[rows], times=times)[:, 0]
    else:
        network, graph = fit_survival_network(name, sets, config), NETWORKS[name][1]
        scored = network.score(sets[1] if graph else sets[1].without_neighbours())[sets[1].used]
        if name == PRIMARY and not rewired:  # the model that a run keeps is scored as it is served
            bundle = make_survival_bundle(network, dataset, prepared, config, horizons=(fold_data.horizon,))
            risk = scores_over_time(SurvivalPredictor(bundle), dataset.queries(rows)).risks[:, -1]
        else:
            queries = _attached(dataset, prepared, config, rows, steps)
            risk = network.risk(queries if graph else queries.without_neighbours(), horizons=times)[:, 0]
    return Fitted(risk, -log_likelihood(scored, known) / int((known.event == EVENT).sum()))


def _attached(
    dataset: Dataset, prepared: PreparedGraph, config: RunConfig, rows: NDArray[np.int64], steps: PipelineSteps
) -> SurvivalExamples:
    """Return records with their neighbours among the reference records; their outcome is left out."""
    graph, groups = prepared.graph, dataset.split.groups.index
    reference = dataclasses.replace(prepared.places.of(graph.rows), lists=graph.lists)
    own = group_members(groups[rows], groups[graph.rows])
    neighbours = steps.attach(reference, prepared.places.of(rows), config.graph, own)
    table = NeighbourTable.of(neighbours, NeighbourTable.of(graph.neighbours).degree)
    nobody = SurvivalOutcome(np.zeros(len(rows)), np.zeros(len(rows), np.int64))
    return SurvivalExamples.timed(prepared.features.values[rows], nobody, table)
