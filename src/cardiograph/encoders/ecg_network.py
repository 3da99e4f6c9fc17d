"""Encoder of twelve-lead ECGs: preparation of the leads, the one-dimensional network, and its shipped weights."""

from __future__ import annotations

from typing import Final

from torch import Tensor, cat, nn

from cardiograph.ecg.leads import LEADS
from cardiograph.encoders.leads_input import BEAT_SAMPLES
from cardiograph.encoders.shipped import with_shipped_weights

WIDTH: Final = 512
"""Number of values of an embedding."""

_WAVES: Final = 8
"""Features of each lead in the first layers."""

STRIDE: Final = 16
"""Samples of the recording in each moment that is pooled."""


class _Block(nn.Module):
    """Residual block of two convolutions; the first halves the number of samples."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        half = kernel // 2
        self.first = nn.Conv1d(inputs, outputs, kernel, stride=2, padding=half, bias=False)
        self.first_norm = nn.BatchNorm1d(outputs)
        self.second = nn.Conv1d(outputs, outputs, kernel, padding=half, bias=False)
        self.second_norm = nn.BatchNorm1d(outputs)
        self.shortcut = nn.Conv1d(inputs, outputs, 1, stride=2, bias=False)
        self.shortcut_norm = nn.BatchNorm1d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, inputs, samples] to [n, outputs, ceil(samples / 2)]."""
        inside = self.first_norm(self.first(x)).relu()
        total: Tensor = self.second_norm(self.second(inside)) + self.shortcut_norm(self.shortcut(x))
        return total.relu()


class EcgNetwork(nn.Module):
    """Network of two branches: [n, 24, 1112] inputs -> [n, 512] embeddings.

    Inputs come from :func:`cardiograph.encoders.leads_input.leads_input`.

    *Rhythm*: two convolutions with the same weights for every lead describe the waves of the recording, residual blocks
    combine the leads, and mean, standard deviation, maximum and minimum over time summarise them. What was not recorded
    has no part in it: mean and standard deviation weight each moment by the share of leads recorded then.

    *Beat*: residual blocks over the typical beat. Its QRS complexes are aligned, so the place of each feature is kept.

    A last layer combines both branches.

    Source: He et al., Deep Residual Learning, CVPR 2016, in one dimension.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            *(nn.Conv1d(1, _WAVES, 9, stride=2, padding=4, bias=False), nn.BatchNorm1d(_WAVES), nn.ReLU()),
            *(nn.Conv1d(_WAVES, _WAVES, 5, stride=2, padding=2, bias=False), nn.BatchNorm1d(_WAVES), nn.ReLU()),
        )
        self.blocks = nn.Sequential(_Block((_WAVES + 1) * len(LEADS), 64, 5), _Block(64, 128, 3))
        self.readout = nn.Conv1d(128, 64, 1, bias=False)
        self.readout_norm = nn.BatchNorm1d(64)
        self.beat = nn.Sequential(
            *(nn.Conv1d(2 * len(LEADS), 96, 9, stride=2, padding=4, bias=False), nn.BatchNorm1d(96), nn.ReLU()),
            *(_Block(96, 128, 5), _Block(128, 192, 5)),
            *(nn.Conv1d(192, 48, 1, bias=False), nn.BatchNorm1d(48), nn.ReLU(), nn.Flatten()),
        )
        self.embedding = nn.Sequential(nn.Linear(4 * 64 + 48 * -(-BEAT_SAMPLES // 8), WIDTH), nn.GELU())

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, 24, samples + 112] inputs to [n, 512] embeddings."""
        recording, shown = x[:, :, :-BEAT_SAMPLES], x[:, len(LEADS) :, -BEAT_SAMPLES:]
        beat = cat([x[:, : len(LEADS), -BEAT_SAMPLES:] * shown, shown], dim=1)
        both: Tensor = self.embedding(cat([self._rhythm(recording), self.beat(beat)], dim=1))
        return both

    def _rhythm(self, x: Tensor) -> Tensor:
        mask = x[:, len(LEADS) :]
        leads = (x[:, : len(LEADS)] * mask).reshape(-1, 1, x.shape[2])
        coarse = nn.functional.avg_pool1d(mask, 4, ceil_mode=True)
        waves = self.stem(leads)
        waves = waves.reshape(-1, len(LEADS), _WAVES, waves.shape[2]) * coarse[:, :, None]
        both = cat([waves.flatten(1, 2), coarse], dim=1)
        return _pooled(self.readout_norm(self.readout(self.blocks(both))), mask)


def _pooled(waves: Tensor, mask: Tensor) -> Tensor:
    """Summarise [n, channels, moments] features over the recorded moments: [n, 4 * channels]."""
    missing = waves.shape[2] * STRIDE - mask.shape[2]
    leads = nn.functional.pad(mask.mean(1, keepdim=True), (0, missing))
    weight = nn.functional.avg_pool1d(leads, STRIDE)
    there = (weight > 0).to(waves.dtype)
    share = weight / weight.sum(2, keepdim=True).clamp(min=1e-6)
    mean = (waves * share).sum(2)
    spread = ((waves - mean[:, :, None]) ** 2 * share).sum(2).add(1e-5).sqrt()
    hidden, some = (1 - there) * 1e4, there.amax(2)
    highest = (waves * there - hidden).amax(2) * some
    lowest = (waves * there + hidden).amin(2) * some
    return cat([mean, spread, highest, lowest], dim=1)


def ecg_network() -> nn.Module:
    """Return the network with its shipped weights, in evaluation mode.

    Raises:
        WeightsError: If the weights file is missing or is not the one that this version ships.
    """
    return with_shipped_weights(EcgNetwork(), "ecg")
