"""A run with a time-to-event outcome: the cohort, split, features and graph of every run, and models of risk over time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cardiograph.artifacts.cache import PageCache, cache_folder
from cardiograph.artifacts.run import RunDirectory
from cardiograph.config import RunConfig
from cardiograph.config_outcome import OutcomeConfig
from cardiograph.containers import TEST, TRAIN, VAL, Cohort, Split
from cardiograph.errors import ConfigError
from cardiograph.inference import Queries
from cardiograph.inference.survival import SurvivalPredictor, SurvivalScores
from cardiograph.ingest.context import MAX_INPUT_BYTES, InputStore, RunContext
from cardiograph.ingest.page_index import data_hash
from cardiograph.models.neighbour_table import NeighbourTable
from cardiograph.notebook import score_table
from cardiograph.progress import NoProgress, Progress
from cardiograph.run.ecgs import ecgs_to_store
from cardiograph.run.pipeline import CHECKED_STEPS, RunState, build_graph, embed, find_weights, read
from cardiograph.run.survival_bundle import PRIMARY, event_quartiles, make_survival_bundle, outcome_of
from cardiograph.run.survival_models import SurvivalModels, fit_models, risks_of
from cardiograph.run.survival_outputs import record_survival
from cardiograph.run.survival_report import write_survival_report
from cardiograph.survival.evaluation import SurvivalMetrics, SurvivalTest, count_part, evaluate_survival
from cardiograph.survival.maggic_cohort import MaggicScores, maggic_scores
from cardiograph.survival.outcome import EVENT
from cardiograph.threads import set_threads
from cardiograph.train.steps import DEFAULT_STEPS


@dataclass(frozen=True)
class SurvivalRunResult:
    """A finished run; fields as in :class:`cardiograph.run.pipeline.RunResult`."""

    path: Path
    metrics: SurvivalMetrics
    seconds: dict[str, float] = field(default_factory=dict)
    images_per_second: dict[str, float] = field(default_factory=dict)

    def _repr_html_(self) -> str:
        """Return the scores of the test records as a table, for notebooks."""
        return score_table(self.metrics.test, str(self.path))


@dataclass
class SurvivalState(RunState):
    """What the steps read and produce, see :class:`RunState`; ``maggic`` are the MAGGIC scores of test records."""

    horizons: tuple[float, ...] = field(init=False)
    models: SurvivalModels = field(init=False)
    maggic: MaggicScores | None = None
    scored: SurvivalMetrics = field(init=False)


def run_survival(
    source: str | Path,
    out: str | Path,
    config: RunConfig,
    *,
    progress: Progress | None = None,
    command: str = "",
) -> SurvivalRunResult:
    """Train models of the time to an event, score them on held-out groups, and write a run directory with a report.

    Args:
        source: Table with the columns of time and event.
        out: Run directory; resumed or returned as in :func:`cardiograph.run.pipeline.run`.
        config: Settings with ``outcome.kind = 'survival'``.
        progress: Callback that receives stage progress.
        command: Command line, for the report.

    Raises:
        CardiographError: If the input or settings are invalid; the message says how to fix it.
    """
    source, directory, progress = Path(source), RunDirectory(Path(out)), progress or NoProgress()
    check_settings(config)
    set_threads()
    cohort = read(source, directory, config)
    find_weights(cohort, directory, config, progress)
    with directory.locked(), PageCache(cache_folder()) as cache:
        context = RunContext(config, cache, progress, directory, inputs=InputStore(MAX_INPUT_BYTES))
        state = SurvivalState(source, context, directory, cohort, DEFAULT_STEPS, command)
        for step in CHECKED_STEPS:
            step(state)
        state.horizons = horizons_of(state)
        if directory.begin(config, data_hash(state.cohort, state.page_index)):
            facts = directory.read_json("run.json")
            metrics = SurvivalMetrics.from_dict(directory.read_json("metrics.json"))
            return SurvivalRunResult(directory.path, metrics, facts["seconds"], facts["images_per_second"])
        for timed_step in RECORDED_STEPS:
            timed_step(state)
        directory.finish()
    return SurvivalRunResult(directory.path, state.scored, context.seconds, context.images_per_second)


def check_settings(config: RunConfig) -> None:
    """Raise ConfigError if a setting does not fit a time-to-event outcome."""
    for wrong, setting, remedy in (
        (config.model.name != PRIMARY, f"model.name = {config.model.name!r}", "leave it out; the run keeps sign"),
        (config.balance.mode != "none", f"balance.mode = {config.balance.mode!r}", "leave it out"),
        (config.graph.space == "learnt", "graph.space = 'learnt'", "use fused, image or clinical"),
        (config.encoder.finetune, "encoder.finetune", "leave it out"),
        (config.clinical.simulate != "none", f"clinical.simulate = {config.clinical.simulate!r}", "leave it out"),
    ):
        if wrong:
            message = f"{setting} is for outcomes with classes, and outcome.kind is 'survival'; {remedy}"
            raise ConfigError(message)


def horizons_of(state: SurvivalState) -> tuple[float, ...]:
    """Return the horizons of a run, see :func:`horizons_in`."""
    return horizons_in(state.cohort, state.split, state.config.outcome)


def horizons_in(cohort: Cohort, split: Split, outcome: OutcomeConfig) -> tuple[float, ...]:
    """Return the configured horizons, or quartiles of the event times in training, to three digits.

    Raises:
        ConfigError: A horizon, or each of the quartiles, lies beyond the last follow-up of training or test records.
    """
    table, part, given = cohort.table, split.part, outcome.horizons
    time, event = table["time"].to_numpy(np.float64), table["event"].to_numpy(np.int64)
    longest = {name: float(np.nanmax(time[(part == name) & (event >= 0)])) for name in (TRAIN, TEST)}
    if given is None:
        quartiles = event_quartiles(time[(part == TRAIN) & (event == EVENT)])
        given = tuple(each for each in quartiles if each < min(longest.values()))
        if not given:
            shortest = min(longest, key=longest.__getitem__)
            message = (
                f"outcome.horizons: the quartiles of the event times in training ({quartiles[0]:g} to {quartiles[-1]:g}) "
                f"are not before the last follow-up in {shortest} ({longest[shortest]:g}); name earlier times with "
                "--horizons, or draw another split (--seed)"
            )
            raise ConfigError(message)
    for horizon in given:
        for name, last in longest.items():
            if horizon >= last:
                message = (
                    f"outcome.horizons: {horizon:g} {outcome.unit} is not before the last follow-up in "
                    f"{name} ({last:g}); leave it out"
                )
                raise ConfigError(message)
    return given


def train(state: SurvivalState) -> None:
    """Train the graph model, its refits and every model that it is compared with."""
    state.models = fit_models(state.dataset, state.prepared, state.config, state.context)


def keep(state: SurvivalState) -> None:
    """Write the bundle of the graph model with its refits and novelty gates."""
    network, refits = state.models.networks[PRIMARY], state.models.refits
    bundle = make_survival_bundle(
        network, state.dataset, state.prepared, state.config, horizons=state.horizons, refits=refits
    )
    engine = None if state.dataset.encoder is None else state.dataset.encoder.engine
    ecgs = ecgs_to_store(state.dataset, bundle.reference.record_ids, state.context)
    bundle.save(state.directory.path / "bundle", engine, ecgs=ecgs)


def scores_over_time(predictor: SurvivalPredictor, queries: Queries) -> SurvivalScores:
    """Score patients as the service does."""
    found = predictor.score(queries)
    if not isinstance(found, SurvivalScores):
        message = "the predictor of a time-to-event outcome returned scores without times"
        raise TypeError(message)
    return found


def score(state: SurvivalState) -> None:
    """Score the test records with every model; those of the kept model come from the files that are served."""
    config, dataset, context = state.config, state.dataset, state.context
    with context.stage("scoring", 1):
        keep(state)
        predictor = SurvivalPredictor.load(state.directory.path / "bundle")
        found = scores_over_time(predictor, dataset.queries(dataset.rows(TEST)))
        known = dataset.cohort.table.iloc[dataset.rows(TRAIN)]
        state.maggic = maggic_scores(dataset.cohort, dataset.rows(TEST), train=known)
        test = _test_of(state, found)
        counts = {
            part: count_part(outcome_of(dataset, part), dataset.split.groups.index[dataset.rows(part)])
            for part in (TRAIN, VAL, TEST)
        }
        state.scored = evaluate_survival(
            test,
            primary=PRIMARY,
            horizons=state.horizons,
            unit=str(config.outcome.unit),
            counts=counts,
            features=state.models.features,
            resamples=config.evaluation.for_records(len(test.outcome)).bootstrap,
            confidence=config.evaluation.confidence,
            rng=np.random.default_rng([config.seed, 5]),
        )
        record_survival(state.directory, dataset, state.prepared, state.models, test, state.scored, config)


def _test_of(state: SurvivalState, found: SurvivalScores) -> SurvivalTest:
    dataset, rows = state.dataset, state.dataset.rows(TEST)
    values = state.prepared.features.values[rows]
    degree = NeighbourTable.of(state.prepared.graph.neighbours).degree
    table = NeighbourTable.of(found.neighbours, degree)
    clinical = state.dataset.inputs.clinical
    others = risks_of(state.models, values, table, None if clinical is None else clinical.values[rows], found.times)
    return SurvivalTest(
        outcome=outcome_of(dataset, TEST),
        groups=dataset.split.groups.index[rows],
        times=found.times,
        risks={PRIMARY: found.risks, **others},
        points={} if state.maggic is None else {"maggic": state.maggic.points},
    )


def report(state: SurvivalState) -> None:
    """Write the metadata and the report."""
    context = state.context
    cautions = [f"Accepted: {finding.text}" for finding in state.audit.overruled]
    facts: dict[str, Any] = {"seconds": context.seconds, "images_per_second": context.images_per_second}
    notes = state.directory.read_json("run.json")["notes"]
    facts["notes"] = [*notes, *(() if state.maggic is None else state.maggic.notes)]
    about = {"command": state.command, "source": state.source.name, "cautions": cautions}
    state.directory.record(facts | about)
    with context.stage("report", 1):
        write_survival_report(state.directory)
    state.directory.record({"seconds": context.seconds})


RECORDED_STEPS: tuple[Callable[[SurvivalState], None], ...] = (embed, build_graph, train, score, report)
"""Steps that write results into the run directory."""
