"""The pages of a cohort: what is in each file, and its embedding; computed once, kept in the cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from cardiograph.containers import ImageEmbeddings
from cardiograph.encoders.engine import Engine
from cardiograph.imaging.prepare import to_input
from cardiograph.ingest.context import RunContext
from cardiograph.ingest.page_index import (
    PageIndex,
    _in_order,
    read_view,
)
from cardiograph.threads import available_threads


def embed_pages(
    page_index: PageIndex, engine: Engine, fingerprint: str, context: RunContext, *, stage: str = "embedding pages"
) -> ImageEmbeddings:
    """Embed each different page once; the cache takes each embedding as it comes.

    Inputs that the survey left in the shop's store are used; other pages are read again, a few ahead of the engine.

    Args:
        page_index: Page index of the cohort's pages.
        engine: Engine of the encoder.
        fingerprint: Fingerprint of the encoder.
        context: Settings, cache and progress.
        stage: What the progress bar says.

    Returns:
        A row for each record, NaN where it has no page.
    """
    rows = np.flatnonzero(page_index.paged).tolist()
    pages = [page_index.page(row) for row in rows]
    different = {facts.pixel_hash: (path, facts) for path, facts in pages}

    def load(pixels: str) -> NDArray[np.float32]:
        path, facts = different[pixels]
        ready = context.inputs.get(facts.view)
        return to_input(read_view(path, facts, context.config.pages)) if ready is None else ready

    found = embed_all(stage, list(different), load, (engine, fingerprint), context)
    width = len(next(iter(found.values()))) if found else 0
    values = np.full((len(page_index.facts), width), np.nan, np.float32)
    for row, (_, facts) in zip(rows, pages, strict=True):
        values[row] = found[facts.pixel_hash]
    return ImageEmbeddings(values, fingerprint)


def embed_all(
    stage: str,
    keys: Sequence[str],
    load: Callable[[str], NDArray[np.float32]],
    encoder: tuple[Engine, str],
    context: RunContext,
) -> dict[str, NDArray[np.float32]]:
    """Embed what the cache does not know yet; it takes each embedding as it comes.

    Args:
        stage: What the progress bar says.
        keys: Different names of inputs in the cache.
        load: Makes the [3, 224, 224] input of a key; several at once, in threads.
        encoder: Engine and fingerprint.
        context: Cache and progress.

    Returns:
        Key -> [width] embedding.
    """
    engine, fingerprint = encoder
    known = {key: context.cache.embedding(fingerprint, key) for key in keys}
    found = {key: embedding for key, embedding in known.items() if embedding is not None}
    missing = [key for key in keys if key not in found]
    context.progress.start(stage, len(keys), unit="images")
    context.progress.advance(len(found))
    with context.paced(stage, len(missing)), ThreadPoolExecutor(available_threads()) as pool:
        for key, embedding in zip(missing, engine.run(_in_order(pool, load, missing)), strict=True):
            context.cache.keep_embedding(fingerprint, key, embedding)
            found[key] = embedding
            context.progress.advance()
    return found
