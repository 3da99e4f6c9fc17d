"""A table of patients becomes a table of answers, whoever answers: a run on this machine, or a service."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from cardiograph.containers import Cohort, Prediction
from cardiograph.progress import Progress
from cardiograph.service.asked import Asked

if TYPE_CHECKING:
    import pandas as pd


def answers_for(  # noqa: PLR0913 - patients, who answers, and how
    patients: Cohort,
    ask: Callable[[Iterator[Asked]], Iterator[Prediction]],
    *,
    variables: Collection[str],
    takes_pages: bool,
    progress: Progress,
    stage: str,
    gate: bool | None = None,
) -> pd.DataFrame:
    """Ask about every patient.

    Args:
        patients: Read by the cohort's reader.
        ask: Answers patients, in order.
        variables: Names of the clinical variables that the model reads.
        takes_pages: Whether the model reads pages.
        progress: Told of each patient.
        stage: What the progress bar says.
        gate: Asked for each patient, see :class:`cardiograph.inference.Query`.

    Returns:
        A row per record; ``attrs["notes"]`` tells what was not read.
    """
    import pandas as pd

    read = [variable.name for variable in patients.variables if variable.name in variables]
    asked = (
        Asked(
            page=Path(row["ecg"]) if takes_pages and row["ecg"] is not None else None,
            values={name: row[name] for name in read},
            patient_id=row["patient_id"],
            name=row["record_id"],
            gate=gate,
        )
        for row in patients.table.to_dict("records")
    )
    unused = [variable.name for variable in patients.variables if variable.name not in variables]
    unused += ["ecg"] if patients.has_pages and not takes_pages else []
    notes = list(patients.table.attrs["notes"])
    if unused:
        notes.append(f"the model does not read these columns: {', '.join(unused)}")
    progress.start(stage, len(patients))
    rows = []
    for record_id, answer in zip(patients.record_ids, ask(asked), strict=True):
        rows.append({"record_id": record_id, **answer.as_row()})
        progress.advance()
    answers = pd.DataFrame(rows)
    answers.attrs["notes"] = notes
    return answers
