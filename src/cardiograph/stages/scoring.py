"""A table of new patients scored by a finished run: the cohort's reader in front of the one predictor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cardiograph.artifacts.run import RunDirectory
from cardiograph.cohort.patients import read_patients
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
        ``novelty``, ``missing`` (blocks), ``neighbours`` (record ids, nearest first) and ``warnings``, these three
        joined by semicolons, and ``not_scored``: the reason where a row has no answer, else empty. ``low``, ``high`` and
        ``novelty`` are NaN where they do not exist. ``attrs["notes"]`` says what was not read, ``attrs["issues"]`` has
        every reason.

    Raises:
        CardiographError: The run or the table cannot be used, or nobody in it can be scored.
    """
    set_threads()
    directory = RunDirectory(run)
    directory.require_finished()
    config = directory.config()
    predictor = Predictor.load(run)
    scaler, read = predictor.bundle.scaler, config.cohort
    if scaler is not None and read.modality == "image":  # its values were simulated, those of new patients are given
        read = read.model_copy(update={"modality": "auto"})
    patients = read_patients(table, read, outcome=config.outcome, reads=predictor.reads)
    return answers_for(
        patients,
        lambda asked: predictor.predict_each(
            Query(each.page, each.values, name=each.name, patient_id=each.patient_id, gate=each.gate) for each in asked
        ),
        variables=predictor.reads,
        takes_pages=predictor.bundle.served.encoder is not None,
        progress=progress or Silent(),
        stage="scoring patients",
        gate=gate,
    )
