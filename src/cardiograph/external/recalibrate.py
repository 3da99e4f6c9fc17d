"""Recalibrates an extended run: fits calibration, threshold and sets on half of a cohort and scores the other half."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.artifacts import files
from cardiograph.artifacts.bundle import ModelBundle
from cardiograph.artifacts.cache import PageCache, cache_folder
from cardiograph.artifacts.run import RunDirectory
from cardiograph.cohort.manifest import read_cohort
from cardiograph.cohort.split import MIN_HELD_OUT_GROUPS, split_groups
from cardiograph.config import EvaluationConfig
from cardiograph.containers import TRAIN, VAL
from cardiograph.errors import CohortError, ConfigError, Issue, RunError
from cardiograph.evaluate.results import OwnTestScores, PartCounts, RunMetrics
from cardiograph.external.cohort import (
    RENEWED_BY,
    build_external_dataset,
    labelled_records,
    left_out_notes,
)
from cardiograph.external.evaluate import (
    RESULT,
    ExternalResult,
    claim,
    evaluation_content,
    predictions_table,
    probability_columns,
    refuse_inside,
    run_settings,
    score_external,
    write_evaluation,
)
from cardiograph.external.report import render_evaluation
from cardiograph.external.survival import BEFORE_EXTENSION
from cardiograph.inference import Predictor, Scores
from cardiograph.ingest.context import MAX_INPUT_BYTES, InputStore, RunContext
from cardiograph.ingest.groups import strata_of
from cardiograph.ingest.page_index import data_hash
from cardiograph.progress import NoProgress, Progress
from cardiograph.threads import set_threads
from cardiograph.train.calibrate import fit_threshold, fit_uncertainty
from cardiograph.train.data import Dataset
from cardiograph.train.novelty_gates import fit_gates

if TYPE_CHECKING:
    import pandas as pd


def recalibrate_run(  # noqa: PLR0913 - a run, a cohort, a folder, and how the cohort is read
    run: Path,
    source: Path,
    out: Path | None = None,
    *,
    overrides: Mapping[str, Any] | None = None,
    skip_unlabelled: bool = False,
    progress: Progress | None = None,
    command: str = "",
) -> ExternalResult:
    """Fit calibration, intervals, sets, threshold and novelty gates of an extended run again, and evaluate it.

    The groups of the cohort are split into two halves by the run's seed: the first is used for fitting, the second for
    scores. No record of either half may be in the reference.

    Args:
        run: Folder of an extended run; its bundle and its ``metrics.json`` are replaced.
        source: Table, or folder with one folder per class, with a label for each record.
        out: Folder for report, metrics and predictions of the second half; ``evaluations/NAME`` by default.
        overrides: As for :func:`cardiograph.external.evaluate.evaluate_cohort`.
        skip_unlabelled: Leave out records without a label instead of raising.
        progress: Callback that receives stage progress.
        command: Command line, for the report.

    Raises:
        CardiographError: If the run was not extended or was recalibrated with another cohort, if the cohort has records
            of the reference or too few groups, or if any other input cannot be used.
    """
    set_threads()
    progress = progress or NoProgress()
    directory, folder = RunDirectory(run), out or Path("evaluations") / source.resolve().stem
    directory.require_finished()
    refuse_inside(source, folder)
    facts = directory.read_json("run.json")
    _require_extended(facts, run)
    config = run_settings(directory, overrides or {})
    with directory.locked(), PageCache(cache_folder()) as cache:
        predictor = Predictor.load(run)
        cohort = read_cohort(source, config.cohort, outcome=config.outcome.name, reads=predictor.reads)
        labelled = labelled_records(cohort, skip=skip_unlabelled)
        dataset = build_external_dataset(
            labelled, predictor, RunContext(config, cache, progress, inputs=InputStore(MAX_INPUT_BYTES))
        )
        hashed = data_hash(dataset.cohort, dataset.page_index)
        if _renewed_before(facts, hashed, run) and (folder / RESULT).exists():
            return ExternalResult(folder, files.read_json(folder / RESULT))
        identity = {"run": run.resolve().name, "data_hash": hashed}
        claim(folder, identity)
        progress.start("recalibrating", len(dataset.cohort), unit="records")
        scores = predictor.score(dataset.queries(np.arange(len(dataset.cohort))), progress.advance)
        _require_unseen(dataset, scores)
        rows, scored = _halves(dataset, config.seed)
        bundle = recalibrate_bundle(predictor.bundle, dataset, scores, rows, config.evaluation, config.seed)
        bundle.save_renewed(directory.path / "bundle")
        predictor = Predictor(bundle, predictor.engine)
        part = dataset.of(scored)
        progress.start("scoring", len(scored), unit="records")
        external_scores = score_external(predictor, part, directory, other_ids=False, scored=progress.advance)
        progress.start("intervals", 1)
        content = {
            **identity,
            "bundle": files.sha256_of(run / "bundle" / "bundle.json"),
            "cohort": source.name,
            "created": time.strftime("%Y-%m-%d %H:%M %Z"),
            "version": version("cardiograph"),
            "command": command,
            **evaluation_content(
                predictor, part, external_scores, config, OwnTestScores.model_validate(facts["before"])
            ),
        }
        content["notes"] += [*left_out_notes(cohort, labelled, dataset), *_notes(dataset, rows, scored, config.seed)]
        directory.write_table(RENEWED_BY, _record_keys(dataset, rows))
        progress.start("predictions and report", 1)
        table = predictions_table(predictor, part, external_scores, probability_columns(external_scores))
        write_evaluation(folder, content, table, render_evaluation(content, external_scores.part))
        directory.write_metrics(_metrics(content))
        renewed = {
            "data_hash": hashed,
            "cohort": source.name,
            "records": len(rows),
            "scored": len(scored),
            "created": content["created"],
        }
        directory.record({"extended": facts["extended"] | {"renewed": renewed}})
    return ExternalResult(folder, content)


def recalibrate_bundle(
    bundle: ModelBundle,
    dataset: Dataset,
    scores: Scores,
    rows: NDArray[np.int64],
    config: EvaluationConfig,
    seed: int,
) -> ModelBundle:
    """Return the bundle with calibration, intervals, sets, threshold and novelty gates.

    Args:
        bundle: Bundle of an extended run.
        dataset: Dataset of the cohort.
        scores: Scores of all its records.
        rows: Rows to fit to.
        config: Kind of calibration, coverage of the sets, rule of the threshold.
        seed: Seed of the folds in which calibrators are compared, and of the gate's sample.
    """
    labels, groups = dataset.cohort.labels[rows], dataset.split.groups.index[rows]
    uncertainty = fit_uncertainty(scores.raw[rows], labels, groups, config, seed=seed)
    uncertainty = fit_gates(uncertainty, bundle, config.novelty, seed=seed)
    threshold = fit_threshold(labels, uncertainty.probabilities(scores.raw[rows]), config)
    served = dataclasses.replace(bundle.served, threshold=threshold)
    return dataclasses.replace(bundle, served=served, uncertainty=uncertainty)


def _require_extended(facts: Mapping[str, Any], run: Path) -> None:
    if "extended" not in facts:
        message = f"--renew: {run} was not extended, so its calibration and threshold hold; evaluate it without --renew"
        raise ConfigError(message)
    if facts["extended"].get("kind") == "survival":
        message = (
            f"--renew: {run} predicts the time to an event and has no calibration or threshold to fit again; evaluate it "
            "without --renew"
        )
        raise ConfigError(message)


def _renewed_before(facts: Mapping[str, Any], hashed: str, run: Path) -> bool:
    before = facts["extended"]["renewed"]
    if before is not None and before["data_hash"] != hashed:
        message = (
            f"run {run}: was renewed by {before['cohort']} on {before['created']}; to renew it by another cohort, "
            "extend again into a new folder; to score it, evaluate without --renew"
        )
        raise RunError(message)
    return before is not None


def _require_unseen(dataset: Dataset, scores: Scores) -> None:
    """Refuse records whose group is in the reference: their scores would not represent those of new patients."""
    issues = [
        Issue(
            f"record {record!r}",
            "",
            f"{reasons[0]} is in the reference",
            "records that renew or score a run must not belong to a group of its reference",
            "remove the record",
            "known_to_run",
        )
        for record, reasons in zip(dataset.cohort.record_ids, scores.excluded_reasons, strict=True)
        if reasons
    ]
    if issues:
        message = f"{len(issues)} of {len(dataset.cohort)} records cannot renew the run"
        raise CohortError(message, issues)


def _halves(dataset: Dataset, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split the rows by group into those to fit to and those to score: half of the groups with each label."""
    rng, cohort = np.random.default_rng([seed, 8]), dataset.cohort
    split = split_groups(cohort.labels, dataset.split.groups, 0.5, rng, strata=strata_of(cohort))
    rows, scored = split.rows(VAL), split.rows(TRAIN)
    if not len(rows):
        message = (
            f"too few groups to renew the run: each half needs at least {MIN_HELD_OUT_GROUPS} groups with a record of each "
            "label; give more records"
        )
        raise CohortError(message)
    return rows, scored


