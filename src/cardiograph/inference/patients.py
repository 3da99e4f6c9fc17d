"""What every predictor does with patients: reads them in chunks, and answers in order."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from cardiograph.containers import Prediction
from cardiograph.containers.answers import Query
from cardiograph.containers.labels import LabelsPrediction
from cardiograph.encoders.engine import Engine
from cardiograph.errors import InputError
from cardiograph.inference.queries import Patient, faults
from cardiograph.threads import in_threads

CHUNK_PAGES, CHUNK_ROWS = 32, 8192
"""Number of patients scored at a time by a model that reads pages, which are held in memory, and by any other: a search
for many at once takes a third of the time for each."""

Answer = TypeVar("Answer", Prediction, LabelsPrediction)


class PatientPredictor(ABC, Generic[Answer]):
    """Predictor of one kind of answer."""

    def predict(
        self,
        page: Path | str | bytes | None = None,
        clinical: Mapping[str, float | None] | None = None,
        *,
        patient_id: str | float | None = None,
        gate: bool | None = None,
    ) -> Answer:
        """Score one patient.

        Args:
            page: ECG page or file of signals, as a path or the content of a file; None without a page.
            clinical: Variable -> value in its unit; absent variables and None are missing values.
            patient_id: Patient id, if known; the patient's own reference records are then excluded as neighbours.
            gate: True to refuse a page that does not look like an ECG, False to score it with a warning; None for the
                setting of the run.

        Raises:
            InputError: If the page or a value cannot be used.
        """
        source = Path(page) if isinstance(page, str) else page
        values = {} if clinical is None else clinical
        return next(iter(self.predict_many([Query(source, values, patient_id=patient_id, gate=gate)])))

    def predict_many(self, queries: Iterable[Query]) -> Iterator[Answer]:
        """Score patients in order; each gets the same answer as if it were scored alone.

        Raises:
            InputError: If a patient cannot be scored; it lists the faults of this and all later patients.
        """
        waiting = iter(queries)
        while chunk := list(itertools.islice(waiting, self._at_once)):
            read = self._read_all(chunk)
            if any(patient.issues for patient in read):
                read += [Patient(None, [], self.read(query).issues) for query in waiting]
                raise faults([patient.issues for patient in read if patient.issues], len(read))
            yield from self._predict_read(chunk, read)

    def predict_each(self, queries: Iterable[Query]) -> Iterator[Answer | InputError]:
        """Score patients in order; yields an error with all faults for each patient that cannot be scored."""
        waiting = iter(queries)
        while chunk := list(itertools.islice(waiting, self._at_once)):
            read = self._read_all(chunk)
            good = [number for number, patient in enumerate(read) if not patient.issues]
            answers = self._predict_read([chunk[number] for number in good], [read[number] for number in good])
            found = dict(zip(good, answers, strict=True))
            for number, patient in enumerate(read):
                yield found[number] if number in found else faults([patient.issues], 1)

    def _read_all(self, queries: Sequence[Query]) -> list[Patient]:
        """Read and check patients, by threads where these read ECGs."""
        return in_threads(self.read, queries, many=self.engine is not None and len(queries) > 1)

    @property
    def _at_once(self) -> int:
        return CHUNK_ROWS if self.engine is None else CHUNK_PAGES

    @property
    @abstractmethod
    def engine(self) -> Engine | None:
        """Engine of the encoder; None for a model without pages."""

    @abstractmethod
    def read(self, query: Query) -> Patient:
        """Read and check the page and the values of a patient."""

    @abstractmethod
    def _predict_read(self, queries: Sequence[Query], read: Sequence[Patient]) -> Iterator[Answer]:
        """Score patients that were read without an issue."""
