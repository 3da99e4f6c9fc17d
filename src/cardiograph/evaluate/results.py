"""The scores of a run as types: the content of ``metrics.json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, StrictBool, StrictFloat, StrictInt

from cardiograph.schema import Provenance

Number = StrictFloat | None
"""A number; None where it is undefined, because JSON lacks NaN."""


class Result(BaseModel):
    """Base of the types of ``metrics.json``: unchangeable, finite numbers only, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON; a key that was not given is absent."""
        return self.model_dump(exclude_unset=True)


class Score(Result):
    """A score on all records with the ends of its interval; None where undefined."""

    value: Number
    low: Number
    high: Number


class PartCounts(Result):
    """Number of records, of records with label 1, and of groups in one part of the split.

    Several classes have no ``positive``, but the number of records of each class.
    """

    records: StrictInt
    positive: StrictInt | None
    groups: StrictInt
    classes: Mapping[str, StrictInt] = {}


class Counts(Result):
    """Sizes of the parts; a recalibrated run has no validation records of its own."""

    test: PartCounts
    validation: PartCounts | None = None


class OtherBaseline(Result):
    """A model without a graph, and the AUROC with the graph minus its AUROC."""

    baseline: str
    difference: Score


class RunVerdict(Result):
    """Whether the graph helped, see :func:`cardiograph.evaluate.verdict.graph_verdict`.

    Args:
        helps: ``yes``, ``no`` or ``undecided``.
        sentence: The verdict with its figures.
        difference: AUROC with the graph minus AUROC of ``baseline``.
        graph_model: Key of the graph network.
        baseline: Key of the model without a graph that was chosen on validation records.
        others: All other models without a graph.
        records: Number of test records.
        confidence: Confidence level of the intervals, 0..1.
    """

    helps: Literal["yes", "no", "undecided"]
    sentence: str
    difference: Score
    graph_model: str
    baseline: str
    others: list[OtherBaseline]
    records: StrictInt
    confidence: StrictFloat


class DelongResult(Result):
    """DeLong's test of the pair of the verdict, see :class:`cardiograph.evaluate.delong.AurocDifference`.

    Args:
        graph_model: Key of the graph network.
        baseline: Key of the model without a graph.
        refused: Why the test does not apply, and then the numbers are absent; None if it does.
    """

    graph_model: str
    baseline: str
    refused: str | None
    first: Number = None
    second: Number = None
    difference: Number = None
    low: Number = None
    high: Number = None
    z: Number = None
    p: Number = None


class BenefitCurve(Result):
    """Net benefit of one model at each threshold probability, with a pointwise band."""

    value: list[Number]
    low: list[Number]
    high: list[Number]


class DecisionCurve(Result):
    """Net benefit on the test records, see :func:`cardiograph.evaluate.net_benefit.decision_curve`.

    Args:
        thresholds: Threshold probabilities, above 0 and below 1.
        prevalence: Share of positives; None without records.
        treat_all: Net benefit of treating every patient, at each threshold.
        models: Model -> its curve.
    """

    thresholds: list[StrictFloat]
    prevalence: Number
    treat_all: list[Number]
    models: Mapping[str, BenefitCurve]


class BrierSummary(Result):
    """Components of the Brier score, see :class:`cardiograph.evaluate.brier.BrierParts`.

    Args:
        ece_by_chance: Calibration error that these probabilities would show if they were true.
    """

    brier: Number
    reliability: Number
    resolution: Number
    uncertainty: Number
    within_bins: Number
    bins: StrictInt
    ece_by_chance: Number


class SubgroupLevel(Result):
    """Size and scores of one subgroup; ``scores`` is None if it has too few groups."""

    level: str
    records: StrictInt
    positive: StrictInt
    groups: StrictInt
    too_few: StrictBool
    scores: Mapping[str, Score] | None


class Subgroups(Result):
    """Subgroups by one column; ``cut`` describes how numbers were divided, empty if they were not."""

    cut: str
    levels: list[SubgroupLevel]


class CalibrationChoice(Result):
    """Kind of calibration, the reason for it, and the log loss of each kind that was compared."""

    kind: str
    reason: str
    log_loss: Mapping[str, StrictFloat]


class ConformalSummary(Result):
    """Conformal sets on the test records.

    Args:
        confidence: Configured coverage, 0..1.
        records: The validation records that the sets are based on, in words.
        coverage: ``0`` and ``1``, or the name of each of several classes -> share of the records of this class whose set
            contains it; None if unknown.
        decisions: Decision -> number of test records.
    """

    confidence: StrictFloat
    records: str
    coverage: Mapping[str, Number]
    decisions: Mapping[str, StrictInt]


class NoveltySummary(Result):
    """Novelty gate on the test records: its quantile, and numbers of records judged, not judged, and novel."""

    quantile: StrictFloat
    judged: StrictInt
    not_judged: StrictInt
    novel: StrictInt


class Certainty(Result):
    """Uncertainty of the primary model; ``width`` is the median width of its Venn-Abers intervals."""

    calibration: CalibrationChoice
    conformal: ConformalSummary
    novelty: NoveltySummary
    width: Number


class Inflation(Result):
    """Optimism of a naive split, see :func:`cardiograph.train.naive_split.measure_optimism`.

    Args:
        by_row: Mean AUROC if rows are split at random; None if no group has more than one record.
        by_group: Mean AUROC if groups are split; None likewise.
        difference: ``by_row - by_group``; None likewise.
        model: Key of the model; None likewise.
        seeds: Number of pairs of splits; None likewise.
        sentence: The result in words.
    """

    by_row: Number = None
    by_group: Number = None
    difference: Score | None = None
    model: str | None = None
    seeds: StrictInt | None = None
    sentence: str


class BootstrapSettings(Result):
    """Number of resamples, confidence level (0..1), and unit that is drawn."""

    resamples: StrictInt
    confidence: StrictFloat
    unit: str


class OwnTestScores(Result):
    """Scores of the kept model on the run's own test records.

    Args:
        provenance: Provenance of the headline score, see :func:`cardiograph.evaluate.summary.headline_provenance`.
        test: Metric -> score.
        counts: Size of the parts.
    """

    provenance: Provenance
    test: Mapping[str, Score]
    counts: Counts


class RunMetrics(Result):
    """Content of ``metrics.json``. A recalibrated run has only the fields without a default.

    With several classes ``auroc`` is the macro AUROC, and what divides two classes (DeLong's test, net benefit, parts of
    the Brier score, thresholds, subgroups) is empty.

    Args:
        primary: Key of the model that is kept.
        provenance: Provenance of the headline score, see :func:`cardiograph.evaluate.summary.headline_provenance`.
        test: Metric -> score of the primary model on the test records.
        validation: The same on the validation records.
        baselines: Other model -> metric -> score on the test records.
        graph_verdict: Whether the graph helped.
        delong: DeLong's test of the pair of the verdict.
        net_benefit: Decision curves of all models.
        brier_parts: Model -> components of its Brier score.
        thresholds: Model -> decision threshold.
        counts: Sizes of the parts.
        bootstrap: Settings of the intervals.
        subgroups: Column -> subgroups of the test records.
        by_class: Class -> metric -> score of the primary model on the test records, the class against the rest; absent
            for a binary outcome, as is ``confusion``.
        confusion: [classes][classes] test records by true class (rows) and most likely class (columns).
        certainty: Uncertainty of the primary model; None with injected faults.
        inflation: Optimism of a naive split; None with injected faults.
    """

    primary: str
    provenance: Provenance
    test: Mapping[str, Score]
    validation: Mapping[str, Score] = {}
    baselines: Mapping[str, Mapping[str, Score]] = {}
    graph_verdict: RunVerdict | None = None
    delong: DelongResult | None = None
    net_benefit: DecisionCurve | None = None
    brier_parts: Mapping[str, BrierSummary] = {}
    thresholds: Mapping[str, StrictFloat]
    counts: Counts
    bootstrap: BootstrapSettings
    subgroups: Mapping[str, Subgroups] = {}
    by_class: Mapping[str, Mapping[str, Score]] = {}
    confusion: list[list[StrictInt]] = []
    certainty: Certainty | None = None
    inflation: Inflation | None = None

    @property
    def test_scores(self) -> OwnTestScores:
        """What a later evaluation compares with: provenance, test scores and number of test records."""
        return OwnTestScores(provenance=self.provenance, test=self.test, counts=Counts(test=self.counts.test))
