"""Comparison of models under repeated folds of whole groups, with settings chosen inside each fold. It is resumable."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cardiograph.config import RunConfig
from cardiograph.config_outcome import UNNAMED_OUTCOME
from cardiograph.ingest.page_index import data_hash
from cardiograph.progress import NoProgress, Progress
from cardiograph.run.multilabel import check_label_settings
from cardiograph.run.survival import check_settings
from cardiograph.studies.compare.fold_data import RICHEST_FIRST, FoldData, FoldPlace, make_fold_data, require_binary
from cardiograph.studies.compare.folds import BLANKED_SHARES, LABEL_SHARES, require_blanked_variable
from cardiograph.studies.compare.options import DEFAULT, THRESHOLDS, CompareOptions, chosen_models, require_models
from cardiograph.studies.compare.report import write_comparison
from cardiograph.studies.compare.result import CompareFacts, CompareResult
from cardiograph.studies.compare.summary import Summary, treat_all_benefits
from cardiograph.studies.compare.trial import LABELS_KEPT, NO_CONDITION, VALUES_BLANKED, FitResult, Task, make_fit
from cardiograph.studies.compare.wording import compare_notes
from cardiograph.studies.directory import study_directory
from cardiograph.studies.faults.records import AugmentationPool
from cardiograph.studies.parallel import TrialLog, run_parallel, trial_key
from cardiograph.studies.shared_cohort import Modality, SharedCohort
from cardiograph.threads import set_threads

COMPARE_VERSION = 2
"""Changes whenever the same fit gives other scores; fits of another version are repeated."""


def compare(
    source: Path,
    out: Path,
    config: RunConfig,
    options: CompareOptions,
    *,
    progress: Progress | None = None,
    command: str = "",
) -> CompareResult:
    """Compare models and write the results; fits that are already in the folder are not repeated.

    Args:
        source: Table, or folder with a folder per class.
        out: Folder of the comparison; one with the same cohort and configuration is resumed.
        config: Settings of the default model; its seed is also the seed of the folds.
        options: Extent of the comparison.
        progress: Callback that receives the progress of pages, then of fits.
        command: Command line, shown in the report.

    Raises:
        CardiographError: If the input or settings are invalid; the message says how to fix it.
    """
    progress, options = progress or NoProgress(), _checked(config, options)
    with study_directory("compare", source, out, command=command) as (directory, cache):
        shared_cohort = SharedCohort(
            source, config, cache, progress, pool=AugmentationPool(config.seed, None), any_outcome=True
        )
        shared_cohort.prepare_encoder()
        fold_data = make_fold_data(shared_cohort, options.folds, own_split=options.own_split)
        if options.thresholds != THRESHOLDS:
            require_binary(fold_data, "--net-benefit-at: net benefit is that of a binary decision")
        if options.richest_only:
            fold_data = dataclasses.replace(fold_data, datasets={fold_data.richest: fold_data.any_dataset})
        if options.missingness:
            require_blanked_variable(fold_data.any_dataset)
        data = data_hash(*shared_cohort.usable)
        if fold_data.columns is not None:
            data = trial_key(data=data, labels=fold_data.label_values.tolist())
        directory.begin(config, data)
        set_threads(1)  # small fits gain nothing from threads, and results do not depend on the number of processes
        fits = _run_fits(fold_data, options, TrialLog(out / "fits.jsonl", FitResult), data, progress)
        set_threads()
        result = _summarise(fold_data, shared_cohort, options, fits)
        about = {"command": command, "data_hash": data, "config_toml": config.to_toml()}
        write_comparison(directory, result, about)
    return result


def _checked(config: RunConfig, options: CompareOptions) -> CompareOptions:
    """Return the options with the models of the kind of outcome; raise ConfigError if a setting does not fit the kind."""
    kind = config.outcome.kind
    if kind == "survival":
        check_settings(config)
    if kind == "multilabel":
        check_label_settings(config)
    models = (
        require_models(options.models, kind=kind) if options.models else chosen_models(None, quick=False, kind=kind)
    )
    return dataclasses.replace(options, models=models)


def tasks_of(fold_data: FoldData, options: CompareOptions) -> list[Task]:
    """Return every fit of a comparison, fold by fold, so that an interrupted one has whole folds."""
    return [task for place in options.places for task in dict.fromkeys(_tasks_of_fold(fold_data, options, place))]


def _tasks_of_fold(fold_data: FoldData, options: CompareOptions, place: FoldPlace) -> Iterator[Task]:
    for modality in fold_data.datasets:
        for model in options.models:
            yield Task(modality, place, model, tuned=options.tuned)
        if fold_data.config.model.name in fold_data.scores.graph_models:
            yield Task(modality, place, DEFAULT, tuned=options.tuned, rewired=True)
    baselines = (DEFAULT, *(name for name in options.models if name in fold_data.scores.baselines))
    richest: Modality = fold_data.richest
    if options.scarcity:
        for share in LABEL_SHARES:
            for model in baselines:
                yield Task(richest, place, model, tuned=False, condition=(LABELS_KEPT, share))
    if options.missingness:
        for share in BLANKED_SHARES:
            condition = (VALUES_BLANKED, share) if share else NO_CONDITION
            for model in baselines:
                yield Task(richest, place, model, tuned=options.tuned, condition=condition)


def _run_fits(
    fold_data: FoldData, options: CompareOptions, log: TrialLog[FitResult], data: str, progress: Progress
) -> dict[Task, FitResult]:
    tasks = tasks_of(fold_data, options)
    for place in options.places:
        fold_data.require_usable(place)  # raise an error for an impossible fold before the first fit
    keys = {task: _key(fold_data, task, data) for task in tasks}
    missing = [task for task in tasks if keys[task] not in log.known]
    progress.start("fits", len(tasks))
    progress.advance(len(tasks) - len(missing))
    for finished in run_parallel(fold_data, missing, _run_task, (_identity, (fold_data,)), workers=options.workers):
        log.keep(keys[finished.task], finished.fit, dataclasses.asdict(finished.task))
        progress.advance()
    return {task: log.known[key] for task, key in keys.items()}


@dataclass(frozen=True)
class _TaskResult:
    task: Task
    fit: FitResult


def _run_task(fold_data: FoldData, task: Task) -> _TaskResult:
    return _TaskResult(task, make_fit(fold_data, task))


def _identity(fold_data: FoldData) -> FoldData:
    return fold_data


def _key(fold_data: FoldData, task: Task, data: str) -> str:
    """Return a key that is equal for equal fits, whatever else is compared."""
    return trial_key(
        version=COMPARE_VERSION,
        data=data,
        config=fold_data.config.model_dump(mode="json"),
        folds=0 if fold_data.given is not None else fold_data.folds,
        split=[] if fold_data.given is None else fold_data.given.part.tolist(),
        task=task.facts(kind=fold_data.kind),
    )


def _summarise(
    fold_data: FoldData, shared_cohort: SharedCohort, options: CompareOptions, fits: dict[Task, FitResult]
) -> CompareResult:
    facts = _facts(fold_data, shared_cohort, options)
    summary = Summary(fold_data, facts, fits, options)
    differences = summary.differences()
    richest = fold_data.richest
    return CompareResult(
        facts,
        summary.leaderboard(),
        differences,
        summary.verdicts(differences),
        summary.curve(LABELS_KEPT, LABEL_SHARES, richest) if options.scarcity else (),
        summary.curve(VALUES_BLANKED, BLANKED_SHARES, richest) if options.missingness else (),
        (*compare_notes(facts, had_split=shared_cohort.had_split), *(f"{note}." for note in shared_cohort.page_notes)),
    )


def _facts(fold_data: FoldData, shared_cohort: SharedCohort, options: CompareOptions) -> CompareFacts:
    dataset, places = fold_data.any_dataset, options.places
    labels, kind, outcome = dataset.cohort.labels, fold_data.kind, shared_cohort.config.outcome
    return CompareFacts(
        cohort=shared_cohort.source.name,
        outcome=outcome.name if kind == "binary" else _outcome_name(fold_data),
        records=len(labels),
        labelled=int((labels >= 0).sum()),
        positive=int((labels == 1).sum()) if kind in ("binary", "survival") else None,
        groups=len(dataset.split.groups),
        modalities=tuple(name for name in RICHEST_FIRST if name in fold_data.datasets),
        folds=options.folds if fold_data.given is None else 1,
        repeats=options.repeats if fold_data.given is None else 1,
        confidence=shared_cohort.config.evaluation.confidence,
        own_split=fold_data.given is not None,
        tuned=options.tuned,
        quick=options.quick,
        weights=shared_cohort.config.encoder.weights
        if shared_cohort.cohort.has_pages and "image" in fold_data.datasets
        else "",
        default=shared_cohort.config.model.name,
        thresholds=options.thresholds if kind == "binary" else (),
        treat_all=treat_all_benefits(fold_data, places, options.thresholds),
        classes=fold_data.classes,
        kind=kind,
        horizon=fold_data.horizon if kind == "survival" else None,
        unit=str(outcome.unit) if kind == "survival" else "",
    )


def _outcome_name(fold_data: FoldData) -> str:
    """Return what the classes describe, the names of the labels, or the event; an outcome without a name has a default."""
    named = fold_data.any_dataset.cohort.outcome
    if named != UNNAMED_OUTCOME or fold_data.kind == "multiclass":
        return named
    return ", ".join(fold_data.classes) or "time to the event"
