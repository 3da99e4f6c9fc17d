"""Readings of the encoder for every record of a run, and their shares in the classes for the report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cardiograph.containers import TRAIN
from cardiograph.encoders.readings import GROUPS, VALUES, reading_heads
from cardiograph.report.content import ReadingRow
from cardiograph.train.data import Dataset

if TYPE_CHECKING:
    import pandas as pd

READINGS_TABLE = "readings.parquet"


def readings_table(dataset: Dataset) -> pd.DataFrame | None:
    """Return what the encoder reads in each ECG; None unless the shipped encoder of leads is used.

    Returns:
        ``record_id``, the probability of each statement, and each value in its unit; NaN for records without an ECG.
    """
    import pandas as pd

    encoder, image = dataset.encoder, dataset.inputs.image
    heads = None if encoder is None or image is None else reading_heads(encoder.facts, encoder.probe)
    if heads is None or image is None:
        return None
    found = np.full((len(image), len(heads.names) + len(VALUES)), np.nan)
    there = np.isfinite(image).all(axis=1)
    found[there] = np.column_stack([heads.probabilities(image[there]), heads.values(image[there])])
    frame = pd.DataFrame(found, columns=[*heads.names, *VALUES])
    return pd.concat([pd.Series(dataset.cohort.record_ids, name="record_id"), frame], axis=1)


def reading_rows(readings: Any, labels: Any, part: Any, classes: int) -> tuple[ReadingRow, ...]:  # noqa: ANN401 - pandas
    """Return how often the encoder reads each statement in the training records of each class.

    Args:
        readings: Table of :func:`readings_table`.
        labels: [records] labels from 0, or -1.
        part: [records] part of the split.
        classes: Number of different labels.
    """
    rows = []
    known = readings[list(GROUPS["summary"])].notna().all(axis=1)
    chosen = [known & (part == TRAIN) & (labels == label) for label in range(classes)]
    for group, names in GROUPS.items():
        for name in names:
            shares = [float((readings.loc[each, name] >= 0.5).mean()) for each in chosen]
            if max(shares) > 0:
                rows.append(ReadingRow(name, group, tuple(shares)))
    return tuple(rows)
