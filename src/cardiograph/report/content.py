"""Content of a report: arrays and plain values, independent of run files and fitted models."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.errors import Issue
from cardiograph.evaluate.curves import PartCurves, spearman
from cardiograph.evaluate.decision import YOUDEN_IN_WORDS
from cardiograph.evaluate.predictions import ModelRoles, PartPredictions
from cardiograph.evaluate.results import RunMetrics, Score
from cardiograph.schema import ClinicalVariable, Provenance
from cardiograph.wording import class_names


@dataclass(frozen=True)
class LearningCurve:
    """Loss and accuracy of one network by epoch.

    Args:
        train_loss: [epochs] cross-entropy on training records.
        val_loss: [epochs] cross-entropy on validation records.
        train_accuracy: [epochs] accuracy on training records, 0..1; empty if not recorded.
        val_accuracy: [epochs] accuracy on validation records, 0..1; empty if not recorded.
        best_epoch: Index (from 0) of the epoch whose weights were kept.
    """

    train_loss: NDArray[np.float64]
    val_loss: NDArray[np.float64]
    train_accuracy: NDArray[np.float64]
    val_accuracy: NDArray[np.float64]
    best_epoch: int


@dataclass(frozen=True)
class SplitRow:
    """Counts of one class in one part of the split.

    Args:
        part: ``train``, ``val``, ``test`` or ``excluded``.
        class_name: Class name as the user wrote it.
        label: Label from 0, or -1 (unlabelled).
        records: Number of records.
        patients: Number of distinct patients; None if the cohort has no patient IDs.
        groups: Number of distinct groups.
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
        variables: Definition of each column.
        provenance: Provenance of each column.
        values: [records, variables], NaN where missing.
        labels: [records] labels from 0, or -1 (unlabelled).
        part: [records] part of the split.
    """

    variables: tuple[ClinicalVariable, ...]
    provenance: tuple[Provenance, ...]
    values: NDArray[np.float64]
    labels: NDArray[np.int64]
    part: NDArray[np.str_]


@dataclass(frozen=True)
class GraphContent:
    """The drawn sample of the patient graph, and facts about the whole graph.

    Args:
        xy: [nodes, 2] coordinates on a map of the nodes, within -1..1.
        edges: [2, edges] node indices, neighbour -> record.
        labels: [nodes] labels from 0, or -1 (unlabelled).
        query: [nodes] True for a validation or test record, which has neighbours but is never a neighbour.
        records: Number of reference records in the whole graph.
        k: Number of neighbours of each record.
        metric: Distance metric, such as ``euclidean``.
        agreement: Share of neighbours with the record's own label, over labelled reference records, 0..1.
        agreement_by_chance: The same share if neighbours were drawn at random.
        in_degree: [records] number of reference records that have each record as a neighbour.
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
    in_degree: NDArray[np.int64]


