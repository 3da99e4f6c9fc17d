"""Novelty gates from the reference records: one for each choice of blocks that a patient may come with."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
from numpy.typing import NDArray

from cardiograph.artifacts.bundle import ModelBundle
from cardiograph.containers import NodeFeatures, SearchPoints
from cardiograph.graph.attach import attach, group_members
from cardiograph.inference import mean_distance
from cardiograph.uncertainty.novelty import NoveltyGate

SAMPLE = 5000
"""Largest number of reference records that the gate of complete records is fitted to."""
PARTIAL_SAMPLE = 500
"""The same for the gates of incomplete records; five times what a quantile of 0.99 needs."""


def gate_of(distances: NDArray[np.float64], quantile: float) -> NoveltyGate | None:
    """The gate of some training distances; None if no record has a neighbour."""
    finite = distances[np.isfinite(distances)]
    return NoveltyGate.fit(finite, quantile=quantile) if len(finite) else None


def whole_gate(bundle: ModelBundle, quantile: float, rng: np.random.Generator) -> NoveltyGate | None:
    """The gate of records that have every block in which neighbours are sought."""
    places = _reference_places(bundle)
    return _gate(bundle, places, np.ones(len(places.blocks), bool), _drawn(len(places), SAMPLE, rng), quantile)


def partial_gates(bundle: ModelBundle, quantile: float, rng: np.random.Generator) -> dict[str, NoveltyGate]:
    """The gates of records that lack a block, from training records with the same blocks taken away.

    Args:
        bundle: The model and its reference records.
        quantile: See :class:`NoveltyGate`.
        rng: Draws the reference records, if there are many.

    Returns:
        Names of the blocks that are there, see :meth:`ModelBundle.sought_blocks` -> gate.
    """
    places, gates = _reference_places(bundle), {}
    drawn = _drawn(len(places), PARTIAL_SAMPLE, rng)
    for choice in itertools.product((False, True), repeat=len(places.blocks)):
        pattern = np.array(choice)
        if pattern.any() and not pattern.all():
            gate = _gate(bundle, places, pattern, drawn, quantile)
            if gate is not None:
                gates[bundle.sought_blocks(pattern)] = gate
    return gates


def _gate(
    bundle: ModelBundle, places: SearchPoints, pattern: NDArray[np.bool_], drawn: NDArray[np.int64], quantile: float
) -> NoveltyGate | None:
    """From those drawn records that have the blocks of ``pattern``, each against the reference without its group."""
    rows = drawn[places.present[drawn][:, pattern].all(1)]
    if not len(rows):
        return None
    asked = dataclasses.replace(places.of(rows), present=np.tile(pattern, (len(rows), 1)))
    own = group_members(bundle.reference.groups[rows], bundle.reference.groups)
    return gate_of(mean_distance(attach(places, asked, bundle.served.graph, own)), quantile)


def _reference_places(bundle: ModelBundle) -> SearchPoints:
    reference, (names, blocks) = bundle.reference, bundle.fusion.layout
    places = bundle.space.place(NodeFeatures(reference.features, names, blocks, reference.present))
    return places if reference.places is None else dataclasses.replace(places, values=reference.places)


def _drawn(records: int, most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return np.sort(rng.permutation(records)[:most]).astype(np.int64)
