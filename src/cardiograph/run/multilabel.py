"""A run with several labels: one split, one graph and one network per model, with a calibrated head for each label.

Each head becomes a finished binary run in a folder of the label, so whatever reads a run reads a head. The heads of a
network share every layer but the last; models without a network (logistic regression, trees, votes) are fitted per label.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cardiograph.artifacts import files
from cardiograph.cohort.label_columns import LabelColumns, label_config, read_label_columns
from cardiograph.config import RunConfig
from cardiograph.containers import TEST, VAL, ClinicalTable, Cohort, Groups, Split
from cardiograph.errors import ConfigError
from cardiograph.evaluate.metrics import score
from cardiograph.inference import Predictor
from cardiograph.ingest.context import RunContext
from cardiograph.ingest.groups import has_split, split_records
from cardiograph.ingest.page_index import PageIndex
from cardiograph.models.build import Model
from cardiograph.models.examples import History
from cardiograph.models.gnn import Network
from cardiograph.models.multilabel import LabelExamples, begin_labels, binary_head
from cardiograph.models.sign import Sign
from cardiograph.models.training import train
from cardiograph.progress import Progress
from cardiograph.registry import MODELS
from cardiograph.run.label_summary import LabelsResult, shuffled_file, summarise_labels
from cardiograph.run.pipeline import RunResult, run
from cardiograph.train.data import Dataset, build_dataset
from cardiograph.train.fit import PreparedGraph, fit_network, make_bundle
from cardiograph.train.steps import PipelineSteps


def run_labels(
    source: str | Path,
    out: str | Path,
    config: RunConfig,
    *,
    progress: Progress | None = None,
    command: str = "",
) -> LabelsResult:
    """Train models that predict several labels at once, and write a run for each label and a summary of all.

    Args:
        source: Table of the cohort, with a column for each label.
        out: Folder of the runs. An unfinished one is resumed; a finished one is returned.
        config: Settings with ``outcome.columns``.
        progress: Callback that receives stage progress.
        command: Command line, for the reports.

    Raises:
        CardiographError: If the input or settings are invalid; the message says how to fix it.
    """
    source, out = Path(source), Path(out)
    _check(config)
    shared = _Shared(read_label_columns(source, config), config, out)
    results: dict[str, RunResult] = {}
    for label, name in enumerate(shared.columns.names):
        settings = label_config(config, name)
        results[name] = run(
            source, out / name, settings, progress=progress, command=command, steps=shared.steps(label)
        )
    return summarise_labels(out, config, results)


def _check(config: RunConfig) -> None:
    """Raise ConfigError if a setting is for one label."""
    for used, setting, reason in (
        (config.outcome.columns is None, "outcome.columns is empty", "name the columns of the labels"),
        (config.clinical.simulate != "none", "clinical.simulate", "it draws values of two classes"),
        (config.graph.space == "learnt", "graph.space = 'learnt'", "it weights features by one risk"),
        (config.encoder.finetune, "encoder.finetune", "it adapts the encoder to one label"),
        (config.balance.mode != "none", f"balance.mode = {config.balance.mode!r}", "it balances two classes"),
        (config.model.votes, "model.votes", "the votes are those of one label"),
    ):
        if used:
            message = f"{setting}: {reason}; a multilabel outcome cannot use it, so leave it out or run one label"
            raise ConfigError(message)


@dataclass
class _Shared:
    """What the runs of all labels share: labels, embedded cohort and trained networks."""

    columns: LabelColumns
    config: RunConfig
    out: Path
    data: Dataset | None = None
    networks: dict[tuple[str, bool], tuple[Network | Sign, History]] = field(default_factory=dict)

    def steps(self, label: int) -> PipelineSteps:
        """Return the steps of the run of one label."""
        return PipelineSteps(
            split=self.split, build_dataset=self.build_dataset, fit=partial(self.fit, label=label)
        )

    def split(self, cohort: Cohort, groups: Groups, config: RunConfig) -> Split:
        """Split into parts that all have records with and without each label; the same split for each label."""
        columns = self.columns.of(cohort)
        strata = np.where(columns.known, 0, -1) if has_split(cohort) else columns.strata(groups)
        split = split_records(_stratified(cohort, strata), groups, config)
        columns.require_both(split)
        return split

    def build_dataset(
        self,
        cohort: Cohort,
        page_index: PageIndex | None,
        split: Split,
        clinical: ClinicalTable | None,
        context: RunContext,
    ) -> Dataset:
        """Embed the records with any known label once, and return them with the label of ``cohort``."""
        known = self.columns.of(cohort).known
        if self.data is None:
            joint = _stratified(cohort, np.where(known, 0, -1))
            self.data = build_dataset(joint, page_index, split, clinical, context)
        inputs = dataclasses.replace(self.data.inputs, labels=cohort.labels, split=split, known=known, classes=2)
        self.data = dataclasses.replace(self.data, cohort=cohort, inputs=inputs)
        return self.data

    def fit(
        self,
        name: str,
        prepared: PreparedGraph,
        config: RunConfig,
        progress: Callable[[int], None] | None = None,
        *,
        label: int,
    ) -> tuple[Model, History]:
        """Return one head of a network that is trained on all labels, or fit a model of one label."""
        found = self._fit(name, prepared, progress, label=label, shuffled=False)
        if name == config.model.name:
            control = self._fit(name, prepared, None, label=label, shuffled=True)[0]
            self._score_shuffled(name, control, prepared, label)
        return found

    def _fit(
        self,
        name: str,
        prepared: PreparedGraph,
        progress: Callable[[int], None] | None,
        *,
        label: int,
        shuffled: bool,
    ) -> tuple[Model, History]:
        assert self.data is not None
        targets = self.columns.of(self.data.cohort).values
        sets = []
        for examples, rows in (
            (prepared.train_set, prepared.graph.rows),
            (prepared.val_set, self.data.split.rows(VAL)),
        ):
            wanted = targets[rows]
            if shuffled:
                wanted = _shuffled(wanted, np.random.default_rng([self.config.seed, 17, len(rows)]))
            sets.append(LabelExamples.of_targets(examples, torch.from_numpy(wanted)))
        train_set, val_set = sets
        if not MODELS[name].is_network:
            one = dataclasses.replace(prepared, train_set=train_set.of_label(label), val_set=val_set.of_label(label))
            return fit_network(name, one if shuffled else prepared, self.config, progress)
        key, settings = (name, shuffled), self.config.model
        if key not in self.networks:
            network, history = train(
                name,
                train_set,
                val_set,
                config=settings,
                seed=self.config.seed,
                classes=targets.shape[1],
                progress=progress,
                begin=begin_labels,
            )
            assert isinstance(network, Network | Sign)
            self.networks[key] = network, history
        network, history = self.networks[key]
        width = prepared.train_set.features.shape[1]
        return binary_head(name, network, label, width_in=width, config=settings), history

    def _score_shuffled(self, name: str, model: Model, prepared: PreparedGraph, label: int) -> None:
        """Write the AUROC on test records of a model that was trained on shuffled labels."""
        assert self.data is not None
        rows = self.data.rows(TEST)
        predictor = Predictor(make_bundle(name, model, self.data, prepared, self.config))
        chances = predictor.score(self.data.queries(rows)).by_class[:, 1]
        found = score(self.data.cohort.labels[rows], chances, 0.5)
        files.write_json(shuffled_file(self.out, self.columns.names[label]), {"auroc": found["auroc"]})


def _stratified(cohort: Cohort, strata: NDArray[np.int64]) -> Cohort:
    """Return a cohort whose labels are strata, with their numbers as classes if there are more than two."""
    names = tuple(f"stratum {number}" for number in range(int(strata.max(initial=0)) + 1))
    return dataclasses.replace(cohort, table=cohort.table.assign(label=strata, class_name=""), classes=names)


def _shuffled(targets: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Shuffle the [records, labels] rows with any known label among themselves."""
    known = np.flatnonzero((targets >= 0).any(axis=1))
    found = targets.copy()
    found[known] = targets[rng.permutation(known)]
    return found
