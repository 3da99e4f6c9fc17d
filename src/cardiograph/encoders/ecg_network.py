"""Encoder of twelve-lead ECGs: preparation of the leads, the one-dimensional network, and its shipped weights."""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, cat, nn

from cardiograph.ecg.leads import LEADS
from cardiograph.ecg.resample import resample
from cardiograph.errors import WeightsError
from cardiograph.regular_files import read_regular

if TYPE_CHECKING:
    from cardiograph.ecg.ecg import Ecg

INPUT_RATE_HZ: Final = 100.0
INPUT_SECONDS: Final = 10.0
INPUT_SHAPE: Final[tuple[int, int]] = (2 * len(LEADS), round(INPUT_RATE_HZ * INPUT_SECONDS))
"""Channels and samples of an input: twelve leads in mV, and twelve masks that are 1 where the lead was recorded."""

WIDTH: Final = 512
"""Number of values of an embedding."""

PREPARATION: Final = "leads=1"
"""Version of :func:`leads_input`; embeddings of different versions are not comparable."""

WEIGHTS_FILE: Final = Path(__file__).parent / "ecg.safetensors"
WEIGHTS_SHA256: Final = "69af1584c7431473690d2063ad38c9203c159707f9efca00e82541e5fc377f4e"

STRIDE: Final = 16
"""Samples of the input in each moment that is pooled."""

LATE_START_S: Final = 1.0
"""A lead that starts later than this, such as V1 on a page of 3 x 4 leads, is moved to the start of the input."""


def leads_input(ecg: Ecg) -> NDArray[np.float32]:
    """Prepare an ECG for :class:`EcgNetwork`.

    Each lead is resampled to 100 Hz with an anti-aliasing filter, and its median is subtracted. A lead whose first
    sample comes later than 1 s is moved to the start, so that the leads of a printed page lie above one another as
    those of a recording do. Only the first 10 s are used; shorter recordings end with a mask of 0.

    Args:
        ecg: ECG of any length and layout, NaN where a lead was not recorded or not printed.

    Returns:
        [24, 1000] float32: twelve leads in mV, 0 where nothing was recorded, then their masks, 1 where recorded.
    """
    signal = resample(ecg.signal, ecg.rate, INPUT_RATE_HZ)
    samples = INPUT_SHAPE[1]
    prepared = np.zeros(INPUT_SHAPE, dtype=np.float32)
    for row, lead, mask in zip(signal, prepared[: len(LEADS)], prepared[len(LEADS) :], strict=True):
        recorded = np.flatnonzero(np.isfinite(row))
        if not recorded.size:
            continue
        first = int(recorded[0]) if recorded[0] > LATE_START_S * INPUT_RATE_HZ else 0
        part = row[first : first + samples]
        there = np.isfinite(part)
        lead[: len(part)][there] = part[there] - np.median(part[there])
        mask[: len(part)] = there
    return prepared


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
    """Residual network over time: [n, 24, 1000] inputs of :func:`leads_input` -> [n, 512] embeddings.

    Two convolutions with the same weights for every lead describe its waves; residual blocks then combine the leads.
    Mean, standard deviation, maximum and minimum over time of 128 features go through one more layer, which gives the
    embedding. What was not recorded has no part in it: mean and standard deviation weight each moment by the share of
    leads recorded then.

    Source: He et al., Deep Residual Learning, CVPR 2016, in one dimension.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            *(nn.Conv1d(1, 16, 9, stride=2, padding=4, bias=False), nn.BatchNorm1d(16), nn.ReLU()),
            *(nn.Conv1d(16, 16, 5, stride=2, padding=2, bias=False), nn.BatchNorm1d(16), nn.ReLU()),
        )
        self.blocks = nn.Sequential(_Block(17 * len(LEADS), 128, 5), _Block(128, 256, 3))
        self.readout = nn.Conv1d(256, WIDTH // 4, 1, bias=False)
        self.readout_norm = nn.BatchNorm1d(WIDTH // 4)
        self.embedding = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.GELU())

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, 24, 1000] inputs to [n, 512] embeddings."""
        mask = x[:, len(LEADS) :]
        leads = (x[:, : len(LEADS)] * mask).reshape(-1, 1, x.shape[2])
        coarse = nn.functional.avg_pool1d(mask, 4, ceil_mode=True)
        waves = self.stem(leads)
        waves = waves.reshape(-1, len(LEADS), 16, waves.shape[2]) * coarse[:, :, None]
        both = cat([waves.flatten(1, 2), coarse], dim=1)
        pooled: Tensor = self.embedding(_pooled(self.readout_norm(self.readout(self.blocks(both))), mask))
        return pooled


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


@functools.cache
def seen_recordings() -> frozenset[str]:
    """Return the content hashes (:meth:`cardiograph.ecg.ecg.Ecg.content_hash`) of recordings in the shipped weights.

    Raises:
        WeightsError: If the weights file cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(WEIGHTS_FILE, "numpy") as file:
            return frozenset(json.loads(file.metadata()["records"]))
    except (OSError, SafetensorError) as error:
        message = f"weights {WEIGHTS_FILE}: cannot be read ({error}); install cardiograph again"
        raise WeightsError(message) from error


def ecg_network() -> nn.Module:
    """Return the network with its shipped weights, in evaluation mode.

    Raises:
        WeightsError: If the weights file is missing or is not the one that this version ships.
    """
    from safetensors.torch import load

    try:
        content = read_regular(WEIGHTS_FILE)
    except OSError as error:
        message = f"weights {WEIGHTS_FILE}: cannot be read ({error.strerror}); install cardiograph again"
        raise WeightsError(message) from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != WEIGHTS_SHA256:
        message = f"weights {WEIGHTS_FILE}: SHA-256 is {digest}, expected {WEIGHTS_SHA256}; install cardiograph again"
        raise WeightsError(message)
    network = EcgNetwork()
    network.load_state_dict({name: tensor.float() for name, tensor in load(content).items()}, strict=False)
    return network.eval()
