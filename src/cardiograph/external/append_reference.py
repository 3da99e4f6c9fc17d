"""Appends records to the reference of a bundle; existing records do not change."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from cardiograph.artifacts.bundle import ModelBundle
from cardiograph.artifacts.reference import Reference
from cardiograph.config import GraphConfig
from cardiograph.containers import NearestNeighbours, NodeFeatures, SearchPoints
from cardiograph.errors import CohortError, Issue
from cardiograph.external.match_records import Where
from cardiograph.graph.attach import attach, group_members, label_prior
from cardiograph.graph.ivf import lengthened
from cardiograph.models.neighbour_table import NeighbourTable

Scalar = TypeVar("Scalar", np.float64, np.int64)

LINKED_AT_ONCE = 131_072
"""Maximum number of new records whose neighbours are found at once."""


@dataclass(frozen=True)
class NewReference:
    """Records to append to the reference.

    Args:
        image: [records, width] embeddings, NaN without a page; None for a model without pages.
        clinical: [records, variables] values in the model's variables and units, NaN where missing.
        labels: [records] 0, 1 or -1.
        groups: [records] group numbers, as in the reference.
        record_ids: [records] names that the reference does not have.
        patient_ids: [records] names, empty where not given.
        pixel_hashes: [records] hex, empty without a page.
        perceptual_hashes: [records, bytes] uint8, with the width of the reference.
        measurements: [records, measurements] in the model's measurements, NaN where missing; None for a model without.
        time: [records] follow-up in the unit of the model, NaN without; None but for a time-to-event outcome.
        event: [records] what ended it, -1 without; None but for a time-to-event outcome.
    """

    image: NDArray[np.float32] | None
    clinical: NDArray[np.float64]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]
    record_ids: tuple[str, ...]
    patient_ids: tuple[str, ...]
    pixel_hashes: tuple[str, ...]
    perceptual_hashes: NDArray[np.uint8]
    measurements: NDArray[np.float64] | None = None
    time: NDArray[np.float64] | None = None
    event: NDArray[np.int64] | None = None


def append_reference(
    bundle: ModelBundle, new: NewReference, linked: Callable[[int], None] = lambda count: None
) -> ModelBundle:
    """Return the bundle with more reference records; nothing is fitted.

    Features, states, degrees and labels of the old records stay bitwise equal, and so does the prior share of label 1
    in votes. A prediction therefore changes only if a new record is among the neighbours of the query. A new record
    aggregates the nearest old and new records outside its own group. Everything that was fitted to validation scores is
    dropped, because these scores used a smaller reference.

    Args:
        bundle: Bundle of the run.
        new: Records to append, which passed :func:`require_complete`.
        linked: Called with a number of records whenever so many more are linked.
    """
    old, space = bundle.reference, bundle.space
    features = bundle.fuse(new.image, new.clinical, new.measurements)
    names, blocks = bundle.fusion.layout
    placed = space.transform(NodeFeatures(old.features, names, blocks, old.present))
    if old.places is not None:
        placed = dataclasses.replace(placed, values=old.places)
    added = space.transform(features)
    places = SearchPoints(
        np.vstack([placed.values, added.values]),
        np.vstack([placed.present, added.present]),
        placed.blocks,
        placed.scales,
        None if old.lists is None else lengthened(old.lists, added.values, bundle.served.graph.metric),
    )
    groups = np.concatenate([old.groups, new.groups])
    neighbours = _attached(places, added, bundle.served.graph, group_members(new.groups, groups), linked)
    degree = np.concatenate([old.degree, (neighbours.index >= 0).sum(1).astype(np.float32) + 1])
    reference = Reference(
        features=np.vstack([old.features, features.values]),
        present=np.vstack([old.present, features.present]),
        places=None if old.places is None else places.values,
        states=_states(bundle, features.values, NeighbourTable.of(neighbours, torch.from_numpy(degree))),
        degree=degree,
        labels=np.concatenate([old.labels, new.labels]),
        clinical=np.vstack([old.clinical, new.clinical]),
        groups=groups,
        record_ids=old.record_ids + new.record_ids,
        patient_ids=old.patient_ids + new.patient_ids,
        pixel_hashes=old.pixel_hashes + new.pixel_hashes,
        perceptual_hashes=np.vstack([old.perceptual_hashes, new.perceptual_hashes]),
        lists=places.lists,
        time=_joined(old.time, new.time),
        event=_joined(old.event, new.event),
    )
    prior = float(label_prior(old.labels)) if bundle.served.prior is None else bundle.served.prior
    provenance = f"{bundle.served.provenance}; {len(added)} reference records added since"
    served = dataclasses.replace(bundle.served, prior=prior, threshold=None, provenance=provenance, maps=None)
    return dataclasses.replace(bundle, served=served, reference=reference, uncertainty=None, mean_page=None)


def _attached(
    places: SearchPoints,
    added: SearchPoints,
    config: GraphConfig,
    forbidden: Sequence[NDArray[np.int64]],
    linked: Callable[[int], None],
) -> NearestNeighbours:
    """Find the neighbours of new records, for some of them at a time."""
    found = []
    for start in range(0, max(1, len(added)), LINKED_AT_ONCE):
        rows = np.arange(start, min(start + LINKED_AT_ONCE, len(added)))
        found.append(attach(places, added.of(rows), config, forbidden[start : start + LINKED_AT_ONCE]))
        linked(len(rows))
    index, distance = (np.concatenate([getattr(each, name) for each in found]) for name in ("index", "distance"))
    return NearestNeighbours(index, distance)


def _joined(old: NDArray[Scalar] | None, new: NDArray[Scalar] | None) -> NDArray[Scalar] | None:
    """Return the follow-up of old and new records; None if that of the old ones was not kept."""
    return None if old is None or new is None else np.concatenate([old, new])


def _states(
    bundle: ModelBundle, own: NDArray[np.float32], neighbour_table: NeighbourTable
) -> tuple[NDArray[np.float32], ...]:
    """Return for each layer the unchanged states of old records, followed by those of the new ones.

    The input state of a layer depends only on earlier layers, so each pass determines the states of one more layer.
    """
    old = [torch.from_numpy(state) for state in bundle.reference.states]
    new = [torch.zeros(len(own), state.shape[1]) for state in old]
    records = torch.from_numpy(own)
    with torch.inference_mode():
        for depth in range(len(old)):
            sources = [torch.cat(pair) for pair in zip(old, new, strict=True)]
            _, found = bundle.network(records, neighbour_table, sources)
            new[depth] = found[depth]
    return tuple(torch.cat(pair).numpy() for pair in zip(old, new, strict=True))


def require_complete(bundle: ModelBundle, has: Mapping[str, NDArray[np.bool_]], *, where: Where) -> None:
    """Refuse records that lack a block if every reference record has all blocks, because all distances would change.

    Args:
        bundle: Bundle of the run.
        has: Block -> [records] whether a record has it.
        where: Function that describes the place of a new record.

    Raises:
        CohortError: If there are such records.
    """
    used = bundle.space.used
    if not bundle.reference.present[:, used].all():
        return
    words = {"image": "an ECG page", "clinical": "clinical values", "measurements": "readable leads"}
    blocks = [name for name, wanted in zip(bundle.fusion.layout[1], used, strict=True) if wanted]
    complete = np.asarray(np.stack([has[block] for block in blocks]).all(axis=0))
    needed = " and ".join(words[block] for block in blocks)
    rule = f"every reference record has {needed}, and a record without would change all distances"
    remedy = "add what is missing, remove the record, or make the run again from all records"
    issues = [Issue(where(row), "", "", rule, remedy, "incomplete") for row in np.flatnonzero(~complete).tolist()]
    if issues:
        message = f"{len(issues)} of {len(complete)} records lack what every reference record has"
        raise CohortError(message, issues)
