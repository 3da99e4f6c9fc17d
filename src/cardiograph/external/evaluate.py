"""Evaluates the model of a finished run on a second, labelled cohort."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cardiograph.artifacts import files
from cardiograph.artifacts.cache import PageCache, cache_folder
from cardiograph.artifacts.run import RunDirectory
from cardiograph.artifacts.spreadsheet import csv_of_frame
from cardiograph.cohort.manifest import read_cohort
from cardiograph.config import RunConfig, load_config
from cardiograph.config_outcome import FOLLOW_UP_READING, OutcomeConfig
from cardiograph.errors import ConfigError, RunError
from cardiograph.evaluate.predictions import ModelRoles
from cardiograph.evaluate.results import OwnTestScores
from cardiograph.external.cohort import (
    build_external_dataset,
    kind_notes,
    labelled_records,
    left_out_notes,
    reading_notes,
    require_estimates,
    seen_by_run,
)
from cardiograph.external.report import render_evaluation
from cardiograph.external.scores import ExternalScores, cautions, comparison, evaluate_scores
from cardiograph.external.survival import ExternalRisks, risk_columns, score_risks_of, survival_content
from cardiograph.external.survival_report import render_survival_evaluation
from cardiograph.inference import Predictor
from cardiograph.inference.survival import SurvivalPredictor, load_predictor
from cardiograph.ingest.context import MAX_INPUT_BYTES, InputStore, RunContext
from cardiograph.ingest.page_index import data_hash
from cardiograph.progress import NoProgress, Progress
from cardiograph.registry import TITLES
from cardiograph.run.subgroups import score_subgroups
from cardiograph.threads import set_threads
from cardiograph.train.data import Dataset

if TYPE_CHECKING:
    import pandas as pd

REPORT, RESULT, TABLE = "evaluation.html", "evaluation.json", "predictions.csv"
UNFINISHED = "unfinished.json"
"""File that identifies an evaluation until its results are written."""


@dataclass(frozen=True)
class ExternalResult:
    """An evaluation on a second cohort.

    Args:
        path: Folder of the evaluation.
        content: Content of ``evaluation.json``.
    """

    path: Path
    content: dict[str, Any]


@dataclass(frozen=True)
class EvaluationRequest:
    """What is evaluated, and where the result is written.

    Args:
        directory: Run.
        folder: Folder of the evaluation.
        config: Settings of the run, except for those with which the cohort is read.
        cohort: Name of the table or folder.
        other_ids: Whether equal patient ids mean different people in cohort and run.
        command: Command line, for the report.
        progress: Callback that receives stage progress.
    """

    directory: RunDirectory
    folder: Path
    config: RunConfig
    cohort: str
    other_ids: bool
    command: str
    progress: Progress

    @property
    def facts(self) -> dict[str, str]:
        """Facts about the evaluation for ``evaluation.json``."""
        return {
            "cohort": self.cohort,
            "created": time.strftime("%Y-%m-%d %H:%M %Z"),
            "version": version("cardiograph"),
            "command": self.command,
        }


def evaluate_cohort(  # noqa: PLR0913 - a run, a cohort, a folder, and how the cohort is read
    run: str | Path,
    source: str | Path,
    out: str | Path | None = None,
    *,
    overrides: Mapping[str, Any] | None = None,
    skip_unlabelled: bool = False,
    other_ids: bool = False,
    progress: Progress | None = None,
    command: str = "",
) -> ExternalResult:
    """Score a second cohort with the model of a finished run, and write report, metrics and predictions.

    Nothing is fitted or chosen on the cohort: scaling, graph, calibration, threshold and novelty limit are those of the
    run. The cohort is read with the run's settings, except for ``overrides``.

    Args:
        run: Folder of a finished run.
        source: Table, or folder with one folder per class, with a label for each record.
        out: Folder for report, metrics and predictions; ``evaluations/NAME`` by default, with the name of the cohort.
        overrides: Settings nested by section, such as ``{"cohort": {"map": {"ef": "LVEF"}}}``, that replace the run's.
        skip_unlabelled: Leave out records without a label instead of raising.
        other_ids: Set if the same patient id means different people in cohort and run. Ids then only group the cohort's
            records, and only pages show whether the run has seen a record.
        progress: Callback that receives stage progress.
        command: Command line, for the report.

    Raises:
        CardiographError: If the run, the cohort, a page or a setting cannot be used.
    """
    set_threads()
    run, source, out = Path(run), Path(source), None if out is None else Path(out)
    progress = progress or NoProgress()
    directory, folder = RunDirectory(run), out or Path("evaluations") / source.resolve().stem
    directory.require_finished()
    refuse_inside(source, folder)
    predictor = load_predictor(run)
    require_estimates(predictor, run)
    config = reading_settings(directory, overrides or {}, predictor)
    outcome: str | OutcomeConfig = config.outcome.name
    if isinstance(predictor, SurvivalPredictor):
        outcome = config.outcome
    else:
        required_threshold(predictor, run)
    cohort = read_cohort(source, config.cohort, outcome=outcome, reads=predictor.reads)
    labelled = labelled_records(cohort, skip=skip_unlabelled)
    with PageCache(cache_folder()) as cache:
        dataset = build_external_dataset(
            labelled, predictor, RunContext(config, cache, progress, inputs=InputStore(MAX_INPUT_BYTES))
        )
    request = EvaluationRequest(directory, folder, config, source.name, other_ids, command, progress)
    return evaluate_dataset(request, predictor, dataset, notes=left_out_notes(cohort, labelled, dataset))[0]


def evaluate_dataset(
    request: EvaluationRequest, predictor: Predictor, dataset: Dataset, *, notes: Sequence[str]
) -> tuple[ExternalResult, pd.DataFrame]:
    """Score the records of a second cohort, and write report, metrics and predictions.

    Args:
        request: Run, settings, and folder of the evaluation.
        predictor: Predictor of the run.
        dataset: Records with their outcome, as the model reads them.
        notes: Further notes on how the cohort was read.

    Returns:
        The result, and the table of predictions.
    """
    directory, config, other_ids = request.directory, request.config, request.other_ids
    identity = {
        "run": directory.path.resolve().name,
        "bundle": predictor.bundle.sha256,
        "data_hash": data_hash(dataset.cohort, dataset.page_index),
    }
    claim(request.folder, identity)
    content: dict[str, Any] = {**identity, **request.facts}
    further = [*kind_notes(dataset, directory.read_json("run.json")), *notes]
    progress = request.progress
    progress.start("scoring", len(dataset.cohort), unit="records")
    if isinstance(predictor, SurvivalPredictor):
        risks = score_risks_of(predictor, dataset, directory, other_ids=other_ids, scored=progress.advance)
        progress.start("intervals", 1)
        content |= survival_content(predictor, dataset, risks, directory, config)
        content["notes"] += further
        progress.start("predictions and report", 1)
        table = predictions_table(predictor, dataset, risks, risk_columns(predictor, risks))
        page = render_survival_evaluation(content, risks)
    else:
        scores = score_external(predictor, dataset, directory, other_ids=other_ids, scored=progress.advance)
        progress.start("intervals", 1)
        content |= evaluation_content(predictor, dataset, scores, config, directory.read_metrics().test_scores)
        content["notes"] += further
        progress.start("predictions and report", 1)
        table = predictions_table(predictor, dataset, scores, probability_columns(scores))
        page = render_evaluation(content, scores.part)
    write_evaluation(request.folder, content, table, page)
    return ExternalResult(request.folder, content), table


def write_evaluation(folder: Path, content: dict[str, Any], table: pd.DataFrame, page: str) -> None:
    """Write predictions, report and metrics; the metrics are written last and mark the evaluation as finished."""
    files.write_bytes(folder / TABLE, csv_of_frame(table).encode("utf-8", "surrogateescape"))
    files.write_bytes(folder / REPORT, page.encode())
    files.write_json(folder / RESULT, content)
    (folder / UNFINISHED).unlink(missing_ok=True)


def required_threshold(predictor: Predictor, run: Path) -> float:
    """Return the threshold of a run, or raise RunError if it has none."""
    threshold = predictor.bundle.served.threshold
    if threshold is None:
        message = (
            f"run {run}: was extended, so its calibration and threshold no longer hold; fit them again with --renew, "
            "on labelled patients that are new to the run"
        )
        raise RunError(message)
    return threshold


def reading_settings(directory: RunDirectory, overrides: Mapping[str, Any], predictor: Predictor) -> RunConfig:
    """Return the settings with which a second cohort is read.

    Raises:
        ConfigError: If a setting of the outcome is not one with which its follow-up is read.
    """
    timed = isinstance(predictor, SurvivalPredictor)
    for key in overrides.get("outcome", {}):
        if not timed:
            message = (
                f"outcome.{key}: run {directory.path} does not predict the time to an event, so it reads no such column; "
                "leave it out"
            )
            raise ConfigError(message)
        if key not in FOLLOW_UP_READING:
            message = (
                f"outcome.{key}: belongs to the run {directory.path}; choose among {', '.join(FOLLOW_UP_READING)}, which "
                "say how the follow-up is read"
            )
            raise ConfigError(message)
    return run_settings(directory, overrides)


def run_settings(directory: RunDirectory, overrides: Mapping[str, Any]) -> RunConfig:
    """Return the settings of a run with overrides."""
    base = directory.config().model_dump(mode="json", exclude_none=True)
    return load_config(None, dict(overrides), kind=RunConfig, base=base)


def evaluation_content(
    predictor: Predictor,
    dataset: Dataset,
    external_scores: ExternalScores,
    config: RunConfig,
    own: OwnTestScores,
) -> dict[str, Any]:
    """Return the part of ``evaluation.json`` that is computed from the scores; ``own`` are the run's own."""
    found = evaluate_scores(external_scores, config.evaluation, config.seed)
    subgroups = score_subgroups(dataset, external_scores.part, _roles(external_scores), config)
    found["subgroups"] = {name: each.as_dict() for name, each in subgroups.items()}
    return {
        "outcome": predictor.bundle.served.outcome,
        "provenance": dataset.provenance,
        "model": external_scores.model,
        "threshold": external_scores.threshold,
        "cautions": cautions(found),
        "comparison": comparison(found["scores"], own.test),
        "notes": reading_notes(dataset, predictor, own.provenance),
        "skipped": [] if dataset.page_index is None else [asdict(issue) for issue in dataset.page_index.skipped],
        **found,
        "internal": {
            "counts": own.counts.test.as_dict(),
            "scores": {name: score.as_dict() for name, score in own.test.items()},
        },
    }


