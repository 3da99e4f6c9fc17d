"""Ladder: removes the faults of the published protocol one at a time, with many seeds. It is resumable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from cardiograph.config import EncoderConfig, ModelConfig, RunConfig
from cardiograph.errors import ConfigError
from cardiograph.ingest.page_index import data_hash
from cardiograph.progress import NoProgress, Progress
from cardiograph.registry import encoder_spec
from cardiograph.studies.controls import CONTROLS
from cardiograph.studies.directory import study_directory
from cardiograph.studies.faults.records import AugmentationPool
from cardiograph.studies.ladder.plan import Plan, Step, make_plan
from cardiograph.studies.ladder.report import write_ladder
from cardiograph.studies.ladder.result import LadderResult
from cardiograph.studies.ladder.summary import StepScores, summarise_ladder
from cardiograph.studies.ladder.trials import LadderTrial, run_trials
from cardiograph.studies.parallel import TrialLog, trial_key
from cardiograph.studies.shared_cohort import SharedCohort, TrialMetrics

LADDER_VERSION = 1
"""Changes whenever the same trial gives other scores; trials of another version are repeated."""

SEEDS, QUICK_COPIES = 10, 64
"""Default number of seeds, and the number of different augmented copies of a quick ladder."""


@dataclass(frozen=True)
class LadderOptions:
    """Extent of a ladder.

    Args:
        seeds: Number of seeds; each has its own split, simulation and training.
        copies: Approximate maximum number of different augmented copies of a class; None for no maximum.
        quick: Whether to try only the two faults that give a high score alone.
        workers: Number of processes; None for one per core.
    """

    seeds: int = SEEDS
    copies: int | None = None
    quick: bool = False
    workers: int | None = None

    @classmethod
    def of(cls, seeds: int | None, *, quick: bool, workers: int | None = None) -> LadderOptions:
        """Check the options of the command and return the extent.

        Args:
            seeds: Number of seeds; None for the default.
            quick: Whether to run a quick ladder.
            workers: Number of processes; None for one per core.

        Raises:
            ConfigError: If there are fewer than two seeds, which give no interval, or no worker.
        """
        if seeds is not None and seeds < 2:
            message = f"--seeds {seeds}: an interval needs at least two seeds; the default is 10"
            raise ConfigError(message)
        if workers is not None and workers < 1:
            message = f"--workers {workers}: use at least 1, which runs everything in this process"
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
    """Run a ladder and write its results; trials that are already in the folder are not repeated.

    Args:
        source: Table, or folder with a folder per class.
        out: Folder of the ladder; a ladder with the same cohort and configuration is resumed.
        config: Settings of the runs without faults; the seeds start at its seed.
        options: Extent of the ladder.
        progress: Callback that receives the progress of pages, then of trials.
        command: Command line, shown in the report.

    Raises:
        CardiographError: If the input or settings are invalid; the message says how to fix it.
    """
    config = with_reference_network(config)
    with study_directory("ladder", source, out, command=command) as (directory, cache):
        pool = AugmentationPool(config.seed, options.copies)
        shared_cohort = SharedCohort(source, config, cache, progress, pool=pool)
        shared_cohort.prepare_encoder()
        plan = make_plan(shared_cohort, quick=options.quick)
        data = data_hash(*shared_cohort.usable)
        directory.begin(config, data)
        log = TrialLog(out / "trials.jsonl", TrialMetrics)
        scores = _all_trials(shared_cohort, plan, log, options, data)
        result = summarise_ladder(shared_cohort, plan, scores, quick=options.quick)
        about = {"command": command, "data_hash": data, "config_toml": config.to_toml()}
        write_ladder(directory, result, about)
    return result


def with_reference_network(config: RunConfig) -> RunConfig:
    """Replace the default network, encoder and readout by those of the reference, so that steps differ only in faults.

    The faults concern pictures of pages: an encoder of leads would not see them.
    """
    update: dict[str, object] = {}
    if config.model.name == ModelConfig().name:
        update["model"] = config.model.model_copy(update={"name": "gcn"})
    encoder = config.encoder
    if encoder_spec(encoder.name).reads == "leads":
        encoder = EncoderConfig(name="resnet18", engine=encoder.engine, precision=encoder.precision)
    if encoder.readout == "auto":
        encoder = encoder.model_copy(update={"readout": "final"})
    update["encoder"] = encoder
    return config.model_copy(update=update)


def _all_trials(
    shared_cohort: SharedCohort, plan: Plan, log: TrialLog[TrialMetrics], options: LadderOptions, data: str
) -> StepScores:
    """Return the scores of each step by seed; trials in the log are not repeated, equal trials are run once."""
    seeds = range(shared_cohort.config.seed, shared_cohort.config.seed + options.seeds)
    trials = [LadderTrial(step, seed, _key(shared_cohort, step, seed, data)) for seed in seeds for step in plan.steps]
    different = {trial.key: trial for trial in reversed(trials)}  # the first of equal trials gives the name
    missing = [trial for trial in reversed(different.values()) if trial.key not in log.known]
    _read_views(shared_cohort, missing)
    shared_cohort.progress.start("trials", len(different))
    shared_cohort.progress.advance(len(different) - len(missing))
    with _quiet(shared_cohort) as shown:
        for finished in run_trials(shared_cohort, missing, workers=options.workers):
            about = {
                "step": finished.trial.step.key,
                "seed": finished.trial.seed,
                "seconds": round(finished.seconds, 3),
            }
            log.keep(finished.trial.key, finished.scores, about)
            shown.advance()
    scores: StepScores = {step.key: [] for step in plan.steps}
    for trial in trials:
        scores[trial.step.key].append(log.known[trial.key])
    return scores


def _read_views(shared_cohort: SharedCohort, trials: Sequence[LadderTrial]) -> None:
    """Read and embed the pages in each view that the trials need, with progress of their own."""
    views: dict[str, RunConfig] = {}
    for trial in trials:
        config = shared_cohort.settings(trial.step.config, trial.step.faults, trial.step.modality, trial.seed)
        views.setdefault(config.fingerprint("pages"), config)
    for config in views.values():
        shared_cohort.build_dataset(config)


def _key(shared_cohort: SharedCohort, step: Step, seed: int, data: str) -> str:
    """Return a key that is equal for equal trials, even of different steps."""
    config = shared_cohort.settings(step.config, step.faults, step.modality, seed)
    control = step.name if step.name in CONTROLS else ""
    return trial_key(
        version=LADDER_VERSION,
        data=data,
        config=config.model_dump(mode="json"),
        control=control,
        by_class=step.by_class,
        pool=asdict(shared_cohort.pool),
    )


@contextmanager
def _quiet(shared_cohort: SharedCohort) -> Iterator[Progress]:
    """Silence the progress of pages, so that one bar shows the progress of all trials."""
    shown, shared_cohort.progress = shared_cohort.progress, NoProgress()
    try:
        yield shown
    finally:
        shared_cohort.progress = shown
