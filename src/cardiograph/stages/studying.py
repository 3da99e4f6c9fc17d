"""From a split cohort to what a model is learnt from: clinical values, embeddings, copies, weights."""

from __future__ import annotations

import numpy as np

from cardiograph.cohort.balance import class_weights, plan_copies
from cardiograph.config import RunConfig
from cardiograph.containers import TRAIN, ClinicalTable, Cohort, Split
from cardiograph.errors import CohortError
from cardiograph.stages.augmentation import Augmented, augment_pages
from cardiograph.stages.encoding import choose_encoder
from cardiograph.stages.fitting import Material
from cardiograph.stages.ingest import Survey, embed_pages
from cardiograph.stages.studied import Studied
from cardiograph.stages.workshop import Workshop


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
