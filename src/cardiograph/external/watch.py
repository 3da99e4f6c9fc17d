"""Scores a table of recent patients with a finished run, and compares them with the records that it has not learned."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.artifacts.cache import PageCache, cache_folder
from cardiograph.artifacts.embedding_axes import EmbeddingAxes
from cardiograph.artifacts.run import RunDirectory
from cardiograph.cohort.manifest import read_cohort
from cardiograph.cohort.tables import read_chunks
from cardiograph.config import RunConfig
from cardiograph.containers import Cohort
from cardiograph.errors import CohortError, Issue
from cardiograph.external.cohort import build_external_dataset, kind_notes, reading_notes, require_estimates
from cardiograph.external.evaluate import required_threshold, run_settings
from cardiograph.inference import Predictor, Scores
from cardiograph.ingest.context import MAX_INPUT_BYTES, InputStore, RunContext
from cardiograph.issue_groups import counted
from cardiograph.monitor.content import AlertRule, Recent, Reference, recent_content
from cardiograph.monitor.sample import Floats, Sample, reference_sample, sample, whole_variables
from cardiograph.monitor.weeks import week_of
from cardiograph.progress import NoProgress, Progress
from cardiograph.threads import set_threads
from cardiograph.train.data import Dataset


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
    progress.start("scoring", len(dataset.cohort), unit="records")
    scores = predictor.score(dataset.queries(np.arange(len(dataset.cohort))), progress.advance)
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
    notes += kind_notes(dataset, directory.read_json("run.json"))
    left = len(cohort) - len(dataset.cohort)
    notes += [f"left out: {counted(left, 'record')} with a page that cannot be used"] if left else []
    return facts | _content(directory, predictor, dataset, scores, levels, rule) | {"notes": notes}


def _content(
    directory: RunDirectory,
    predictor: Predictor,
    dataset: Dataset,
    scores: Scores,
    levels: Mapping[str, NDArray[np.object_]],
    rule: AlertRule,
) -> dict[str, Any]:
    held_out, axes = reference_sample(predictor, directory)
    config = directory.config()
    reference = Reference(held_out, directory.read_metrics().test["auroc"].value, config.evaluation, config.seed)
    recent = Recent(
        _recent_sample(predictor, dataset, scores, axes),
        dataset.cohort.labels,
        dataset.split.groups.index,
        np.array([bool(blocks) for blocks in scores.absent_blocks], bool),
        levels,
    )
    return recent_content(reference, recent, rule)


def _recent_sample(predictor: Predictor, dataset: Dataset, scores: Scores, axes: EmbeddingAxes | None) -> Sample:
    """Return the sample of all recent records, one row for each record of the dataset."""
    inputs = dataset.inputs
    blocks: dict[str, Floats] = {}
    for table in (inputs.clinical, inputs.measurements):
        if table is not None:
            blocks |= {variable.name: table.values[:, column] for column, variable in enumerate(table.variables)}
    certainty, unknown = scores.uncertainty, np.full(len(dataset.cohort), np.nan)
    scored = {
        "probability": scores.probabilities,
        "novelty": unknown if certainty is None else certainty.novelty,
        "novel": unknown if certainty is None else certainty.novel.astype(np.float64),
    }
    coordinates = None if axes is None or inputs.image is None else axes.coordinates(inputs.image)
    return sample(blocks, whole_variables(predictor), scored, coordinates)


def _require_columns(source: Path, columns: Columns) -> None:
    """Raise CohortError if the table lacks a named column."""
    header = () if source.is_dir() else next(read_chunks(source, size=1)).header
    issues = [
        Issue(
            "header", column, "absent", f"{option} names a column of {', '.join(header)}", "check its name", "no_column"
        )
        for option, column in (("--outcome", columns.outcome), ("--site", columns.site), ("--time", columns.time))
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
            found[kind] = np.array([text if kind == "site" else week_of(text) for text in texts], object)
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
        elif kind == "week" and week_of(text) is None:
            rule = "a time is an ISO date such as 2026-03-09 or 2026-03-09T14:30"
            yield Issue(where, column, repr(text), rule, "write it in this form", "not_a_date")
