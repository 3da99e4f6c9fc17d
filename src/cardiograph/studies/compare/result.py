"""Results of a comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from cardiograph.evaluate.bootstrap import Interval
from cardiograph.studies.compare.kinds import KINDS, Kind, OutcomeScores
from cardiograph.studies.shared_cohort import Modality

GraphAnswer = Literal["yes", "not the edges", "no", "undecided", "no graph"]
"""Answers to the question whether the graph helps."""


def benefit_name(threshold: float) -> str:
    """Return the key of the net benefit at a threshold: ``net_benefit_at_0.2``."""
    return f"net_benefit_at_{threshold:g}"


@dataclass(frozen=True)
class LeaderboardRow:
    """A row of the leaderboard.

    Args:
        modality: Inputs of the model.
        model: Name of the model.
        title: Title of the model.
        scores: Metric -> mean over folds with interval; NaN if it is undefined in all folds.
        undefined: Metric -> number of folds in which it is undefined; the mean excludes them.
        seconds: Duration of a fit with the chosen settings in seconds, mean and interval.
        peak_mib: Peak resident memory of the process during such a fit, in MiB.
        settings: Settings as text -> number of folds that chose them.
        by_class: Class -> AUROC against the rest, or label -> AUROC; empty for another outcome.
    """

    modality: Modality
    model: str
    title: str
    scores: Mapping[str, Interval]
    undefined: Mapping[str, int]
    seconds: Interval
    peak_mib: float
    settings: Mapping[str, int]
    by_class: Mapping[str, Interval] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """Difference between a model and the best baseline of each fold, chosen on validation records.

    Args:
        modality: Inputs of both models.
        model: Name of the model.
        title: Title of the model.
        changes: Metric -> mean difference with interval.
        baselines: Baseline -> number of folds in which it is the best.
        p: P value of DeLong's test of the AUROC for a single split; None for folds.
    """

    modality: Modality
    model: str
    title: str
    changes: Mapping[str, Interval]
    baselines: Mapping[str, int]
    p: float | None = None


@dataclass(frozen=True)
class Point:
    """A point of a curve.

    Args:
        share: Share of labels kept, or of measurements blanked, 0..1.
        labelled: Mean number of labelled training records.
        default: Primary score of the default model.
        baseline: Primary score of the best baseline of each fold.
        changes: Metric -> default minus baseline.
    """

    share: float
    labelled: float
    default: Interval
    baseline: Interval
    changes: Mapping[str, Interval]


@dataclass(frozen=True)
class GraphVerdict:
    """Verdict whether the graph helps.

    Args:
        modality: Inputs of the models.
        helps: ``yes`` if the default is better than the best baseline and than itself with random edges; ``not the
            edges`` if only better than the baseline; ``no`` if worse; ``undecided`` if the interval includes 0.
        sentence: The verdict as text.
        change: Primary score of the default minus that of the best baseline.
        edges: Primary score of the default minus that of the same model with random edges.
        rewired: Primary score of the same model with random edges minus that of the best baseline.
    """

    modality: Modality
    helps: GraphAnswer
    sentence: str
    change: Interval
    edges: Interval | None = None
    rewired: Interval | None = None


@dataclass(frozen=True)
class CompareFacts:
    """Cohort and settings of a comparison.

    Args:
        cohort: Name of the table or folder.
        outcome: Name of label 1, of what several classes describe, or of the event.
        records: Number of records.
        labelled: Number of records with a label, or with follow-up.
        positive: Number of records with label 1, or with the event; None with several classes or labels.
        groups: Number of groups of related records.
        modalities: Inputs that are compared.
        folds: Number of folds per repeat; 1 for the split of the table.
        repeats: Number of repeats.
        confidence: Confidence level of the intervals, 0..1.
        own_split: Whether the split of the table was used.
        tuned: Whether models chose their settings.
        quick: Whether the comparison is a quick one.
        weights: Weights of the encoder; empty without pages.
        default: Name of the default model.
        thresholds: Thresholds of net benefit.
        treat_all: Metric -> net benefit of treating all patients; empty unless the outcome is binary.
        classes: Class -> number of labelled records, or label -> number of records that have it; empty for another
            outcome.
        kind: Kind of outcome.
        horizon: Time by which risks are predicted and scored; None unless the outcome is the time to an event.
        unit: Unit of the horizon.
    """

    cohort: str
    outcome: str
    records: int
    labelled: int
    positive: int | None
    groups: int
    modalities: tuple[Modality, ...]
    folds: int
    repeats: int
    confidence: float
    own_split: bool
    tuned: bool
    quick: bool
    weights: str
    default: str
    thresholds: tuple[float, ...]
    treat_all: Mapping[str, float]
    classes: Mapping[str, int] = field(default_factory=dict)
    kind: Kind = "binary"
    horizon: float | None = None
    unit: str = ""

    @property
    def scores(self) -> OutcomeScores:
        """What is compared for this kind of outcome."""
        return KINDS[self.kind]

    @property
    def counted(self) -> str:
        """Numbers of labelled records, as text."""
        if self.kind == "survival":
            return f"{self.positive} of {self.labelled} records with follow-up have the event"
        if self.classes:
            return f"{self.labelled} labelled records: " + ", ".join(f"{n} {name}" for name, n in self.classes.items())
        return f"{self.positive} of {self.labelled} labelled records are positive"

    def title(self, metric: str) -> str:
        """Return the title of a metric for this outcome."""
        if metric in self.scores.scores:
            return self.scores.scores[metric].title
        return f"Net benefit at {metric.removeprefix('net_benefit_at_')}"


@dataclass(frozen=True)
class CompareResult:
    """Result of a comparison.

    Args:
        facts: Cohort and settings.
        rows: Leaderboard, by modality, the highest primary score first.
        differences: Default and graph models compared with the best baseline.
        verdicts: Verdict for each modality, the one with the most information first.
        scarcity: Curve over the share of labels kept; empty if not requested.
        missingness: Curve over the share of measurements blanked; empty if not requested.
        notes: Notes on the method and its limits.
    """

    facts: CompareFacts
    rows: tuple[LeaderboardRow, ...]
    differences: tuple[Difference, ...]
    verdicts: tuple[GraphVerdict, ...]
    scarcity: tuple[Point, ...] = ()
    missingness: tuple[Point, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def verdict(self) -> GraphVerdict:
        """Verdict of the modality with the most information."""
        return self.verdicts[0]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, None for undefined numbers."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not (float("-inf") < value < float("inf")):
        return None
    return value
