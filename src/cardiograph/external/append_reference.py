"""A reference with more records in it: new ones hear old and new ones, and nothing of the old ones changes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cardiograph.artifacts.bundle import ModelBundle, Reference
from cardiograph.containers import NodeFeatures, SearchPoints
from cardiograph.errors import CohortError, Issue
from cardiograph.external.match_records import Where
from cardiograph.graph.attach import attach, group_members, label_prior
from cardiograph.graph.ivf import lengthened
from cardiograph.models.neighbour_table import NeighbourTable


@dataclass(frozen=True)
class NewReference:
    """Records that are to become reference records.

    Args:
        image: [records, width] embeddings, NaN without a page; None for a model without pages.
        clinical: [records, variables] in the model's variables and units, NaN where missing.
        labels: [records] 0, 1 or -1.
        groups: [records] numbers as in the reference.
        record_ids: [records] names that the reference does not have.
        patient_ids: [records] empty where not given.
        pixel_hashes: [records] empty without a page.
        perceptual_hashes: [records, bytes] uint8, as wide as in the reference.
    """

    image: NDArray[np.float32] | None
    clinical: NDArray[np.float64]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]
    record_ids: tuple[str, ...]
    patient_ids: tuple[str, ...]
    pixel_hashes: tuple[str, ...]
    perceptual_hashes: NDArray[np.uint8]


def append_reference(bundle: ModelBundle, new: NewReference) -> ModelBundle:
    """The bundle with more reference records; nothing is fitted.

    Features, states, degrees and labels of the old records stay, bit for bit, and so does the share of label 1 that
    votes start from. So an answer changes only where a new record is among the neighbours of a query. A new record
    hears the nearest old and new ones outside its own group. Whatever was learnt from validation scores is void: these
    were scores against a smaller reference.

    Args:
        bundle: Bundle of the run.
        new: See there; they passed :func:`require_complete`.
    """
    old, space = bundle.reference, bundle.space
    clinical = None if bundle.scaler is None else bundle.scaler.transform(new.clinical)
    features = bundle.fusion.transform(new.image, clinical)
    names, blocks = bundle.fusion.layout
    placed = space.place(NodeFeatures(old.features, names, blocks, old.present))
    if old.places is not None:
        placed = dataclasses.replace(placed, values=old.places)
    added = space.place(features)
    places = SearchPoints(
        np.vstack([placed.values, added.values]),
        np.vstack([placed.present, added.present]),
        placed.blocks,
        placed.scales,
        None if old.lists is None else lengthened(old.lists, added.values, bundle.served.graph.metric),
    )
    groups = np.concatenate([old.groups, new.groups])
    hood = attach(places, added, bundle.served.graph, group_members(new.groups, groups))
    degree = np.concatenate([old.degree, (hood.index >= 0).sum(1).astype(np.float32) + 1])
    reference = Reference(
        features=np.vstack([old.features, features.values]),
        present=np.vstack([old.present, features.present]),
        places=None if old.places is None else places.values,
        states=_states(bundle, features.values, NeighbourTable.of(hood, torch.from_numpy(degree))),
        degree=degree,
        labels=np.concatenate([old.labels, new.labels]),
        clinical=np.vstack([old.clinical, new.clinical]),
        groups=groups,
        record_ids=old.record_ids + new.record_ids,
        patient_ids=old.patient_ids + new.patient_ids,
        pixel_hashes=old.pixel_hashes + new.pixel_hashes,
        perceptual_hashes=np.vstack([old.perceptual_hashes, new.perceptual_hashes]),
        lists=places.lists,
    )
    prior = label_prior(old.labels) if bundle.served.prior is None else bundle.served.prior
    told = f"{bundle.served.provenance}; {len(added)} reference records added since"
    served = dataclasses.replace(bundle.served, prior=prior, threshold=None, provenance=told, maps=None)
    return dataclasses.replace(bundle, served=served, reference=reference, uncertainty=None, mean_page=None)


def _states(
    bundle: ModelBundle, own: NDArray[np.float32], neighbour_table: NeighbourTable
) -> tuple[NDArray[np.float32], ...]:
    """For each layer the states of old records, as they are, then those of the new ones.

    The state that enters a layer depends on the layers before it alone, so each pass settles one more of them.
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
    """Refuse records that lack a block where every reference record has all: the distances of all would be others.

    Args:
        bundle: Bundle of the run.
        has: Block -> [records] whether a record has it.
        where: The place of a new record, for people.

    Raises:
        CohortError: There are such records.
    """
    used = bundle.space.used
    if not bundle.reference.present[:, used].all():
        return
    words = {"image": "an ECG page", "clinical": "clinical values"}
    blocks = [name for name, wanted in zip(bundle.fusion.layout[1], used, strict=True) if wanted]
    complete = np.asarray(np.stack([has[block] for block in blocks]).all(axis=0))
    needed = " and ".join(words[block] for block in blocks)
    rule = f"every reference record has {needed}, and one without would change the distances of all"
    remedy = "give what is lacking, remove the record, or make the run again from all records"
    issues = [Issue(where(row), "", "", rule, remedy, "incomplete") for row in np.flatnonzero(~complete).tolist()]
    if issues:
        message = f"{len(issues)} of {len(complete)} records lack what every reference record has"
        raise CohortError(message, issues)
