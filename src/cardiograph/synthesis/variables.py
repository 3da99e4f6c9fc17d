"""Latent variables of synthetic patients: scale, reference value and spread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cardiograph.synthesis.waves import Conduction, Rhythm


@dataclass(frozen=True)
class Latent:
    """Variable that is Gaussian on its own scale, with the same standard deviation in every hidden state.

    Args:
        name: Name in the truth table.
        kind: ``ecg`` or ``clinical``.
        median: Median of a healthy heart in the unit of the variable.
        spread: Standard deviation on the Gaussian scale.
        scale: Gaussian scale: the value (``linear``), its logarithm (``log``), the logit of its position between
            ``low`` and ``high`` (``bounded``), or the logit of the position of its logarithm (``log bounded``).
        low: Lower end of a bounded scale; no value is outside, so that values need no clipping.
        high: Upper end of a bounded scale.
        rhythm: Rhythm in which the variable exists; an empty string means both.
    """

    name: str
    kind: Literal["ecg", "clinical"]
    median: float
    spread: float
    scale: Literal["linear", "log", "bounded", "log bounded"] = "linear"
    low: float = 0.0
    high: float = 1.0
    rhythm: str = ""

    def to_gaussian(self, value: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Convert values to the Gaussian scale; NaN stays NaN."""
        if self.scale == "linear":
            return np.asarray(value, np.float64)
        if self.scale == "log":
            return np.asarray(np.log(value))
        if self.scale == "bounded":
            share = (np.asarray(value) - self.low) / (self.high - self.low)
        else:
            share = np.log(np.asarray(value) / self.low) / np.log(self.high / self.low)
        return np.asarray(np.log(share) - np.log1p(-share))

    def from_gaussian(self, gaussian: NDArray[np.float64]) -> NDArray[np.float64]:
        """Convert values from the Gaussian scale to their unit."""
        if self.scale == "linear":
            return np.asarray(gaussian, np.float64)
        if self.scale == "log":
            return np.asarray(np.exp(gaussian))
        share = 1 / (1 + np.exp(-gaussian))
        if self.scale == "bounded":
            return np.asarray(self.low + (self.high - self.low) * share)
        return np.asarray(self.low * (self.high / self.low) ** share)


LATENTS: tuple[Latent, ...] = (
    Latent("rate", "ecg", 68, 0.15, "log"),
    Latent("pr_ms", "ecg", 156, 17, rhythm="sinus"),
    Latent("qrs_ms", "ecg", 90, 8),
    Latent("qtc_ms", "ecg", 408, 19),
    Latent("axis_deg", "ecg", 44, 22),
    Latent("rotation_deg", "ecg", 0, 10),
    Latent("voltage", "ecg", 1.0, 0.17, "log"),
    Latent("infarct_anterior", "ecg", 0, 0.10),
    Latent("infarct_inferior", "ecg", 0, 0.10),
    Latent("t_wave", "ecg", 1.0, 0.24),
    Latent("st_mv", "ecg", 0.0, 0.03),
    Latent("p_terminal", "ecg", 1.0, 0.35, rhythm="sinus"),
    Latent("rr_spread", "ecg", 0.030, 0.35, "log"),
    Latent("f_wave_mv", "ecg", 0.09, 0.35, "log", rhythm="af"),
    Latent("ef", "clinical", 0.61, 0.52, "bounded", 0.05, 0.90),
    Latent("bnp", "clinical", 42, 0.44, "log bounded", 1, 10_000),
    Latent("sbp", "clinical", 127, 0.34, "bounded", 50, 300),
    Latent("age", "clinical", 59, 0.65, "bounded", 18, 100),
)
"""All latent variables, in the order of the columns of every matrix of latents."""

NAMES = tuple(latent.name for latent in LATENTS)
ECG_NAMES = tuple(latent.name for latent in LATENTS if latent.kind == "ecg")
RHYTHMS: tuple[Rhythm, ...] = ("sinus", "af")
CONDUCTIONS: tuple[Conduction, ...] = ("normal", "irbbb", "lbbb")


def column(name: str) -> int:
    """Return the column of a variable in a matrix of latents."""
    return NAMES.index(name)
