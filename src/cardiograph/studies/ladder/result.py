"""The nouns of a finished ladder: rows, blocks of rows, and all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cardiograph.evaluate.bootstrap import Interval

LADDER_METRICS: dict[str, str] = {
    "auroc": "AUROC",
    "balanced_accuracy": "Balanced accuracy",
    "class_accuracy": "Class accuracy",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
}
SHOWN = ("auroc", "balanced_accuracy", "class_accuracy")
"""The metrics of tables and figures; the others are in the JSON."""


@dataclass(frozen=True)
class LadderRow:
    """A step and what became of it.

    Args:
        name: Name of the step.
        title: In plain words.
        why_not: Why it was not run; empty where it was.
        scores: Metric -> mean over the seeds and interval; empty where it was not run.
        changes: Metric -> mean paired difference to the row it is compared with; empty for the first.
        trials: Metric -> score of each seed.
        sentence: What it says.
    """

    name: str
    title: str
    why_not: str
    scores: dict[str, Interval]
    changes: dict[str, Interval]
    trials: dict[str, tuple[float, ...]]
    sentence: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "name": self.name,
            "title": self.title,
            "not_run": self.why_not,
            "scores": {metric: found.as_dict() for metric, found in self.scores.items()},
            "changes": {metric: found.as_dict() for metric, found in self.changes.items()},
            "trials": {metric: list(values) for metric, values in self.trials.items()},
            "sentence": self.sentence,
        }


@dataclass(frozen=True)
class Block:
    """Rows that belong together.

    Args:
        name: ``image``, ``clinical``, ``both`` or ``controls``.
        title: For people.
        rows: The first is where it starts, or what the others are compared with.
        overall: AUROC of the last row less that of the first; None where rows are not steps of one ladder.
    """

    name: str
    title: str
    rows: tuple[LadderRow, ...]
    overall: Interval | None = None

    @property
    def metrics(self) -> tuple[str, ...]:
        """The shown metrics that its first row has."""
        return tuple(metric for metric in SHOWN if metric in self.rows[0].scores)

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        overall = None if self.overall is None else self.overall.as_dict()
        return {
            "name": self.name,
            "title": self.title,
            "overall": overall,
            "rows": [row.as_dict() for row in self.rows],
        }


@dataclass(frozen=True)
class LadderFacts:
    """What a ladder was made on.

    Args:
        cohort: Name of the table or folder.
        outcome: What the user calls label 1.
        records: Used ones.
        groups: Groups of records that belong together.
        classes: As the user wrote them.
        seeds: Splits, simulations and trainings of each step.
        first_seed: The others follow.
        confidence: Confidence of the intervals.
        quick: Whether it was called quick.
        weights: Weights of the encoder; empty without pages.
        model: The network of our own settings.
        simulated: Whether clinical values had to be simulated for the multimodal ladder.
        chance: Metric -> score of a coin, or of always naming the largest class.
        differences: Settings in which the last step of a ladder differs from the one before.
    """

    cohort: str
    outcome: str
    records: int
    groups: int
    classes: tuple[str, ...]
    seeds: int
    first_seed: int
    confidence: float
    quick: bool
    weights: str
    model: str
    simulated: bool
    chance: dict[str, float]
    differences: tuple[str, ...]


@dataclass(frozen=True)
class LadderResult:
    """A ladder with its controls.

    Args:
        facts: What it was made on.
        ladders: Each row compared with the last one before it that was run.
        alone: Each row compared with the first, the sound path.
        controls: Each row compared with the first, our own settings.
        notes: What a reader has to know first.
        reading: What it all says, a sentence each.
    """

    facts: LadderFacts
    ladders: tuple[Block, ...]
    alone: tuple[Block, ...]
    controls: Block
    notes: tuple[str, ...]
    reading: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        import dataclasses

        facts = dataclasses.asdict(self.facts)
        return {
            **facts,
            "classes": list(self.facts.classes),
            "differences": list(self.facts.differences),
            "notes": list(self.notes),
            "reading": list(self.reading),
            "ladders": [block.as_dict() for block in self.ladders],
            "alone": [block.as_dict() for block in self.alone],
            "controls": self.controls.as_dict(),
        }
