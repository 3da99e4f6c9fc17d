"""How long work tells how far it is; the command line draws it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Listens to the stages of a run."""

    def start(self, stage: str, total: int, *, unit: str = "") -> None:
        """A stage of ``total`` steps begins; the one before is over. With a unit, steps a second are worth telling."""
        ...

    def advance(self, steps: int = 1) -> None:
        """Steps of the current stage are done."""
        ...


class NoProgress:
    """Listens and says nothing."""

    def start(self, stage: str, total: int, *, unit: str = "") -> None:
        """Ignored."""

    def advance(self, steps: int = 1) -> None:
        """Ignored."""
