"""Heads that the encoder keeps for its readings, calibrated on hearts that it has not seen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final, cast

import numpy as np
import torch
from numpy.typing import NDArray

from cardiograph.encoders.engine import probe_input
from cardiograph.encoders.leads_input import INPUT_SHAPE
from cardiograph.encoders.readings import PROBE_VALUES
from cardiograph.pretrain.layouts import random_views
from cardiograph.pretrain.objective import Heads
from cardiograph.pretrain.stream import scales
from cardiograph.pretrain.training import Trained
from cardiograph.synthesis.clinical_findings import draw_heart
from cardiograph.synthesis.clinical_heart import PARAMETERS, STATEMENTS, ClinicalHeart, parameters, statements
from cardiograph.synthesis.clinical_recording import record_hearts

READINGS: Final = "ecg-readings.safetensors"
HEARTS: Final = 3000
"""New hearts on which the heads are calibrated."""

_SEED: Final = 4_000_000_000
_VALUES: Final = ("log_rate", "pr_ms", "qrs_ms", "qtc_ms", "axis_cos", "axis_sin")

Floats = NDArray[np.float64]


def write_readings(trained: Trained, path: Path, *, hearts: int = HEARTS) -> None:
    """Calibrate the heads of statements and values, and write them next to the weights.

    Statements are calibrated by a logistic regression of each logit (Platt), so that a probability is right among
    simulated hearts. The error of a value is its standard deviation around the truth.

    Args:
        trained: Finished pretraining.
        path: File to write.
        hearts: Number of new hearts.
    """
    from safetensors.numpy import save

    drawn, embeddings = _new_hearts(trained, hearts)
    tensors = _heads(trained)
    truth = np.array([list(statements(heart).values()) for heart in drawn])
    tensors |= _calibrated(embeddings @ tensors["statements.weight"].T + tensors["statements.bias"], truth)
    tensors["values.error"] = _errors(embeddings @ tensors["values.weight"].T + tensors["values.bias"], drawn)
    with torch.inference_mode():
        fixed = trained.network(torch.from_numpy(probe_input(INPUT_SHAPE))[None])[0, :PROBE_VALUES]
    facts = {"statements": json.dumps(STATEMENTS), "probe": json.dumps([round(float(v), 4) for v in fixed])}
    kept = {name: each.astype(np.float16 if each.ndim > 1 else np.float32) for name, each in tensors.items()}
    partial = path.with_suffix(".partial")
    partial.write_bytes(save(kept, facts))
    partial.replace(path)


def _new_hearts(trained: Trained, count: int) -> tuple[list[ClinicalHeart], Floats]:
    """Return hearts that the training has not drawn, and the embeddings of one view of each."""
    rng = np.random.default_rng(_SEED)
    hearts = [draw_heart(rng) for _ in range(count)]
    found = []
    for start in range(0, count, 100):
        views = random_views(record_hearts(hearts[start : start + 100], rng).signal, rng)
        with torch.inference_mode():
            found.append(trained.network(torch.from_numpy(views)).numpy().astype(np.float64))
    return hearts, np.concatenate(found)


def _heads(trained: Trained) -> dict[str, Floats]:
    """Return weights and biases of the heads, those of the values in their units."""
    heads, scale = cast("Heads", trained.heads), scales()
    rows = [PARAMETERS.index(name) for name in _VALUES]
    mean, spread = (each[rows].astype(np.float64) for each in (scale.mean, scale.spread))
    weight, bias = (tensor.detach().numpy().astype(np.float64)[rows] for tensor in heads.values.parameters())
    return {
        "statements.weight": heads.statements.weight.detach().numpy().astype(np.float64),
        "statements.bias": heads.statements.bias.detach().numpy().astype(np.float64),
        "values.weight": weight * spread[:, None],
        "values.bias": bias * spread + mean,
    }


def _calibrated(logits: Floats, truth: NDArray[np.bool_]) -> Mapping[str, Floats]:
    from sklearn.linear_model import LogisticRegression

    scale, offset = np.ones(len(STATEMENTS)), np.zeros(len(STATEMENTS))
    for column, holds in enumerate(truth.T):
        if 0 < holds.sum() < len(holds):
            fitted = LogisticRegression(C=1e3).fit(logits[:, [column]], holds)
            scale[column], offset[column] = fitted.coef_[0, 0], fitted.intercept_[0]
    return {"statements.scale": scale, "statements.offset": offset}


def _errors(raw: Floats, hearts: list[ClinicalHeart]) -> Floats:
    """Return the standard deviations of heart rate, PR, QRS, QTc and axis around the truth."""
    rows = [PARAMETERS.index(name) for name in _VALUES]
    truth = np.stack([parameters(heart)[rows] for heart in hearts]).astype(np.float64)
    rate = np.exp(raw[:, 0]) - np.exp(truth[:, 0])
    turn = np.degrees(np.arctan2(raw[:, 5], raw[:, 4]) - np.arctan2(truth[:, 5], truth[:, 4]))
    turn = (turn + 180) % 360 - 180
    differences = np.column_stack([rate, raw[:, 1:4] - truth[:, 1:4], turn])
    return np.asarray(np.sqrt(np.nanmean(differences**2, axis=0)))
