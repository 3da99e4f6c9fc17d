"""One scored patient, and scores of changed copies of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from cardiograph.containers import NodeFeatures, Prediction
from cardiograph.errors import ConfigError
from cardiograph.features.fusion import BLOCKS
from cardiograph.inference import Predictor, Queries, Query, Scores
from cardiograph.inference.queries import AttachedQueries, Patient, faults

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ExplainedCase:
    """A scored patient with all intermediate results.

    Args:
        predictor: Predictor that scored the patient.
        patient: Page and values as read.
        queries: The patient as a batch of one.
        attached: Features and neighbours.
        scores: Scores from :meth:`Predictor.score_attached`, the same as in the prediction.
        label: Label whose probability is explained; 1 for a binary outcome.
    """

    predictor: Predictor
    patient: Patient
    queries: Queries
    attached: AttachedQueries
    scores: Scores
    label: int = 1

    @classmethod
    def of(cls, predictor: Predictor, query: Query, class_name: str | None = None) -> Self:
        """Read and score a patient in the same way as every prediction.

        Args:
            predictor: Predictor of the model.
            query: The patient.
            class_name: Class to be explained, with several classes; the most likely one if None.

        Raises:
            InputError: If the page or a value cannot be used.
            ConfigError: If the model has no such class.
        """
        names = predictor.bundle.served.classes
        if class_name is not None and class_name not in names:
            known = f"its classes are {', '.join(names)}" if names else "it has a binary outcome; leave the class out"
            message = f"class {class_name!r}: the model has no such class; {known}"
            raise ConfigError(message)
        patient = predictor.read(query)
        if patient.issues:
            raise faults([patient.issues], 1)
        queries = predictor.embed([query], [patient])
        attached = predictor.attach(queries)
        scores = predictor.score_attached(attached, queries.ties)
        label = 1
        if names:
            label = int(scores.by_class[0].argmax()) if class_name is None else names.index(class_name)
        return cls(predictor, patient, queries, attached, scores, label)

    @property
    def blocks(self) -> tuple[str, ...]:
        """Blocks whose effects are explained: image and clinical values, and ECG measurements if the model has them."""
        return BLOCKS if self.predictor.bundle.measurement_scaler is not None else BLOCKS[:2]

    @property
    def probability(self) -> float:
        """Probability of the outcome, or of the explained class, exactly as in the prediction."""
        return float(self.probabilities_of(self.scores)[0])

    @property
    def class_name(self) -> str | None:
        """The explained one of several classes; None for a binary outcome."""
        names = self.predictor.bundle.served.classes
        return names[self.label] if names else None

    def probabilities_of(self, scores: Scores) -> NDArray[np.float64]:
        """Return the [copies] probabilities of the explained class."""
        return scores.by_class[:, self.label]

    @property
    def prediction(self) -> Prediction:
        """Prediction as returned by :meth:`Predictor.predict`."""
        return self.predictor.prediction(self.scores, 0, self.patient, self.predictor.readings_of(self.queries, 0))

    @property
    def raw(self) -> float:
        """Difference of the logits before calibration, see :meth:`raw_of`."""
        return self.raw_of(self.scores)

    def raw_of(self, scores: Scores) -> float:
        """Return the log odds before calibration of the explained class against the rest, of the first copy."""
        raw = scores.raw[0]
        if scores.raw.ndim == 1:
            return float(raw)
        others = np.delete(raw, self.label)
        return float(raw[self.label] - others.max() - np.log(np.exp(others - others.max()).sum()))

    def log_odds(self, logits: Tensor) -> Tensor:
        """Return the [copies] log odds of the explained class against the rest, from [copies, classes] logits."""
        others = [label for label in range(logits.shape[1]) if label != self.label]
        return logits[:, self.label] - logits[:, others].logsumexp(1)

    def score_copies(self, features: NodeFeatures) -> Scores:
        """Score changed copies of the patient; each copy finds its own neighbours.

        A change often acts only through the neighbours, so fixed neighbours would hide it.

        Args:
            features: Features of the copies.
        """
        attached = self.predictor.attach_changed(self.queries, features)
        return self.predictor.score_attached(attached, self.queries.ties.repeat(len(features.values)))

    def without_blocks(self, there: NDArray[np.bool_]) -> Scores:
        """Score copies of the patient without some blocks.

        An absent block is all 0, as for a patient who lacks it. Neighbours are found by the remaining blocks; without
        any block there are none.

        Args:
            there: [copies, blocks] whether the copy keeps each block of :attr:`blocks`.
        """
        features, count = self.attached.features, len(there)
        values, present = features.values.repeat(count, axis=0), features.present.repeat(count, axis=0)
        for number, (block, (start, stop)) in enumerate(features.blocks.items()):
            gone = ~there[:, self.blocks.index(block)]
            values[gone, start:stop] = 0
            present[gone, number] = False
        return self.score_copies(replace(features, values=values, present=present))
