"""Embed the pages of a cohort; every embedding is computed once and kept in the cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from cardiograph.containers import ImageEmbeddings
from cardiograph.encoders.engine import Engine
from cardiograph.imaging.prepare import to_input
from cardiograph.ingest.context import RunContext
from cardiograph.ingest.page_index import PageIndex, in_order, read_view
from cardiograph.threads import available_threads


def embed_pages(
    page_index: PageIndex, engine: Engine, fingerprint: str, context: RunContext, *, stage: str = "embedding pages"
) -> ImageEmbeddings:
    """Embed each distinct page once; the cache stores each embedding as soon as it is computed.

    Inputs that indexing left in ``context.inputs`` are used; other pages are read again, a few ahead of the engine.

    Args:
        page_index: Index of the cohort's pages.
        engine: Engine of the encoder.
        fingerprint: Fingerprint of the encoder.
        context: Settings, cache and progress.
        stage: Text of the progress bar.

    Returns:
        [records, width] float32 embeddings, NaN for a record without a page.
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
    """Embed the inputs that are not in the cache; the cache stores each embedding as soon as it is computed.

    Args:
        stage: Text of the progress bar.
        keys: Distinct keys of the inputs in the cache.
        load: Function that makes the [3, 224, 224] float32 input of a key; it is called from several threads.
        encoder: Engine of the encoder, and its fingerprint.
        context: Cache and progress.

    Returns:
        Key -> [width] float32 embedding.
    """
    engine, fingerprint = encoder
    known = {key: context.cache.embedding(fingerprint, key) for key in keys}
    found = {key: embedding for key, embedding in known.items() if embedding is not None}
    missing = [key for key in keys if key not in found]
    context.progress.start(stage, len(keys), unit="images")
    context.progress.advance(len(found))
    with context.paced(stage, len(missing)), ThreadPoolExecutor(available_threads()) as pool:
        for key, embedding in zip(missing, engine.run(in_order(pool, load, missing)), strict=True):
            context.cache.keep_embedding(fingerprint, key, embedding)
            found[key] = embedding
            context.progress.advance()
    return found
