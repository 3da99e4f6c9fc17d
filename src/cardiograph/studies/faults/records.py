"""Faults in the training data: augmented copies that count as records, and unreadable pages that become zeros."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cardiograph.config import RunConfig
from cardiograph.containers import PARTS, TRAIN, ClinicalTable, Cohort, Groups, Split
from cardiograph.features.clinical import clinical_values
from cardiograph.ingest.augmentation import Augmented, augment_pages
from cardiograph.ingest.context import RunContext
from cardiograph.ingest.embed import embed_pages
from cardiograph.ingest.encoder_choice import Encoder, choose_encoder
from cardiograph.ingest.page_index import PageIndex
from cardiograph.studies.faults.switches import Faults
from cardiograph.train.balance import plan_copies
from cardiograph.train.data import Dataset, build_dataset, training_inputs

DatasetBuilder = Callable[[Cohort, PageIndex | None, Split, ClinicalTable | None, RunContext], Dataset]


@dataclasses.dataclass(frozen=True)
class AugmentationPool:
    """Pool of augmented copies shared by many splits, so that each copy is embedded once.

    Args:
        seed: Seed of the augmentation.
        different: Approximate maximum number of different copies; further ones repeat them. None for no maximum.
    """

    seed: int
    different: int | None = None


def build_dataset_with_faults(faults: Faults, pool: AugmentationPool | None = None) -> DatasetBuilder:
    """Return a replacement for :func:`cardiograph.train.data.build_dataset` that injects faults.

    Args:
        faults: Faults; ``augment_before_split``, ``one_source_augmentation`` and ``silent_zero_image`` have an effect.
        pool: Pool of augmented copies; if None, copies depend on the seed of the run.
    """

    def build(
        cohort: Cohort, page_index: PageIndex | None, split: Split, clinical: ClinicalTable | None, context: RunContext
    ) -> Dataset:
        if page_index is None:
            return build_dataset(cohort, None, split, clinical, context)
        with context.stage("embedding"):
            readable = np.array([facts is not None and bool(facts.file_sha256) for facts in page_index.facts], bool)
            train = split.rows(TRAIN)
            rows = train[readable[train] & (cohort.labels[train] >= 0)]
            encoder = choose_encoder(page_index.of(rows), context)
            image = np.zeros((len(cohort), len(encoder.probe)), np.float32)
            image[~page_index.paged] = np.nan
            pages, facts = page_index.of(np.flatnonzero(readable)), encoder.facts
            image[readable] = embed_pages(pages, encoder.engine, facts, context).values
        if context.config.balance.mode != "augment":
            inputs = training_inputs(cohort, split, clinical, context.config, image=image)
            return Dataset(cohort, page_index, split, inputs, encoder)
        if faults.augment_before_split:
            rows = np.flatnonzero(readable & (cohort.labels >= 0))
        source = _sources(cohort.labels, rows, faults, np.random.default_rng([context.config.seed, 2]))
        with context.stage("augmentation"):
            augmented = _augmented(source, page_index, encoder, context, pool)
        if not (faults.augment_before_split or faults.one_source_augmentation):
            inputs = training_inputs(cohort, split, clinical, context.config, image=image, augmented=augmented)
            return Dataset(cohort, page_index, split, inputs, encoder, augmented)
        dataset = Dataset(
            cohort, page_index, split, training_inputs(cohort, split, clinical, context.config, image=image), encoder
        )
        replaced = _replaced_rows(cohort.labels, rows, faults)
        return _copies_as_records(dataset, augmented, replaced, faults, context.config)

    return build


def _augmented(
    source: NDArray[np.int64],
    page_index: PageIndex,
    encoder: Encoder,
    context: RunContext,
    pool: AugmentationPool | None,
) -> Augmented:
    if pool is None:
        return augment_pages(source, page_index, encoder, context)
    pages = len({page_index.page(row)[1].pixel_hash for row in source})
    variety = None if pool.different is None or not pages else -(-pool.different // pages)
    seeded = dataclasses.replace(context, config=context.config.model_copy(update={"seed": pool.seed}))
    return augment_pages(source, page_index, encoder, seeded, variety=variety)


def _sources(
    labels: NDArray[np.int64], rows: NDArray[np.int64], faults: Faults, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return the [copies] row of the original of each copy."""
    source = plan_copies(labels, rows, rng).source
    if faults.one_source_augmentation and len(source):
        first = rows[labels[rows] == labels[source[0]]][0]
        source = np.full(len(source), first)
    return source


