"""The predictor of several labels at once: one reading, one embedding and one search for the answers of all labels."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cardiograph.artifacts.bundle import ModelBundle
from cardiograph.artifacts.label_folders import label_folders
from cardiograph.containers.answers import Query
from cardiograph.containers.labels import LabelsPrediction
from cardiograph.encoders.engine import Engine
from cardiograph.errors import ConfigError, RunError
from cardiograph.inference.patients import PatientPredictor
from cardiograph.inference.predictor import Predictor
from cardiograph.inference.queries import Patient, Queries
from cardiograph.inference.reference_records import ReferenceRecords
from cardiograph.inference.shard_access import ShardAccess
from cardiograph.inference.survival import load_predictor


class LabelsPredictor(PatientPredictor[LabelsPrediction]):
    """Scores patients with the models of all labels of a run, which share variables, encoder and reference records.

    Args:
        by_label: Label -> its predictor.

    Raises:
        RunError: If the models do not share what one reading of a patient needs.
    """

    def __init__(self, by_label: Mapping[str, Predictor]) -> None:
        self.by_label = dict(by_label)
        self._first = next(iter(self.by_label.values()))
        for name, each in self.by_label.items():
            if not _same_inputs(self._first.bundle, each.bundle):
                message = (
                    f"the model of label {name} reads other inputs or has other reference records than that of "
                    f"{next(iter(self.by_label))}; make the run of all labels again, or use the folder of one label"
                )
                raise RunError(message)

    @classmethod
    def load(cls, run: Path | str) -> Self:
        """Load the models of a run with several labels; errors as for :meth:`Predictor.load`.

        Args:
            run: Folder that holds the run of each label.
        """
        found: dict[str, Predictor] = {}
        for name, folder in label_folders(Path(run)).items():
            found[name] = Predictor.load(folder, like=next(iter(found.values()), None))
        if not found:
            message = f"{run}: no run with several labels; make one with `cardiograph run COHORT --label A,B`"
            raise RunError(message)
        return cls(found)

    @property
    def bundle(self) -> ModelBundle:
        """Model of the first label, for what all labels share: variables, encoder, pages and reference records."""
        return self._first.bundle

    @property
    def records(self) -> ReferenceRecords:
        """Reference records of the first label, which all labels share."""
        return self._first.records

    @property
    def engine(self) -> Engine | None:
        """Engine of the encoder, see :attr:`Predictor.engine`."""
        return self._first.engine

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of the clinical variables that the models read."""
        return self._first.reads

    @property
    def outcome(self) -> str:
        """The labels as text."""
        return ", ".join(self.by_label)

    @property
    def sha256(self) -> str:
        """SHA-256 of the labels and of the ``bundle.json`` of each."""
        lines = "\n".join(f"{name} {each.sha256}" for name, each in self.by_label.items())
        return hashlib.sha256(lines.encode()).hexdigest()

    def require_unchanged(self) -> None:
        """Raise RunError if a file of a bundle has changed since it was read."""
        for each in self.by_label.values():
            each.require_unchanged()

    def with_pages(self, **settings: Any) -> Self:  # noqa: ANN401 - settings of many types
        """Return the same predictor with other settings for reading ECG files; see :meth:`Predictor.with_pages`."""
        return type(self)({name: each.with_pages(**settings) for name, each in self.by_label.items()})

    def read(self, query: Query) -> Patient:
        """Read and check the page and the values of a patient."""
        return self._first.read(query)

    def probabilities(self, queries: Queries) -> NDArray[np.float64]:
        """Return the [queries, labels] probabilities of embedded patients."""
        attached = self._first.attach(queries)
        found = [each.score_attached(attached, queries.ties).probabilities for each in self.by_label.values()]
        return np.stack(found, axis=1)

    def _predict_read(self, queries: Sequence[Query], read: Sequence[Patient]) -> Iterator[LabelsPrediction]:
        if not queries:
            return
        embedded = self._first.embed(queries, read)
        attached = self._first.attach(embedded)
        found = {name: list(each.predictions(embedded, attached, read)) for name, each in self.by_label.items()}
        for number in range(len(read)):
            yield LabelsPrediction({name: each[number] for name, each in found.items()})


def load_any(run: Path | str, *, shards: ShardAccess | None = None) -> Predictor | LabelsPredictor:
    """Load the predictor that fits a run of any kind; arguments and errors as for :meth:`Predictor.load`.

    Raises:
        ConfigError: If shards are given for the run of several labels, whose models hold their reference records.
    """
    if not label_folders(Path(run)):
        return load_predictor(run, shards=shards)
    if shards is not None:
        message = f"{run}: a run of several labels holds its reference records itself; leave out the shards"
        raise ConfigError(message)
    return LabelsPredictor.load(run)


def _same_inputs(one: ModelBundle, other: ModelBundle) -> bool:
    """Return whether two models read the same inputs and have the same reference records and search space."""
    facts = [(each.served.encoder, each.served.pages, each.served.graph, each.served.measured) for each in (one, other)]
    scalers = [{name: scaler.to_dict() for name, scaler in each.scalers.items()} for each in (one, other)]
    return (
        facts[0] == facts[1]
        and scalers[0] == scalers[1]
        and one.reference.record_ids == other.reference.record_ids
        and np.array_equal(one.reference.features, other.reference.features)
    )
