"""A run with several labels: one split, one graph and one network per model, with a calibrated head for each label.

Each head becomes a finished binary run in a folder of the label, so whatever reads a run reads a head. The heads of a
network share every layer but the last; models without a network (logistic regression, trees, votes) are fitted per label.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from cardiograph.artifacts import files
from cardiograph.cohort.label_columns import LabelColumns, label_config, read_label_columns, with_strata
from cardiograph.config import RunConfig
from cardiograph.containers import TEST, ClinicalTable, Cohort, Groups, Split
from cardiograph.errors import ConfigError
from cardiograph.evaluate.metrics import score
from cardiograph.inference import Predictor
from cardiograph.ingest.context import RunContext
from cardiograph.ingest.groups import has_split, split_records
from cardiograph.ingest.page_index import PageIndex
from cardiograph.models.build import Model
from cardiograph.models.examples import History
from cardiograph.progress import Progress
from cardiograph.run.label_summary import LabelsResult, shuffled_file, summarise_labels
from cardiograph.run.pipeline import RunResult, run
from cardiograph.train.data import Dataset, build_dataset
from cardiograph.train.fit import PreparedGraph, make_bundle
from cardiograph.train.label_heads import LabelHeads, with_label
from cardiograph.train.steps import PipelineSteps

SHUFFLES = 5
"""Number of trainings on shuffled labels; on few features the score of a single one is far from 0.5 by chance."""


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
    if config.outcome.columns is None:
        message = "outcome.columns is empty: name the columns of the labels (--label COLUMN,COLUMN,...)"
        raise ConfigError(message)
    check_label_settings(config)
    shared = _Shared(read_label_columns(source, config), config, out)
    results: dict[str, RunResult] = {}
    for label, name in enumerate(shared.columns.names):
        settings = label_config(config, name)
        results[name] = run(source, out / name, settings, progress=progress, command=command, steps=shared.steps(label))
    return summarise_labels(out, config, results)


def check_label_settings(config: RunConfig) -> None:
    """Raise ConfigError if a setting is for one label."""
    for used, setting, reason in (
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
    heads: LabelHeads | None = None

    def steps(self, label: int) -> PipelineSteps:
        """Return the steps of the run of one label."""
        return PipelineSteps(split=self.split, build_dataset=self.build_dataset, fit=partial(self.fit, label=label))

    def split(self, cohort: Cohort, groups: Groups, config: RunConfig) -> Split:
        """Split into parts that all have records with and without each label; the same split for each label."""
        columns = self.columns.of(cohort)
        strata = np.where(columns.known, 0, -1) if has_split(cohort) else columns.strata(groups)
        split = split_records(with_strata(cohort, strata), groups, config)
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
            joint = with_strata(cohort, np.where(known, 0, -1))
            self.data = build_dataset(joint, page_index, split, clinical, context)
        self.data = with_label(self.data, cohort, known)
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
        if self.data is None:
            message = "the records are embedded before a model is fitted"
            raise RuntimeError(message)
        if self.heads is None:
            self.heads = LabelHeads(self.columns.of(self.data.cohort).values, self.data.split, self.config)
        found = self.heads.fit(name, prepared, progress, label=label)
        if name == config.model.name:
            self._score_shuffled(self.heads, self.data, prepared, label)
        return found

    def _score_shuffled(self, heads: LabelHeads, data: Dataset, prepared: PreparedGraph, label: int) -> None:
        """Write the mean AUROC on test records of models that were trained on shuffled labels."""
        name, rows, found = self.config.model.name, data.rows(TEST), []
        for shuffle in range(SHUFFLES):
            model, _ = heads.fit(name, prepared, label=label, shuffle=shuffle)
            predictor = Predictor(make_bundle(name, model, data, prepared, self.config))
            chances = predictor.score(data.queries(rows)).by_class[:, 1]
            found.append(score(data.cohort.labels[rows], chances, 0.5)["auroc"])
        content = {"auroc": float(np.mean(found)), "each": found}
        files.write_json(shuffled_file(self.out, self.columns.names[label]), content)
