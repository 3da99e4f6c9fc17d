"""A run: the stages in order, from a table of patients to a model, its scores and its report."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cardiograph.artifacts.cache import PageCache, cache_folder
from cardiograph.artifacts.run import RunDirectory
from cardiograph.audit.findings import check_codes
from cardiograph.cohort.manifest import read_cohort
from cardiograph.config import RunConfig
from cardiograph.containers import Cohort
from cardiograph.encoders.weights import find_encoder_weights
from cardiograph.errors import ConfigError
from cardiograph.features.clinical import clinical_values
from cardiograph.ingest.context import MAX_INPUT_BYTES, InputStore, RunContext
from cardiograph.ingest.groups import group_records
from cardiograph.ingest.page_index import data_hash
from cardiograph.models.build import Model
from cardiograph.models.examples import History
from cardiograph.notebook import html_table
from cardiograph.progress import NoProgress, Progress
from cardiograph.run.audit import audit_run
from cardiograph.run.ceiling import synthetic_ceiling
from cardiograph.run.graph_sample import sample_sheet
from cardiograph.run.outputs import record_model, record_scores
from cardiograph.run.report import write_report
from cardiograph.threads import set_threads
from cardiograph.train.data import TrainingInputs
from cardiograph.train.fit import FittedModels, fit_network, prepare
from cardiograph.train.naive_split import measure_optimism
from cardiograph.train.steps import DEFAULT_STEPS, PipelineSteps


@dataclass(frozen=True)
class RunResult:
    """A finished run.

    Args:
        path: Its folder.
        metrics: The content of ``metrics.json``.
        seconds: Seconds of each stage, in the order they ran.
        images_per_second: That were read or embedded; empty where the cache knew all pages.
    """

    path: Path
    metrics: dict[str, Any]
    seconds: dict[str, float] = field(default_factory=dict)
    images_per_second: dict[str, float] = field(default_factory=dict)

    def _repr_html_(self) -> str:
        """The scores of the test records as a table, for notebooks."""
        test = self.metrics["test"]
        rows = [
            (
                name,
                *(f"{found[key]:.3f}" if isinstance(found.get(key), float) else "" for key in ("value", "low", "high")),
            )
            for name, found in test.items()
            if isinstance(found, dict) and "value" in found
        ]
        return html_table(("score", "value", "low", "high"), rows, caption=str(self.path))


def run(
    source: str | Path,
    out: str | Path,
    config: RunConfig | None = None,
    *,
    progress: Progress | None = None,
    command: str = "",
    steps: PipelineSteps = DEFAULT_STEPS,
) -> RunResult:
    """Learn from a cohort and tell how good it is.

    Args:
        source: Table, or folder with a folder per class.
        out: Run folder. An unfinished run of this cohort and configuration is resumed; a finished one is returned.
        config: Settings; the defaults if None.
        progress: Callback that receives stage progress.
        command: The command line, for the report.
        steps: The steps that decide what the score means; a study hands in others to show what a fault is worth.

    Raises:
        CardiographError: If the input or settings are invalid; the message says how to fix it.
    """
    config, source, out = config or RunConfig(), Path(source), Path(out)
    set_threads()
    if source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        message = (
            f"run {out}: lies inside the cohort {source}, where it would be read as a class; choose another folder"
        )
        raise ConfigError(message)
    check_codes(config.audit.accept)
    cohort = read_cohort(source, config.cohort, outcome=config.outcome)
    _check(cohort, config)
    directory = RunDirectory(out)
    progress = progress or NoProgress()
    if cohort.has_pages and config.encoder.weights != "random" and not directory.finished:
        progress.start("finding weights", 1)
        find_encoder_weights(config.encoder, cache=cache_folder())  # before an hour of reading pages, not after it
    with directory.locked(), PageCache(cache_folder()) as cache:
        context = RunContext(config, cache, progress, directory, inputs=InputStore(MAX_INPUT_BYTES))
        page_index = None
        if cohort.has_pages:
            start = time.perf_counter()  # no stage yet: the folder is claimed when pages and audit are known
            cohort, page_index = steps.page_index(cohort, context)
            context.seconds["reading pages"] = time.perf_counter() - start
        # before the folder is claimed: a cohort may not allow a split, and the audit may stop the run
        groups = group_records(cohort, page_index, config)
        split = steps.split(cohort, groups, config)
        clinical = clinical_values(cohort, split, config)
        progress.start("audit", 1)
        start = time.perf_counter()
        audit = audit_run(source, cohort, page_index, split, config)
        audit.require_sound()
        context.seconds["audit"] = time.perf_counter() - start
        if directory.begin(config, data_hash(cohort, page_index)):
            facts = directory.read_json("run.json")
            paces = facts.get("seconds", {}), facts.get("images_per_second", {})
            return RunResult(out, directory.read_json("metrics.json"), *paces)
        directory.write_json("audit.json", audit.as_dict())
        dataset = steps.build_dataset(cohort, page_index, split, clinical, context)
        context.inputs.clear()
        if dataset.page_index is not None:
            directory.write_bytes("pages.png", sample_sheet(dataset, config))
        fitted = _learn(dataset.inputs, context, steps)
        with context.stage("scoring", 1):
            predictors = record_model(directory, dataset, fitted, config, steps)
            metrics = record_scores(directory, dataset, fitted, predictors, config, steps)
        if not steps.cautions:
            with context.stage("inflation"):
                metrics["inflation"] = measure_optimism(dataset, config, progress)
            directory.write_json("metrics.json", metrics)
        directory.record(
            {
                "seconds": context.seconds,
                "images_per_second": context.images_per_second,
                "command": command,
                "source": source.name,
                "ceiling": synthetic_ceiling(source, dataset, fitted),
                "cautions": [*steps.cautions, *(f"Accepted: {finding.text}" for finding in audit.overruled)],
            }
        )
        with context.stage("report", 1):
            write_report(directory)
        directory.record({"seconds": context.seconds})
        directory.finish()
    return RunResult(out, metrics, context.seconds, context.images_per_second)


def _learn(inputs: TrainingInputs, context: RunContext, steps: PipelineSteps) -> FittedModels:
    """The graph, and every network on the same features."""
    with context.stage("linking patients", 1):
        prepared = prepare(inputs, context.config, fuse=steps.fuse, link=steps.link, join=steps.join)
    networks: dict[str, tuple[Model, History]] = {}
    for name in dict.fromkeys((context.config.model.name, *context.config.model.baselines)):
        with context.stage(f"training {name}", context.config.model.epochs):
            networks[name] = fit_network(name, prepared, context.config, lambda _: context.progress.advance())
    return FittedModels(prepared, networks)


def _check(cohort: Cohort, config: RunConfig) -> None:
    """Settings that contradict the cohort."""
    if config.clinical.simulate != "none" and cohort.variables:
        names = ", ".join(variable.name for variable in cohort.variables)
        message = f"clinical.simulate: the cohort has clinical columns ({names}); drop them by --modality image"
        raise ConfigError(message)
    if config.balance.mode == "augment" and not cohort.has_pages:
        message = "balance.mode = 'augment' turns pages, and this cohort has none; use 'none' or 'weights'"
        raise ConfigError(message)
    if cohort.has_pages and cohort.variables:
        _check_weights(cohort, config)


def _check_weights(cohort: Cohort, config: RunConfig) -> None:
    """A record that lacks the only block with a weight has nothing left to be known by."""
    columns = cohort.table[[variable.name for variable in cohort.variables]].to_numpy(np.float64)
    without_page = int(cohort.table["ecg"].isna().sum())
    without_values = int(np.isnan(columns).all(axis=1).sum())
    for weight, count, words, block in (
        (config.fusion.clinical, without_page, "no page", "image"),
        (config.fusion.image, without_values, "no clinical value", "clinical"),
    ):
        if weight == 0 and count:
            message = (
                f"{count} records have {words}, and the weights of [fusion] leave nothing but the {block} block; remove "
                "these records, or give both blocks a weight above 0"
            )
            raise ConfigError(message)
