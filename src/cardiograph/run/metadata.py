"""Metadata of a run for ``run.json``: provenance, settings, notes on records and values, software versions."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import numpy as np

from cardiograph.config import RunConfig
from cardiograph.containers import EXCLUDED, IvfIndex, PatientGraph, ShardedIndex
from cardiograph.evaluate.predictions import ModelRoles
from cardiograph.issue_groups import counted
from cardiograph.train.data import Dataset
from cardiograph.train.fit import FittedModels

PACKAGES = (
    "cardiograph",
    "torch",
    "openvino",
    "monai",
    "faiss-cpu",
    "numpy",
    "scipy",
    "scikit-learn",
    "pandas",
    "pillow",
)


def run_metadata(dataset: Dataset, fitted: FittedModels, roles: ModelRoles, config: RunConfig) -> dict[str, Any]:
    """Return the metadata that the report shows in addition to the scores, ready for JSON.

    Args:
        dataset: Dataset of the run.
        fitted: Fitted preprocessing and models.
        roles: Roles of the models, such as primary and baseline.
        config: Settings of the run.
    """
    cohort, encoder = dataset.cohort, dataset.encoder
    clinical = dataset.inputs.clinical
    return {
        "created": time.strftime("%Y-%m-%d %H:%M %Z"),
        "outcome": cohort.outcome,
        "classes": list(cohort.classes),
        "provenance": dataset.provenance,
        "variables": [] if clinical is None else [asdict(variable) for variable in clinical.variables],
        "clinical_provenance": list(dataset.provenances),
        "ignored_columns": list(cohort.table.attrs.get("ignored_columns", [])),
        "split": {"source": dataset.split.source, "links": dataset.split.groups.links},
        "roles": asdict(roles),
        "curves": {name: asdict(history) for name, (_, history) in fitted.networks.items()},
        "fusion": fitted.prepared.fusion.facts(),
        "encoder": None
        if encoder is None
        else asdict(encoder.facts)
        | {
            "why": encoder.why,
            "fingerprint": encoder.facts.fingerprint,
            "title": encoder.facts.title,
            "features": len(encoder.probe),
        },
        "ecg_kinds": {} if dataset.page_index is None else dataset.page_index.kinds,
        "skipped": [] if dataset.page_index is None else [asdict(issue) for issue in dataset.page_index.skipped],
        "page_notes": [] if dataset.page_index is None else dataset.page_index.notes(cohort.record_ids),
        "notes": [
            *cohort.table.attrs.get("notes", []),
            *_record_notes(dataset),
            *_graph_notes(fitted),
            *_value_notes(dataset, fitted),
        ],
        "conversions": list(cohort.table.attrs.get("conversions", [])),
        "copies": 0 if dataset.inputs.copies is None else len(dataset.inputs.copies.source),
        "reference": len(fitted.prepared.graph.rows),
        "graph": _graph_facts(fitted.prepared.graph),
        "seeds": {"run": config.seed, "random weights": config.encoder.seed},
        "versions": {"python": platform.python_version(), "platform": platform.platform()}
        | {p: version(p) for p in PACKAGES},
    }


def _graph_facts(graph: PatientGraph) -> dict[str, Any]:
    """Return facts about the neighbour search."""
    lists = graph.lists
    if lists is None:
        return {"search": "exact"}
    if isinstance(lists, ShardedIndex):
        parts = [_list_facts(part) for part in lists.parts]
        return {"search": "inverted lists", "recall": min(part["recall"] for part in parts), "shards": parts}
    return {"search": "inverted lists", **_list_facts(lists)}


def _list_facts(lists: IvfIndex) -> dict[str, Any]:
    return {
        "lists": len(lists.centroids),
        "probes": lists.probes,
        "raised": lists.raised,
        "recall": lists.recall,
        "sampled": lists.sampled,
    }


def _record_notes(dataset: Dataset) -> Iterator[str]:
    """Yield a sentence for each kind of record that was left out or is inconsistent."""
    part, labels, cohort = dataset.split.part, dataset.cohort.labels, dataset.cohort
    unlabelled, excluded = int((labels < 0).sum()), int((part == EXCLUDED).sum())
    if dataset.page_index is not None and dataset.page_index.skipped:
        skipped = len(dataset.page_index.skipped)
        yield f"left out: {counted(skipped, 'record')} with a page that cannot be used, listed below"
    if dataset.page_index is not None:
        yield from dataset.page_index.notes(dataset.cohort.record_ids)
        pages = dataset.page_index.pixel_hashes
        classes = {(page, label) for page, label in zip(pages, labels.tolist(), strict=True) if page and label >= 0}
        both = len(classes) - len({page for page, _ in classes})
        if both:
            yield f"{both} pages have {'several' if cohort.classes else 'both'} labels: the same picture cannot be both"
    yield from _absent_blocks(dataset)
    if unlabelled:
        yield (
            f"{unlabelled} records are unlabelled: {unlabelled - excluded} serve as neighbours, {excluded} were left "
            "out because their group belongs to validation or test"
        )


def _graph_notes(fitted: FittedModels) -> Iterator[str]:
    """Yield a sentence about the neighbour search if it is approximate."""
    lists = fitted.prepared.graph.lists
    if lists is not None:
        yield lists.sentence


def _absent_blocks(dataset: Dataset) -> Iterator[str]:
    """Yield a sentence about records that lack a page or every clinical value."""
    clinical, counts = dataset.inputs.clinical, []
    pages = 0 if dataset.page_index is None else int((~dataset.page_index.paged).sum())
    values = 0 if clinical is None else int(np.isnan(clinical.values).all(1).sum())
    counts += [f"{pages} records have no page"] if pages else []
    counts += [f"{values} records have no clinical values"] if values else []
    if counts:
        yield f"{'; '.join(counts)}: they are scored from the blocks that they have"


def _value_notes(dataset: Dataset, fitted: FittedModels) -> Iterator[str]:
    """Yield a sentence for each way in which values were filled in or weighted."""
    clinical, scaler = dataset.inputs.clinical, fitted.prepared.scaler
    if clinical is not None and scaler is not None:
        known = clinical.values[~np.isnan(clinical.values).all(1)]  # an absent block is not imputed
        gaps = np.isnan(known).sum(axis=0)
        for variable, missing, indicator in zip(clinical.variables, gaps, scaler.has_gaps, strict=True):
            if missing:
                marked = "with an indicator column" if indicator else "without an indicator: training rows have no gap"
                replaced = "the median of the training rows is used instead"
                yield f"{variable.name} is missing in {missing} records; {replaced}, {marked}"
    if scaler is not None:
        constant = [name for name, same in zip(scaler.names, scaler.constant, strict=True) if same]
        if constant:
            yield f"constant in all training rows and therefore without effect: {', '.join(constant)}"
    if dataset.inputs.copies is not None:
        copies = len(dataset.inputs.copies.source)
        yield f"{copies} augmented copies were added to the training records, none to other records"
    if dataset.inputs.class_weights is not None:
        weights = " to ".join(f"{weight:.2f}" for weight in dataset.inputs.class_weights)
        yield f"the loss weighs classes {weights}: probabilities are those of a balanced cohort"
