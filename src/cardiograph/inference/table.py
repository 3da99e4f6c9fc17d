"""Scores a table of new patients with a finished run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cardiograph.artifacts.label_folders import label_folders
from cardiograph.artifacts.run import RunDirectory
from cardiograph.cohort.page_places import page_issue
from cardiograph.cohort.patients import Patients, Refused, read_patients
from cardiograph.containers import Prediction
from cardiograph.containers.labels import LabelsPrediction
from cardiograph.errors import CohortError, InputError, Issue, PageError
from cardiograph.inference import Query
from cardiograph.inference.labels import load_any
from cardiograph.progress import NoProgress, Progress
from cardiograph.threads import set_threads

if TYPE_CHECKING:
    import pandas as pd


Predict = Callable[[Iterator[Query]], Iterator[Prediction | LabelsPrediction | InputError]]
"""Function that scores patients in order and returns an error for a patient that cannot be scored."""


def answers_for(  # noqa: PLR0913 - the patients, the model, and its settings
    patients: Patients,
    predict: Predict,
    *,
    variables: Collection[str],
    takes_pages: bool,
    progress: Progress,
    stage: str,
    gate: bool | None = None,
) -> pd.DataFrame:
    """Score every patient of a table.

    Args:
        patients: Patients that were read from the table.
        predict: Function that scores them.
        variables: Names of the clinical variables that the model reads.
        takes_pages: Whether the model reads pages.
        progress: Callback that receives progress after each patient.
        stage: Title of the progress bar.
        gate: Setting of each query, see :class:`cardiograph.inference.Query`.

    Returns:
        One row per row of the table; ``not_scored`` is the reason if a row has no answer, else empty.
        ``attrs["notes"]`` names what was not read, and ``attrs["issues"]`` holds all reasons.

    Raises:
        InputError: If no patient can be scored.
    """
    import pandas as pd

    cohort = patients.cohort
    queries = _queries(patients, variables, takes_pages=takes_pages, gate=gate)
    progress.start(stage, len(cohort))
    rows: list[tuple[int, dict[str, Any]]] = []
    refused = list(patients.refused)
    for line, record_id, answer in zip(patients.lines, cohort.record_ids, predict(queries), strict=True):
        if isinstance(answer, InputError):
            origin = cohort.origins.get(record_id)
            issues = tuple(page_issue(issue, record_id, origin) for issue in answer.issues)
            refused.append(Refused(line, record_id, issues))
        else:
            rows.append((line, {"record_id": record_id, **answer.as_row(), "not_scored": ""}))
        progress.advance()
    refused.sort(key=lambda each: each.line)
    found = [issue for each in refused for issue in each.issues]
    if not rows:
        raise all_or_none(found, len(refused), len(refused))
    rows += [(each.line, {"record_id": each.record_id, "not_scored": _reason(each)}) for each in refused]
    answers = pd.DataFrame([row for _, row in sorted(rows, key=lambda pair: pair[0])], columns=list(rows[0][1]))
    answers[["neighbours", "missing", "warnings"]] = answers[["neighbours", "missing", "warnings"]].fillna("")
    answers.attrs = {"notes": _notes(patients, variables, takes_pages=takes_pages), "issues": found}
    return answers


def all_or_none(issues: list[Issue], refused: int, patients: int) -> InputError:
    """Return the error for a table that is rejected because some or all of its patients cannot be scored."""
    message = f"{refused} of {patients} patients cannot be scored, so none was."
    only_pages = all(issue.where.startswith("page ") for issue in issues)
    return (PageError if only_pages else CohortError)(message, issues)


def _queries(
    patients: Patients, variables: Collection[str], *, takes_pages: bool, gate: bool | None
) -> Iterator[Query]:
    cohort = patients.cohort
    read = [variable.name for variable in cohort.variables if variable.name in variables]
    for row in cohort.table.to_dict("records"):
        yield Query(
            page=Path(row["ecg"]) if takes_pages and row["ecg"] is not None else None,
            clinical={name: row[name] for name in read},
            patient_id=row["patient_id"],
            name=row["record_id"],
            gate=gate,
        )


def _reason(refused: Refused) -> str:
    return " | ".join(str(issue) for issue in refused.issues)


def _notes(patients: Patients, variables: Collection[str], *, takes_pages: bool) -> list[str]:
    cohort = patients.cohort
    unused = [variable.name for variable in cohort.variables if variable.name not in variables]
    unused += ["ecg"] if cohort.has_pages and not takes_pages else []
    notes = list(cohort.table.attrs["notes"])
    if unused:
        notes.append(f"the model does not read these columns: {', '.join(unused)}")
    return notes


def score_table(
    run: Path,
    table: Path,
    *,
    progress: Progress | None = None,
    gate: bool | None = None,
    pages: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Score every patient of a table.

    The table is read with the settings of the run: its column map, conversions and missing values. Labels are ignored.
    A patient without a page, or without any value, is scored from the other block.

    Args:
        run: Folder of a finished run.
        table: Table with the columns of the run's cohort.
        progress: Callback that receives progress after each patient.
        gate: True to refuse pages that do not look like an ECG, False to score them with a warning; None for the
            setting of the run.
        pages: Settings for reading ECG files that replace those of the run; see :meth:`Predictor.with_pages`.

    Returns:
        One row per record: ``record_id``, ``probability``, ``low``, ``high``, ``positive``, ``threshold``,
        ``decision``, ``novelty``, ``missing`` (blocks), ``neighbours`` (record ids, nearest first) and ``warnings``,
        these three joined by semicolons, and ``not_scored``: the reason if a row has no answer, else empty. A run with
        several labels has ``probability_LABEL``, ``threshold_LABEL`` and so on for each. ``low``,
        ``high`` and ``novelty`` are NaN where they do not exist. ``attrs["notes"]`` names what was not read, and
        ``attrs["issues"]`` holds every reason.

    Raises:
        CardiographError: If the run or the table cannot be used, or no patient can be scored.
    """
    set_threads()
    directory = RunDirectory(next(iter(label_folders(run).values()), run))  # all labels read a table in the same way
    directory.require_finished()
    config = directory.config()
    predictor = load_any(run)
    predictor = predictor.with_pages(**pages) if pages else predictor
    scaler, read = predictor.bundle.scaler, config.cohort
    if scaler is not None and read.modality == "image":  # the run simulated its values; new patients have measured ones
        read = read.model_copy(update={"modality": "auto"})
    patients = read_patients(table, read, outcome=config.outcome.name, reads=predictor.reads)
    return answers_for(
        patients,
        predictor.predict_each,
        variables=predictor.reads,
        takes_pages=predictor.bundle.served.encoder is not None,
        progress=progress or NoProgress(),
        stage="scoring patients",
        gate=gate,
    )
