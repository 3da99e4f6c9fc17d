"""Scores a table of new patients with a finished run, chunk by chunk."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cardiograph.artifacts.label_folders import label_folders
from cardiograph.artifacts.run import RunDirectory
from cardiograph.cohort.page_places import page_issue
from cardiograph.cohort.patients import CHUNK_ROWS, Patients, PatientTable, Refused
from cardiograph.containers import Prediction
from cardiograph.containers.labels import LabelsPrediction
from cardiograph.ecg.object_storage import require_visible
from cardiograph.errors import CohortError, InputError, Issue, PageError
from cardiograph.inference import Predictor, Query
from cardiograph.inference.labels import LabelsPredictor, load_any
from cardiograph.progress import NoProgress, Progress
from cardiograph.threads import set_threads
from cardiograph.workers import Workers, current_workers

if TYPE_CHECKING:
    import pandas as pd

PAGES_IN_TASK = 16
"""Number of patients with an ECG in one task of a worker."""

ROWS_IN_TASK = 4096
"""Number of patients in one task of a worker, for a model without ECGs."""

Predict = Callable[[Iterator[Query]], Iterator[Prediction | LabelsPrediction | InputError]]
"""Function that scores patients in order and returns an error for a patient that cannot be scored."""


class TableScores:
    """Scores of the patients of a table; iteration scores them and yields their rows chunk by chunk.

    Args:
        table: The table.
        predict: Function that scores patients.
        variables: Names of the clinical variables that the model reads.
        takes_pages: Whether the model reads pages.
        progress: Callback that receives progress after each patient.
        stage: Title of the progress bar.
        gate: Setting of each query, see :class:`cardiograph.inference.Query`.
    """

    def __init__(  # noqa: PLR0913 - the patients, the model, and its settings
        self,
        table: PatientTable,
        predict: Predict,
        *,
        variables: Collection[str],
        takes_pages: bool,
        progress: Progress,
        stage: str,
        gate: bool | None = None,
    ) -> None:
        self._table, self._predict, self._variables, self._takes_pages = table, predict, variables, takes_pages
        self._progress, self._stage, self._gate = progress, stage, gate
        self.columns: list[str] = []
        """Names of the columns of the answers; known once a patient was scored."""
        self.issues: list[Issue] = []
        """Faults of the rows without an answer."""
        self.refused = 0
        """Number of rows without an answer."""

    def __iter__(self) -> Iterator[list[dict[str, Any]]]:
        """Yield the cells of each row; ``not_scored`` is the reason if a row has no answer, else empty.

        Raises:
            InputError: If no patient can be scored.
        """
        self._progress.start(self._stage, self._table.rows, unit="patients")
        waiting: list[dict[str, Any]] = []  # the columns are not known before the first answer
        asked, chunks = itertools.tee(self._table)
        answers = self._predict(query for patients in asked for query in self._queries(patients))
        for patients in chunks:
            waiting += self._score(patients, answers)
            if self.columns:
                yield waiting
                waiting = []
        if not self.columns:
            raise all_or_none(self.issues, self.refused, self.refused)

    def _queries(self, patients: Patients) -> Iterator[Query]:
        read = [name for name in patients.values if name in self._variables]
        values = zip(*(patients.values[name].tolist() for name in read), strict=True) if read else itertools.repeat(())
        for name, patient, page, cells in zip(patients.record_ids, patients.patient_ids, patients.pages, values):  # noqa: B905
            yield Query(
                page=Path(page) if self._takes_pages and page is not None else None,
                clinical=dict(zip(read, cells, strict=True)),
                patient_id=patient,
                name=name,
                gate=self._gate,
            )

    @property
    def rows(self) -> int:
        """Number of rows of the table."""
        return self._table.rows

    @property
    def notes(self) -> list[str]:
        """Sentences about what was not read; complete after all rows were scored."""
        return self._table.notes(self._variables, takes_pages=self._takes_pages)

    def frame(self, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
        """Return rows as a table."""
        import pandas as pd

        return pd.DataFrame(list(rows), columns=self.columns)

    def _score(
        self, patients: Patients, answers: Iterator[Prediction | LabelsPrediction | InputError]
    ) -> list[dict[str, Any]]:
        rows: list[tuple[int, dict[str, Any]]] = []
        refused = list(patients.refused)
        self._progress.advance(len(refused))
        for record, (line, name) in enumerate(zip(patients.lines, patients.record_ids, strict=True)):
            answer = next(answers)
            if isinstance(answer, InputError):
                origin = patients.origin(record)
                refused.append(Refused(line, name, tuple(page_issue(each, name, origin) for each in answer.issues)))
            else:
                rows.append((line, {"record_id": name, **answer.as_row(), "not_scored": ""}))
            self._progress.advance()
        if rows and not self.columns:
            self.columns = list(rows[0][1])
        refused.sort(key=lambda each: each.line)
        self.refused += len(refused)
        self.issues += [issue for each in refused for issue in each.issues]
        empty = {"neighbours": "", "missing": "", "warnings": ""}
        rows += [(each.line, {"record_id": each.record_id, **empty, "not_scored": _reason(each)}) for each in refused]
        return [row for _, row in sorted(rows, key=lambda pair: pair[0])]


def all_or_none(issues: list[Issue], refused: int, patients: int) -> InputError:
    """Return the error for a table that is rejected because some or all of its patients cannot be scored."""
    message = f"{refused} of {patients} patients cannot be scored, so none was."
    only_pages = all(issue.where.startswith("page ") for issue in issues)
    return (PageError if only_pages else CohortError)(message, issues)


@dataclass(frozen=True)
class _ScorerStart:
    """What a worker needs to load a run.

    Args:
        run: Folder of the run, absolute.
        pages: Settings for reading ECG files that replace those of the run.
    """

    run: Path
    pages: Mapping[str, Any]

    def __call__(self) -> Predictor | LabelsPredictor:
        """Load the run.

        Raises:
            RunError: If this machine does not see the run, or it cannot be used.
        """
        require_visible(self.run / "bundle")
        return _load(self.run, self.pages)


def _load(run: Path, pages: Mapping[str, Any]) -> Predictor | LabelsPredictor:
    predictor = load_any(run)
    return predictor.with_pages(**pages) if pages else predictor


def _score_some(
    predictor: Predictor | LabelsPredictor, task: tuple[int, list[Query]]
) -> tuple[int, list[Prediction | LabelsPrediction | InputError]]:
    """Score some patients in a worker, and return them with the number of their task."""
    number, queries = task
    for query in queries:
        if isinstance(query.page, Path):
            require_visible(query.page)
    return number, list(predictor.predict_each(queries))


def _by_workers(workers: Workers, start: _ScorerStart, size: int) -> Predict:
    """Return a function that gives patients to workers, ``size`` at once, and yields the answers in order."""

    def predict(queries: Iterator[Query]) -> Iterator[Prediction | LabelsPrediction | InputError]:
        finished: dict[int, list[Prediction | LabelsPrediction | InputError]] = {}
        tasks = enumerate(iter(lambda: list(itertools.islice(queries, size)), []))
        due = 0
        for number, answers in workers.map(start, _score_some, tasks):
            finished[number] = answers
            while due in finished:
                yield from finished.pop(due)
                due += 1

    return predict


def _reason(refused: Refused) -> str:
    return " | ".join(str(issue) for issue in refused.issues)


def open_scores(
    run: Path,
    table: Path,
    *,
    progress: Progress | None = None,
    gate: bool | None = None,
    pages: Mapping[str, Any] | None = None,
    size: int = CHUNK_ROWS,
) -> TableScores:
    """Load a run and check a table of patients, which are scored when the result is iterated.

    Inside :func:`cardiograph.workers.work_on`, workers load the run and score the patients.

    Args:
        run: Folder of a finished run.
        table: Table with the columns of the run's cohort.
        progress: Callback that receives progress after each patient.
        gate: True to refuse pages that do not look like an ECG, False to score them with a warning; None for the
            setting of the run.
        pages: Settings for reading ECG files that replace those of the run; see :meth:`Predictor.with_pages`.
        size: Number of rows that are read and scored at once; workers hold several times as many.

    Raises:
        CardiographError: If the run or the table cannot be used.
    """
    set_threads()
    directory = RunDirectory(next(iter(label_folders(run).values()), run))  # all labels read a table in the same way
    directory.require_finished()
    predictor, workers = _load(run, pages or {}), current_workers()
    scaler, read = predictor.bundle.scaler, directory.config().cohort
    if scaler is not None and read.modality == "image":  # the run simulated its values; new patients have measured ones
        read = read.model_copy(update={"modality": "auto"})
    progress, sees = progress or NoProgress(), predictor.bundle.served.encoder is not None
    return TableScores(
        PatientTable(table, read, reads=predictor.reads, size=size, progress=progress),
        predictor.predict_each
        if workers is None
        else _by_workers(workers, _ScorerStart(run.resolve(), pages or {}), PAGES_IN_TASK if sees else ROWS_IN_TASK),
        variables=predictor.reads,
        takes_pages=sees,
        progress=progress,
        stage="scoring patients",
        gate=gate,
    )


def score_table(
    run: Path,
    table: Path,
    *,
    progress: Progress | None = None,
    gate: bool | None = None,
    pages: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Score every patient of a table, and return all answers; :func:`open_scores` scores a large table in chunks.

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
    scores = open_scores(run, table, progress=progress, gate=gate, pages=pages)
    answers = scores.frame([row for rows in scores for row in rows])
    answers.attrs = {"notes": scores.notes, "issues": scores.issues}
    return answers
