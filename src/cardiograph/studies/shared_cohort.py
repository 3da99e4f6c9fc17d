"""A cohort that is read and embedded once and shared by many trials, with and without faults."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cardiograph.artifacts.cache import PageCache, cache_folder
from cardiograph.cohort.label_columns import LabelColumns, label_config, read_label_columns, with_strata
from cardiograph.cohort.manifest import read_cohort
from cardiograph.config import RunConfig
from cardiograph.config_outcome import refuse_follow_up
from cardiograph.containers import TEST, VAL, Cohort, Groups
from cardiograph.encoders.weights import find_encoder_weights
from cardiograph.errors import ConfigError
from cardiograph.evaluate.decision import youden_threshold
from cardiograph.evaluate.metrics import score
from cardiograph.evaluate.predictions import PartPredictions
from cardiograph.features.clinical import clinical_values
from cardiograph.imaging.prepare import is_refusal
from cardiograph.ingest.context import RunContext
from cardiograph.ingest.encoder_choice import choose_encoder
from cardiograph.ingest.groups import group_records, has_split
from cardiograph.ingest.page_index import PageIndex, index_pages
from cardiograph.progress import NoProgress, Progress
from cardiograph.schema import UNLABELLED
from cardiograph.studies.faults.records import AugmentationPool
from cardiograph.studies.faults.steps import index_pages_with_zeros, steps_of
from cardiograph.studies.faults.switches import Faults, FaultyConfig, with_faults
from cardiograph.train.data import Dataset
from cardiograph.train.steps import PipelineSteps
from cardiograph.train.trial import fit_and_score

Modality = Literal["image", "clinical", "both"]
Relabel = Callable[[Cohort, Groups, int], Cohort]
"""Cohort, true groups and seed -> the cohort with other labels, for controls, or with the strata of several labels."""


@dataclass(frozen=True)
class TrialMetrics:
    """Scores of one trial on its test records, each 0..1.

    Args:
        auroc: Area under the ROC curve.
        balanced_accuracy: Balanced accuracy at the threshold chosen on validation records.
        sensitivity: Sensitivity at that threshold.
        specificity: Specificity at that threshold.
        class_accuracy: Share of test records whose class in the table is predicted; None if not measured.
    """

    auroc: float
    balanced_accuracy: float
    sensitivity: float
    specificity: float
    class_accuracy: float | None = None


class SharedCohort:
    """Cohort whose pages are read and embedded once. The split of the table is not used: each seed draws one.

    Args:
        source: Table or folder.
        config: Settings of the runs without faults.
        cache: Cache of pages and embeddings.
        progress: Callback that receives the progress of reading and embedding pages; can be replaced later.
        pool: Pool of augmented copies that all trials share.
        any_outcome: Whether the outcome may be of any kind; otherwise it is binary.

    Raises:
        CardiographError: If the cohort cannot be used.
    """

    def __init__(
        self,
        source: Path,
        config: RunConfig,
        cache: PageCache,
        progress: Progress | None = None,
        *,
        pool: AugmentationPool,
        any_outcome: bool = False,
    ) -> None:
        self.source, self.config, self.pool, self.progress = source, config, pool, progress or NoProgress()
        if not any_outcome:
            _require_binary(config)
        self.columns = None if config.outcome.columns is None else read_label_columns(source, config)
        cohort = _read(source, config, self.columns, any_outcome=any_outcome)
        self.had_split = has_split(cohort)
        self.cohort = dataclasses.replace(cohort, table=cohort.table.assign(split=None))
        self._cache, self._encoders = cache, dict[str, object]()
        self._page_indexes: dict[str, tuple[Cohort, PageIndex]] = {}
        self._groups: dict[int, Groups] = {}

    @property
    def classes(self) -> tuple[str, ...]:
        """Sorted class names of the labelled records, as in the table."""
        table = self.cohort.table
        return tuple(sorted(set(table["class_name"][table["label"] != UNLABELLED])))

    @cached_property
    def usable(self) -> tuple[Cohort, PageIndex | None]:
        """Records of a run without faults, and their pages in the configured view."""
        if not self.cohort.has_pages:
            return self.cohort, None
        return index_pages(self.cohort, self._context(self.config))

    @property
    def groups(self) -> Groups:
        """True groups of the records of a run without faults, independent of the view of a trial."""
        return self._true_groups(self.usable[0])

    @property
    def page_notes(self) -> list[str]:
        """Sentences on the pages that were left out or are used with a warning."""
        cohort, page_index = self.usable
        if page_index is None:
            return []
        unusable = [issue.where for issue in page_index.skipped if not is_refusal(issue)]
        left_out = f"{len(unusable)} record(s) with an unusable page were left out: {', '.join(unusable)}"
        return page_index.notes(cohort.record_ids) + ([left_out] if unusable else [])

    def prepare_encoder(self) -> None:
        """Find the encoder weights, and choose the precision once for all trials, on all labelled pages.

        Random weights use float32 without a test, because they hardly distinguish pages in bfloat16.
        """
        if self.cohort.has_pages and self.config.encoder.weights != "random":
            self.progress.start("finding weights", 1)
            find_encoder_weights(self.config.encoder, cache=cache_folder())
        cohort, page_index = self.usable
        if page_index is None or self.config.encoder.precision != "auto":
            return
        precision = "f32"
        if self.config.encoder.weights != "random":
            precision = choose_encoder(
                page_index.of(np.flatnonzero(cohort.labels >= 0)), self._context(self.config)
            ).facts.precision
        encoder = self.config.encoder.model_copy(update={"precision": precision})
        self.config = self.config.model_copy(update={"encoder": encoder})

    def settings(self, config: RunConfig, faults: Faults, modality: Modality, seed: int) -> RunConfig:
        """Return the configuration of a trial.

        Args:
            config: Settings apart from faults, modality and seed.
            faults: Faults to switch on.
            modality: Inputs of the model; without clinical values in the cohort they are simulated blind to the label.
            seed: Seed of split, simulation and training.
        """
        simulate = "none" if modality == "image" or self.cohort.variables else "blind"
        update = {
            "seed": seed,
            "clinical": config.clinical.model_copy(update={"simulate": simulate}),
            "cohort": config.cohort.model_copy(update={"modality": "auto" if modality == "both" else modality}),
        }
        return with_faults(config.model_copy(update=update), faults)

    def build_dataset(
        self, config: RunConfig, *, steps: PipelineSteps | None = None, relabel: Relabel | None = None
    ) -> tuple[Dataset, PipelineSteps]:
        """Split the cohort and embed its pages; embeddings are cached between calls.

        Args:
            config: Result of :meth:`settings`.
            steps: Steps of the pipeline; by default those with the configured faults.
            relabel: Function that replaces the labels before the split.

        Returns:
            The dataset and the steps that made it.
        """
        faults = config.faults if isinstance(config, FaultyConfig) else Faults()
        steps = steps or steps_of(faults, pool=self.pool)
        context = self._context(config)
        cohort, page_index = self._index_pages(steps, context)
        groups = self._true_groups(cohort)
        if relabel is not None:
            cohort = relabel(cohort, groups, config.seed)
        split = steps.split(cohort, groups, config)
        return steps.build_dataset(cohort, page_index, split, clinical_values(cohort, split, config), context), steps

    def fit_and_score(
        self,
        config: RunConfig,
        *,
        name: str = "",
        by_class: bool = False,
        steps: PipelineSteps | None = None,
        relabel: Relabel | None = None,
    ) -> TrialMetrics:
        """Fit one model and score its test records.

        Args:
            config: Result of :meth:`settings`.
            name: Name of the model; the configured one if empty.
            by_class: Whether to fit a second model to the classes if there are more than two.
            steps: As for :meth:`build_dataset`.
            relabel: As for :meth:`build_dataset`.
        """
        dataset, steps = self.build_dataset(config, steps=steps, relabel=relabel)
        found = fit_and_score(dataset, config, steps, name=name)
        parts = {VAL: found.validation.probabilities, TEST: found.test.probabilities}
        metrics = self.measure(dataset, parts, steps)
        if not by_class or len(self.classes) <= 2:
            return metrics
        targets = _class_numbers(dataset.cohort, self.classes)
        predicted = fit_and_score(dataset, config, steps, name=name, targets=targets).test.by_class.argmax(axis=1)
        accuracy = float((predicted == targets[dataset.rows(TEST)]).mean())
        return dataclasses.replace(metrics, class_accuracy=accuracy)

    def measure(
        self, dataset: Dataset, probabilities: dict[str, NDArray[np.float64]], steps: PipelineSteps
    ) -> TrialMetrics:
        """Score the test records with the threshold chosen on the validation records.

        Args:
            dataset: Dataset with labels and split.
            probabilities: ``val`` and ``test`` -> [labelled records] probability of the outcome.
            steps: Steps of the pipeline; they define the positive class.
        """
        labels, groups = dataset.cohort.labels, dataset.split.groups.index
        predictions = {
            part: steps.orient_labels(
                PartPredictions(labels[dataset.rows(part)], groups[dataset.rows(part)], {"model": values})
            )
            for part, values in probabilities.items()
        }
        threshold = youden_threshold(predictions[VAL].labels, predictions[VAL].probabilities["model"])
        scores = score(predictions[TEST].labels, predictions[TEST].probabilities["model"], threshold)
        names = ("auroc", "balanced_accuracy", "sensitivity", "specificity")
        return TrialMetrics(*(scores[name] for name in names))

    def _context(self, config: RunConfig) -> RunContext:
        return RunContext(config, self._cache, self.progress, encoders=self._encoders)

    def _index_pages(self, steps: PipelineSteps, context: RunContext) -> tuple[Cohort, PageIndex | None]:
        """Return the records and pages for the modality, view and treatment of bad pages of a configuration."""
        cohort, page_index = self.usable
        if page_index is None or context.config.cohort.modality == "clinical":
            return cohort, None
        records = cohort if steps.index_pages is index_pages else self.cohort
        key = f"{context.config.fingerprint('pages')} {len(records)}"
        if key not in self._page_indexes:
            self._page_indexes[key] = steps.index_pages(records, context)
        cohort, page_index = self._page_indexes[key]
        if context.config.cohort.modality == "image":
            cohort = dataclasses.replace(cohort, variables=())
        return cohort, page_index

    def _true_groups(self, cohort: Cohort) -> Groups:
        """Return the true groups in the configured view; records beyond ``usable`` have unreadable pages."""
        if len(cohort) not in self._groups:
            records, pages = self.usable
            if len(cohort) != len(records):
                records, pages = index_pages_with_zeros(self.cohort, self._context(self.config))
            self._groups[len(cohort)] = group_records(records, pages, self.config)
        return self._groups[len(cohort)]


def _read(source: Path, config: RunConfig, columns: LabelColumns | None, *, any_outcome: bool) -> Cohort:
    """Read a cohort; with several labels its label says whether any of them is known (0) or none (-1)."""
    if columns is None:
        return read_cohort(source, config.cohort, outcome=config.outcome if any_outcome else config.outcome.name)
    first = label_config(config, columns.names[0])
    cohort = read_cohort(source, first.cohort, outcome=first.outcome)
    cohort = dataclasses.replace(cohort, outcome=config.outcome.name)
    return with_strata(cohort, np.where(columns.known, 0, UNLABELLED))


def _require_binary(config: RunConfig) -> None:
    """Raise ConfigError unless the outcome is binary."""
    study = "a ladder compares"
    refuse_follow_up(config.outcome.kind, study)
    if config.outcome.columns is not None:
        label = config.outcome.columns[0]
        message = (
            f"outcome.columns names several labels, but {study} scores of a binary outcome; leave it out and choose one "
            f"label, such as --map label={label}"
        )
        raise ConfigError(message)
    if config.outcome.kind == "multiclass":
        message = (
            f"outcome.kind is 'multiclass', but {study} scores of a binary outcome; name the classes with label 1: "
            "--positive CLASS,..."
        )
        raise ConfigError(message)


def _class_numbers(cohort: Cohort, classes: tuple[str, ...]) -> NDArray[np.int64]:
    """Return the [records] number of the class, -1 if unlabelled."""
    number_of = {name: code for code, name in enumerate(classes)}
    names = zip(cohort.table["class_name"], cohort.labels, strict=True)
    return np.array([UNLABELLED if label < 0 else number_of[name] for name, label in names], np.int64)
