"""One patient as the predictor sees it, and changed copies of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from cardiograph.containers import NodeFeatures, Prediction
from cardiograph.inference import Predictor, Queries, Query, Scores
from cardiograph.inference.answers import answer
from cardiograph.inference.queries import AttachedQueries, Patient, faults


@dataclass(frozen=True)
class ExplainedCase:
    """A patient that was scored, with all that the score was made of.

    Args:
        predictor: Which scored it.
        patient: Page and values as they were read.
        queries: The one query.
        attached: Its features and whom it hears.
        scores: Scores of :meth:`Predictor.judge`: those of the prediction.
    """

    predictor: Predictor
    patient: Patient
    queries: Queries
    attached: AttachedQueries
    scores: Scores

    @classmethod
    def of(cls, predictor: Predictor, query: Query) -> Self:
        """Read and score a patient, the way every prediction is made.

        Raises:
            InputError: The page or a value cannot be used.
        """
        patient = predictor.read(query)
        if patient.issues:
            raise faults([patient.issues], 1)
        queries = predictor.embed([query], [patient])
        attached = predictor.attach(queries)
        return cls(predictor, patient, queries, attached, predictor.judge(attached, queries.ties))

    @property
    def probability(self) -> float:
        """Of the outcome: the very number of the prediction."""
        return float(self.scores.probabilities[0])

    @property
    def prediction(self) -> Prediction:
        """The answer, as :meth:`Predictor.predict` gives it."""
        values, remarks = np.array(self.patient.values), self.patient.remarks
        return answer(self.predictor.bundle, self.scores, 0, values, remarks=remarks)

    @property
    def raw(self) -> float:
        """Difference of the logits, before calibration."""
        return float(self.scores.raw[0])

    def judged(self, features: NodeFeatures) -> Scores:
        """Scores of changed copies of the patient, as the predictor gives them: each copy chooses its own neighbours.

        A change often acts through the neighbours alone, so holding them fixed would hide it.

        Args:
            features: Features of the copies.
        """
        attached = self.predictor.attach_changed(self.queries, features)
        return self.predictor.judge(attached, self.queries.ties.repeat(len(features.values)))

    def without_blocks(self, there: NDArray[np.bool_]) -> Scores:
        """Scores of the patient without some blocks: an absent one is all 0, as for a patient who lacks it.

        Neighbours are sought by the blocks that are left; without any block there are none.

        Args:
            there: [copies, blocks] image, clinical: which ones are left.
        """
        features, count = self.attached.features, len(there)
        values, present = features.values.repeat(count, axis=0), features.present.repeat(count, axis=0)
        for number, (block, (start, stop)) in enumerate(features.blocks.items()):
            gone = ~there[:, _ORDER.index(block)]
            values[gone, start:stop] = 0
            present[gone, number] = False
        return self.judged(replace(features, values=values, present=present))


_ORDER = ("image", "clinical")
