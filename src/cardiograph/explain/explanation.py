"""All that is told about one answer: values, blocks, neighbours, and a map where maps were found to mean something."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.artifacts.maps import UNCHECKED
from cardiograph.containers import Prediction
from cardiograph.explain.case import ExplainedCase
from cardiograph.explain.clinical import ClinicalEffects, block_effects, clinical_effects
from cardiograph.explain.neighbours import NeighbourEffect, neighbour_effects
from cardiograph.explain.saliency import page_map
from cardiograph.inference import Predictor, Query

_DIRECTIONS = {1: "raised", -1: "lowered", 0: "did not move"}


@dataclass(frozen=True)
class AttentionMap:
    """The map of a page, or why it is not shown.

    Args:
        shown: Whether a check on held-out pages found that such maps mean something.
        reason: What the check found, or that there was none.
        heat: [rows, columns] 0..1 over the view, the most being 1; None where not shown.
        direction: Whether the page ``raised`` or ``lowered`` the estimate (or ``did not move`` it), which the heat is about.
        box: Left, top, right, bottom of the view on the page, in pixels.
        page: Width and height of the page, in pixels.
    """

    shown: bool
    reason: str
    heat: NDArray[np.float64] | None
    direction: str | None
    box: tuple[int, int, int, int]
    page: tuple[int, int]


@dataclass(frozen=True)
class Explanation:
    """What moved an answer. Effects are of the model, not of the disease.

    Args:
        prediction: The answer that is explained, as the predictor gives it.
        base: Probability with no clinical value, no page and so no neighbours.
        clinical: Effects of the given values, in points of calibrated probability.
        blocks: ``image`` and ``clinical``: what each block moved; base and blocks sum to the probability.
        neighbours: The probability without each similar record, nearest first.
        map: Map of the page; None without one.
    """

    prediction: Prediction
    base: float
    clinical: ClinicalEffects
    blocks: dict[str, float]
    neighbours: tuple[NeighbourEffect, ...]
    map: AttentionMap | None

    @property
    def probability(self) -> float:
        """Of the outcome: that of the prediction."""
        return self.prediction.probability

    @property
    def rest(self) -> float:
        """What base and clinical effects leave of the probability: the page, and that a clinical block is there at all."""
        return self.probability - self.base - sum(each.effect for each in self.clinical.effects)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; without the prediction, which has an ``as_dict`` of its own."""
        shown = None if self.map is None else asdict(self.map)
        if shown is not None and shown["heat"] is not None:
            shown["heat"] = shown["heat"].round(4).tolist()
        return {
            "probability": self.probability,
            "base": self.base,
            "clinical": {**asdict(self.clinical), "rest": self.rest},
            "blocks": self.blocks,
            "neighbours": [asdict(each) for each in self.neighbours],
            "map": shown,
        }


def explain(predictor: Predictor, query: Query, *, seed: int = 0) -> Explanation:
    """What moved the answer for a patient.

    The page is decoded and embedded once; where its map is shown, the network runs once more for it.

    Args:
        predictor: The model.
        query: The patient, as for the prediction.
        seed: Draws orders where more than eight clinical values are given; nothing else is left to chance.

    Raises:
        InputError: The page or a value cannot be used.
    """
    case = ExplainedCase.of(predictor, query)
    blocks = block_effects(case)
    return Explanation(
        prediction=case.prediction,
        base=blocks.nobody,
        clinical=clinical_effects(case, rng=np.random.default_rng(seed)),
        blocks=dict(zip(("image", "clinical"), blocks.effects.tolist(), strict=True)),
        neighbours=neighbour_effects(case),
        map=_attention(case),
    )


def _attention(case: ExplainedCase) -> AttentionMap | None:
    page, verdict = case.patient.page, case.predictor.bundle.served.maps
    if page is None:
        return None
    box = (page.box.left, page.box.top, page.box.right, page.box.bottom)
    height, width = page.page.pixels.shape[:2]
    if verdict is None or not verdict.shown:
        return AttentionMap(False, UNCHECKED if verdict is None else verdict.sentence, None, None, box, (width, height))
    found = page_map(case)
    return AttentionMap(True, verdict.sentence, found.heat, _DIRECTIONS[found.direction], box, (width, height))
