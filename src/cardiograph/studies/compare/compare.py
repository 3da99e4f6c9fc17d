"""Models side by side under repeated folds of whole groups, settings chosen inside each; resumable, fit by fit."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cardiograph.artifacts.cache import PageCache, cache_folder
from cardiograph.artifacts.run import RunDirectory
from cardiograph.config import RunConfig
from cardiograph.containers import Split
from cardiograph.encoders.weights import find_weights
from cardiograph.errors import ConfigError
from cardiograph.ingest.page_index import data_hash
from cardiograph.models.registry import BASELINES, GRAPH_MODELS
from cardiograph.progress import Progress, Silent
from cardiograph.studies.compare.fold_data import RICHEST_FIRST, Bench, Place, make_bench
from cardiograph.studies.compare.folds import GONE_SHARES, LABEL_SHARES, refuse_without_blanked
from cardiograph.studies.compare.options import DEFAULT, Extent
from cardiograph.studies.compare.report import write_results
from cardiograph.studies.compare.result import CompareFacts, CompareResult
from cardiograph.studies.compare.summary import Summary, treated_all
from cardiograph.studies.compare.trial import LABELS_KEPT, PLAIN, VALUES_GONE, Fitted, Task, make_fit
from cardiograph.studies.compare.wording import notes
from cardiograph.studies.faults.records import Pool
from cardiograph.studies.parallel import LineLog, side_by_side, trial_key
from cardiograph.studies.shared_cohort import Laboratory, Modality
from cardiograph.threads import set_threads

VERSION = 1
"""Changes whenever the same fit gives other scores; fits of another version are made again."""


def compare(
    source: Path,
    out: Path,
    config: RunConfig,
    extent: Extent,
    *,
    progress: Progress | None = None,
    command: str = "",
) -> CompareResult:
    """Make every fit of a comparison that is not there yet, and write its results.

    Args:
        source: Table, or folder with a folder per class.
        out: Folder of the comparison; one of this cohort and configuration is gone on with, whatever its extent.
        config: Settings of the default; its seed is that of the folds.
        extent: How much is compared.
        progress: Told of pages, then of fits.
        command: The command line, for the page.

    Raises:
        CardiographError: With what is wrong and what to do.
    """
    set_threads()
    start, progress = time.perf_counter(), progress or Silent()
    if source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        message = (
            f"compare {out}: lies inside the cohort {source}, where it would be read as a class; choose another --out"
        )
        raise ConfigError(message)
    directory = RunDirectory(out)
    with directory.locked(), PageCache(cache_folder()) as cache:
        lab = Laboratory(source, config, cache, progress, pool=Pool(config.seed, None))
        if lab.cohort.has_pages and config.encoder.weights != "random":
            progress.start("finding weights", 1)
            find_weights(config.encoder.weights, cache=cache_folder())
        lab.settle_precision()
        bench = make_bench(lab, extent.folds, own_split=extent.own_split)
        if extent.richest_only:
            bench = dataclasses.replace(bench, studies={bench.richest: bench.any_study})
        if extent.missingness:
            refuse_without_blanked(bench.any_study)
        data = data_hash(*lab.own)
        directory.begin(config, data)
        set_threads(1)  # small fits: threads would wait for each other, and each process comes to the same figures
        fits = _all_fits(bench, extent, LineLog(out / "fits.jsonl", Fitted), data, progress)
        set_threads()
        result = _summarised(bench, lab, extent, fits)
        about = {"command": command, "data_hash": data, "config_toml": config.to_toml()}
        write_results(directory, result, about)
        directory.record({"seconds": time.perf_counter() - start, "command": command, "source": source.name})
        directory.finish()
    return result


def tasks_of(bench: Bench, extent: Extent) -> list[Task]:
    """Every fit of a comparison, fold by fold, so that an interrupted one has whole folds."""
    return [task for place in extent.places for task in dict.fromkeys(_tasks_of_fold(bench, extent, place))]


def _tasks_of_fold(bench: Bench, extent: Extent, place: Place) -> Iterator[Task]:
    for modality in bench.studies:
        for model in extent.models:
            yield Task(modality, place, model, tuned=extent.tuned)
        if bench.config.model.name in GRAPH_MODELS:
            yield Task(modality, place, DEFAULT, tuned=extent.tuned, rewired=True)
    beside = (DEFAULT, *(name for name in extent.models if name in BASELINES))
    richest: Modality = bench.richest
    if extent.scarcity:
        for share in LABEL_SHARES:
            for model in beside:
                yield Task(richest, place, model, tuned=False, condition=(LABELS_KEPT, share))
    if extent.missingness:
        for share in GONE_SHARES:
            condition = (VALUES_GONE, share) if share else PLAIN
            for model in beside:
                yield Task(richest, place, model, tuned=extent.tuned, condition=condition)


def _all_fits(bench: Bench, extent: Extent, log: LineLog[Fitted], data: str, progress: Progress) -> dict[Task, Fitted]:
    tasks = tasks_of(bench, extent)
    for place in extent.places:
        bench.split(place)  # a fold that cannot be made is told before the first fit
    keys = {task: _key(bench, task, data) for task in tasks}
    missing = [task for task in tasks if keys[task] not in log.known]
    progress.start("fits", len(tasks))
    progress.advance(len(tasks) - len(missing))
    for made in side_by_side(bench, missing, _make, (_itself, (bench,)), workers=extent.workers):
        log.keep(keys[made.task], made.fitted, dataclasses.asdict(made.task))
        progress.advance()
    return {task: log.known[key] for task, key in keys.items()}


@dataclass(frozen=True)
class _Made:
    task: Task
    fitted: Fitted


def _make(bench: Bench, task: Task) -> _Made:
    return _Made(task, make_fit(bench, task))


def _itself(bench: Bench) -> Bench:
    return bench


def _key(bench: Bench, task: Task, data: str) -> str:
    """Equal for fits that are the same, whatever else is compared."""
    return trial_key(
        version=VERSION,
        data=data,
        config=bench.config.model_dump(mode="json"),
        folds=0 if bench.given is not None else bench.folds,
        split=_told(bench.given),
        task=task.facts(),
    )


def _told(split: Split | None) -> list[str]:
    return [] if split is None else split.part.tolist()


def _summarised(bench: Bench, lab: Laboratory, extent: Extent, fits: dict[Task, Fitted]) -> CompareResult:
    facts = _facts(bench, lab, extent)
    summary = Summary(bench, facts, fits, extent)
    differences = summary.differences()
    richest = bench.richest
    return CompareResult(
        facts,
        summary.leaderboard(),
        differences,
        summary.verdicts(differences),
        summary.curve(LABELS_KEPT, LABEL_SHARES, richest) if extent.scarcity else (),
        summary.curve(VALUES_GONE, GONE_SHARES, richest) if extent.missingness else (),
        notes(facts, had_split=lab.had_split),
    )


def _facts(bench: Bench, lab: Laboratory, extent: Extent) -> CompareFacts:
    studied, places = bench.any_study, extent.places
    labels = studied.cohort.labels
    return CompareFacts(
        cohort=lab.source.name,
        outcome=lab.config.outcome,
        records=len(labels),
        labelled=int((labels >= 0).sum()),
        positive=int((labels == 1).sum()),
        groups=len(studied.split.groups),
        modalities=tuple(name for name in RICHEST_FIRST if name in bench.studies),
        folds=extent.folds if bench.given is None else 1,
        repeats=extent.repeats if bench.given is None else 1,
        confidence=lab.config.evaluation.confidence,
        own_split=bench.given is not None,
        tuned=extent.tuned,
        quick=extent.quick,
        weights=lab.config.encoder.weights if lab.cohort.has_pages and "image" in bench.studies else "",
        default=lab.config.model.name,
        thresholds=extent.thresholds,
        treat_all=treated_all(bench, places, extent.thresholds),
    )
