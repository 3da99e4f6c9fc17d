"""Augmented copies of training pages."""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.cohort.balance import plan_copies
from cardiograph.containers import TRAIN, Cohort, Split
from cardiograph.imaging.augment import Augmentation, augment, draw_augmentation
from cardiograph.imaging.encoder import EMBEDDING_WIDTH
from cardiograph.imaging.preprocess import to_input
from cardiograph.stages.encoding import Encoder
from cardiograph.stages.fitting import Copies
from cardiograph.stages.ingest import Survey, embed_all, read_view
from cardiograph.stages.workshop import Workshop


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