def refuse_inside(source: Path, folder: Path) -> None:
    """Raise ConfigError if an evaluation would be written into the cohort that it reads."""
    if source.is_dir() and folder.resolve().is_relative_to(source.resolve()):
        message = (
            f"evaluation {folder}: is inside the cohort {source}, where it would be read as a class; choose another"
        )
        raise ConfigError(message)


def claim(folder: Path, identity: Mapping[str, str]) -> None:
    """Claim a folder that is new or contains an evaluation of the same model on the same cohort.

    Raises:
        ConfigError: If the folder contains anything else.
    """
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    mark = next((name for name in (RESULT, UNFINISHED) if name in there), None)
    if mark is None:
        others = sorted(name for name in there if not files.is_temporary(name))
        if others:
            names = ", ".join(others[:3])
            message = f"evaluation {folder}: holds other files ({names}); choose a new folder with --out"
            raise ConfigError(message)
        files.write_json(folder / UNFINISHED, identity)
    else:
        before = files.read_json(folder / mark)
        if any(before.get(name) != value for name, value in identity.items()):
            other = f"run {before.get('run')!r} on cohort {before.get('cohort', 'of an unfinished evaluation')!r}"
            message = (
                f"evaluation {folder}: holds that of another model or cohort ({other}); choose another folder "
                "with --out"
            )
            raise ConfigError(message)
    files.remove_temporaries(folder)


