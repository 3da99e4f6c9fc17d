"""A table of new patients scored by a finished run: the cohort's reader in front of the one predictor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cardiograph.artifacts.run import RunDirectory
from cardiograph.cohort.manifest import read_cohort
from cardiograph.inference import Predictor, Query
from cardiograph.progress import Progress, Silent
from cardiograph.stages.answering import answers_for
from cardiograph.threads import set_threads

if TYPE_CHECKING:
    import pandas as pd


def score_table(run: Path, table: Path, *, progress: Progress | None = None, gate: bool | None = None) -> pd.DataFrame:
    """Score every patient of a table.

    The run's own settings read the table: its column map, conversions and missing values. Labels are not looked at. A
    patient without a page, or without any value, is scored from what there is.

    Args:
        run: Folder of a finished run.
        table: Like the cohort's.
        progress: Told of each patient.
        gate: Whether pages that do not look like an ECG are refused, or scored with a warning; None leaves it to the run.

    Returns:
        A row per record: ``record_id``, ``probability``, ``low``, ``high``, ``positive``, ``threshold``, ``decision``,
        ``novelty``, ``missing`` (blocks), ``neighbours`` (record ids, nearest first) and ``warnings``, the last three
        joined by semicolons. ``low``, ``high`` and ``novelty`` are NaN where not told. ``attrs["notes"]`` tells what was
        not read.

    Raises:
        CardiographError: The run, the table, or a page cannot be used.
    """
    set_threads()
    directory = RunDirectory(run)
    directory.require_finished()
    config = directory.config()
    patients = read_cohort(table, config.cohort, outcome=config.outcome, labelled=False)
    predictor = Predictor.load(run)
    scaler = predictor.bundle.scaler
    return answers_for(
        patients,
        lambda asked: predictor.predict_many(
            Query(each.page, each.values, name=each.name, patient_id=each.patient_id, gate=each.gate) for each in asked
        ),
        variables=() if scaler is None else [variable.name for variable in scaler.variables],
        takes_pages=predictor.bundle.served.encoder is not None,
        progress=progress or Silent(),
        stage="scoring patients",
        gate=gate,
    )
