"""The ladder: from the published protocol to ours, a fault at a time, on many seeds; resumable, trial by trial."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from cardiograph.artifacts.cache import PageCache, cache_folder
from cardiograph.artifacts.run import RunDirectory
from cardiograph.config import ModelConfig, RunConfig
from cardiograph.errors import ConfigError
from cardiograph.ingest.page_index import data_hash
from cardiograph.progress import NoProgress, Progress
from cardiograph.studies.controls import CONTROLS
from cardiograph.studies.faults.records import AugmentationPool
from cardiograph.studies.ladder.plan import Plan, Step, make_plan
from cardiograph.studies.ladder.report import write_results
from cardiograph.studies.ladder.result import LadderResult
from cardiograph.studies.ladder.summary import Scores, summarise
from cardiograph.studies.ladder.trials import LadderTrial, run_trials
from cardiograph.studies.parallel import TrialLog, trial_key
from cardiograph.studies.shared_cohort import SharedCohort, TrialMetrics
from cardiograph.threads import set_threads

VERSION = 1
"""Changes whenever the same trial gives other scores; trials of another version are made again."""

SEEDS, QUICK_COPIES = 10, 64


@dataclass(frozen=True)
class LadderOptions:
    """How much is tried.

    Args:
        seeds: Splits, simulations and trainings of each step.
        copies: Different augmented copies of the pages of a class, about; None for as many as are asked for.
        quick: Whether only the two faults are tried that make a high score by themselves.
        workers: Processes; None for one a core.
    """

    seeds: int = SEEDS
    copies: int | None = None
    quick: bool = False
    workers: int | None = None

    @classmethod
    def of(cls, seeds: int | None, *, quick: bool, workers: int | None = None) -> LadderOptions:
        """What the options ask for.

        Raises:
            ConfigError: Fewer than two seeds, which have no interval, or no worker.
        """
        if seeds is not None and seeds < 2:
            message = f"--seeds {seeds}: a difference needs two seeds at least; 10 is the default"
            raise ConfigError(message)
        if workers is not None and workers < 1:
            message = f"--workers {workers}: at least 1, which is this process alone"
            raise ConfigError(message)
        return cls(seeds or SEEDS, QUICK_COPIES if quick else None, quick=quick, workers=workers)


def run_ladder(
    source: Path,
    out: Path,
    config: RunConfig,
    options: LadderOptions,
    *,
    progress: Progress | None = None,
    command: str = "",
) -> LadderResult:
    """Make every trial of a ladder that is not there yet, and write its results.

    Args:
        source: Table, or folder with a folder per class.
        out: Folder of the ladder; one of this cohort and configuration is resumed, whatever its seeds.
        config: Settings of the sound runs; its seed is the first.
        options: How much is tried.
        progress: Callback that receives the progress of pages, then of trials.
        command: The command line, for the page.

    Raises:
        CardiographError: If the input or settings are invalid; the message says how to fix it.
    """
    set_threads()
    start, progress = time.perf_counter(), progress or NoProgress()
    if source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        message = (
            f"ladder {out}: lies inside the cohort {source}, where it would be read as a class; choose another --out"
        )
        raise ConfigError(message)
    config = with_reference_network(config)
    directory = RunDirectory(out)
    with directory.locked(), PageCache(cache_folder()) as cache:
        shared_cohort = SharedCohort(
            source, config, cache, progress, pool=AugmentationPool(config.seed, options.copies)
        )
        shared_cohort.prepare_encoder()
        plan = make_plan(shared_cohort, quick=options.quick)
        data = data_hash(*shared_cohort.usable)
        directory.begin(config, data)
        log = TrialLog(out / "trials.jsonl", TrialMetrics)
        scores = _all_trials(shared_cohort, plan, log, options, data)
        result = summarise(shared_cohort, plan, scores, quick=options.quick)
        about = {"command": command, "data_hash": data, "config_toml": config.to_toml()}
        write_results(directory, result, about)
        directory.record({"seconds": time.perf_counter() - start, "command": command, "source": source.name})
        directory.finish()
    return result


def with_reference_network(config: RunConfig) -> RunConfig:
    """The settings with the reference's network and readout where others are the default: steps differ in faults alone."""
    update: dict[str, object] = {}
    if config.model.name == ModelConfig().name:
        update["model"] = config.model.model_copy(update={"name": "gcn"})
    if config.encoder.readout == "auto":
        update["encoder"] = config.encoder.model_copy(update={"readout": "final"})
    return config.model_copy(update=update)


def _all_trials(
    shared_cohort: SharedCohort, plan: Plan, log: TrialLog[TrialMetrics], options: LadderOptions, data: str
) -> Scores:
    """Scores of each step, seed by seed; what the log knows is not made again, and what is the same is made once."""
    seeds = range(shared_cohort.config.seed, shared_cohort.config.seed + options.seeds)
    trials = [LadderTrial(step, seed, _key(shared_cohort, step, seed, data)) for seed in seeds for step in plan.steps]
    different = {trial.key: trial for trial in reversed(trials)}  # of two that are the same, the first gives the name
    missing = [trial for trial in reversed(different.values()) if trial.key not in log.known]
    _read_views(shared_cohort, missing)
    shared_cohort.progress.start("trials", len(different))
    shared_cohort.progress.advance(len(different) - len(missing))
    with _quiet(shared_cohort) as shown:
        for made in run_trials(shared_cohort, missing, workers=options.workers):
            about = {"step": made.trial.step.key, "seed": made.trial.seed, "seconds": round(made.seconds, 3)}
            log.keep(made.trial.key, made.scores, about)
            shown.advance()
    scores: Scores = {step.key: [] for step in plan.steps}
    for trial in trials:
        scores[trial.step.key].append(log.known[trial.key])
    return scores


def _read_views(shared_cohort: SharedCohort, trials: Sequence[LadderTrial]) -> None:
    """Read and embed the pages in each view that trials need, while bars of their own are shown."""
    views: dict[str, RunConfig] = {}
    for trial in trials:
        config = shared_cohort.settings(trial.step.config, trial.step.faults, trial.step.modality, trial.seed)
        views.setdefault(config.fingerprint("pages"), config)
    for config in views.values():
        shared_cohort.build_dataset(config)


def _key(shared_cohort: SharedCohort, step: Step, seed: int, data: str) -> str:
    """Equal for trials that are the same, whatever step they belong to."""
    config = shared_cohort.settings(step.config, step.faults, step.modality, seed)
    control = step.name if step.name in CONTROLS else ""
    return trial_key(
        version=VERSION,
        data=data,
        config=config.model_dump(mode="json"),
        control=control,
        by_class=step.by_class,
        pool=asdict(shared_cohort.pool),
    )


@contextmanager
def _quiet(shared_cohort: SharedCohort) -> Iterator[Progress]:
    """One bar for all trials: those of their pages would take its place."""
    shown, shared_cohort.progress = shared_cohort.progress, NoProgress()
    try:
        yield shown
    finally:
        shared_cohort.progress = shown
