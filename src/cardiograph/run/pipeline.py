"""A run as a list of named steps, from a table of patients to a model, its scores and its report."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cardiograph.artifacts.cache import PageCache, cache_folder
from cardiograph.artifacts.run import RunDirectory
from cardiograph.audit.findings import Audit, check_codes
from cardiograph.cohort.manifest import read_cohort
from cardiograph.config import RunConfig
from cardiograph.config_outcome import refuse_follow_up
from cardiograph.containers import ClinicalTable, Cohort, Groups, Split
from cardiograph.encoders.weights import find_encoder_weights
from cardiograph.errors import ConfigError
from cardiograph.evaluate.results import RunMetrics
from cardiograph.features.clinical import clinical_values
from cardiograph.ingest.context import MAX_INPUT_BYTES, InputStore, RunContext
from cardiograph.ingest.encoder_choice import with_known_encoder
from cardiograph.ingest.groups import group_records
from cardiograph.ingest.page_index import PageIndex, data_hash
from cardiograph.models.build import Model
from cardiograph.models.examples import History
from cardiograph.notebook import score_table
from cardiograph.progress import NoProgress, Progress
from cardiograph.run.audit import audit_run
from cardiograph.run.ceiling import synthetic_ceiling
from cardiograph.run.graph_sample import sample_sheet
from cardiograph.run.outputs import record_model, record_scores
from cardiograph.run.report import write_report
from cardiograph.threads import set_threads
from cardiograph.train.data import Dataset
from cardiograph.train.fit import FittedModels, PreparedGraph, prepare
from cardiograph.train.naive_split import measure_optimism
from cardiograph.train.steps import DEFAULT_STEPS, PipelineSteps


@dataclass(frozen=True)
class RunResult:
    """A finished run.

    Args:
        path: Run directory.
        metrics: Scores of the run, as in ``metrics.json``.
        seconds: Duration of each stage in seconds, in the order in which they ran.
        images_per_second: Pages read or embedded per second; empty if all were in the cache.
    """

    path: Path
    metrics: RunMetrics
    seconds: dict[str, float] = field(default_factory=dict)
    images_per_second: dict[str, float] = field(default_factory=dict)

    def _repr_html_(self) -> str:
        """Return the scores of the test records as a table, for notebooks."""
        return score_table(self.metrics.test, str(self.path))


@dataclass
class RunState:
    """Everything that the steps of a run read and produce; each step sets the fields that later steps read.

    Args:
        source: Table, or folder with one folder per class.
        context: Settings, run directory, cache, progress and timers.
        directory: Run directory.
        cohort: Records of the table; after :func:`index_pages` only those whose page can be used.
        steps: Replaceable functions that the steps call.
        command: Command line, for the report.
    """

    source: Path
    context: RunContext
    directory: RunDirectory
    cohort: Cohort
    steps: PipelineSteps
    command: str
    page_index: PageIndex | None = None
    groups: Groups = field(init=False)
    split: Split = field(init=False)
    clinical: ClinicalTable | None = None
    audit: Audit = field(init=False)
    dataset: Dataset = field(init=False)
    prepared: PreparedGraph = field(init=False)
    fitted: FittedModels = field(init=False)
    metrics: RunMetrics = field(init=False)

    @property
    def config(self) -> RunConfig:
        """Settings of the run."""
        return self.context.config


def run(
    source: str | Path,
    out: str | Path,
    config: RunConfig | None = None,
    *,
    progress: Progress | None = None,
    command: str = "",
    steps: PipelineSteps = DEFAULT_STEPS,
) -> RunResult:
    """Train a model on a cohort, score it on held-out groups, and write a run directory with a report.

    Args:
        source: Table, or folder with one folder per class.
        out: Run directory. An unfinished run of this cohort and configuration is resumed; a finished one is returned.
        config: Settings; the defaults if None.
        progress: Callback that receives stage progress.
        command: Command line, for the report.
        steps: Replaceable functions that the steps call; a study replaces some to measure the effect of a fault.

    Raises:
        CardiographError: If the input or settings are invalid; the message says how to fix it.
    """
    config, source, directory = config or RunConfig(), Path(source), RunDirectory(Path(out))
    progress = progress or NoProgress()
    refuse_follow_up(config.outcome.kind, "this function computes")
    set_threads()
    cohort = read(source, directory, config)
    if cohort.classes and steps.faults:
        message = "faults are reproduced for a binary outcome only; name the classes with label 1: --positive CLASS,..."
        raise ConfigError(message)
    find_weights(cohort, directory, config, progress)
    with directory.locked(), PageCache(cache_folder()) as cache:
        context = RunContext(config, cache, progress, directory, inputs=InputStore(MAX_INPUT_BYTES))
        state = RunState(source, context, directory, cohort, steps, command)
        for step in CHECKED_STEPS:
            step(state)
        if directory.begin(config, data_hash(state.cohort, state.page_index)):
            return finished_result(directory)
        for step in RECORDED_STEPS:
            step(state)
        directory.finish()
    return RunResult(directory.path, state.metrics, context.seconds, context.images_per_second)


def read(source: Path, directory: RunDirectory, config: RunConfig) -> Cohort:
    """Read the table, and check that the settings and the run directory fit the cohort."""
    if source.is_dir() and directory.path.resolve().is_relative_to(source.resolve()):
        message = (
            f"run {directory.path}: is inside the cohort {source}, where it would be read as a class; choose another "
            "folder"
        )
        raise ConfigError(message)
    check_codes(config.audit.accept)
    cohort = read_cohort(source, config.cohort, outcome=config.outcome)
    _check(cohort, config)
    return cohort


def find_weights(cohort: Cohort, directory: RunDirectory, config: RunConfig, progress: Progress) -> None:
    """Find the encoder weights before the pages are read, which may take an hour."""
    if cohort.has_pages and config.encoder.weights != "random" and not directory.finished:
        progress.start("finding weights", 1)
        find_encoder_weights(config.encoder, cache=cache_folder())


def index_pages(state: RunState) -> None:
    """Read every page: hashes, view and quality."""
    if state.cohort.has_pages:
        start = time.perf_counter()  # not a logged stage: the folder does not belong to the run yet
        state.cohort, state.page_index = state.steps.index_pages(state.cohort, with_known_encoder(state.context))
        state.context.seconds["reading ECGs"] = time.perf_counter() - start


def group(state: RunState) -> None:
    """Group the records of one patient and copies of one page."""
    state.groups = group_records(state.cohort, state.page_index, state.config)


def split(state: RunState) -> None:
    """Assign whole groups to training, validation and test."""
    state.split = state.steps.split(state.cohort, state.groups, state.config)


def add_clinical_values(state: RunState) -> None:
    """Take the clinical values from the table, or simulate them if configured."""
    state.clinical = clinical_values(state.cohort, state.split, state.config)


def audit(state: RunState) -> None:
    """Audit the cohort and its split; raise if a finding blocks the run."""
    state.context.progress.start("audit", 1)
    start = time.perf_counter()
    state.audit = audit_run(state.source, state.cohort, state.page_index, state.split, state.config)
    state.audit.require_sound()
    state.context.seconds["audit"] = time.perf_counter() - start


def embed(state: RunState) -> None:
    """Embed the pages, and augmented copies of training pages if configured."""
    state.directory.write_json("audit.json", state.audit.as_dict())
    state.dataset = state.steps.build_dataset(
        state.cohort, state.page_index, state.split, state.clinical, state.context
    )
    state.context.inputs.clear()
    if state.dataset.page_index is not None:
        state.directory.write_bytes("pages.png", sample_sheet(state.dataset, state.config))


def build_graph(state: RunState) -> None:
    """Scale and fuse the blocks, and link each record to its nearest training records."""
    steps = state.steps
    with state.context.stage("linking patients", 1):
        state.prepared = prepare(
            state.dataset.inputs, state.config, fuse=steps.fuse, build_graph=steps.build_graph, attach=steps.attach
        )


def train(state: RunState) -> None:
    """Train the configured model and its baselines on the same features."""
    model, progress = state.config.model, state.context.progress
    networks: dict[str, tuple[Model, History]] = {}
    for name in dict.fromkeys((model.name, *model.baselines)):
        with state.context.stage(f"training {name}", model.epochs):
            networks[name] = state.steps.fit(name, state.prepared, state.config, lambda _: progress.advance())
    state.fitted = FittedModels(state.prepared, networks)


def score(state: RunState) -> None:
    """Calibrate the models, write the bundle, and score validation and test records."""
    directory, dataset, fitted, config = state.directory, state.dataset, state.fitted, state.config
    with state.context.stage("scoring", 1):
        predictors = record_model(directory, dataset, fitted, state.context, state.steps)
        state.metrics = record_scores(directory, dataset, fitted, predictors, config, state.steps)


def score_naive_split(state: RunState) -> None:
    """Measure how much higher the score of a split by rows instead of groups would be."""
    if not state.steps.cautions:
        with state.context.stage("inflation"):
            optimism = measure_optimism(state.dataset, state.config, state.context.progress)
        state.metrics = state.metrics.model_copy(update={"inflation": optimism})
        state.directory.write_metrics(state.metrics)


def report(state: RunState) -> None:
    """Write the metadata, the report and the model card."""
    context, accepted = state.context, [f"Accepted: {finding.text}" for finding in state.audit.overruled]
    state.directory.record(
        {
            "seconds": context.seconds,
            "images_per_second": context.images_per_second,
            "command": state.command,
            "source": state.source.name,
            "ceiling": synthetic_ceiling(state.source, state.dataset, state.fitted),
            "cautions": [*state.steps.cautions, *accepted],
        }
    )
    with context.stage("report", 1):
        write_report(state.directory)
    state.directory.record({"seconds": context.seconds})


CHECKED_STEPS: tuple[Callable[[RunState], None], ...] = (index_pages, group, split, add_clinical_values, audit)
"""Steps before the run claims its directory: the cohort may not allow a split, and the audit may stop the run."""

RECORDED_STEPS: tuple[Callable[[RunState], None], ...] = (embed, build_graph, train, score, score_naive_split, report)
"""Steps that write results into the run directory."""


def finished_result(directory: RunDirectory) -> RunResult:
    """Return the result of a run that was finished earlier."""
    facts = directory.read_json("run.json")
    return RunResult(directory.path, directory.read_metrics(), facts["seconds"], facts["images_per_second"])


def _check(cohort: Cohort, config: RunConfig) -> None:
    """Raise ConfigError if settings contradict the cohort."""
    if config.clinical.simulate != "none" and cohort.variables:
        names = ", ".join(variable.name for variable in cohort.variables)
        message = f"clinical.simulate: the cohort has clinical columns ({names}); drop them by --modality image"
        raise ConfigError(message)
    if cohort.classes:
        check_class_settings(config)
    if config.balance.mode == "augment" and not cohort.has_pages:
        message = "balance.mode = 'augment' augments pages, and this cohort has none; use 'none' or 'weights'"
        raise ConfigError(message)
    if config.balance.mode == "augment" and config.needs == "leads":
        message = (
            f"balance.mode = 'augment' augments pictures, and the encoder {config.encoder.name} reads leads; use "
            "--encoder resnet18-ecg, or balance by 'weights'"
        )
        raise ConfigError(message)
    if cohort.has_pages and cohort.variables:
        _check_weights(cohort, config)


def check_class_settings(config: RunConfig) -> None:
    """Raise ConfigError if a setting is for two classes, and the cohort has several."""
    for used, setting, reason in (
        (
            config.clinical.simulate != "none",
            f"clinical.simulate = {config.clinical.simulate!r}",
            "draws values of two classes",
        ),
        (config.graph.space == "learnt", "graph.space = 'learnt'", "weights features by one risk"),
        (config.encoder.finetune, "encoder.finetune", "adapts the encoder to a binary outcome"),
    ):
        if used:
            message = (
                f"{setting}: {reason}, and this cohort has several classes; leave it out, or make the outcome binary "
                "(--positive CLASS,...)"
            )
            raise ConfigError(message)


def _check_weights(cohort: Cohort, config: RunConfig) -> None:
    """Raise ConfigError if a record lacks the only block with a weight above 0."""
    columns = cohort.table[[variable.name for variable in cohort.variables]].to_numpy(np.float64)
    without_page = int(cohort.table["ecg"].isna().sum())
    without_values, fusion = int(np.isnan(columns).all(axis=1).sum()), config.fusion
    for weight, count, words, block in (
        (fusion.clinical, without_page, "no page", "ECG"),
        (
            max(fusion.image, fusion.readings, fusion.measurements),
            without_values,
            "no clinical value",
            "clinical values",
        ),
    ):
        if weight == 0 and count:
            message = (
                f"{count} records have {words}, and the weights of [fusion] leave nothing but {block}; "
                "remove these records, or give both blocks a weight above 0"
            )
            raise ConfigError(message)
