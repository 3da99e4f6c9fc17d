"""How sure the answers of a run are, in figures: calibration that was chosen, sets and their coverage, the novelty gate."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.config import EvaluationConfig
from cardiograph.inference import Predictor, Scores
from cardiograph.uncertainty.conformal import DIGITS


def certainty_of(
    predictor: Predictor, found: Scores | None, labels: NDArray[np.int64], config: EvaluationConfig
) -> dict[str, Any] | None:
    """What the kept model's calibration rests on, and how its sets and its gate fare on test records.

    Args:
        predictor: Of the kept model.
        found: Its scores of the test records; None where a study went round it.
        labels: [records] 0 or 1 of these records.
        config: Coverage asked for, quantile of the gate.

    Returns:
        Plain values, ready for JSON; None where nothing was fitted.
    """
    uncertainty = predictor.bundle.uncertainty
    if uncertainty is None or found is None or found.told is None:
        return None
    told, sets = found.told, uncertainty.conformal
    coverage: dict[str, float | None] = {"0": None, "1": None}
    if sets is not None and sets.enough:
        inside = told.p_values > round(1 - sets.confidence, DIGITS)
        for label in (0, 1):
            rows = labels == label
            coverage[str(label)] = float(inside[rows, label].mean()) if rows.any() else None
    judged = np.array([not reason for reason in told.unjudged], dtype=bool)
    return {
        "calibration": {
            "kind": uncertainty.calibrator.kind,
            "reason": uncertainty.reason,
            "log_loss": uncertainty.compared,
        },
        "conformal": {
            "asked": config.conformal,
            "records": "one class only" if sets is None else sets.statement,
            "coverage": coverage,
            "decisions": dict(sorted(Counter(told.decisions).items())),
        },
        "novelty": {
            "quantile": config.novelty,
            "judged": int(judged.sum()),
            "not_judged": int((~judged).sum()),
            "novel": int(told.novel.sum()),
        },
        "width": None if np.isnan(told.high).all() else float(np.nanmedian(told.high - told.low)),
    }
