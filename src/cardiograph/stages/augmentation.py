"""Augmented copies of training pages, and the contact sheet that shows what the encoder sees."""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.cohort.balance import plan_copies
from cardiograph.config import RunConfig
from cardiograph.containers import TRAIN, Cohort, Split
from cardiograph.imaging.augment import Augmentation, augment, contact_sheet, draw_augmentation
from cardiograph.imaging.encoder import EMBEDDING_WIDTH
from cardiograph.imaging.preprocess import to_input
from cardiograph.stages.encoding import Encoder
from cardiograph.stages.fitting import Copies
from cardiograph.stages.ingest import Survey, read_view
from cardiograph.stages.workshop import Workshop

_TILES = 8


@dataclass(frozen=True)
class Augmented:
    """Copies and how each was made.

    Args:
        copies: Sources and embeddings.
        draws: [copies].
    """

    copies: Copies
    draws: tuple[Augmentation, ...]


def augment_pages(cohort: Cohort, split: Split, survey: Survey, encoder: Encoder, shop: Workshop) -> Augmented:
    """Augment members of the minority class of the training rows until the classes are equal, and embed the copies."""
    config, cache, progress = shop.config, shop.cache, shop.progress
    rng = np.random.default_rng([config.seed, 2])
    plan = plan_copies(cohort.labels, split.rows(TRAIN), rng)
    draws = [draw_augmentation(config.balance, rng) for _ in plan.source]
    progress.start("augmenting pages", len(plan))
    image = np.zeros((len(plan), EMBEDDING_WIDTH), np.float32)
    for number, (row, draw) in enumerate(zip(plan.source, draws, strict=True)):
        facts = survey.facts[row]
        key = f"{facts.pixel_hash}:augmented:{astuple(draw)}"
        found = cache.embedding(encoder.facts.fingerprint, key)
        if found is None:
            page = to_input(augment(read_view(survey.paths[row], facts, config.pages), draw))
            (found,) = encoder.engine.run([page])
            cache.keep_embedding(encoder.facts.fingerprint, key, found)
        image[number] = found
        progress.advance()
    return Augmented(Copies(plan.source, image), tuple(draws))


def sample_sheet(cohort: Cohort, split: Split, survey: Survey, config: RunConfig, augmented: Augmented | None) -> bytes:
    """A PNG of what the encoder sees: training records beside their copies, or training records of both classes."""
    ids = cohort.record_ids
    tiles: list[tuple[str, NDArray[np.uint8]]] = []

    def view(row: int) -> NDArray[np.uint8]:
        return read_view(survey.paths[row], survey.facts[row], config.pages)

    if augmented is not None and augmented.draws:
        pairs = list(zip(augmented.copies.source, augmented.draws, strict=True))
        for row, draw in pairs[: _TILES // 2]:
            pixels = view(int(row))
            tiles += [(str(ids[row]), pixels), (f"copy, {draw.rotation_degrees:+.1f} degrees", augment(pixels, draw))]
        return contact_sheet(tiles)
    train = split.rows(TRAIN)
    for label in (0, 1):
        rows = train[cohort.labels[train] == label]
        for row in np.random.default_rng([config.seed, 3]).permutation(rows)[: _TILES // 2]:
            tiles.append((f"{ids[row]} ({cohort.table['class_name'][row]})", view(int(row))))
    return contact_sheet(tiles)
