"""What a comparison found, ready to be shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from cardiograph.evaluate.bootstrap import Interval
from cardiograph.evaluate.metrics import METRICS
from cardiograph.studies.shared_cohort import Modality

Helps = Literal["yes", "not the edges", "no", "undecided", "no graph"]

SCORED = ("auroc", "auprc", "brier", "calibration_slope", "calibration_intercept")
"""Metrics of the leaderboard, before net benefit."""

COMPARED = ("auroc", "brier")
"""Metrics of the differences."""


def benefit_name(threshold: float) -> str:
    """Key of the net benefit at a threshold: ``net_benefit_at_0.2``."""
    return f"net_benefit_at_{threshold:g}"


def metric_title(name: str) -> str:
    """Name for people."""
    if name in METRICS:
        return METRICS[name].title
    return f"Net benefit at {name.removeprefix('net_benefit_at_')}"


@dataclass(frozen=True)
class LeaderboardRow:
    """A line of the leaderboard.

    Args:
        modality: What the model reads.
        model: Its key.
        title: Its name for people.
        scores: Metric -> mean over folds and interval; NaN where it is defined in no fold.
        undefined: Metric -> folds in which it is not defined, which the mean leaves out.
        seconds: For a fit with the chosen settings, mean and interval.
        peak_mib: Largest resident memory of a process during such a fit.
        settings: In words -> in how many folds they were chosen.
    """

    modality: Modality
    model: str
    title: str
    scores: Mapping[str, Interval]
    undefined: Mapping[str, int]
    seconds: Interval
    peak_mib: float
    settings: Mapping[str, int]


@dataclass(frozen=True)
class Difference:
    """A model less the baseline that the validation records of each fold preferred, fold by fold.

    Args:
        modality: What both read.
        model: Key of the first.
        title: Its name for people.
        changes: Metric -> mean difference and interval.
        baselines: Baseline -> in how many folds it was the best.
        p: P of DeLong's test on AUROC, where there is one split; None for folds.
    """

    modality: Modality
    model: str
    title: str
    changes: Mapping[str, Interval]
    baselines: Mapping[str, int]
    p: float | None = None


@dataclass(frozen=True)
class Point:
    """A place of a curve.

    Args:
        share: Share of labels kept, or of measurements gone.
        labelled: Training records with a label, mean.
        default: AUROC of the default.
        baseline: AUROC of the best baseline of each fold.
        changes: Metric -> default less baseline.
    """

    share: float
    labelled: float
    default: Interval
    baseline: Interval
    changes: Mapping[str, Interval]


@dataclass(frozen=True)
class Verdict:
    """Whether the graph earned its place.

    Args:
        modality: What the models read.
        helps: ``yes`` where the default beats the best baseline and itself with random edges; ``not the edges`` where it
            beats only the baseline; ``no`` where it is worse; ``undecided`` where the interval holds 0.
        sentence: In words.
        change: AUROC of the default less the best baseline.
        edges: AUROC of the default less the same model with random edges.
        rewired: AUROC of the same model with random edges less the best baseline.
    """

    modality: Modality
    helps: Helps
    sentence: str
    change: Interval
    edges: Interval | None = None
    rewired: Interval | None = None


@dataclass(frozen=True)
class CompareFacts:
    """What was compared on what.

    Args:
        cohort: Name of its file or folder.
        outcome: What label 1 is called.
        records: All.
        labelled: With a label.
        positive: With label 1.
        groups: Whole ones were dealt.
        modalities: Read.
        folds: In a repeat; 1 for the table's own split.
        repeats: Repeats of the folds.
        confidence: Confidence of all intervals.
        own_split: Whether the table's split was used.
        tuned: Whether models chose their settings.
        quick: Whether it is called quick.
        weights: Weights of the encoder; empty without pages.
        default: The default's model.
        thresholds: Thresholds of net benefit.
        treat_all: Metric -> net benefit of acting on everybody.
    """

    cohort: str
    outcome: str
    records: int
    labelled: int
    positive: int
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


@dataclass(frozen=True)
class CompareResult:
    """A finished comparison.

    Args:
        facts: What was compared on what.
        rows: The leaderboard, by modality, the highest AUROC first.
        differences: Default and graph models against the best baseline.
        verdicts: One for each modality, the one that knows most first.
        scarcity: Curve over the share of labels kept; empty where not asked for.
        missingness: Curve over the share of measurements gone; empty where not asked for.
        notes: What a reader has to know, a sentence each.
    """

    facts: CompareFacts
    rows: tuple[LeaderboardRow, ...]
    differences: tuple[Difference, ...]
    verdicts: tuple[Verdict, ...]
    scarcity: tuple[Point, ...] = ()
    missingness: tuple[Point, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def verdict(self) -> Verdict:
        """Of the modality that knows most."""
        return self.verdicts[0]

    def as_dict(self) -> dict[str, Any]:
        """For JSON: None where a number is undefined."""
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
