"""Results of a ladder: rows, blocks of rows and the whole ladder."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from cardiograph.evaluate.bootstrap import Interval

LADDER_METRICS: dict[str, str] = {
    "auroc": "AUROC",
    "balanced_accuracy": "Balanced accuracy",
    "class_accuracy": "Class accuracy",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
}
"""Metric -> title."""

SHOWN_METRICS = ("auroc", "balanced_accuracy", "class_accuracy")
"""Metrics in tables and figures; the JSON file has all of them."""


@dataclass(frozen=True)
class LadderRow:
    """Result of a step.

    Args:
        name: Name of the step.
        title: Title of the step.
        why_not: Reason for which the step was not run; empty if it was run.
        scores: Metric -> mean over the seeds with interval; empty if the step was not run.
        changes: Metric -> mean paired difference to the compared row; empty for the first row.
        trials: Metric -> score for each seed.
        sentence: Interpretation in one or two sentences.
    """

    name: str
    title: str
    why_not: str
    scores: dict[str, Interval]
    changes: dict[str, Interval]
    trials: dict[str, tuple[float, ...]]
    sentence: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
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
    """Rows of one table.

    Args:
        name: ``image``, ``clinical``, ``both`` or ``controls``.
        title: Title of the table.
        rows: Rows; the first is the start of a ladder or the row that the others are compared with.
        overall: AUROC of the last row minus that of the first; None if the rows are not steps of one ladder.
    """

    name: str
    title: str
    rows: tuple[LadderRow, ...]
    overall: Interval | None = None

    @property
    def metrics(self) -> tuple[str, ...]:
        """Shown metrics of the first row."""
        return tuple(metric for metric in SHOWN_METRICS if metric in self.rows[0].scores)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        overall = None if self.overall is None else self.overall.as_dict()
        return {
            "name": self.name,
            "title": self.title,
            "overall": overall,
            "rows": [row.as_dict() for row in self.rows],
        }


@dataclass(frozen=True)
class LadderFacts:
    """Cohort and settings of a ladder.

    Args:
        cohort: Name of the table or folder.
        outcome: Name of label 1.
        records: Number of records used.
        groups: Number of groups of related records.
        classes: Class names in the table.
        seeds: Number of seeds per step.
        first_seed: First seed; the others follow.
        confidence: Confidence level of the intervals, 0..1.
        quick: Whether the ladder is a quick one.
        weights: Weights of the encoder; empty without pages.
        model: Model of our own settings.
        simulated: Whether clinical values were simulated for the multimodal ladder.
        chance: Metric -> score by chance, or of always predicting the largest class.
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
    """Result of a ladder with its controls.

    Args:
        facts: Cohort and settings.
        ladders: Ladders; each row is compared with the last row before it that was run.
        alone: Single faults; each row is compared with the first, the run without faults.
        controls: Controls; each row is compared with the first, our own settings.
        notes: Notes on the method and its limits, one sentence or more each.
        reading: Overall interpretation, a sentence each.
    """

    facts: LadderFacts
    ladders: tuple[Block, ...]
    alone: tuple[Block, ...]
    controls: Block
    notes: tuple[str, ...]
    reading: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            **asdict(self.facts),
            "classes": list(self.facts.classes),
            "differences": list(self.facts.differences),
            "notes": list(self.notes),
            "reading": list(self.reading),
            "ladders": [block.as_dict() for block in self.ladders],
            "alone": [block.as_dict() for block in self.alone],
            "controls": self.controls.as_dict(),
        }
