"""What is known of a cohort before anything is learnt, and what was learnt from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.containers import Cohort, Neighbourhood, Split
from cardiograph.evaluation.summary import headline_provenance
from cardiograph.inference import Queries, Scores
from cardiograph.models.catalogue import Model
from cardiograph.models.training import History
from cardiograph.schema import Provenance
from cardiograph.stages.augmentation import Augmented
from cardiograph.stages.encoding import Encoder
from cardiograph.stages.fitting import Material, Prepared
from cardiograph.stages.ingest import Survey


@dataclass(frozen=True)
class Studied:
    """A cohort before anything is learnt.

    Args:
        cohort: Its records.
        survey: Its pages, or None.
        split: Parts and groups.
        material: Embeddings and values.
        encoder: Of the pages, or None.
        augmented: Copies of training pages and how they were made, or None.
    """

    cohort: Cohort
    survey: Survey | None
    split: Split
    material: Material
    encoder: Encoder | None = None
    augmented: Augmented | None = None

    def rows(self, part: str) -> NDArray[np.int64]:
        """Labelled rows of a part."""
        rows = self.split.rows(part)
        return rows[self.cohort.labels[rows] >= 0]

    def queries(self, rows: NDArray[np.int64]) -> Queries:
        """Records as the predictor takes them."""
        material, patients = self.material, list(self.cohort.table["patient_id"])
        facts = [None if self.survey is None else self.survey.facts[row] for row in rows]
        return Queries(
            image=None if material.image is None else material.image[rows],
            clinical=np.zeros((len(rows), 0)) if material.clinical is None else material.clinical.values[rows],
            patient_ids=[patients[row] for row in rows],
            pixel_hashes=[None if each is None else each.pixel_hash or None for each in facts],
            perceptual_hashes=[None if each is None or not each.pixel_hash else each.likeness for each in facts],
        )

    @property
    def provenances(self) -> tuple[Provenance, ...]:
        """One for each clinical column."""
        return () if self.material.clinical is None else self.material.clinical.provenance

    @property
    def provenance(self) -> Provenance:
        """What the headline score rests on."""
        return headline_provenance(self.provenances, synthetic=self.cohort.synthetic)


@dataclass(frozen=True)
class PartScores:
    """What a network says of some records of the cohort.

    Args:
        by_class: [records, classes] float64 probabilities.
        neighbours: Whom each one heard.
        sources: [heard records] row in the cohort of each record that ``neighbours`` speaks of.
        scores: Of the predictor, with raw scores and what is told of them; None where a study went round it.
    """

    by_class: NDArray[np.float64]
    neighbours: Neighbourhood
    sources: NDArray[np.int64]
    scores: Scores | None = None

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """[records] of the outcome."""
        return self.by_class[:, 1]


@dataclass(frozen=True)
class Learnt:
    """What was learnt from it.

    Args:
        prepared: Scaler, fusion, features and graph.
        networks: Each network with its learning curves.
    """

    prepared: Prepared
    networks: Mapping[str, tuple[Model, History]]
