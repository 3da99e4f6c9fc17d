"""The models of a run with a time-to-event outcome: the graph model with its refits, and what it is compared with."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.config import RunConfig
from cardiograph.containers import TRAIN, VAL, ClinicalTable
from cardiograph.features.scaler import ClinicalScaler
from cardiograph.ingest.context import RunContext
from cardiograph.models.build import Model
from cardiograph.models.neighbour_table import NeighbourTable
from cardiograph.run.survival_bundle import PRIMARY, survival_examples
from cardiograph.survival.cox import absolute_risk, choose_cox
from cardiograph.survival.curves import Floats, cumulative_incidence
from cardiograph.survival.heads import Head, SurvivalExamples, SurvivalNetwork, train_survival
from cardiograph.survival.outcome import SurvivalOutcome
from cardiograph.train.data import Dataset
from cardiograph.train.fit import PreparedGraph

NETWORKS: dict[str, tuple[Head, bool]] = {
    "sign": ("discrete", True),
    "sign_cox": ("cox", True),
    "mlp": ("discrete", False),
    "mlp_cox": ("cox", False),
}
"""Model -> head, and whether it has neighbours."""

SurvivalSets = tuple[SurvivalExamples, SurvivalExamples]
"""Training and validation records."""


@dataclass(frozen=True)
class CoxModel:
    """A penalised Cox regression.

    Args:
        coefficients: [features] log hazard ratios.
        own: [training records] relative log hazards of the records that it was fitted to.
        outcome: Outcome of these records.
    """

    coefficients: Floats
    own: Floats
    outcome: SurvivalOutcome

    @classmethod
    def fit(cls, train: tuple[Floats, SurvivalOutcome], val: tuple[Floats, SurvivalOutcome]) -> CoxModel:
        """Fit on training records with the penalty that validation records choose."""
        coefficients = choose_cox(train, val).coefficients
        return cls(coefficients, train[0] @ coefficients, train[1])

    def risk(self, features: Floats, *, times: Floats) -> Floats:
        """Return [n, times] probabilities of the event."""
        return absolute_risk(self.own, self.outcome, features @ self.coefficients, horizons=times)


@dataclass(frozen=True)
class SurvivalModels:
    """Trained models.

    Args:
        networks: Name -> network; those of :data:`NETWORKS` and ``shuffled``.
        refits: Kept network refitted on resampled training groups.
        regressions: ``cox_clinical`` and ``cox``, as far as the features allow them.
        scaler: Scaler of the clinical values for ``cox_clinical``; None without clinical values.
        known: Outcome of the training records, for the curve without features.
        features: Model -> number of features.
    """

    networks: dict[str, SurvivalNetwork]
    refits: tuple[Model, ...]
    regressions: dict[str, CoxModel]
    scaler: ClinicalScaler | None
    known: SurvivalOutcome
    features: dict[str, int]


def fit_models(dataset: Dataset, prepared: PreparedGraph, config: RunConfig, context: RunContext) -> SurvivalModels:
    """Train every model on the training records, with early stopping and penalties by validation records."""
    sets = survival_sets(dataset, prepared)
    networks = {}
    for name in NETWORKS:
        with context.stage(f"training {name}", config.model.epochs):
            networks[name] = fit_survival_network(name, sets, config, lambda _: context.progress.advance())
    rng = np.random.default_rng([config.seed, 8])
    with context.stage("control with shuffled outcomes", config.model.epochs):
        mixed = [_shuffled(each, rng) for each in sets]
        networks["shuffled"] = fit_survival_network(
            PRIMARY, (mixed[0], mixed[1]), config, lambda _: context.progress.advance()
        )
    refits = _refits(sets, networks[PRIMARY], dataset, config, context)
    with context.stage("Cox regression"):
        inputs = _regression_inputs(dataset.inputs.clinical, prepared)
        rows = [dataset.rows(TRAIN), dataset.rows(VAL)]
        known = [each.known for each in sets]
        regressions = {name: CoxModel.fit((x[rows[0]], known[0]), (x[rows[1]], known[1])) for name, x in inputs.items()}
    widths = dict.fromkeys(networks, sets[0].features.shape[1])
    widths |= {name: x.shape[1] for name, x in inputs.items()}
    return SurvivalModels(networks, refits, regressions, prepared.scaler, known[0], widths)


def risks_of(
    models: SurvivalModels,
    values: NDArray[np.float32],
    neighbours: NeighbourTable,
    clinical: Floats | None,
    times: Floats,
) -> dict[str, Floats]:
    """Return the [records, times] risks by every model but the kept one.

    Args:
        models: Trained models.
        values: [records, features] node features.
        neighbours: Neighbours of the records among the training records.
        clinical: [records, variables] clinical values; None without them.
        times: [times] times since the ECG.
    """
    nobody = SurvivalOutcome(np.zeros(len(values)), np.zeros(len(values), np.int64))
    with_graph = SurvivalExamples.timed(values, nobody, neighbours)
    found = {}
    for name, network in models.networks.items():
        if name != PRIMARY:
            has_neighbours = network.train_set.neighbour_table.valid.shape[1] > 0
            found[name] = network.risk(
                with_graph if has_neighbours else with_graph.without_neighbours(), horizons=times
            )
    for name, regression in models.regressions.items():
        x = values.astype(np.float64) if name == "cox" else _scaled(models.scaler, clinical)
        found[name] = regression.risk(x, times=times)
    found["kaplan_meier"] = cumulative_incidence(models.known).at(times).repeat(len(values), axis=0)
    return found


def survival_sets(dataset: Dataset, prepared: PreparedGraph) -> SurvivalSets:
    """Return the training and validation records with times in place of labels."""
    return survival_examples(dataset, prepared.train_set, TRAIN), survival_examples(dataset, prepared.val_set, VAL)


def fit_survival_network(
    name: str, sets: SurvivalSets, config: RunConfig, progress: Callable[[int], None] | None = None
) -> SurvivalNetwork:
    """Train one network with early stopping on validation records.

    Args:
        name: Key of :data:`NETWORKS`.
        sets: Training and validation records; a network without a graph ignores their neighbours.
        config: Model settings and seed.
        progress: Callback that receives the number of each finished epoch.
    """
    head, graph = NETWORKS[name]
    train_set, val_set = sets if graph else (each.without_neighbours() for each in sets)
    return train_survival(train_set, val_set, head=head, config=config.model, seed=config.seed, progress=progress)


def _refits(
    sets: tuple[SurvivalExamples, SurvivalExamples],
    kept: SurvivalNetwork,
    dataset: Dataset,
    config: RunConfig,
    context: RunContext,
) -> tuple[Model, ...]:
    """Refit the kept network on resampled training groups."""
    groups = dataset.split.groups.index[dataset.split.rows(TRAIN)]
    edges, count = np.array(kept.facts.edges), int(config.outcome.filled()["refits"])
    refits = []
    with context.stage("refitting on resampled groups", count):
        for number in range(count):
            drawn = sets[0].resampled(groups, np.random.default_rng([config.seed, 9, number]))
            seed = config.seed + 1 + number
            fitted = train_survival(drawn, sets[1], head="discrete", config=config.model, seed=seed, edges=edges)
            refits.append(fitted.network)
            context.progress.advance()
    return tuple(refits)


def _shuffled(examples: SurvivalExamples, rng: np.random.Generator) -> SurvivalExamples:
    order = np.arange(len(examples.outcome))
    order[examples.used] = rng.permutation(examples.used)
    return dataclasses.replace(examples, outcome=examples.outcome.at(order))


def _regression_inputs(clinical: ClinicalTable | None, prepared: PreparedGraph) -> dict[str, Floats]:
    """Return the [records, features] inputs of the regressions: clinical values, and all features if there are more."""
    inputs = {}
    if clinical is not None:
        inputs["cox_clinical"] = _scaled(prepared.scaler, clinical.values)
    if set(prepared.features.blocks) != {"clinical"}:
        inputs["cox"] = prepared.features.values.astype(np.float64)
    return inputs


def _scaled(scaler: ClinicalScaler | None, clinical: Floats | None) -> Floats:
    """Return standardised clinical values; a record without any has 0 in every column."""
    if scaler is None or clinical is None:
        message = "clinical values are needed"
        raise ValueError(message)
    return np.nan_to_num(scaler.transform(clinical))