def score_external(
    predictor: Predictor,
    dataset: Dataset,
    directory: RunDirectory,
    *,
    other_ids: bool,
    scored: Callable[[int], None],
) -> ExternalScores:
    """Score the records of a cohort, and find those that the run has seen; ``scored`` as for :meth:`Predictor.score`."""
    served, count = predictor.bundle.served, len(dataset.cohort)
    threshold = required_threshold(predictor, directory.path)
    queries = dataset.queries(np.arange(count))
    if other_ids:
        queries = replace(queries, patient_ids=[None] * count)
    scores, seen = predictor.score(queries, scored), seen_by_run(queries, directory)
    return ExternalScores(
        model=served.model.name,
        threshold=threshold,
        labels=dataset.cohort.labels,
        groups=dataset.split.groups.index,
        scores=scores,
        uncertainty=predictor.bundle.uncertainty,
        seen_reasons=tuple(
            tuple(f"{reason} is in the reference" for reason in known) + other
            for known, other in zip(scores.excluded_reasons, seen, strict=True)
        ),
    )


def _roles(external_scores: ExternalScores) -> ModelRoles:
    name = external_scores.model
    return ModelRoles(name, name, name, {name: TITLES[name]}, {name: external_scores.threshold})


def probability_columns(external_scores: ExternalScores) -> dict[str, Any]:
    """Return the columns of the predictions table that belong to a binary outcome."""
    scores = external_scores.scores
    columns: dict[str, Any] = {
        "label": external_scores.labels,
        "probability": scores.probabilities,
        "positive": scores.probabilities >= external_scores.threshold,
    }
    if scores.uncertainty is not None:
        columns |= {"low": scores.uncertainty.low, "high": scores.uncertainty.high}
        columns["decision"] = list(scores.uncertainty.decisions)
    return columns


def predictions_table(
    predictor: Predictor, dataset: Dataset, found: ExternalScores | ExternalRisks, columns: Mapping[str, Any]
) -> pd.DataFrame:
    """Return a table with the prediction for each record.

    Args:
        predictor: Predictor of the run.
        dataset: Records of the cohort.
        found: Their scores.
        columns: Columns that belong to the kind of outcome.
    """
    import pandas as pd

    scores, names = found.scores, predictor.bundle.reference.record_ids
    frame = pd.DataFrame({"record_id": dataset.cohort.record_ids, "group": dataset.split.groups.index, **columns})
    if scores.uncertainty is not None:
        frame["novelty"] = scores.uncertainty.novelty
        frame["novel"] = scores.uncertainty.novel
    frame["neighbours"] = ["; ".join(names[row] for row in rows if row >= 0) for rows in scores.neighbours.index]
    frame["met"] = ["; ".join(reasons) for reasons in found.seen_reasons]
    if dataset.page_index is not None:
        frame["page"] = ["; ".join(remarks) for remarks in dataset.page_index.remarks]
    frame["lacking"] = ["; ".join(blocks) for blocks in scores.absent_blocks]
    return frame
