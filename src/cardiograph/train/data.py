"""What is known of a cohort before anything is learnt, and what was learnt from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.config import RunConfig
from cardiograph.containers import (
    TRAIN,
    ClinicalTable,
    Cohort,
    Neighbourhood,
    Split,
)
from cardiograph.errors import CohortError
from cardiograph.evaluate.summary import headline_provenance
from cardiograph.inference import Queries, Scores
from cardiograph.ingest.augmentation import Augmented, Copies, augment_pages
from cardiograph.ingest.context import Workshop
from cardiograph.ingest.embed import embed_pages
from cardiograph.ingest.encoder_choice import Encoder, choose_encoder
from cardiograph.ingest.page_index import Survey
from cardiograph.schema import Provenance
from cardiograph.train.balance import class_weights, plan_copies


@dataclass(frozen=True)
class Material:
    """What a model is learnt from.

    Args:
        image: [records, 512] embeddings, NaN where a record has no page; None without an image block.
        clinical: Values in their units, or None.
        labels: [records] 0, 1 or -1.
        split: Parts and groups.
        copies: Augmented copies, or None.
        class_weights: [2] loss weight of each class, or None.
    """

    image: NDArray[np.float32] | None
    clinical: ClinicalTable | None
    labels: NDArray[np.int64]
    split: Split
    copies: Copies | None = None
    class_weights: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Studied:
    """A cohort before anything is learnt.

    Args:
        cohort: Its records.
        survey: Its pages, or None.
        split: Parts and groups.
        material: Embeddings and values.
        encoder: Of the pages, or None.
        augmented: Copies of training pages and how they were made, or None.
    """

    cohort: Cohort
    survey: Survey | None
    split: Split
    material: Material
    encoder: Encoder | None = None
    augmented: Augmented | None = None

    def rows(self, part: str) -> NDArray[np.int64]:
        """Labelled rows of a part."""
        rows = self.split.rows(part)
        return rows[self.cohort.labels[rows] >= 0]

    def queries(self, rows: NDArray[np.int64]) -> Queries:
        """Records as the predictor takes them."""
        material, patients = self.material, list(self.cohort.table["patient_id"])
        facts = [None if self.survey is None else self.survey.facts[row] for row in rows]
        return Queries(
            image=None if material.image is None else material.image[rows],
            clinical=np.zeros((len(rows), 0)) if material.clinical is None else material.clinical.values[rows],
            patient_ids=[patients[row] for row in rows],
            pixel_hashes=[None if each is None else each.pixel_hash or None for each in facts],
            perceptual_hashes=[None if each is None or not each.pixel_hash else each.likeness for each in facts],
        )

    @property
    def provenances(self) -> tuple[Provenance, ...]:
        """One for each clinical column."""
        return () if self.material.clinical is None else self.material.clinical.provenance

    @property
    def provenance(self) -> Provenance:
        """What the headline score rests on."""
        return headline_provenance(self.provenances, synthetic=self.cohort.synthetic)


@dataclass(frozen=True)
class PartScores:
    """What a network says of some records of the cohort.

    Args:
        by_class: [records, classes] float64 probabilities.
        neighbours: Whom each one heard.
        sources: [heard records] row in the cohort of each record that ``neighbours`` speaks of.
        scores: Of the predictor, with raw scores and what is told of them; None where a study went round it.
    """

    by_class: NDArray[np.float64]
    neighbours: Neighbourhood
    sources: NDArray[np.int64]
    scores: Scores | None = None

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """[records] of the outcome."""
        return self.by_class[:, 1]


def study(
    cohort: Cohort, survey: Survey | None, split: Split, clinical: ClinicalTable | None, shop: Workshop
) -> Studied:
    """Values and embeddings: all that is known before anything is learnt."""
    config = shop.config
    if survey is None:
        return Studied(cohort, None, split, material_of(cohort, split, clinical, config))
    with shop.stage("embedding"):
        labelled = np.flatnonzero((split.part == TRAIN) & (cohort.labels >= 0) & survey.paged)
        if not len(labelled):
            message = (
                "no labelled training record has a page, so nothing can be learnt about pages; add pages, draw another "
                "split (--seed), or use the clinical values alone: --modality clinical"
            )
            raise CohortError(message)
        encoder = choose_encoder(survey.of(labelled), shop)
        images = embed_pages(survey, encoder.engine, encoder.facts.fingerprint, shop)
    augmented: Augmented | None = None
    if config.balance.mode == "augment":
        rng = np.random.default_rng([config.seed, 2])
        plan = plan_copies(cohort.labels, split.rows(TRAIN), rng, paged=survey.paged)
        with shop.stage("augmentation"):
            augmented = augment_pages(plan.source, survey, encoder, shop)
    material = material_of(cohort, split, clinical, config, image=images.values, augmented=augmented)
    return Studied(cohort, survey, split, material, encoder, augmented)


def material_of(
    cohort: Cohort,
    split: Split,
    clinical: ClinicalTable | None,
    config: RunConfig,
    *,
    image: np.ndarray | None = None,
    augmented: Augmented | None = None,
) -> Material:
    """What a model is learnt from, with class weights where the configuration asks for them."""
    weights = class_weights(cohort.labels[split.rows(TRAIN)]) if config.balance.mode == "weights" else None
    return Material(image, clinical, cohort.labels, split, None if augmented is None else augmented.copies, weights)
