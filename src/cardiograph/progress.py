"""Interface through which long operations report progress; the command line displays it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Callback that receives stage progress."""

    def start(self, stage: str, total: int, *, unit: str = "") -> None:
        """Begin a stage and end the previous one.

        Args:
            stage: Name of the stage.
            total: Number of steps.
            unit: Unit of a step, if steps per second are worth displaying.
        """
        ...

    def advance(self, steps: int = 1) -> None:
        """Report completed steps of the current stage."""
        ...


class NoProgress:
    """Progress reporter that does nothing."""

    def start(self, stage: str, total: int, *, unit: str = "") -> None:
        """Ignore the stage."""

    def advance(self, steps: int = 1) -> None:
        """Ignore the steps."""
