"""Make augmented copies of training pages and embed them."""

from __future__ import annotations

from collections import Counter
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.imaging.augment import Augmentation, augment, draw_augmentation
from cardiograph.imaging.prepare import to_input
from cardiograph.ingest.context import RunContext
from cardiograph.ingest.embed import embed_all
from cardiograph.ingest.encoder_choice import Encoder
from cardiograph.ingest.page_facts import read_view
from cardiograph.ingest.page_index import PageIndex


@dataclass(frozen=True)
class AugmentedCopies:
    """Augmented copies of training records; they contribute to the loss and are never neighbours.

    Args:
        source: [copies] int64 rows of the source records in the cohort.
        image: [copies, width] float32 embeddings of the augmented pages.
    """

    source: NDArray[np.int64]
    image: NDArray[np.float32]


@dataclass(frozen=True)
class Augmented:
    """Augmented copies and the parameters with which they were made.

    Args:
        copies: Sources and embeddings.
        draws: [copies] parameters of each copy.
    """

    copies: AugmentedCopies
    draws: tuple[Augmentation, ...]


def augment_pages(
    source: NDArray[np.int64],
    page_index: PageIndex,
    encoder: Encoder,
    context: RunContext,
    *,
    variety: int | None = None,
) -> Augmented:
    """Make augmented copies of pages and embed them.

    The n-th copy of a page depends only on the seed, the page and n, so that another split finds its copies in the
    cache.

    Args:
        source: [copies] row of the source record of each copy, from :func:`cardiograph.train.balance.plan_copies`;
            every source record has a page.
        page_index: Index of the cohort's pages.
        encoder: Encoder of the run.
        context: Settings, cache and progress.
        variety: Maximum number of different copies of one page; further copies repeat them. None for no maximum.
    """
    seen: Counter[str] = Counter()
    draws = []
    for row in source:
        page = page_index.page(row)[1].pixel_hash
        number = seen[page] if variety is None else seen[page] % variety
        seen[page] += 1
        draws.append(
            draw_augmentation(
                context.config.balance, np.random.default_rng([context.config.seed, 2, int(page[:12], 16), number])
            )
        )
    keys = [
        f"{page_index.page(row)[1].pixel_hash}:augmented:{astuple(draw)}"
        for row, draw in zip(source, draws, strict=True)
    ]
    made_of = dict(zip(keys, zip(source, draws, strict=True), strict=True))

    def load(key: str) -> NDArray[np.float32]:
        row, draw = made_of[key]
        return to_input(augment(read_view(*page_index.page(row), context.config.pages), draw))

    found = embed_all("augmenting pages", list(made_of), load, (encoder.engine, encoder.facts.fingerprint), context)
    image = np.array([found[key] for key in keys], np.float32).reshape(-1, len(encoder.probe))
    return Augmented(AugmentedCopies(source, image), tuple(draws))
