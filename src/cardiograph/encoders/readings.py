"""Readings: what the pretrained ECG encoder itself sees in an ECG, from linear heads on its embedding."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from cardiograph.containers.readings import LinearReadings, Readings, Statement, Value
from cardiograph.errors import WeightsError

if TYPE_CHECKING:
    from cardiograph.encoders.engine import EncoderFacts

READINGS_FILE: Final = Path(__file__).with_name("ecg-readings.safetensors")
PROBE_VALUES: Final = 16
"""Values of the embedding of a fixed input by which readings recognise their encoder."""

_PROBE_TOLERANCE: Final = 1e-2

GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "summary": ("normal",),
    "rhythm": (
        *("fibrillation", "flutter", "junctional or supraventricular", "tachycardia", "bradycardia", "atrial ectopy"),
        *("ventricular ectopy", "paced"),
    ),
    "conduction": (
        *("first-degree block", "higher-degree block", "left bundle branch block", "right bundle branch block"),
        *("incomplete right block", "wide QRS", "pre-excitation"),
    ),
    "axis": ("left axis", "right axis"),
    "chambers and voltage": (
        *("left ventricular hypertrophy", "right ventricular hypertrophy", "left atrial enlargement"),
        *("right atrial enlargement", "low voltage"),
    ),
    "infarct": ("anterior infarct", "inferior infarct", "lateral infarct", "posterior infarct"),
    "ST segment, T wave and QT": (
        *("ST elevation", "ST depression", "T inversion", "flat T wave", "tall T wave", "long QT", "U wave"),
    ),
}
"""Group for people -> statements of :data:`cardiograph.synthesis.clinical_heart.STATEMENTS`."""


@dataclass(frozen=True)
class ReadingHeads:
    """Linear heads on the embedding.

    Args:
        tensors: ``statements.weight`` [statements, width], ``statements.bias``, ``statements.scale`` and
            ``statements.offset`` [statements] (logistic calibration), ``values.weight`` [6, width], ``values.bias`` [6]
            (log of the heart rate, PR, QRS and QTc in ms, cosine and sine of the axis) and ``values.error`` [5].
        names: Names of the statements, in the order of the rows.
        probe: First values of the embedding of the encoder's fixed input.
    """

    tensors: dict[str, NDArray[np.float64]]
    names: tuple[str, ...]
    probe: NDArray[np.float64]

    def fit(self, probe: Sequence[float]) -> bool:
        """Return whether the heads belong to the encoder that gives this embedding of the fixed input."""
        given = np.asarray(probe, np.float64)[: len(self.probe)]
        scale = 1 + np.abs(self.probe)
        return given.shape == self.probe.shape and bool((np.abs(given - self.probe) < _PROBE_TOLERANCE * scale).all())

    def probabilities(self, embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return [ecgs, statements] calibrated probabilities of [ecgs, width] embeddings."""
        of = self.tensors
        raw = np.asarray(embeddings, np.float64) @ of["statements.weight"].T + of["statements.bias"]
        return np.asarray(1 / (1 + np.exp(-(raw * of["statements.scale"] + of["statements.offset"]))))

    def values(self, embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return [ecgs, 5] heart rate, PR, QRS, QTc (ms) and axis (degrees) of [ecgs, width] embeddings."""
        of = self.tensors
        raw = np.asarray(embeddings, np.float64) @ of["values.weight"].T + of["values.bias"]
        axis = np.degrees(np.arctan2(raw[:, 5], raw[:, 4]))
        return np.column_stack([np.exp(raw[:, 0]), raw[:, 1:4], axis])

    def linear(self) -> LinearReadings:
        """Return the readings before their last, nonlinear step: log odds of the statements, and values.

        The heart rate is a logarithm and the axis a cosine and a sine, as the heads give them.
        """
        of = self.tensors
        scale, offset = of["statements.scale"], of["statements.offset"]
        weight = np.vstack([of["statements.weight"] * scale[:, None], of["values.weight"]])
        bias = np.concatenate([of["statements.bias"] * scale + offset, of["values.bias"]])
        rate, *intervals, axis = VALUES
        return LinearReadings(
            weight, bias, (*self.names, f"log of {rate.lower()}", *intervals, f"{axis}, cosine", f"{axis}, sine")
        )

    def read(self, embedding: NDArray[np.float32]) -> Readings | None:
        """Return the readings of one [width] embedding; None if it is missing (NaN)."""
        if not np.isfinite(embedding).all():
            return None
        of = dict(zip(self.names, self.probabilities(embedding[None])[0].tolist(), strict=True))
        statements = [Statement(name, group, of[name]) for group, names in GROUPS.items() for name in names]
        errors, values = self.tensors["values.error"].tolist(), self.values(embedding[None])[0].tolist()
        return Readings(
            tuple(statements),
            tuple(Value(*each) for each in zip(VALUES, values, UNITS, errors, strict=True)),
        )


VALUES: Final = ("Heart rate", "PR interval", "QRS duration", "QTc interval", "QRS axis")
UNITS: Final = ("1/min", "ms", "ms", "ms", "°")


def reading_heads(encoder: EncoderFacts | None, probe: Sequence[float]) -> ReadingHeads | None:
    """Return the heads of the shipped encoder if a model uses it, None otherwise.

    Args:
        encoder: Facts of the model's encoder; None for a model without ECGs.
        probe: Embedding of the encoder's fixed input.

    Raises:
        WeightsError: If the file of the heads is missing or damaged.
    """
    if encoder is None or encoder.architecture != "ecg":
        return None
    heads = shipped_heads()
    return heads if heads.fit(probe) else None


@functools.cache
def shipped_heads() -> ReadingHeads:
    """Return the heads of the shipped encoder.

    Raises:
        WeightsError: If their file is missing or damaged.
    """
    return load_heads(READINGS_FILE)


def load_heads(path: Path) -> ReadingHeads:
    """Load the heads that ``cardiograph pretrain`` wrote next to the weights of an encoder.

    Raises:
        WeightsError: If the file is missing or damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as file:
            facts: dict[str, Any] = file.metadata()
            tensors = {name: file.get_tensor(name).astype(np.float64) for name in file.keys()}  # noqa: SIM118
            return ReadingHeads(tensors, tuple(json.loads(facts["statements"])), np.array(json.loads(facts["probe"])))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        message = f"readings {path}: cannot be read ({error}); install cardiograph again"
        raise WeightsError(message) from error
