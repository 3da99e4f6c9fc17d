"""Reads the ECGs of reference records again, to store a short form of them in the bundle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from cardiograph.artifacts.reference_ecgs import stored
from cardiograph.ingest.context import RunContext
from cardiograph.ingest.leads import read_leads
from cardiograph.ingest.page_index import PageIndex
from cardiograph.train.data import Dataset


def ecgs_to_store(
    dataset: Dataset, record_ids: Sequence[str], context: RunContext
) -> Iterator[NDArray[np.int16]] | None:
    """Return the stored ECGs of the records of a reference; None if the run stores none, or its cohort has no ECGs.

    Args:
        dataset: Dataset of the run.
        record_ids: [reference] names of its records, in the order of the reference.
        context: Settings, cache and progress.
    """
    if context.config.bundle.ecgs == "none" or dataset.page_index is None:
        return None
    row = {str(name): number for number, name in enumerate(dataset.cohort.record_ids)}
    return stored_ecgs(dataset.page_index, [row[name] for name in record_ids], context)


def stored_ecgs(page_index: PageIndex, rows: Sequence[int], context: RunContext) -> Iterator[NDArray[np.int16]]:
    """Yield the stored ECG of each of some records, see :func:`cardiograph.artifacts.reference_ecgs.stored`.

    Args:
        page_index: Index of the cohort's ECGs.
        rows: Records, with or without an ECG.
        context: Settings, cache and progress; pages that were not digitised before are digitised now.
    """
    # a run that reproduces a fault may keep a page that cannot be read, without a hash
    readable = [facts is not None and bool(facts.file_sha256) for facts in page_index.facts]
    leads = read_leads(page_index, [row for row in rows if readable[row]], context)
    context.progress.start("storing ECGs", len(rows), unit="ECGs")
    for row in rows:
        yield stored(next(leads) if readable[row] else None)
        context.progress.advance()
