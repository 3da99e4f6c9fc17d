"""A table of new patients scored by a finished run: the cohort's reader in front of the one predictor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cardiograph.artifacts.run import RunDirectory
from cardiograph.cohort.manifest import read_cohort
from cardiograph.inference import Predictor, Query
from cardiograph.progress import Progress, Silent
from cardiograph.threads import set_threads

if TYPE_CHECKING:
    import pandas as pd


def score_table(run: Path, table: Path, *, progress: Progress | None = None) -> pd.DataFrame:
    """Score every patient of a table.

    The run's own settings read the table: its column map, conversions and missing values. Labels are not looked at. A
    patient without a page, or without any value, is scored from what there is.

    Args:
        run: Folder of a finished run.
        table: Like the cohort's.
        progress: Told of each patient.

    Returns:
        A row per record: ``record_id``, ``probability``, ``low``, ``high``, ``positive``, ``threshold``, ``decision``,
        ``novelty``, ``missing`` (blocks), ``neighbours`` (record ids, nearest first) and ``warnings``, the last three
        joined by semicolons. ``low``, ``high`` and ``novelty`` are NaN where not told. ``attrs["notes"]`` tells what was
        not read.

    Raises:
        CardiographError: The run, the table, or a page cannot be used.
    """
    import pandas as pd

    set_threads()
    progress = progress or Silent()
    directory = RunDirectory(run)
    directory.require_finished()
    config = directory.config()
    patients = read_cohort(table, config.cohort, outcome=config.outcome, labelled=False)
    predictor = Predictor.load(run)
    scaler = predictor.bundle.scaler
    known = set() if scaler is None else {variable.name for variable in scaler.variables}
    names = [variable.name for variable in patients.variables if variable.name in known]
    with_pages = predictor.bundle.served.encoder is not None
    queries = (
        Query(
            page=Path(row["ecg"]) if with_pages and row["ecg"] is not None else None,
            clinical={name: row[name] for name in names},
            name=row["record_id"],
            patient_id=row["patient_id"],
        )
        for row in patients.table.to_dict("records")
    )
    unused = [variable.name for variable in patients.variables if variable.name not in known]
    unused += ["ecg"] if patients.has_pages and not with_pages else []
    notes = list(patients.table.attrs["notes"])
    if unused:
        notes.append(f"the model does not read these columns: {', '.join(unused)}")
    progress.start("scoring patients", len(patients))
    rows = []
    for record_id, answer in zip(patients.record_ids, predictor.predict_many(queries), strict=True):
        rows.append({"record_id": record_id, **answer.as_row()})
        progress.advance()
    answers = pd.DataFrame(rows)
    answers.attrs["notes"] = notes
    return answers
