"""What an encoder reads in an ECG: as an answer shows it, and as node features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Statement:
    """A statement about an ECG, as the encoder reads it.

    Args:
        name: Statement, such as ``left axis``.
        group: Part of the ECG, a key of :data:`cardiograph.encoders.readings.GROUPS`.
        probability: 0..1, calibrated on simulated hearts, where each statement is about as frequent as in the training
            of the encoder; among patients it may be more or less frequent.
    """

    name: str
    group: str
    probability: float


@dataclass(frozen=True)
class Value:
    """A value that the encoder reads.

    Args:
        name: Heart rate, PR interval, QRS duration, QTc interval or QRS axis.
        value: In ``unit``.
        unit: Unit.
        error: Standard deviation of the error on simulated hearts, in ``unit``.
    """

    name: str
    value: float
    unit: str
    error: float


@dataclass(frozen=True)
class Readings:
    """What the encoder reads in one ECG. Readings of a model, not measurements and not a diagnosis.

    Args:
        statements: Statements in the order of :data:`cardiograph.encoders.readings.GROUPS`.
        values: Values with their errors.
    """

    statements: tuple[Statement, ...]
    values: tuple[Value, ...]

    @property
    def likely(self) -> tuple[Statement, ...]:
        """Statements with a probability of at least one half, most probable first."""
        found = [each for each in self.statements if each.probability >= 0.5]
        return tuple(sorted(found, key=lambda each: -each.probability))


_ROUNDING = 1e-12
"""Standard deviation, relative to the largest value, below which a reading does not vary."""


@dataclass(frozen=True)
class LinearReadings:
    """Named linear functions of an embedding, as node features.

    Args:
        weight: [readings, width] float64.
        bias: [readings] float64.
        names: Name of each reading.
    """

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]
    names: tuple[str, ...]

    def of(self, image: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return [records, readings] readings of [records, width] embeddings, NaN where the embedding is NaN."""
        return image.astype(np.float64) @ self.weight.T + self.bias

    def standardised(self, image: NDArray[np.floating[Any]]) -> Self:
        """Return these readings with mean 0 and standard deviation 1 over [records, width] embeddings.

        A reading that does not vary becomes 0 for every record, because its effect is unknown.
        """
        values = self.of(image)
        mean, std = values.mean(0), values.std(0)
        varies = std > _ROUNDING * np.abs(values).max(0)
        scale = np.divide(1.0, std, out=np.zeros_like(std), where=varies)
        return type(self)(self.weight * scale[:, None], (self.bias - mean) * scale, self.names)
