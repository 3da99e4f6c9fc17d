"""Scores a table of recent patients with a finished run, and compares them with the records that it has not learned."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.artifacts.cache import PageCache, cache_folder
from cardiograph.artifacts.run import RunDirectory
from cardiograph.cohort.manifest import read_cohort
from cardiograph.cohort.tables import read_table
from cardiograph.config import RunConfig
from cardiograph.containers import Cohort
from cardiograph.errors import CohortError, ConfigError, Issue
from cardiograph.evaluate.bootstrap import first_of_each
from cardiograph.external.cohort import build_external_dataset, reading_notes, require_estimates
from cardiograph.external.evaluate import required_threshold, run_settings
from cardiograph.inference import Predictor, Scores
from cardiograph.ingest.context import MAX_INPUT_BYTES, InputStore, RunContext
from cardiograph.monitor.drift import MIN_RECORDS, judged
from cardiograph.monitor.performance import AUROC_LOSS, RATIO_HIGH, RATIO_LOW, measure_performance
from cardiograph.monitor.sample import recent_sample, reference_sample
from cardiograph.progress import NoProgress, Progress
from cardiograph.threads import set_threads
from cardiograph.train.data import Dataset

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
class Columns:
    """Columns of the table beyond those that the model reads; None if the table has none.

    Args:
        outcome: Outcome, empty where it is not known yet.
        site: Hospital or department.
        time: Date or time of the ECG in ISO format.
    """

    outcome: str | None = None
    site: str | None = None
    time: str | None = None

    def overrides(self, given: Mapping[str, Any], config: RunConfig) -> dict[str, Any]:
        """Return reading settings that map these columns, in addition to those of the user or of the run."""
        cohort = dict(given.get("cohort", {}))
        named = {"label": self.outcome, "site": self.site, "acquired_at": self.time}
        columns = dict(cohort.get("map", config.cohort.map))
        for ours, theirs in named.items():
            if theirs is not None:
                columns.pop(ours, None)
                columns |= {} if ours == theirs else {ours: theirs}
        return {**given, "cohort": {**cohort, "map": columns}}


def monitor_table(
    run: str | Path,
    source: str | Path,
    *,
    columns: Columns | None = None,
    rule: AlertRule | None = None,
    overrides: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Compare a table of recent patients with the validation and test records of a run.

    The patients are scored as `predict` scores them. Training records are no reference for scores and distances, because
    the model was fitted to them.

    Args:
        run: Folder of a finished run with a binary outcome.
        source: Table of recent patients.
        columns: Columns with outcome, site and time.
        rule: When an alert is raised.
        overrides: Settings nested by section that replace those with which the run read its own cohort.
        progress: Callback that receives stage progress.

    Returns:
        The content of the report, ready for JSON.

    Raises:
        CardiographError: If the run, the table, a page or a setting cannot be used.
    """
    set_threads()
    path, source, columns, rule = Path(run), Path(source), columns or Columns(), rule or AlertRule()
    progress = progress or NoProgress()
    directory = RunDirectory(path)
    directory.require_finished()
    predictor = Predictor.load(path)
    require_estimates(predictor, path)
    required_threshold(predictor, path)
    config = run_settings(directory, columns.overrides(overrides or {}, directory.config()))
    _require_columns(source, columns)
    cohort = read_cohort(
        source,
        config.cohort,
        outcome=config.outcome.name,
        labelled=columns.outcome is not None,
        one_class=True,
        reads=predictor.reads,
    )
    levels = _levels(cohort, columns)
    with PageCache(cache_folder()) as cache:
        dataset = build_external_dataset(
            cohort, predictor, RunContext(config, cache, progress, inputs=InputStore(MAX_INPUT_BYTES))
        )
    kept = np.isin(cohort.record_ids, dataset.cohort.record_ids)
    levels = {name: texts[kept] for name, texts in levels.items()}
    progress.start("scoring", 1)
    scores = predictor.score(dataset.queries(np.arange(len(dataset.cohort))))
    facts = {
        "run": path.resolve().name,
        "bundle": predictor.bundle.sha256,
        "table": source.name,
        "created": time.strftime("%Y-%m-%d %H:%M %Z"),
        "version": version("cardiograph"),
        "outcome": predictor.outcome,
        "model": predictor.bundle.served.model.name,
        "provenance": dataset.provenance,
    }
    notes = reading_notes(dataset, predictor, directory.read_metrics().provenance)
    left = len(cohort) - len(dataset.cohort)
    notes += [f"{left} records were left out because of their page"] if left else []
    return facts | _content(directory, predictor, dataset, scores, levels, rule) | {"notes": notes}


