"""An extended run made whole: calibration, threshold and sets from one half of a cohort, scores from the other."""

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
from cardiograph.cohort.split import FEWEST_HELD_OUT, split_groups
from cardiograph.config import EvaluationConfig
from cardiograph.containers import TRAIN, VAL, Groups, Split
from cardiograph.errors import CohortError, ConfigError, Issue, RunError
from cardiograph.external.cohort import (
    RENEWED_BY,
    build_external_dataset,
    labelled_records,
    left_out_notes,
    some_records,
)
from cardiograph.external.evaluate import (
    RESULT,
    ExternalResult,
    answered_by,
    answers_table,
    claim,
    refuse_inside,
    run_settings,
    told_of,
    write_evaluation,
)
from cardiograph.inference import Predictor, Scores
from cardiograph.ingest.context import MEMORY, InputStore, RunContext
from cardiograph.ingest.groups import strata_of
from cardiograph.ingest.page_index import data_hash
from cardiograph.progress import NoProgress, Progress
from cardiograph.threads import set_threads
from cardiograph.train.calibrate import learn_uncertainty, threshold_of
from cardiograph.train.data import Dataset
from cardiograph.train.novelty_gates import partial_gates, whole_gate
from cardiograph.uncertainty.uncertainty import Uncertainty

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
    """Fit calibration, intervals, sets, threshold and novelty gate of an extended run again, and score it.

    Whole groups of the cohort are drawn into two halves by the run's seed: one is learnt from, the other is scored.
    Both are strangers to the reference.

    Args:
        run: Folder of an extended run; its bundle gets another hash, and ``metrics.json`` the scores.
        source: Table, or folder with a folder per class, with a label for each record.
        out: Where page, numbers and answers of the scored half go; ``evaluations/NAME`` by default.
        overrides: As for :func:`cardiograph.external.evaluate.evaluate_cohort`.
        skip_unlabelled: Leave out records without a label instead of refusing them.
        progress: Callback that receives stage progress.
        command: The command line, for the page.

    Raises:
        CardiographError: The run is no extended one or was renewed by another cohort; the cohort has records of the
            reference, or too few groups; or anything else that cannot be used.
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
        cohort = read_cohort(source, config.cohort, outcome=config.outcome, reads=predictor.reads)
        labelled = labelled_records(cohort, skip=skip_unlabelled)
        dataset = build_external_dataset(
            labelled, predictor, RunContext(config, cache, progress, inputs=InputStore(MEMORY))
        )
        hashed = data_hash(dataset.cohort, dataset.page_index)
        if _renewed_before(facts, hashed, run) and (folder / RESULT).exists():
            return ExternalResult(folder, files.read_json(folder / RESULT))
        identity = {"run": run.resolve().name, "data_hash": hashed}
        claim(folder, identity)
        progress.start("renewing", 1)
        scores = predictor.score(dataset.queries(np.arange(len(dataset.cohort))))
        _require_strangers(dataset, scores)
        rows, judged = _halves(dataset, config.seed)
        bundle = recalibrated(predictor.bundle, dataset, scores, rows, config.evaluation, config.seed)
        bundle.save_renewed(directory.path / "bundle")
        predictor = Predictor(bundle, predictor.engine)
        part = _part(dataset, judged)
        external_scores = answered_by(predictor, part, directory, other_ids=False)
        content = {
            **identity,
            "bundle": files.sha256_of(run / "bundle" / "bundle.json"),
            "cohort": source.name,
            "created": time.strftime("%Y-%m-%d %H:%M %Z"),
            "version": version("cardiograph"),
            "command": command,
            **told_of(predictor, part, external_scores, config, facts["before"]),
        }
        content["notes"] += [*left_out_notes(cohort, labelled, dataset), *_notes(dataset, rows, judged, config.seed)]
        directory.write_table(RENEWED_BY, _learnt_from(dataset, rows))
        write_evaluation(folder, content, answers_table(predictor, part, external_scores), external_scores)
        directory.write_json("metrics.json", _metrics(content))
        told = {"data_hash": hashed, "cohort": source.name, "records": len(rows), "scored": len(judged)}
        directory.record({"extended": facts["extended"] | {"renewed": told | {"created": content["created"]}}})
    return ExternalResult(folder, content)


def recalibrated(
    bundle: ModelBundle,
    dataset: Dataset,
    scores: Scores,
    rows: NDArray[np.int64],
    config: EvaluationConfig,
    seed: int,
) -> ModelBundle:
    """The bundle with calibration, intervals, sets, threshold and gate.

    Args:
        bundle: Bundle of an extended run.
        dataset: The cohort.
        scores: Scores of all its records.
        rows: Those that are learnt from.
        config: Kinds, coverage, rule of the threshold.
        seed: Seed of the folds in which calibrators are compared, and of the gate's sample.
    """
    labels, groups = dataset.cohort.labels[rows], dataset.split.groups.index[rows]
    uncertainty = learn_uncertainty(scores.raw[rows], labels, groups, config, seed=seed)
    rng = np.random.default_rng([seed, 7])
    gate, partial = whole_gate(bundle, config.novelty, rng), partial_gates(bundle, config.novelty, rng)
    uncertainty = dataclasses.replace(uncertainty, novelty=gate, partial_novelty=partial)
    threshold = threshold_of(labels, _probabilities(uncertainty, scores.raw[rows]), config)
    served = dataclasses.replace(bundle.served, threshold=threshold)
    return dataclasses.replace(bundle, served=served, uncertainty=uncertainty)


def _probabilities(uncertainty: Uncertainty, raw: NDArray[np.float64]) -> NDArray[np.float64]:
    return uncertainty.predict(raw, np.zeros(len(raw)), np.full(len(raw), np.nan)).probabilities


def _require_extended(facts: Mapping[str, Any], run: Path) -> None:
    if "extended" not in facts:
        message = (
            f"--renew: {run} was not extended, and its calibration and threshold hold; evaluate it without --renew"
        )
        raise ConfigError(message)


def _renewed_before(facts: Mapping[str, Any], hashed: str, run: Path) -> bool:
    before = facts["extended"]["renewed"]
    if before is not None and before["data_hash"] != hashed:
        message = (
            f"run {run}: was renewed by {before['cohort']} on {before['created']}; to renew it by another cohort, extend "
            "again into a new folder; to score it, evaluate without --renew"
        )
        raise RunError(message)
    return before is not None


def _require_strangers(dataset: Dataset, scores: Scores) -> None:
    """Refuse records whose group is in the reference: their score leans on themselves in no other record's way."""
    issues = [
        Issue(
            f"record {record!r}",
            "",
            f"{reasons[0]} is in the reference",
            "what renews a run, and what judges it, is no group of its reference",
            "remove the record",
            "known_to_run",
        )
        for record, reasons in zip(dataset.cohort.record_ids, scores.known, strict=True)
        if reasons
    ]
    if issues:
        message = f"{len(issues)} of {len(dataset.cohort)} records cannot renew the run"
        raise CohortError(message, issues)


