"""Heads of the network during pretraining, and the loss that they minimise together."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cardiograph.ecg.measure.reference import MEASUREMENTS
from cardiograph.encoders.ecg_network import WIDTH
from cardiograph.pretrain.stream import SHARES, Batch, Scales
from cardiograph.synthesis.clinical_heart import PARAMETERS, STATEMENTS

TERM_WEIGHTS: Final = {
    "parameters": 1.0,
    "measurements": 3.0,
    "statements": 1.5,
    "views": 0.1,
    "age": 0.1,
    "sex": 0.1,
    "teacher": 1.0,
}
"""Weight of each term of the loss."""

TEMPERATURE: Final = 0.1
_PROJECTION: Final = 128


class Heads(nn.Module):
    """A linear head on the embedding for each task, so that linear models find there what was learned."""

    def __init__(self) -> None:
        super().__init__()
        self.values = nn.Linear(WIDTH, len(PARAMETERS))
        self.measurements = nn.Linear(WIDTH, len(MEASUREMENTS) * len(SHARES))
        self.statements = nn.Linear(WIDTH, len(STATEMENTS))
        self.projection = nn.Linear(WIDTH, _PROJECTION)
        self.person = nn.Linear(WIDTH, 2)


class Objective:
    """Loss of a batch.

    Args:
        scales: Scales of the regression targets.
        device: Device of the network.
    """

    def __init__(self, scales: Scales, device: str = "cpu") -> None:
        self._device = device
        self._mean, self._spread = self._tensor(scales.mean), self._tensor(scales.spread)
        self._limits, self._softness = self._tensor(scales.limits), self._tensor(scales.softness)

    def _tensor(self, values: NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(values).to(self._device)

    def terms(self, network: nn.Module, heads: Heads, batch: Batch) -> dict[str, Tensor]:
        """Return each term of the loss of one batch, without its weight."""
        hearts = self._tensor(batch.hearts)
        embedding = network(torch.cat([hearts, self._tensor(batch.records)]))
        drawn, real = embedding[: len(hearts)], embedding[len(hearts) :]
        wanted = (self._tensor(batch.parameters) - self._mean) / self._spread
        found = {
            "parameters": regression(heads.values(drawn), wanted),
            "measurements": exceeded(
                heads.measurements(embedding),
                self._tensor(batch.measurements),
                limits=self._limits,
                softness=self._softness,
            ),
            "statements": nn.functional.binary_cross_entropy_with_logits(
                heads.statements(drawn), self._tensor(batch.statements)
            ),
        }
        if len(real):
            person = heads.person(real)
            found["views"] = _same_recording(heads.projection(real))
            found["age"] = regression(person[:, 0], (self._tensor(batch.age) - 50) / 20)
            found["sex"] = _known_sex(person[:, 1], self._tensor(batch.male))
        return found

    @staticmethod
    def total(terms: dict[str, Tensor]) -> Tensor:
        """Return the weighted sum of the terms."""
        return torch.stack([TERM_WEIGHTS[name] * value for name, value in terms.items()]).sum()


def exceeded(answer: Tensor, measured: Tensor, *, limits: Tensor, softness: Tensor) -> Tensor:
    """Return the cross-entropy of "the measurement exceeds this limit" over all measurements that exist.

    A limit is soft: a measurement near it counts as a share. A linear model of answers to such questions can follow
    any monotonous or U-shaped effect of a measurement, which one of the value itself cannot.
    """
    there = measured.isfinite()[:, :, None]
    above = torch.sigmoid((measured.nan_to_num(0.0)[:, :, None] - limits) / softness[:, None])
    loss = nn.functional.binary_cross_entropy_with_logits(answer.view_as(above), above, reduction="none")
    return (loss * there).sum() / (there.sum() * len(SHARES)).clamp(min=1)


def regression(answer: Tensor, wanted: Tensor) -> Tensor:
    """Return the mean Huber loss over the targets that exist."""
    there = wanted.isfinite()
    loss = nn.functional.smooth_l1_loss(answer, wanted.nan_to_num(0.0), reduction="none")
    return (loss * there).sum() / there.sum().clamp(min=1)


def _known_sex(answer: Tensor, male: Tensor) -> Tensor:
    there = male.isfinite()
    loss = nn.functional.binary_cross_entropy_with_logits(answer, male.nan_to_num(0.0), reduction="none")
    return (loss * there).sum() / there.sum().clamp(min=1)


def _same_recording(projected: Tensor) -> Tensor:
    """Return the contrastive loss of two views of each recording, first views first.

    Source: Chen et al., A Simple Framework for Contrastive Learning, ICML 2020 (NT-Xent).
    """
    unit = nn.functional.normalize(projected, dim=1)
    alike = unit @ unit.T / TEMPERATURE
    alike = alike.masked_fill(torch.eye(len(unit), dtype=torch.bool, device=unit.device), -1e9)
    partner = torch.arange(len(unit), device=unit.device).roll(len(unit) // 2)
    return nn.functional.cross_entropy(alike, partner)
