"""The facts of a run for ``run.json``: what it rests on, what was filled in or left out, with which versions."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import numpy as np

from cardiograph.config import RunConfig
from cardiograph.containers import EXCLUDED, PatientGraph
from cardiograph.evaluate.predictions import ModelRoles
from cardiograph.train.data import Studied
from cardiograph.train.fit import Learnt

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


def run_facts(studied: Studied, learnt: Learnt, roles: ModelRoles, config: RunConfig) -> dict[str, Any]:
    """What the report tells beside the scores, ready for JSON."""
    cohort, encoder = studied.cohort, studied.encoder
    clinical = studied.material.clinical
    return {
        "created": time.strftime("%Y-%m-%d %H:%M %Z"),
        "outcome": cohort.outcome,
        "provenance": studied.provenance,
        "variables": [] if clinical is None else [asdict(variable) for variable in clinical.variables],
        "clinical_provenance": list(studied.provenances),
        "ignored_columns": list(cohort.table.attrs.get("ignored_columns", [])),
        "split": {"source": studied.split.source, "links": studied.split.groups.links},
        "roles": asdict(roles),
        "curves": {name: asdict(history) for name, (_, history) in learnt.networks.items()},
        "fusion": learnt.prepared.fusion.facts(),
        "encoder": None
        if encoder is None
        else asdict(encoder.facts) | {"why": encoder.why, "fingerprint": encoder.facts.fingerprint},
        "skipped": [] if studied.survey is None else [asdict(issue) for issue in studied.survey.skipped],
        "page_notes": [] if studied.survey is None else studied.survey.notes(cohort.record_ids),
        "notes": [
            *cohort.table.attrs.get("notes", []),
            *_record_notes(studied),
            *_graph_notes(learnt),
            *_value_notes(studied, learnt),
        ],
        "conversions": list(cohort.table.attrs.get("conversions", [])),
        "copies": 0 if studied.material.copies is None else len(studied.material.copies.source),
        "reference": len(learnt.prepared.graph.rows),
        "graph": _graph_facts(learnt.prepared.graph),
        "seeds": {"run": config.seed, "random weights": config.encoder.seed},
        "versions": {"python": platform.python_version(), "platform": platform.platform()}
        | {p: version(p) for p in PACKAGES},
    }


def _graph_facts(graph: PatientGraph) -> dict[str, Any]:
    """How neighbours were found."""
    lists = graph.lists
    if lists is None:
        return {"search": "exact"}
    told = {"lists": len(lists.centroids), "probes": lists.probes, "raised": lists.raised}
    return {"search": "inverted lists", **told, "recall": lists.recall, "sampled": lists.sampled}


def _record_notes(studied: Studied) -> Iterator[str]:
    """Which records were left out, or are not what they seem, a sentence each."""
    part, labels = studied.split.part, studied.cohort.labels
    unlabelled, excluded = int((labels < 0).sum()), int((part == EXCLUDED).sum())
    if studied.survey is not None and studied.survey.skipped:
        skipped = len(studied.survey.skipped)
        yield f"{skipped} records were left out because of their page; they are listed below"
    if studied.survey is not None:
        yield from studied.survey.notes(studied.cohort.record_ids)
        pages = studied.survey.pixel_hashes
        classes = {(page, label) for page, label in zip(pages, labels.tolist(), strict=True) if page and label >= 0}
        both = len(classes) - len({page for page, _ in classes})
        if both:
            yield f"{both} pages stand under both labels: the same picture cannot be both"
    yield from _absent_blocks(studied)
    if unlabelled:
        yield (
            f"{unlabelled} records are unlabelled: {unlabelled - excluded} are heard as neighbours, {excluded} were left "
            "out because their group is validated or tested"
        )


def _graph_notes(learnt: Learnt) -> Iterator[str]:
    """How neighbours were found, where it was not by an exact search."""
    lists = learnt.prepared.graph.lists
    if lists is not None:
        yield lists.sentence


def _absent_blocks(studied: Studied) -> Iterator[str]:
    """How many records lack a page, or every clinical value."""
    clinical, told = studied.material.clinical, []
    pages = 0 if studied.survey is None else int((~studied.survey.paged).sum())
    values = 0 if clinical is None else int(np.isnan(clinical.values).all(1).sum())
    told += [f"{pages} records have no page"] if pages else []
    told += [f"{values} records have no clinical values"] if values else []
    if told:
        yield f"{'; '.join(told)}: they are scored from what they have"


def _value_notes(studied: Studied, learnt: Learnt) -> Iterator[str]:
    """What was filled in or weighted, a sentence each."""
    clinical, scaler = studied.material.clinical, learnt.prepared.scaler
    if clinical is not None and scaler is not None:
        known = clinical.values[~np.isnan(clinical.values).all(1)]  # nothing stands in for a block that is absent
        gaps = np.isnan(known).sum(axis=0)
        for variable, missing, indicator in zip(clinical.variables, gaps, scaler.has_gaps, strict=True):
            if missing:
                told = (
                    "and an indicator column says so"
                    if indicator
                    else "without an indicator: training rows have no gap"
                )
                yield f"{variable.name} is missing in {missing} records; the median of the training rows stands in, {told}"
    if scaler is not None:
        constant = [name for name, same in zip(scaler.names, scaler.constant, strict=True) if same]
        if constant:
            yield f"the same in all training rows, so nothing was learnt from: {', '.join(constant)}"
    if studied.material.copies is not None:
        copies = len(studied.material.copies.source)
        yield f"{copies} augmented copies were added to the training records, none to the others"
    if studied.material.class_weights is not None:
        negative, positive = studied.material.class_weights
        yield f"the loss weighs classes {negative:.2f} to {positive:.2f}: probabilities are those of a balanced cohort"