def _record_keys(dataset: Dataset, rows: NDArray[np.int64]) -> pd.DataFrame:
    """Return names, patients and pages of the records that calibration was fitted to."""
    table = dataset.cohort.table[["record_id", "patient_id", "label"]].iloc[rows].reset_index(drop=True)
    table.attrs = {}
    if dataset.page_index is not None:
        table["pixel_hash"] = [each or "" for each in dataset.page_index.of(rows.tolist()).pixel_hashes]
    return table


def _notes(dataset: Dataset, rows: NDArray[np.int64], scored: NDArray[np.int64], seed: int) -> list[str]:
    groups = dataset.split.groups.index
    fitted, others = (f"{len(each)} records of {len(np.unique(groups[each]))} groups" for each in (rows, scored))
    return [
        f"{fitted}, drawn by seed {seed}, renewed calibration, threshold and sets; the scores are those of the other "
        f"{others}",
        BEFORE_EXTENSION,
    ]


def _metrics(content: Mapping[str, Any]) -> RunMetrics:
    """Return the metrics of a recalibrated run: the scores of the half that nothing was fitted to."""
    counts = {name: content["counts"][name] for name in PartCounts.model_fields if name in content["counts"]}
    return RunMetrics.model_validate(
        {
            "primary": content["model"],
            "provenance": content["provenance"],
            "test": content["scores"],
            "counts": {"test": counts},
            "thresholds": {content["model"]: content["threshold"]},
            "bootstrap": content["bootstrap"],
        }
    )
