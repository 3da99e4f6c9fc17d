"""Embed the ECGs of a cohort; every embedding is computed once and kept in the cache."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from cardiograph.containers import ImageEmbeddings
from cardiograph.encoders.engine import EncoderFacts, Engine
from cardiograph.imaging.prepare import to_input
from cardiograph.ingest.context import RunContext
from cardiograph.ingest.ecg_worker import EcgWorker, encoder_key, vectors_by_workers
from cardiograph.ingest.leads import known_files, read_leads
from cardiograph.ingest.page_facts import read_view
from cardiograph.ingest.page_index import PageIndex
from cardiograph.ingest.vectors import Vectors, cached_vectors
from cardiograph.threads import available_threads
from cardiograph.workers import current_workers
from cardiograph.workers.in_order import in_order


def embed_pages(
    page_index: PageIndex,
    engine: Engine,
    encoder: EncoderFacts,
    context: RunContext,
    *,
    stage: str = "",
) -> ImageEmbeddings:
    """Embed each distinct ECG once; the cache stores each embedding as soon as it is computed.

    Inputs that indexing left in ``context.inputs`` are used; other pages are read again, a few ahead of the engine.

    Args:
        page_index: Index of the cohort's ECGs.
        engine: Engine of the encoder.
        encoder: Facts of the encoder.
        context: Settings, cache and progress.
        stage: Text of the progress bar; empty for the usual one.

    Returns:
        [records, width] float32 embeddings, NaN for a record without an ECG, or without readable leads if the encoder
        reads leads.
    """
    rows = np.flatnonzero(page_index.paged).tolist()
    leads, fingerprint = encoder.reads == "leads", encoder.fingerprint
    stage = stage or ("embedding leads" if leads else "embedding pages")
    keys = {row: encoder_key(page_index.page(row)[1], encoder) for row in rows}
    first = {key: row for row, key in reversed(keys.items())}
    here = (_lead_vectors if leads else _page_vectors)(page_index, first, engine, context)

    def compute(missing: list[str]) -> Vectors:
        files = known_files([(key, first[key]) for key in missing], page_index, context, digitised=leads)
        workers = current_workers()
        if workers is None or not missing:
            return here(missing)
        return vectors_by_workers(workers, EcgWorker.embed, files, len(missing), context, (engine, encoder))

    found = cached_vectors(stage, list(first), compute, fingerprint, context, unit="ECGs" if leads else "images")
    values = np.full((len(page_index.facts), len(next(iter(found.values()))) if found else 0), np.nan, np.float32)
    for row, key in keys.items():
        if key in found:
            values[row] = found[key]
    return ImageEmbeddings(values, fingerprint)


def _page_vectors(
    page_index: PageIndex, first: Mapping[str, int], engine: Engine, context: RunContext
) -> Callable[[list[str]], Vectors]:
    """Return a function that embeds pages in threads of this process."""

    def load(pixels: str) -> NDArray[np.float32]:
        path, facts = page_index.page(first[pixels])
        ready = context.inputs.get(facts.view)
        return to_input(read_view(path, facts, context.config.pages)) if ready is None else ready

    return lambda missing: _in_threads(missing, load, engine)


def _lead_vectors(
    page_index: PageIndex, first: Mapping[str, int], engine: Engine, context: RunContext
) -> Callable[[list[str]], Vectors]:
    """Return a function that embeds leads in threads of this process; leads that cannot be read have no embedding."""
    from cardiograph.encoders.leads_input import leads_input

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

    return compute


def _in_threads(keys: list[str], load: Callable[[str], NDArray[np.float32]], engine: Engine) -> Vectors:
    with ThreadPoolExecutor(available_threads()) as pool:
        yield from zip(keys, engine.run(in_order(pool, load, keys)), strict=True)


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
    return cached_vectors(
        stage, keys, lambda missing: _in_threads(missing, load, engine), fingerprint, context, unit="images"
    )
