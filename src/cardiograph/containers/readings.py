"""What an encoder reads in an ECG, as an answer shows it."""

from __future__ import annotations

from dataclasses import dataclass


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
