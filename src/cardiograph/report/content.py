"""Everything the report shows: arrays and plain values, no run files and no models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.errors import Issue
from cardiograph.evaluate.decision import YOUDEN_IN_WORDS
from cardiograph.evaluate.predictions import ModelRoles, PartPredictions
from cardiograph.schema import ClinicalVariable, Provenance


@dataclass(frozen=True)
class LearningCurve:
    """How one network learnt.

    Args:
        train_loss: [epochs] cross-entropy on training records.
        val_loss: [epochs] on validation records.
        train_accuracy: [epochs] 0..1; empty where not recorded.
        val_accuracy: [epochs] 0..1; empty where not recorded.
        best_epoch: Index (from 0) of the epoch whose weights were kept.
    """

    train_loss: NDArray[np.float64]
    val_loss: NDArray[np.float64]
    train_accuracy: NDArray[np.float64]
    val_accuracy: NDArray[np.float64]
    best_epoch: int


@dataclass(frozen=True)
class SplitRow:
    """One part and class of the split.

    Args:
        part: ``train``, ``val``, ``test`` or ``excluded``.
        class_name: As the user wrote it.
        label: 0, 1 or -1 (unlabelled).
        records: ECGs.
        patients: Different patients; None where the cohort names none.
        groups: Different groups.
    """

    part: str
    class_name: str
    label: int
    records: int
    patients: int | None
    groups: int


@dataclass(frozen=True)
class ClinicalContent:
    """Clinical values in their units.

    Args:
        variables: One for each column.
        provenance: One for each column.
        values: [records, variables], NaN where missing.
        labels: [records] 0, 1 or -1.
        part: [records] part of the split.
    """

    variables: tuple[ClinicalVariable, ...]
    provenance: tuple[Provenance, ...]
    values: NDArray[np.float64]
    labels: NDArray[np.int64]
    part: NDArray[np.str_]


@dataclass(frozen=True)
class GraphContent:
    """The part of the patient graph that is drawn, and facts about all of it.

    Args:
        xy: [nodes, 2] from :func:`cardiograph.report.graph_layout.graph_layout`.
        edges: [2, edges] node numbers, neighbour -> record.
        labels: [nodes] 0, 1 or -1.
        query: [nodes] True for a validation or test record, which hears but is not heard.
        records: Reference records in the whole graph; the drawing may be a sample.
        k: Neighbours of each record.
        metric: Distance, such as ``euclidean``.
        agreement: Share of neighbours with the record's own label, over labelled reference records.
        agreement_by_chance: The same share if neighbours were drawn at random.
        heard_by: [records] how many reference records list each one as a neighbour (in-degree of influence).
    """

    xy: NDArray[np.float64]
    edges: NDArray[np.int64]
    labels: NDArray[np.int64]
    query: NDArray[np.bool_]
    records: int
    k: int
    metric: str
    agreement: float
    agreement_by_chance: float
    heard_by: NDArray[np.int64]


@dataclass(frozen=True)
class EncoderContent:
    """What turned pages into numbers.

    Args:
        title: Name of the encoder for people.
        weights: ``imagenet``, ``random`` or a file name.
        engine: Engine that ran it.
        precision: ``f32`` or ``bf16``.
        why: Why this precision was taken.
        features: Values per page, dropped ones included.
        dropped: Features dropped for want of spread.
        view: Which part of a page was used, in words.
        fingerprint: Fingerprint of the encoder.
    """

    weights: str
    engine: str
    precision: str
    why: str = ""
    title: str = "ResNet18"
    features: int = 512
    dropped: int = 0
    view: str = ""
    fingerprint: str = ""


@dataclass(frozen=True)
class CeilingContent:
    """What is known of the best possible score on a synthetic cohort.

    Args:
        bayes_auroc: AUROC of the true posterior on these test records: an upper bound for anything that reads pixels.
        latent_auroc: AUROC on these test records of logistic regression on the true latents, learnt from the same
            training records; NaN where not computed.
        population_auroc: The ceiling over the whole synthetic population; NaN where not computed.
        note: What the ceiling rests on, one sentence.
    """

    bayes_auroc: float
    latent_auroc: float = float("nan")
    population_auroc: float = float("nan")
    note: str = ""


@dataclass(frozen=True)
class Reproduction:
    """What is needed to make the run again.

    Args:
        config_toml: The whole configuration.
        seconds: Stage -> seconds, in the order they ran.
        versions: Package -> version; Python and platform among them.
        seeds: What for -> seed.
        hashes: What of -> hash.
        command: The command line that made the run.
    """

    config_toml: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    seeds: Mapping[str, int] = field(default_factory=dict)
    hashes: Mapping[str, str] = field(default_factory=dict)
    command: str = ""


@dataclass(frozen=True)
class ReportContent:
    """A run, as the report and the model card tell it.

    Args:
        title: Name of the run.
        outcome: What label 1 means, in the user's words.
        created: Date and time, as printed.
        provenance: Provenance of the headline score, see :func:`cardiograph.evaluate.summary.headline_provenance`.
        models: Which model plays which part, their names and thresholds.
        metrics: The content of ``metrics.json``, see :func:`cardiograph.evaluate.summary.summarise`.
        test: Predictions of all models on the test records.
        validation: The same on the validation records.
        split: Rows of the split table.
        curves: Model -> its learning curve.
        split_source: ``drawn`` or ``given``.
        group_links: Why records share a group, counted.
        clinical: Clinical values; None for pages alone.
        graph: The patient graph; None where no model used one.
        encoder: None where the cohort has no pages.
        contact_sheet: PNG bytes of sample pages, or None.
        contact_caption: What the contact sheet shows.
        fusion_shares: Block -> share of the total variance, 0..1.
        issues: Pages and values that were left out, all of them.
        notes: What was accepted, imputed, converted or dropped, a sentence each.
        ceiling: For a synthetic cohort.
        cautions: What a reader has to know before any number, a sentence each; at the very top.
        audit: The content of ``audit.json``; None for a run without one.
        reproduction: What is needed to make the run again.
        threshold_chosen: How, see :func:`cardiograph.evaluate.decision.rule_in_words`.
    """

    title: str
    outcome: str
    created: str
    provenance: Provenance
    models: ModelRoles
    metrics: Mapping[str, Any]
    test: PartPredictions
    validation: PartPredictions
    split: tuple[SplitRow, ...]
    curves: Mapping[str, LearningCurve] = field(default_factory=dict)
    split_source: str = "drawn"
    group_links: Mapping[str, int] = field(default_factory=dict)
    clinical: ClinicalContent | None = None
    graph: GraphContent | None = None
    encoder: EncoderContent | None = None
    contact_sheet: bytes | None = None
    contact_caption: str = ""
    fusion_shares: Mapping[str, float] = field(default_factory=dict)
    issues: tuple[Issue, ...] = ()
    notes: tuple[str, ...] = ()
    ceiling: CeilingContent | None = None
    cautions: tuple[str, ...] = ()
    audit: Mapping[str, Any] | None = None
    reproduction: Reproduction = field(default_factory=Reproduction)
    threshold_chosen: str = YOUDEN_IN_WORDS