def _halves(dataset: Dataset, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows to learn from and rows to score: whole groups, half of those with either label."""
    rng, cohort = np.random.default_rng([seed, 8]), dataset.cohort
    split = split_groups(cohort.labels, dataset.split.groups, 0.5, rng, strata=strata_of(cohort))
    rows, judged = split.rows(VAL), split.rows(TRAIN)
    if not len(rows):
        message = (
            f"too few groups to renew the run: each half needs at least {FEWEST_HELD_OUT} groups with a record of each "
            "label; give more records"
        )
        raise CohortError(message)
    return rows, judged


def _part(dataset: Dataset, rows: NDArray[np.int64]) -> Dataset:
    """Some records of a cohort."""
    _, groups = np.unique(dataset.split.groups.index[rows], return_inverse=True)
    split = Split(dataset.split.part[rows], Groups(groups.astype(np.int64)), dataset.split.source)
    inputs, page_index = dataset.inputs, dataset.page_index
    clinical = inputs.clinical
    return Dataset(
        some_records(dataset.cohort, rows),
        None if page_index is None else dataclasses.replace(page_index.of(rows.tolist()), skipped=page_index.skipped),
        split,
        dataclasses.replace(
            inputs,
            image=None if inputs.image is None else inputs.image[rows],
            clinical=None if clinical is None else dataclasses.replace(clinical, values=clinical.values[rows]),
            labels=inputs.labels[rows],
            split=split,
        ),
    )


def _learnt_from(dataset: Dataset, rows: NDArray[np.int64]) -> pd.DataFrame:
    """Names, patients and pages of the records that were learnt from."""
    table = dataset.cohort.table[["record_id", "patient_id", "label"]].iloc[rows].reset_index(drop=True)
    table.attrs = {}
    if dataset.page_index is not None:
        table["pixel_hash"] = [each or "" for each in dataset.page_index.of(rows.tolist()).pixel_hashes]
    return table


def _notes(dataset: Dataset, rows: NDArray[np.int64], judged: NDArray[np.int64], seed: int) -> list[str]:
    groups = dataset.split.groups.index
    fitted, scored = (f"{len(each)} records of {len(np.unique(groups[each]))} groups" for each in (rows, judged))
    return [
        f"{fitted}, drawn by seed {seed}, renewed calibration, "
        f"threshold and sets; the scores are those of the other {scored}",
        "the scores on the run's own test records are those of the run before it was extended",
    ]


def _metrics(content: Mapping[str, Any]) -> dict[str, Any]:
    """``metrics.json`` of a renewed run: the scores of the half that was not learnt from."""
    counts = {name: content["counts"][name] for name in ("records", "positive", "groups")}
    return {
        "primary": content["model"],
        "provenance": content["provenance"],
        "test": content["scores"],
        "counts": {"test": counts},
        "thresholds": {content["model"]: content["threshold"]},
        "bootstrap": content["bootstrap"],
    }