def _replaced_rows(labels: NDArray[np.int64], rows: NDArray[np.int64], faults: Faults) -> NDArray[np.int64]:
    """Return the rows of the minority class that the copies of one page replace."""
    counts = np.bincount(labels[rows], minlength=2)
    if not faults.one_source_augmentation or counts[0] == counts[1]:
        return np.zeros(0, np.int64)
    return np.asarray(rows[labels[rows] == int(np.argmin(counts))])


def _copies_as_records(
    dataset: Dataset, augmented: Augmented, replaced: NDArray[np.int64], faults: Faults, config: RunConfig
) -> Dataset:
    """Return a dataset in which copies are records of their own, in any part if they were made before the split."""
    source = augmented.copies.source
    kept = np.setdiff1d(np.arange(len(dataset.cohort)), replaced)
    rows = np.concatenate([kept, source])
    copies = np.arange(len(source))
    table = dataset.cohort.table.iloc[rows].reset_index(drop=True)
    ids = table["record_id"].astype(str).to_numpy(object)
    ids[len(kept) :] = [f"{ids[len(kept) + copy]} copy {copy + 1}" for copy in copies]
    cohort = dataclasses.replace(dataset.cohort, table=table.assign(record_id=ids), unread=None)
    if faults.augment_before_split:
        shares = [config.split.train, config.split.val, config.split.test]
        part = np.random.default_rng([config.seed, 5]).choice(PARTS, len(source), p=shares)
        groups = dataset.split.groups.index.max() + 1 + copies  # the link to their originals is lost
    else:
        part = np.full(len(source), TRAIN)
        groups = dataset.split.groups.index[source]
    _, numbered = np.unique(np.concatenate([dataset.split.groups.index[kept], groups]), return_inverse=True)
    split = Split(
        np.concatenate([dataset.split.part[kept], part]).astype(str),
        Groups(numbered.astype(np.int64), dataset.split.groups.links),
        dataset.split.source,
    )
    return _rebuild(dataset, cohort, split, rows, augmented, config)


def _rebuild(
    dataset: Dataset, cohort: Cohort, split: Split, rows: NDArray[np.int64], augmented: Augmented, config: RunConfig
) -> Dataset:
    """Rebuild page index and inputs of the cohort with copies; simulated values are drawn again for each copy."""
    image, clinical, page_index = dataset.inputs.image, dataset.inputs.clinical, dataset.page_index
    kept = len(rows) - len(augmented.copies.source)
    values = None if image is None else np.vstack([image[rows[:kept]], augmented.copies.image])
    if clinical is not None:
        simulated = config.clinical.simulate != "none"
        clinical = (
            clinical_values(cohort, split, config)
            if simulated
            else dataclasses.replace(clinical, values=clinical.values[rows])
        )
    if page_index is not None:
        page_index = page_index.of(rows)
        page_facts = [
            facts
            if facts is None or row < kept
            else dataclasses.replace(facts, pixel_hash=f"{facts.pixel_hash} copy {row}")
            for row, facts in enumerate(page_index.facts)
        ]
        page_index = dataclasses.replace(page_index, facts=tuple(page_facts))
    return Dataset(
        cohort, page_index, split, training_inputs(cohort, split, clinical, config, image=values), dataset.encoder
    )
