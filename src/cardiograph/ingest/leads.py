"""Leads of a cohort's ECGs: digitised pages come from the cache, and measurements are computed once for each file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.measure.reference import MEASUREMENTS
from cardiograph.ecg.pages import LEADS_VERSION
from cardiograph.features.measurements import MEASUREMENT_PREPARATION, measurement_vector
from cardiograph.ingest.context import RunContext
from cardiograph.ingest.ecg_worker import EcgWorker, KnownFile, known_leads, vectors_by_workers
from cardiograph.ingest.page_index import PageIndex
from cardiograph.ingest.vectors import Vectors, cached_vectors
from cardiograph.threads import available_threads
from cardiograph.workers import current_workers
from cardiograph.workers.in_order import in_order


def measure_ecgs(page_index: PageIndex, context: RunContext) -> NDArray[np.float64]:
    """Measure each distinct ECG once; the cache keeps the values.

    Args:
        page_index: Index of the cohort's ECGs.
        context: Settings, cache and progress.

    Returns:
        [records, measurements] in the order of :data:`cardiograph.ecg.measure.reference.MEASUREMENTS`, NaN where a value
        could not be measured; all NaN for a record without an ECG or without readable leads.
    """
    files = [None if facts is None else facts.leads_key for facts in page_index.facts]
    different = {digest: row for row, digest in reversed([*enumerate(files)]) if digest is not None}

    def compute(missing: list[str]) -> Vectors:
        files = known_files([(digest, different[digest]) for digest in missing], page_index, context)
        workers = current_workers()
        if workers is not None and missing:
            yield from vectors_by_workers(workers, EcgWorker.measure, files, len(missing), context)
            return
        leads = read_leads(page_index, [different[digest] for digest in missing], context)
        for digest, each in zip(missing, leads, strict=True):
            yield digest, measurement_vector(each).astype(np.float32)

    found = cached_vectors("measuring ECGs", list(different), compute, MEASUREMENT_PREPARATION, context, unit="ECGs")
    table = np.full((len(files), len(MEASUREMENTS)), np.nan)
    for row, key in enumerate(files):
        if key is not None:
            table[row] = found[key]
    return table


def read_leads(page_index: PageIndex, rows: Sequence[int], context: RunContext) -> Iterator[Ecg | None]:
    """Yield the leads of records in order; None where they cannot be read.

    Args:
        page_index: Index of the cohort's ECGs.
        rows: Records with an ECG.
        context: Settings and cache; digitised pages are taken from it, and added to it.
    """
    with ThreadPoolExecutor(available_threads()) as pool:

        def read(file: KnownFile) -> tuple[str, Ecg | None, bytes | None]:
            return file.facts.file_sha256, *known_leads(file, context.config)

        for digest, leads, packed in in_order(
            pool, read, known_files([("", row) for row in rows], page_index, context)
        ):
            if packed is not None:
                context.cache.keep_leads(digest, LEADS_VERSION, packed)
            yield leads


def known_files(
    rows: Iterable[tuple[str, int]], page_index: PageIndex, context: RunContext, *, digitised: bool = True
) -> Iterator[KnownFile]:
    """Yield the files of records, with their leads if these are in the cache.

    Args:
        rows: Key of the vector, and row of the record, of each file.
        page_index: Index of the cohort's ECGs.
        context: Cache.
        digitised: Whether leads are looked up.
    """
    for key, row in rows:
        path, facts = page_index.page(row)
        yield KnownFile(key, path, facts, context.cache.leads(facts.file_sha256, LEADS_VERSION) if digitised else None)
