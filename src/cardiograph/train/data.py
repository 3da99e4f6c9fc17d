"""The dataset that models are trained on: a split cohort with embeddings and clinical values."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.config import RunConfig
from cardiograph.containers import (
    TRAIN,
    ClinicalTable,
    Cohort,
    Groups,
    NearestNeighbours,
    Split,
)
from cardiograph.containers.readings import LinearReadings
from cardiograph.encoders.readings import shipped_heads
from cardiograph.errors import CohortError
from cardiograph.evaluate.summary import headline_provenance
from cardiograph.features.measurements import measurement_table
from cardiograph.inference import Queries, Scores, outcome_probabilities
from cardiograph.ingest.augmentation import Augmented, AugmentedCopies, augment_pages
from cardiograph.ingest.context import RunContext
from cardiograph.ingest.embed import embed_pages
from cardiograph.ingest.encoder_choice import Encoder, choose_encoder
from cardiograph.ingest.leads import measure_ecgs
from cardiograph.ingest.page_index import PageIndex
from cardiograph.schema import Provenance
from cardiograph.train.balance import class_weights, plan_copies
from cardiograph.train.finetune import finetune


@dataclass(frozen=True)
class TrainingInputs:
    """Arrays that a model is trained on.

    Args:
        image: [records, width] embeddings, NaN where a record has no page; None without an image block.
        clinical: Clinical values in their units; None without a clinical block.
        labels: [records] labels from 0, or -1.
        split: Part and group of each record.
        copies: Augmented copies of training records, or None.
        class_weights: [classes] loss weight of each class, or None.
        measurements: ECG measurements, all NaN where the leads of a record could not be read; None without the block.
        classes: Number of different labels.
        known: [records] whether a record may fit scalers and fusion; by default whether it has a label. The labels of a
            multilabel outcome share these rows, so that they share the features.
        readings: Readings of the embedding that are node features, or None.
    """

    image: NDArray[np.float32] | None
    clinical: ClinicalTable | None
    labels: NDArray[np.int64]
    split: Split
    copies: AugmentedCopies | None = None
    class_weights: NDArray[np.float64] | None = None
    measurements: ClinicalTable | None = None
    classes: int = 2
    known: NDArray[np.bool_] | None = None
    readings: LinearReadings | None = None


@dataclass(frozen=True)
class Dataset:
    """A split and embedded cohort, before any model is fitted.

    Args:
        cohort: Records of the table.
        page_index: Pages of the records; None for a cohort without pages.
        split: Part and group of each record.
        inputs: Embeddings, clinical values and labels.
        encoder: Encoder of the pages; None for a cohort without pages.
        augmented: Copies of training pages and how they were made, or None.
    """

    cohort: Cohort
    page_index: PageIndex | None
    split: Split
    inputs: TrainingInputs
    encoder: Encoder | None = None
    augmented: Augmented | None = None

    def rows(self, part: str) -> NDArray[np.int64]:
        """Return the labelled rows of a part."""
        rows = self.split.rows(part)
        return rows[self.cohort.labels[rows] >= 0]

    def of(self, rows: NDArray[np.int64]) -> Dataset:
        """Return some records, in the given order and without augmented copies."""

        def some(table: ClinicalTable | None) -> ClinicalTable | None:
            return None if table is None else dataclasses.replace(table, values=table.values[rows])

        _, groups = np.unique(self.split.groups.index[rows], return_inverse=True)
        split = Split(self.split.part[rows], Groups(groups.astype(np.int64)), self.split.source)
        inputs, pages = self.inputs, self.page_index
        return Dataset(
            self.cohort.of(rows),
            None if pages is None else dataclasses.replace(pages.of(rows.tolist()), skipped=pages.skipped),
            split,
            dataclasses.replace(
                inputs,
                image=None if inputs.image is None else inputs.image[rows],
                clinical=some(inputs.clinical),
                measurements=some(inputs.measurements),
                labels=inputs.labels[rows],
                known=None if inputs.known is None else inputs.known[rows],
                split=split,
                copies=None,
            ),
            self.encoder,
        )

    def queries(self, rows: NDArray[np.int64]) -> Queries:
        """Return records in the form that the predictor scores."""
        inputs, patients = self.inputs, list(self.cohort.table["patient_id"])
        facts = [None if self.page_index is None else self.page_index.facts[row] for row in rows]
        return Queries(
            image=None if inputs.image is None else inputs.image[rows],
            clinical=np.zeros((len(rows), 0)) if inputs.clinical is None else inputs.clinical.values[rows],
            patient_ids=[patients[row] for row in rows],
            pixel_hashes=[None if each is None else each.pixel_hash or None for each in facts],
            perceptual_hashes=[None if each is None or not each.pixel_hash else each.hash_values for each in facts],
            measurements=None if inputs.measurements is None else inputs.measurements.values[rows],
        )

    @property
    def provenances(self) -> tuple[Provenance, ...]:
        """Provenance of each clinical column."""
        return () if self.inputs.clinical is None else self.inputs.clinical.provenance

    @property
    def provenance(self) -> Provenance:
        """Provenance of the headline score: measured, simulated or synthetic values."""
        return headline_provenance(self.provenances, synthetic=self.cohort.synthetic)


@dataclass(frozen=True)
class PartScores:
    """Scores of some records of the cohort.

    Args:
        by_class: [records, classes] float64 probabilities.
        neighbours: Neighbours that each record aggregates.
        sources: [reference records] cohort row of each record to which ``neighbours`` refers.
        scores: Scores of the predictor, with raw scores and uncertainty; None if a study bypassed the predictor.
    """

    by_class: NDArray[np.float64]
    neighbours: NearestNeighbours
    sources: NDArray[np.int64]
    scores: Scores | None = None

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """[records] probabilities of the outcome, or [records, classes] with several classes."""
        return outcome_probabilities(self.by_class)


def build_dataset(
    cohort: Cohort, page_index: PageIndex | None, split: Split, clinical: ClinicalTable | None, context: RunContext
) -> Dataset:
    """Embed the pages of a split cohort, and augmented copies of training pages if configured.

    Args:
        cohort: Records of the table.
        page_index: Pages of the records; None for a cohort without pages.
        split: Part and group of each record.
        clinical: Clinical values, or None.
        context: Settings, cache and progress.

    Raises:
        CohortError: If the cohort has pages, but no labelled training record has one.
    """
    config = context.config
    if page_index is None:
        return Dataset(cohort, None, split, training_inputs(cohort, split, clinical, config))
    with context.stage("embedding"):
        labelled = np.flatnonzero((split.part == TRAIN) & (cohort.labels >= 0) & page_index.paged)
        if not len(labelled):
            message = (
                "no labelled training record has a page, so the model cannot learn from pages; add pages, draw another "
                "split (--seed), or use the clinical values alone: --modality clinical"
            )
            raise CohortError(message)
        encoder = choose_encoder(page_index.of(labelled), context)
        if config.encoder.finetune:
            encoder = finetune(encoder, page_index, cohort, split, context)
        images = embed_pages(page_index, encoder.engine, encoder.facts, context)
    measurements: ClinicalTable | None = None
    if config.fusion.measurements > 0:
        with context.stage("measuring ECGs"):
            measurements = measurement_table(measure_ecgs(page_index, context), labelled)
    augmented: Augmented | None = None
    if config.balance.mode == "augment":
        rng = np.random.default_rng([config.seed, 2])
        plan = plan_copies(cohort.labels, split.rows(TRAIN), rng, paged=page_index.paged, classes=cohort.class_count)
        with context.stage("augmentation"):
            augmented = augment_pages(plan.source, page_index, encoder, context)
    inputs = training_inputs(cohort, split, clinical, config, image=images.values, augmented=augmented)
    readings = shipped_heads().linear() if config.fusion.readings > 0 else None
    inputs = dataclasses.replace(inputs, measurements=measurements, readings=readings)
    return Dataset(cohort, page_index, split, inputs, encoder, augmented)


def training_inputs(
    cohort: Cohort,
    split: Split,
    clinical: ClinicalTable | None,
    config: RunConfig,
    *,
    image: np.ndarray | None = None,
    augmented: Augmented | None = None,
) -> TrainingInputs:
    """Return the arrays that a model is trained on, with class weights if they are configured."""
    labels, classes = cohort.labels, cohort.class_count
    weights = class_weights(labels[split.rows(TRAIN)], classes) if config.balance.mode == "weights" else None
    copies = None if augmented is None else augmented.copies
    return TrainingInputs(image, clinical, labels, split, copies, weights, classes=classes)
