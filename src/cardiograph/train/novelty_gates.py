"""Novelty gates fitted to the reference records: one for each combination of blocks that a patient may have."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
from numpy.typing import NDArray

from cardiograph.artifacts.bundle import ModelBundle
from cardiograph.containers import SearchPoints
from cardiograph.graph.attach import attach, group_members
from cardiograph.inference import mean_distance
from cardiograph.train.fit import PreparedGraph
from cardiograph.uncertainty.novelty import NoveltyGate
from cardiograph.uncertainty.uncertainty import Uncertainty

MAX_RECORDS = 5000
"""Maximum number of reference records to which the gate of complete records is fitted."""
MAX_PARTIAL_RECORDS = 500
"""Maximum number for each gate of incomplete records; five times what a quantile of 0.99 needs."""


def fit_gates(
    uncertainty: Uncertainty, bundle: ModelBundle, quantile: float, *, seed: int, prepared: PreparedGraph | None = None
) -> Uncertainty:
    """Return the uncertainty of a model with novelty gates: for complete records, and for those that lack a block.

    A run knows the distances of all its training records from their graph. After an extension no graph joins old and new
    records, so the distances of a sample are searched for.

    Args:
        uncertainty: Uncertainty without gates.
        bundle: Model with its reference records.
        quantile: Quantile of the training distances above which a record is novel, see :class:`NoveltyGate`.
        seed: Seed of the samples.
        prepared: Features and graph of the reference records; None after an extension.
    """
    rng = np.random.default_rng([seed, 7])
    if prepared is None:
        complete = _complete_gate(bundle, quantile, rng)
    else:
        whole = prepared.places.of(prepared.graph.rows).present.all(1)
        complete = _fit(mean_distance(prepared.graph.neighbours)[whole], quantile)
    partial = _partial_gates(bundle, quantile, rng)
    return dataclasses.replace(uncertainty, novelty=complete, partial_novelty=partial)


def _fit(distances: NDArray[np.float64], quantile: float) -> NoveltyGate | None:
    """Fit a gate to the mean distances of training records; return None if no record has a neighbour."""
    finite = distances[np.isfinite(distances)]
    return NoveltyGate.fit(finite, quantile=quantile) if len(finite) else None


def _complete_gate(bundle: ModelBundle, quantile: float, rng: np.random.Generator) -> NoveltyGate | None:
    """Fit the gate of records that have every block by which neighbours are searched."""
    places = _exact_places(bundle)
    return _gate(bundle, places, np.ones(len(places.blocks), bool), _sample(len(places), MAX_RECORDS, rng), quantile)


def _partial_gates(bundle: ModelBundle, quantile: float, rng: np.random.Generator) -> dict[str, NoveltyGate]:
    """Fit the gates of records that lack a block, on training records from which the same blocks are removed.

    Returns:
        Names of the present blocks (see :meth:`ModelBundle.search_blocks`) -> gate.
    """
    places, gates = _exact_places(bundle), {}
    drawn = _sample(len(places), MAX_PARTIAL_RECORDS, rng)
    for choice in itertools.product((False, True), repeat=len(places.blocks)):
        pattern = np.array(choice)
        if pattern.any() and not pattern.all():
            gate = _gate(bundle, places, pattern, drawn, quantile)
            if gate is not None:
                gates[bundle.search_blocks(pattern)] = gate
    return gates


def _gate(
    bundle: ModelBundle, places: SearchPoints, pattern: NDArray[np.bool_], drawn: NDArray[np.int64], quantile: float
) -> NoveltyGate | None:
    """Fit a gate to the drawn records that have the blocks of ``pattern``; no record sees its own group."""
    rows = drawn[places.present[drawn][:, pattern].all(1)]
    if not len(rows):
        return None
    queries = dataclasses.replace(places.of(rows), present=np.tile(pattern, (len(rows), 1)))
    own = group_members(bundle.reference.groups[rows], bundle.reference.groups)
    return _fit(mean_distance(attach(places, queries, bundle.served.graph, own)), quantile)


def _exact_places(bundle: ModelBundle) -> SearchPoints:
    return dataclasses.replace(bundle.reference_points(), lists=None)


def _sample(records: int, maximum: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return np.sort(rng.permutation(records)[:maximum]).astype(np.int64)
