"""Evaluates the model of a finished run on a second, labelled cohort."""

from __future__ import annotations

import time
from collections.abc import Mapping
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
from cardiograph.errors import ConfigError, RunError
from cardiograph.evaluate.predictions import ModelRoles
from cardiograph.evaluate.results import OwnTestScores
from cardiograph.external.cohort import (
    build_external_dataset,
    labelled_records,
    left_out_notes,
    reading_notes,
    require_estimates,
    seen_by_run,
)
from cardiograph.external.report import render_evaluation
from cardiograph.external.scores import ExternalScores, cautions, comparison, evaluate_scores
from cardiograph.inference import Predictor
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
    config = run_settings(directory, overrides or {})
    predictor = Predictor.load(run)
    require_estimates(predictor, run)
    required_threshold(predictor, run)
    cohort = read_cohort(source, config.cohort, outcome=config.outcome.name, reads=predictor.reads)
    labelled = labelled_records(cohort, skip=skip_unlabelled)
    with PageCache(cache_folder()) as cache:
        dataset = build_external_dataset(
            labelled, predictor, RunContext(config, cache, progress, inputs=InputStore(MAX_INPUT_BYTES))
        )
    identity = {
        "run": run.resolve().name,
        "bundle": predictor.bundle.sha256,
        "data_hash": data_hash(dataset.cohort, dataset.page_index),
    }
    claim(folder, identity)
    progress.start("scoring", 1)
    external_scores = score_external(predictor, dataset, directory, other_ids=other_ids)
    content = {
        **identity,
        "cohort": source.name,
        "created": time.strftime("%Y-%m-%d %H:%M %Z"),
        "version": version("cardiograph"),
        "command": command,
        **evaluation_content(predictor, dataset, external_scores, config, directory.read_metrics().test_scores),
    }
    content["notes"] += left_out_notes(cohort, labelled, dataset)
    write_evaluation(folder, content, predictions_table(predictor, dataset, external_scores), external_scores)
    return ExternalResult(folder, content)


def write_evaluation(
    folder: Path, content: dict[str, Any], table: pd.DataFrame, external_scores: ExternalScores
) -> None:
    """Write predictions, report and metrics; the metrics are written last and mark the evaluation as finished."""
    files.write_bytes(folder / TABLE, csv_of_frame(table).encode("utf-8", "surrogateescape"))
    files.write_bytes(folder / REPORT, render_evaluation(content, external_scores.part).encode())
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
    predictor: Predictor, dataset: Dataset, directory: RunDirectory, *, other_ids: bool
) -> ExternalScores:
    """Score the records of a cohort, and find those that the run has seen."""
    served, count = predictor.bundle.served, len(dataset.cohort)
    threshold = required_threshold(predictor, directory.path)
    queries = dataset.queries(np.arange(count))
    if other_ids:
        queries = replace(queries, patient_ids=[None] * count)
    scores, seen = predictor.score(queries), seen_by_run(queries, directory)
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


def predictions_table(predictor: Predictor, dataset: Dataset, external_scores: ExternalScores) -> pd.DataFrame:
    """Return a table with the prediction for each record."""
    import pandas as pd

    scores, names = external_scores.scores, predictor.bundle.reference.record_ids
    frame = pd.DataFrame(
        {"record_id": dataset.cohort.record_ids, "group": external_scores.groups, "label": external_scores.labels}
    )
    frame["probability"] = scores.probabilities
    frame["positive"] = scores.probabilities >= external_scores.threshold
    if scores.uncertainty is not None:
        frame["low"] = scores.uncertainty.low
        frame["high"] = scores.uncertainty.high
        frame["decision"] = list(scores.uncertainty.decisions)
        frame["novelty"] = scores.uncertainty.novelty
        frame["novel"] = scores.uncertainty.novel
    frame["neighbours"] = ["; ".join(names[row] for row in rows if row >= 0) for rows in scores.neighbours.index]
    frame["met"] = ["; ".join(reasons) for reasons in external_scores.seen_reasons]
    if dataset.page_index is not None:
        frame["page"] = ["; ".join(remarks) for remarks in dataset.page_index.remarks]
    frame["lacking"] = ["; ".join(blocks) for blocks in scores.absent_blocks]
    return frame
