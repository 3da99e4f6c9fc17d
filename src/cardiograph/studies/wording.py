"""Text that comparisons and ladders share."""

from __future__ import annotations

from cardiograph.evaluate.bootstrap import Interval
from cardiograph.report.tables import number, signed

DIFFERENCES_NOTE = "Of many differences, about one in twenty excludes 0 by chance alone."

RANDOM_WEIGHTS_NOTE = "The encoder has random weights: a valid baseline, but not a trained network."


def interval_text(found: Interval, *, sign: bool = False) -> str:
    """Return value and interval as text: ``0.812 (0.741 to 0.874)``.

    Args:
        found: Value and interval.
        sign: Whether to write a plus sign before positive numbers, as for differences.
    """
    as_text = signed if sign else number
    return f"{as_text(found.value)} ({as_text(found.low)} to {as_text(found.high)})"


def excludes_zero(change: Interval) -> bool:
    """Return whether the interval of a difference excludes 0."""
    return change.low > 0 or change.high < 0