@dataclass(frozen=True)
class EncoderContent:
    """The encoder of ECGs and how it was run.

    Args:
        weights: Description of the weights.
        engine: Inference engine.
        precision: ``f32`` or ``bf16``.
        why: Reason for this precision.
        title: Display name of the encoder.
        features: Number of features per ECG, dropped ones included.
        dropped: Number of features that were dropped because they hardly vary.
        view: Description of the part of a page that was used; empty for an encoder of leads.
        fingerprint: Fingerprint of the encoder.
        reads: What the encoder reads of an ECG: ``page`` or ``leads``.
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
    reads: str = "page"

    @property
    def random(self) -> bool:
        """Whether the weights are random."""
        return self.weights.startswith("random")

    @property
    def description(self) -> str:
        """The network and what it reads, for a sentence."""
        if self.reads == "leads":
            return f"the {self.title}, which reads the leads of each ECG"
        return f"{self.title} without its last layer, which reads the picture of each page"


@dataclass(frozen=True)
class CeilingContent:
    """Best possible score on a synthetic cohort.

    Args:
        bayes_auroc: AUROC of the true posterior on these test records, an upper bound for any model that reads pixels.
        latent_auroc: AUROC on these test records of logistic regression on the true latent variables, fitted to the
            same training records; NaN if not computed.
        population_auroc: Ceiling over the whole synthetic population; NaN if not computed.
        note: One sentence on how the ceiling was computed.
    """

    bayes_auroc: float
    latent_auroc: float = float("nan")
    population_auroc: float = float("nan")
    note: str = ""


@dataclass(frozen=True)
class ReadingRow:
    """How often the encoder reads a statement in the training records.

    Args:
        name: Statement.
        group: Part of the ECG that it describes.
        shares: For each label the share of its records in which the probability is at least one half, 0..1.
    """

    name: str
    group: str
    shares: tuple[float, ...]


@dataclass(frozen=True)
class Reproduction:
    """Information needed to reproduce the run.

    Args:
        config_toml: The complete configuration.
        seconds: Stage -> duration in seconds, in execution order.
        versions: Package -> version, including Python and the platform.
        seeds: Purpose -> seed.
        hashes: Content -> hash.
        command: Command line of the run.
    """

    config_toml: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    seeds: Mapping[str, int] = field(default_factory=dict)
    hashes: Mapping[str, str] = field(default_factory=dict)
    command: str = ""


@dataclass(frozen=True)
class ReportContent:
    """Content of the report and the model card of one run.

    Args:
        title: Name of the run.
        outcome: Meaning of label 1, or of what several classes describe, in the user's words.
        created: Date and time, as printed.
        provenance: Provenance of the headline score, see :func:`cardiograph.evaluate.summary.headline_provenance`.
        models: Roles, display names and thresholds of the models.
        metrics: Scores of the run, as in ``metrics.json``.
        test: Predictions of all models on the test records.
        validation: Predictions of all models on the validation records.
        split: Rows of the split table.
        test_curves: Curves of the primary model on the test records, see
            :func:`cardiograph.evaluate.curves.part_curves`; for label 1, or for each label with several classes.
        curves: Model -> learning curve.
        split_source: ``drawn`` or ``given``.
        group_links: Reason why records share a group -> number of links.
        clinical: Clinical values; None if only pages are used.
        graph: The patient graph; None if no model uses one.
        patient_map: The map of the patient graph, see :mod:`cardiograph.patient_map`; None for older runs.
        stores_ecgs: Whether the bundle stores ECGs of the reference records.
        encoder: Encoder of the pages; None if the cohort has no pages.
        readings: What the encoder reads in the training records; empty for other encoders.
        contact_sheet: PNG bytes of sample pages, or None.
        contact_caption: Caption of the contact sheet.
        fusion_shares: Feature block -> share of the total variance, 0..1.
        issues: All pages and values that were not used.
        notes: One sentence for each decision to accept, impute, convert or drop something.
        ceiling: Best possible score; None unless the cohort is synthetic.
        cautions: One sentence for each thing that a reader must know before any number; printed at the top.
        audit: Content of ``audit.json``; None for a run without an audit.
        reproduction: Information needed to reproduce the run.
        threshold_chosen: How the threshold was chosen, see :func:`cardiograph.evaluate.decision.rule_in_words`.
    """

    title: str
    outcome: str
    created: str
    provenance: Provenance
    models: ModelRoles
    metrics: RunMetrics
    test: PartPredictions
    validation: PartPredictions
    split: tuple[SplitRow, ...]
    test_curves: tuple[PartCurves, ...]
    curves: Mapping[str, LearningCurve] = field(default_factory=dict)
    split_source: str = "drawn"
    group_links: Mapping[str, int] = field(default_factory=dict)
    clinical: ClinicalContent | None = None
    graph: GraphContent | None = None
    patient_map: Mapping[str, Any] | None = None
    stores_ecgs: bool = False
    encoder: EncoderContent | None = None
    readings: tuple[ReadingRow, ...] = ()
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

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of several classes; empty for a binary outcome."""
        return self.test.classes

    @property
    def names(self) -> tuple[str, ...]:
        """Display name of each label."""
        return class_names(self.outcome, self.classes)

    @property
    def threshold(self) -> float:
        """Threshold of the primary model; NaN with several classes."""
        return self.models.thresholds.get(self.models.primary, math.nan)

    @property
    def model_order(self) -> list[str]:
        """Models that have predictions, the primary one first."""
        names = [name for name in self.models.titles if name in self.test.probabilities]
        names += [name for name in self.test.probabilities if name not in names]
        return sorted(names, key=lambda name: name != self.models.primary)

    def scores_of(self, model: str) -> Mapping[str, Score]:
        """Return the test scores of a model: metric -> score."""
        return self.metrics.test if model == self.models.primary else self.metrics.baselines.get(model, {})

    def title_of(self, model: str) -> str:
        """Return the display name of a model."""
        return self.models.titles.get(model, model)

    def correlations(self, clinical: ClinicalContent) -> tuple[list[str], NDArray[np.float64], int]:
        """Compute rank correlations of all clinical variables and the label; several classes have no order.

        Returns:
            Names, correlations [names, names], and the smallest number of records of any pair; the label comes last.
        """
        if self.classes:
            return [variable.title for variable in clinical.variables], *spearman(clinical.values)
        label = np.where(clinical.labels >= 0, clinical.labels, np.nan)
        matrix, smallest = spearman(np.column_stack([clinical.values, label]))
        return [*(variable.title for variable in clinical.variables), self.outcome], matrix, smallest
