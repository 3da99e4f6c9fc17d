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
from cardiograph.stages.ingest import Survey, embed_all, read_view
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
    rng = np.random.default_rng([shop.config.seed, 2])
    source = plan_copies(cohort.labels, split.rows(TRAIN), rng).source
    draws = tuple(draw_augmentation(shop.config.balance, rng) for _ in source)
    keys = [
        f"{survey.facts[row].pixel_hash}:augmented:{astuple(draw)}" for row, draw in zip(source, draws, strict=True)
    ]
    made_of = dict(zip(keys, zip(source, draws, strict=True), strict=True))

    def load(key: str) -> NDArray[np.float32]:
        row, draw = made_of[key]
        return to_input(augment(read_view(survey.paths[row], survey.facts[row], shop.config.pages), draw))

    found = embed_all("augmenting pages", keys, load, (encoder.engine, encoder.facts.fingerprint), shop)
    image = np.array([found[key] for key in keys], np.float32).reshape(-1, EMBEDDING_WIDTH)
    return Augmented(Copies(source, image), draws)


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
