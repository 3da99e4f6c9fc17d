"""What a report on recent records contains: comparisons, figures by week and site, and alerts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.config import EvaluationConfig
from cardiograph.errors import ConfigError
from cardiograph.evaluate.bootstrap import first_of_each
from cardiograph.monitor.drift import MIN_RECORDS, Comparison, judged
from cardiograph.monitor.performance import AUROC_LOSS, RATIO_HIGH, RATIO_LOW, measure_performance
from cardiograph.monitor.sample import DISTANCE, MISSING, NOVEL, PROBABILITY, Sample

ALL = "all"
"""Name of all recent records, next to the names of sites."""


@dataclass(frozen=True)
class AlertRule:
    """When a comparison raises an alert.

    Args:
        alpha: Chance of any false alert of drift in a report, between 0 and 1.
        effect: Smallest difference of shares that matters, 0..1.

    Raises:
        ConfigError: If a value is out of range.
    """

    alpha: float = 0.05
    effect: float = 0.15

    def __post_init__(self) -> None:
        for name, value in (("alpha", self.alpha), ("effect", self.effect)):
            if not 0 < value < 1:
                message = f"--{name} is {value:g}; allowed: above 0 and below 1"
                raise ConfigError(message)

    @property
    def sentence(self) -> str:
        """The rule in words."""
        return (
            f"An alert is raised if a comparison is significant at {self.alpha:g} after Holm's correction for all "
            f"comparisons and its effect is {self.effect:g} or more; if the interval of observed over expected outcomes "
            f"lies outside {RATIO_LOW:g} to {RATIO_HIGH:g}; or if the interval of AUROC lies more than {AUROC_LOSS:g} "
            "below that of the run's test records."
        )


@dataclass(frozen=True)
class Reference:
    """What recent records are compared with.

    Args:
        sample: Validation and test records of the run, one for each group; None if they are not known.
        auroc: AUROC of the run's test records; None if there is none.
        settings: Number of resamples and confidence level of the run.
        seed: Seed of the resamples.
    """

    sample: Sample | None
    auroc: float | None
    settings: EvaluationConfig
    seed: int


@dataclass(frozen=True)
class Recent:
    """Recent records.

    Args:
        sample: Their values; without ``probability`` if the outcome is not binary.
        labels: [records] 0 or 1; -1 where the outcome is not known.
        groups: [records] group numbers.
        partial: [records] whether a block is missing, so that the distance is computed from fewer blocks.
        levels: ``site`` or ``week`` -> [records] names.
    """

    sample: Sample
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]
    partial: NDArray[np.bool_]
    levels: Mapping[str, NDArray[np.object_]]

    def summary(self, rows: NDArray[np.int64], reference: Reference) -> dict[str, Any]:
        """Return volume, missing values, novelty, mean probability and performance of some records."""
        part, probabilities = self.sample.of(rows), self.sample.numbers.get(PROBABILITY)
        found = None
        if probabilities is not None:
            found = measure_performance(
                self.labels[rows],
                probabilities[rows],
                self.groups[rows],
                settings=reference.settings,
                seed=reference.seed,
            )
        missing = {
            name.removesuffix(MISSING): _mean(v) for name, v in part.categories.items() if name.endswith(MISSING)
        }
        return {
            "records": len(rows),
            "missing": missing,
            "novel": None if np.isnan(part.categories[NOVEL]).any() else _mean(part.categories[NOVEL]),
            "mean_probability": None if probabilities is None else _mean(probabilities[rows]),
            "outcomes": int((self.labels[rows] >= 0).sum()),
            "performance": None if found is None else found.as_dict(),
            "alerts": [] if found is None or reference.auroc is None else found.alerts(reference.auroc),
        }


def recent_content(reference: Reference, recent: Recent, rule: AlertRule) -> dict[str, Any]:
    """Compare recent records with the reference.

    Returns:
        Rule, alerts, counts, comparisons and the figures of all records and of each level, ready for JSON.
    """
    comparisons = _comparisons(reference.sample, recent, rule)
    every = recent.summary(np.arange(len(recent.labels)), reference)
    by = {
        kind: {
            level: recent.summary(np.flatnonzero(texts.astype(str) == level), reference)
            for level in np.unique(texts.astype(str))
        }
        for kind, texts in recent.levels.items()
    }
    alerts = [
        f"{each.what} ({each.records}): {each.reference:.3g} before, {each.recent:.3g} now; effect {each.effect:.2f}"
        f"{f'; {each.note}' if each.note else ''}"
        for each in comparisons
        if each.alert
    ]
    alerts += [f"{ALL}: {text}" for text in every["alerts"]]
    alerts += [f"{kind} {level}: {text}" for kind in by for level, each in by[kind].items() for text in each["alerts"]]
    return {
        "rule": {**asdict(rule), "sentence": rule.sentence, "min_records": MIN_RECORDS},
        "alerts": alerts,
        "counts": {
            "records": len(recent.labels),
            "groups": len(np.unique(recent.groups)),
            "reference": 0 if reference.sample is None else len(next(iter(reference.sample.numbers.values()))),
        },
        "comparisons": [asdict(each) for each in comparisons],
        "all": every,
        "own_auroc": reference.auroc,
        "by": by,
    }


def _comparisons(reference: Sample | None, recent: Recent, rule: AlertRule) -> list[Comparison]:
    """Compare all records, and those of each site if there are several."""
    if reference is None:
        return []
    first = first_of_each(recent.groups)
    parts = {ALL: first}
    sites = recent.levels.get("site", np.array([], object)).astype(str)
    for site in np.unique(sites) if len(set(sites)) > 1 else ():
        rows = np.flatnonzero(sites == site)
        parts[f"site {site}"] = rows[first_of_each(recent.groups[rows])]
    found: list[Comparison] = []
    for name, rows in parts.items():
        note = _distance_note(recent.partial[rows])
        compared = reference.compare(recent.sample.of(rows), name)
        found += [dataclasses.replace(each, note=note) if each.what == DISTANCE else each for each in compared]
    return judged(found, alpha=rule.alpha, effect=rule.effect)


def _distance_note(partial: NDArray[np.bool_]) -> str:
    """Return how many distances are computed from fewer blocks; empty if none are."""
    count = int(partial.sum())
    if not count:
        return ""
    return f"{count} of {len(partial)} recent patients lack a block and are compared by the others alone"


def _mean(values: NDArray[np.float64]) -> float | None:
    """Return the mean of the known values; None if there are none."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None
