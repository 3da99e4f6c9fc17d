"""Leads of a cohort's ECGs: digitised pages come from the cache, and measurements are computed once for each file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cardiograph.config_reading import PagesConfig
from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.measure.reference import MEASUREMENTS
from cardiograph.ecg.packed import pack, unpack
from cardiograph.ecg.pages import LEADS_VERSION, read_leads_again
from cardiograph.features.measurements import MEASUREMENT_PREPARATION, measurement_vector
from cardiograph.ingest.context import RunContext
from cardiograph.ingest.page_index import PageFacts, PageIndex, in_order, require_same_file
from cardiograph.ingest.vectors import Vectors, cached_vectors
from cardiograph.threads import available_threads


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
    files = [page_index.page(row) for row in rows]
    known = ((*file, context.cache.leads(file[1].file_sha256, LEADS_VERSION)) for file in files)
    with ThreadPoolExecutor(available_threads()) as pool:

        def read(item: tuple[Path, PageFacts, bytes | None]) -> tuple[Ecg | None, bytes | None]:
            path, facts, packed = item
            return (unpack(packed), None) if packed is not None else _read(path, facts, context.config.pages)

        for (_, facts), (leads, packed) in zip(files, in_order(pool, read, known), strict=True):
            if packed is not None:
                context.cache.keep_leads(facts.file_sha256, LEADS_VERSION, packed)
            yield leads


def _read(path: Path, facts: PageFacts, config: PagesConfig) -> tuple[Ecg | None, bytes | None]:
    """Read the leads of an indexed file; also return them packed if they had to be digitised."""
    file_sha256, leads, was_digitised = read_leads_again(path, config)
    require_same_file(path, facts, file_sha256)
    return leads, pack(leads) if was_digitised else None
