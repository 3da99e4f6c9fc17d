"""Embed the ECGs of a cohort; every embedding is computed once and kept in the cache."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from cardiograph.containers import ImageEmbeddings
from cardiograph.encoders.engine import Engine
from cardiograph.imaging.prepare import to_input
from cardiograph.ingest.context import RunContext
from cardiograph.ingest.leads import read_leads
from cardiograph.ingest.page_index import PageIndex, in_order, read_view
from cardiograph.ingest.vectors import Vectors, cached_vectors
from cardiograph.registry import Reads
from cardiograph.threads import available_threads


def embed_pages(
    page_index: PageIndex,
    engine: Engine,
    fingerprint: str,
    context: RunContext,
    *,
    reads: Reads = "page",
    stage: str = "",
) -> ImageEmbeddings:
    """Embed each distinct ECG once; the cache stores each embedding as soon as it is computed.

    Inputs that indexing left in ``context.inputs`` are used; other pages are read again, a few ahead of the engine.

    Args:
        page_index: Index of the cohort's ECGs.
        engine: Engine of the encoder.
        fingerprint: Fingerprint of the encoder.
        context: Settings, cache and progress.
        reads: What the encoder reads of an ECG.
        stage: Text of the progress bar; empty for the usual one.

    Returns:
        [records, width] float32 embeddings, NaN for a record without an ECG, or without readable leads if the encoder
        reads leads.
    """
    rows = np.flatnonzero(page_index.paged).tolist()
    stage = stage or ("embedding leads" if reads == "leads" else "embedding pages")
    if reads == "leads":
        return _embed_leads(page_index, rows, (engine, fingerprint), context, stage)
    pages = [page_index.page(row) for row in rows]
    different = {facts.pixel_hash: (path, facts) for path, facts in pages}

    def load(pixels: str) -> NDArray[np.float32]:
        path, facts = different[pixels]
        ready = context.inputs.get(facts.view)
        return to_input(read_view(path, facts, context.config.pages)) if ready is None else ready

    found = embed_all(stage, list(different), load, (engine, fingerprint), context)
    keys = {row: facts.pixel_hash for row, (_, facts) in zip(rows, pages, strict=True)}
    return _by_record(len(page_index.facts), keys, found, fingerprint)


def _embed_leads(
    page_index: PageIndex, rows: list[int], encoder: tuple[Engine, str], context: RunContext, stage: str
) -> ImageEmbeddings:
    """Embed the leads of each distinct file; files whose leads cannot be read have no embedding."""
    from cardiograph.encoders.leads_input import leads_input

    engine, fingerprint = encoder
    keys = {row: page_index.page(row)[1].leads_key for row in rows}
    first = {key: row for row, key in reversed(keys.items())}

    def prepared(keys: list[str]) -> Iterator[tuple[str, NDArray[np.float32] | None]]:
        kept = {key: context.inputs.get(key) for key in keys}
        yield from ((key, ready) for key, ready in kept.items() if ready is not None)
        rest = [key for key, ready in kept.items() if ready is None]
        for key, leads in zip(rest, read_leads(page_index, [first[key] for key in rest], context), strict=True):
            yield key, None if leads is None else leads_input(leads)

    def compute(missing: list[str]) -> Vectors:
        readable, unreadable = deque[str](), list[str]()

        def inputs() -> Iterator[NDArray[np.float32]]:
            for key, ready in prepared(missing):
                (unreadable if ready is None else readable).append(key)
                if ready is not None:
                    yield ready

        for embedding in engine.run(inputs()):
            yield readable.popleft(), embedding
        yield from ((key, None) for key in unreadable)

    found = cached_vectors(stage, list(first), compute, fingerprint, context, unit="ECGs")
    known = {row: key for row, key in keys.items() if key in found}
    return _by_record(len(page_index.facts), known, found, fingerprint)


def _by_record(
    records: int, keys: Mapping[int, str], found: Mapping[str, NDArray[np.float32]], fingerprint: str
) -> ImageEmbeddings:
    """Return the embedding of each record with a key, NaN for the others."""
    width = len(next(iter(found.values()))) if found else 0
    values = np.full((records, width), np.nan, np.float32)
    for row, key in keys.items():
        values[row] = found[key]
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

    def compute(missing: list[str]) -> Vectors:
        with ThreadPoolExecutor(available_threads()) as pool:
            yield from zip(missing, engine.run(in_order(pool, load, missing)), strict=True)

    return cached_vectors(stage, keys, compute, fingerprint, context, unit="images")
