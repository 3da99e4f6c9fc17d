"""The explanation of one prediction: effects of values, blocks and neighbours, and an attention map if it is valid."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.artifacts.maps import UNCHECKED
from cardiograph.containers import Prediction
from cardiograph.errors import EngineError
from cardiograph.explain.case import ExplainedCase
from cardiograph.explain.clinical import (
    ClinicalEffects,
    MeasurementEffect,
    block_effects,
    clinical_effects,
    measurement_effects,
)
from cardiograph.explain.lead_map import LeadAttribution, attribute_leads
from cardiograph.explain.neighbours import NeighbourEffect, neighbour_effects
from cardiograph.explain.saliency import page_map
from cardiograph.inference import Predictor, Query

_DIRECTIONS = {1: "raised", -1: "lowered", 0: "did not move"}


@dataclass(frozen=True)
class AttentionMap:
    """The attention map of a page, or the reason why it is not shown.

    Args:
        shown: Whether the check on held-out pages found such maps meaningful.
        reason: Result of the check, or that there was no check.
        heat: [rows, columns] 0..1 over the view, with a maximum of 1; None if not shown or for an encoder of leads.
        direction: Whether the page ``raised`` or ``lowered`` the estimate or ``did not move`` it; the heat shows the
            cells that moved it in this direction.
        box: Left, top, right, bottom of the view on the page, in pixels.
        page: Width and height of the page, in pixels.
        leads: For an encoder of leads, the map of their samples instead of ``heat``; None if not shown.
    """

    shown: bool
    reason: str
    heat: NDArray[np.float64] | None
    direction: str | None
    box: tuple[int, int, int, int]
    page: tuple[int, int]
    leads: LeadAttribution | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return values ready for JSON."""
        content = {each.name: getattr(self, each.name) for each in fields(self)}
        content["heat"] = None if self.heat is None else self.heat.round(4).tolist()
        content["leads"] = None if self.leads is None else self.leads.as_dict()
        return content


@dataclass(frozen=True)
class Explanation:
    """Explanation of a prediction. Effects describe the model, not the disease.

    Args:
        prediction: The explained prediction.
        probability: Probability of the outcome, as in the prediction, or of the explained class.
        class_name: The explained one of several classes; None for a binary outcome.
        base: Probability without clinical values, page and therefore neighbours.
        clinical: Effects of the given values on the calibrated probability.
        blocks: Effects of ``image``, ``clinical`` and, if the model reads them, ``measurements``; base and blocks sum to
            the probability.
        neighbours: Probability without each similar record, nearest first.
        map: Attention map of the page; None without a page.
        measurements: Effects of the ECG measurements, in groups; empty for a model without them.
    """

    prediction: Prediction
    probability: float
    class_name: str | None
    base: float
    clinical: ClinicalEffects
    blocks: dict[str, float]
    neighbours: tuple[NeighbourEffect, ...]
    map: AttentionMap | None
    measurements: tuple[MeasurementEffect, ...] = ()

    @property
    def rest(self) -> float:
        """Probability less base and clinical effects: the effect of the ECG and of having a clinical block at all."""
        return self.probability - self.base - sum(each.effect for each in self.clinical.effects)

    def as_dict(self) -> dict[str, Any]:
        """Return values ready for JSON; without the prediction, which has its own ``as_dict``."""
        shown = None if self.map is None else self.map.as_dict()
        return {
            "class_name": self.class_name,
            "probability": self.probability,
            "base": self.base,
            "clinical": {**asdict(self.clinical), "rest": self.rest},
            "blocks": self.blocks,
            "measurements": [asdict(each) for each in self.measurements],
            "neighbours": [asdict(each) for each in self.neighbours],
            "map": shown,
        }


def explain(predictor: Predictor, query: Query, *, seed: int = 0, class_name: str | None = None) -> Explanation:
    """Explain the prediction for a patient.

    The page is decoded and embedded once; if its map is shown, the encoder runs once more.

    Args:
        predictor: Predictor of the model.
        query: The patient, as for the prediction.
        seed: Seed of the sampled orders if more than eight clinical values are given; nothing else is random.
        class_name: Class to be explained, with several classes; the most likely one if None.

    Raises:
        InputError: If the page or a value cannot be used.
        ConfigError: If the model has no such class.
    """
    case = ExplainedCase.of(predictor, query, class_name)
    blocks = block_effects(case)
    return Explanation(
        prediction=case.prediction,
        probability=case.probability,
        class_name=case.class_name,
        base=blocks.empty,
        clinical=clinical_effects(case, rng=np.random.default_rng(seed)),
        blocks=dict(zip(case.blocks, blocks.effects.tolist(), strict=True)),
        neighbours=neighbour_effects(case),
        map=_attention(case),
        measurements=measurement_effects(case),
    )


def _attention(case: ExplainedCase) -> AttentionMap | None:
    page, verdict = case.patient.page, case.predictor.bundle.served.maps
    if page is None:
        return None
    box = (page.box.left, page.box.top, page.box.right, page.box.bottom)
    height, width = page.page.pixels.shape[:2]
    if verdict is None or not verdict.shown:
        return AttentionMap(False, UNCHECKED if verdict is None else verdict.sentence, None, None, box, (width, height))
    try:
        found = page_map(case)
    except EngineError as error:
        return AttentionMap(False, str(error), None, None, box, (width, height))
    if case.patient.leads is not None and case.predictor.bundle.served.reads == "leads":
        leads = attribute_leads(found.signed, case.patient.leads)
        return AttentionMap(True, verdict.sentence, None, _DIRECTIONS[found.direction], box, (width, height), leads)
    return AttentionMap(True, verdict.sentence, found.heat, _DIRECTIONS[found.direction], box, (width, height))
