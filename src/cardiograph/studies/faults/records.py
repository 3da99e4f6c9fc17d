"""Faults in what a model is learnt from: copies that count as records, and pages that are zeros."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cardiograph.config import RunConfig
from cardiograph.containers import PARTS, TRAIN, ClinicalTable, Cohort, Groups, Split
from cardiograph.encoders.engine import EMBEDDING_WIDTH
from cardiograph.features.clinical import clinical_values
from cardiograph.ingest.augmentation import Augmented, augment_pages
from cardiograph.ingest.context import Workshop
from cardiograph.ingest.embed import embed_pages
from cardiograph.ingest.encoder_choice import Encoder, choose_encoder
from cardiograph.ingest.page_index import Survey
from cardiograph.studies.faults.switches import Faults
from cardiograph.train.balance import plan_copies
from cardiograph.train.data import Studied, material_of, study

Study = Callable[[Cohort, Survey | None, Split, ClinicalTable | None, Workshop], Studied]


@dataclasses.dataclass(frozen=True)
class Pool:
    """Augmented copies shared by many splits, so that each is embedded once.

    Args:
        seed: Decides how the copies look.
        different: Different copies at most, about; further ones repeat them. None for as many as are asked for.
    """

    seed: int
    different: int | None = None


def study_with_faults(faults: Faults, pool: Pool | None = None) -> Study:
    """What takes the place of :func:`cardiograph.train.data.study`.

    Args:
        faults: ``augment_before_split``, ``one_source_augmentation`` and ``silent_zero_image`` are looked at.
        pool: Where augmented copies come from; the run's seed decides where None.
    """

    def faulty(
        cohort: Cohort, survey: Survey | None, split: Split, clinical: ClinicalTable | None, shop: Workshop
    ) -> Studied:
        if survey is None:
            return study(cohort, None, split, clinical, shop)
        with shop.stage("embedding"):
            readable = np.array([facts is not None and bool(facts.file_sha256) for facts in survey.facts], bool)
            train = split.rows(TRAIN)
            rows = train[readable[train] & (cohort.labels[train] >= 0)]
            encoder = choose_encoder(survey.of(rows), shop)
            image = np.zeros((len(cohort), EMBEDDING_WIDTH), np.float32)
            image[~survey.paged] = np.nan
            fingerprint = encoder.facts.fingerprint
            image[readable] = embed_pages(survey.of(np.flatnonzero(readable)), encoder.engine, fingerprint, shop).values
        if shop.config.balance.mode != "augment":
            material = material_of(cohort, split, clinical, shop.config, image=image)
            return Studied(cohort, survey, split, material, encoder)
        if faults.augment_before_split:
            rows = np.flatnonzero(readable & (cohort.labels >= 0))
        source = _sources(cohort.labels, rows, faults, np.random.default_rng([shop.config.seed, 2]))
        with shop.stage("augmentation"):
            augmented = _augmented(source, survey, encoder, shop, pool)
        if not (faults.augment_before_split or faults.one_source_augmentation):
            material = material_of(cohort, split, clinical, shop.config, image=image, augmented=augmented)
            return Studied(cohort, survey, split, material, encoder, augmented)
        studied = Studied(
            cohort, survey, split, material_of(cohort, split, clinical, shop.config, image=image), encoder
        )
        dropped = _dropped(cohort.labels, rows, faults)
        return _copies_as_records(studied, augmented, dropped, faults, shop.config)

    return faulty


def _augmented(
    source: NDArray[np.int64], survey: Survey, encoder: Encoder, shop: Workshop, pool: Pool | None
) -> Augmented:
    if pool is None:
        return augment_pages(source, survey, encoder, shop)
    pages = len({survey.page(row)[1].pixel_hash for row in source})
    variety = None if pool.different is None or not pages else -(-pool.different // pages)
    seeded = dataclasses.replace(shop, config=shop.config.model_copy(update={"seed": pool.seed}))
    return augment_pages(source, survey, encoder, seeded, variety=variety)


def _sources(
    labels: NDArray[np.int64], rows: NDArray[np.int64], faults: Faults, rng: np.random.Generator
) -> NDArray[np.int64]:
    """[copies] row of which each is a copy."""
    source = plan_copies(labels, rows, rng).source
    if faults.one_source_augmentation and len(source):
        first = rows[labels[rows] == labels[source[0]]][0]
        source = np.full(len(source), first)
    return source


def _dropped(labels: NDArray[np.int64], rows: NDArray[np.int64], faults: Faults) -> NDArray[np.int64]:
    """Rows of the minority class that the copies of one page take the place of."""
    counts = np.bincount(labels[rows], minlength=2)
    if not faults.one_source_augmentation or counts[0] == counts[1]:
        return np.zeros(0, np.int64)
    return np.asarray(rows[labels[rows] == int(np.argmin(counts))])


def _copies_as_records(
    studied: Studied, augmented: Augmented, dropped: NDArray[np.int64], faults: Faults, config: RunConfig
) -> Studied:
    """A cohort in which copies are records: nodes of the graph, and in any part where they were made before the split."""
    source = augmented.copies.source
    kept = np.setdiff1d(np.arange(len(studied.cohort)), dropped)
    rows = np.concatenate([kept, source])
    copies = np.arange(len(source))
    table = studied.cohort.table.iloc[rows].reset_index(drop=True)
    ids = table["record_id"].astype(str).to_numpy(object)
    ids[len(kept) :] = [f"{ids[len(kept) + copy]} copy {copy + 1}" for copy in copies]
    cohort = dataclasses.replace(studied.cohort, table=table.assign(record_id=ids), unread=None)
    if faults.augment_before_split:
        shares = [config.split.train, config.split.val, config.split.test]
        part = np.random.default_rng([config.seed, 5]).choice(PARTS, len(source), p=shares)
        groups = studied.split.groups.index.max() + 1 + copies  # nobody remembers what they are copies of
    else:
        part = np.full(len(source), TRAIN)
        groups = studied.split.groups.index[source]
    _, numbered = np.unique(np.concatenate([studied.split.groups.index[kept], groups]), return_inverse=True)
    split = Split(
        np.concatenate([studied.split.part[kept], part]).astype(str),
        Groups(numbered.astype(np.int64), studied.split.groups.links),
        studied.split.source,
    )
    return _rebuilt(studied, cohort, split, rows, augmented, config)


def _rebuilt(
    studied: Studied, cohort: Cohort, split: Split, rows: NDArray[np.int64], augmented: Augmented, config: RunConfig
) -> Studied:
    """Survey and material of the cohort with copies; simulated values are drawn for each copy anew."""
    image, clinical, survey = studied.material.image, studied.material.clinical, studied.survey
    kept = len(rows) - len(augmented.copies.source)
    values = None if image is None else np.vstack([image[rows[:kept]], augmented.copies.image])
    if clinical is not None:
        simulated = config.clinical.simulate != "none"
        clinical = (
            clinical_values(cohort, split, config)
            if simulated
            else dataclasses.replace(clinical, values=clinical.values[rows])
        )
    if survey is not None:
        survey = survey.of(rows)
        named = [
            facts
            if facts is None or row < kept
            else dataclasses.replace(facts, pixel_hash=f"{facts.pixel_hash} copy {row}")
            for row, facts in enumerate(survey.facts)
        ]
        survey = dataclasses.replace(survey, facts=tuple(named))
    return Studied(cohort, survey, split, material_of(cohort, split, clinical, config, image=values), studied.encoder)