def _content(
    directory: RunDirectory,
    predictor: Predictor,
    dataset: Dataset,
    scores: Scores,
    levels: Mapping[str, NDArray[np.object_]],
    rule: AlertRule,
) -> dict[str, Any]:
    reference, axes = reference_sample(predictor, directory)
    recent = recent_sample(predictor, dataset, scores, axes)
    labels, groups, config = dataset.cohort.labels, dataset.split.groups.index, directory.config()
    own_auroc = directory.read_metrics().test["auroc"].value
    first = first_of_each(groups)
    comparisons = list(reference.compare(recent.of(first), ALL))
    sites = levels.get("site", np.array([], object))
    for site in np.unique(sites.astype(str)) if len(set(sites)) > 1 else ():
        rows = np.flatnonzero(sites.astype(str) == site)
        comparisons += reference.compare(recent.of(rows[first_of_each(groups[rows])]), f"site {site}")
    comparisons = judged(comparisons, alpha=rule.alpha, effect=rule.effect)

    def summary(rows: NDArray[np.int64]) -> dict[str, Any]:
        """Return volume, missing values, novelty, mean probability and performance of some records."""
        part = recent.of(rows)
        found = measure_performance(
            labels[rows], scores.probabilities[rows], groups[rows], settings=config.evaluation, seed=config.seed
        )
        missing = {n.removesuffix(" is missing"): float(v.mean()) for n, v in part.categories.items() if "missing" in n}
        novel = part.categories["unlike the training records"]
        return {
            "records": len(rows),
            "missing": missing,
            "novel": None if np.isnan(novel).any() else float(novel.mean()),
            "mean_probability": float(scores.probabilities[rows].mean()),
            "outcomes": int((labels[rows] >= 0).sum()),
            "performance": None if found is None else found.as_dict(),
            "alerts": [] if found is None or own_auroc is None else found.alerts(own_auroc),
        }

    every = summary(np.arange(len(labels)))
    by = {
        kind: {level: summary(np.flatnonzero(texts.astype(str) == level)) for level in np.unique(texts.astype(str))}
        for kind, texts in levels.items()
    }
    alerts = [
        f"{each.what} ({each.records}): {each.reference:.3g} before, {each.recent:.3g} now; effect {each.effect:.2f}"
        for each in comparisons
        if each.alert
    ]
    alerts += [f"{ALL}: {text}" for text in every["alerts"]]
    alerts += [f"{kind} {level}: {text}" for kind in by for level, each in by[kind].items() for text in each["alerts"]]
    return {
        "rule": {**asdict(rule), "sentence": rule.sentence, "min_records": MIN_RECORDS},
        "alerts": alerts,
        "counts": {
            "records": len(labels),
            "groups": len(first),
            "reference": len(next(iter(reference.numbers.values()))),
        },
        "comparisons": [asdict(each) for each in comparisons],
        "all": every,
        "own_auroc": own_auroc,
        "by": by,
    }


def _require_columns(source: Path, columns: Columns) -> None:
    """Raise CohortError if the table lacks the named column of sites or times."""
    header = () if source.is_dir() else read_table(source).header
    issues = [
        Issue("header", column, "absent", f"{option} names a column of the table", "check its name", "no_column")
        for option, column in (("--site", columns.site), ("--time", columns.time))
        if column is not None and column not in header
    ]
    if issues:
        message = f"{source.name}: {len(issues)} column(s) named by options are absent"
        raise CohortError(message, issues)


def _levels(cohort: Cohort, columns: Columns) -> dict[str, NDArray[np.object_]]:
    """Return the site and the ISO week of each record, where these columns are named.

    Raises:
        CohortError: If a cell is empty or no date.
    """
    named = {"site": ("site", columns.site), "acquired_at": ("week", columns.time)}
    found: dict[str, NDArray[np.object_]] = {}
    issues: list[Issue] = []
    for ours, (kind, theirs) in named.items():
        if theirs is None:
            continue
        texts = [text or "" for text in cohort.table[ours]]
        issues += _cell_issues(cohort, theirs, texts, kind)
        if not issues:
            found[kind] = np.array([text if kind == "site" else _week(text) for text in texts], object)
    if issues:
        message = f"{len(issues)} cell(s) for site and time cannot be used"
        raise CohortError(message, issues)
    return found


def _cell_issues(cohort: Cohort, column: str, texts: list[str], kind: str) -> Iterator[Issue]:
    for name, text in zip(cohort.record_ids, texts, strict=True):
        origin = cohort.origins.get(name)
        where = f"record {name!r}" if origin is None else origin.place
        if not text:
            rule = f"each record belongs to a {kind}"
            yield Issue(where, column, "empty", rule, "fill it in, or leave the option out", "no_level")
        elif kind == "week" and _week(text) is None:
            rule = "a time is an ISO date such as 2026-03-09 or 2026-03-09T14:30"
            yield Issue(where, column, repr(text), rule, "write it in this form", "not_a_date")


def _week(text: str) -> str | None:
    """Return the ISO week of a time, such as ``2026-W11``; None if the text is no time."""
    try:
        year, week, _ = datetime.fromisoformat(text).isocalendar()
    except ValueError:
        return None
    return f"{year}-W{week:02d}"
