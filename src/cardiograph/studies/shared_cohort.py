"""One cohort, read and embedded once, on which many trials are made with faults and without."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cardiograph.artifacts.cache import PageCache
from cardiograph.cohort.manifest import read_cohort
from cardiograph.config import RunConfig
from cardiograph.containers import TEST, VAL, Cohort, Groups
from cardiograph.evaluate.decision import youden_threshold
from cardiograph.evaluate.metrics import score
from cardiograph.evaluate.predictions import PartPredictions
from cardiograph.features.clinical import clinical_values
from cardiograph.ingest.context import RunContext
from cardiograph.ingest.encoder_choice import choose_encoder
from cardiograph.ingest.groups import group_records, has_split
from cardiograph.ingest.page_index import PageIndex, index_pages
from cardiograph.progress import NoProgress, Progress
from cardiograph.schema import UNLABELLED
from cardiograph.studies.faults.records import AugmentationPool
from cardiograph.studies.faults.steps import steps_of, survey_with_zeros
from cardiograph.studies.faults.switches import Faults, FaultyConfig, with_faults
from cardiograph.train.data import Dataset
from cardiograph.train.steps import PipelineSteps
from cardiograph.train.trial import fit_and_score

Modality = Literal["image", "clinical", "both"]
Relabel = Callable[[Cohort, Groups, int], Cohort]
"""Cohort, true groups and seed -> the cohort with other labels: for controls."""


@dataclass(frozen=True)
class TrialMetrics:
    """The scores of one trial on its test records.

    Args:
        auroc: 0..1.
        balanced_accuracy: At the threshold chosen on validation records.
        sensitivity: At that threshold.
        specificity: At that threshold.
        class_accuracy: Share of test records whose class, as the user wrote it, is found; None where not measured.
    """

    auroc: float
    balanced_accuracy: float
    sensitivity: float
    specificity: float
    class_accuracy: float | None = None


class SharedCohort:
    """A cohort under study. The table's own split is not used: each seed draws one.

    Args:
        source: Table or folder.
        config: Settings of the sound runs.
        cache: Cache of pages and embeddings.
        progress: Callback that receives the progress of the reading and embedding of pages; may be exchanged later.
        pool: Augmented copies that all trials share.

    Raises:
        CardiographError: The cohort cannot be used.
    """

    def __init__(
        self,
        source: Path,
        config: RunConfig,
        cache: PageCache,
        progress: Progress | None = None,
        *,
        pool: AugmentationPool,
    ) -> None:
        self.source, self.config, self.pool, self.progress = source, config, pool, progress or NoProgress()
        cohort = read_cohort(source, config.cohort, outcome=config.outcome)
        self.had_split = has_split(cohort)
        self.cohort = dataclasses.replace(cohort, table=cohort.table.assign(split=None))
        self._cache, self._encoders = cache, dict[str, object]()
        self._surveys: dict[str, tuple[Cohort, PageIndex]] = {}
        self._groups: dict[int, Groups] = {}

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names of labelled records, as the user wrote them."""
        table = self.cohort.table
        return tuple(sorted(set(table["class_name"][table["label"] != UNLABELLED])))

    @cached_property
    def usable(self) -> tuple[Cohort, PageIndex | None]:
        """The records of a sound run, and their pages in the view of the settings."""
        if not self.cohort.has_pages:
            return self.cohort, None
        return index_pages(self.cohort, self._shop(self.config))

    @property
    def groups(self) -> Groups:
        """True groups of the records of a sound run, whatever the encoder of a trial sees."""
        return self._grouped(self.usable[0])

    def settle_precision(self) -> None:
        """Decide the encoder's precision once, on all labelled pages in the own view: no step may change it.

        Random weights are too coarse in bfloat16 (pages look alike to them), so that nothing is tried there.
        """
        cohort, page_index = self.usable
        if page_index is None or self.config.encoder.precision != "auto":
            return
        precision = "f32"
        if self.config.encoder.weights != "random":
            precision = choose_encoder(
                page_index.of(np.flatnonzero(cohort.labels >= 0)), self._shop(self.config)
            ).facts.precision
        encoder = self.config.encoder.model_copy(update={"precision": precision})
        self.config = self.config.model_copy(update={"encoder": encoder})

    def settings(self, config: RunConfig, faults: Faults, modality: Modality, seed: int) -> RunConfig:
        """The configuration of a trial.

        Args:
            config: Its settings apart from faults, modality and seed.
            faults: Switched on.
            modality: What the model reads; clinical values are simulated blind to the label where the cohort has none.
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
        """Split the cohort and embed its pages as a configuration asks; what is known is not computed again.

        Args:
            config: From :meth:`settings`.
            steps: The steps; those of the configuration's faults by default.
            relabel: Gives the records other labels before they are split.
        """
        faults = config.faults if isinstance(config, FaultyConfig) else Faults()
        steps = steps or steps_of(faults, pool=self.pool)
        context = self._shop(config)
        cohort, page_index = self._surveyed(steps, context)
        groups = self._grouped(cohort)
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
        """Learn and score one network.

        Args:
            config: From :meth:`settings`.
            name: Name of the network; the configured one if empty.
            by_class: Whether a second network learns the classes, where there are more than two.
            steps: As for :meth:`build_dataset`.
            relabel: As for :meth:`build_dataset`.
        """
        dataset, steps = self.build_dataset(config, steps=steps, relabel=relabel)
        found = fit_and_score(dataset, config, steps, name=name)
        parts = {VAL: found.validation.probabilities, TEST: found.test.probabilities}
        measured = self.measure(dataset, parts, steps)
        if not by_class or len(self.classes) <= 2:
            return measured
        targets = _codes(dataset.cohort, self.classes)
        guessed = fit_and_score(dataset, config, steps, name=name, targets=targets).test.by_class.argmax(axis=1)
        right = float((guessed == targets[dataset.rows(TEST)]).mean())
        return dataclasses.replace(measured, class_accuracy=right)

    def measure(
        self, dataset: Dataset, probabilities: dict[str, NDArray[np.float64]], steps: PipelineSteps
    ) -> TrialMetrics:
        """Scores of the test records, with the threshold of the validation records.

        Args:
            dataset: Labels and split.
            probabilities: ``val`` and ``test`` -> [labelled records] of the outcome.
            steps: Says what the positive class is.
        """
        labels, groups = dataset.cohort.labels, dataset.split.groups.index
        judged = {
            part: steps.present(
                PartPredictions(labels[dataset.rows(part)], groups[dataset.rows(part)], {"model": values})
            )
            for part, values in probabilities.items()
        }
        threshold = youden_threshold(judged[VAL].labels, judged[VAL].probabilities["model"])
        scores = score(judged[TEST].labels, judged[TEST].probabilities["model"], threshold)
        names = ("auroc", "balanced_accuracy", "sensitivity", "specificity")
        return TrialMetrics(*(scores[name] for name in names))

    def _shop(self, config: RunConfig) -> RunContext:
        return RunContext(config, self._cache, self.progress, encoders=self._encoders)

    def _surveyed(self, steps: PipelineSteps, context: RunContext) -> tuple[Cohort, PageIndex | None]:
        """The records and pages of a configuration: by its modality, its view, and what becomes of bad pages."""
        cohort, page_index = self.usable
        if page_index is None or context.config.cohort.modality == "clinical":
            return cohort, None
        everyone = cohort if steps.page_index is index_pages else self.cohort
        key = f"{context.config.fingerprint('pages')} {len(everyone)}"
        if key not in self._surveys:
            self._surveys[key] = steps.page_index(everyone, context)
        cohort, page_index = self._surveys[key]
        if context.config.cohort.modality == "image":
            cohort = dataclasses.replace(cohort, variables=())
        return cohort, page_index

    def _grouped(self, cohort: Cohort) -> Groups:
        """True groups by the cohort's own view; more records than ``own`` has are those of pages that cannot be read."""
        if len(cohort) not in self._groups:
            own, pages = self.usable
            if len(cohort) != len(own):
                own, pages = survey_with_zeros(self.cohort, self._shop(self.config))
            self._groups[len(cohort)] = group_records(own, pages, self.config)
        return self._groups[len(cohort)]


def _codes(cohort: Cohort, classes: tuple[str, ...]) -> NDArray[np.int64]:
    """[records] number of the class, -1 where unlabelled."""
    number = {name: code for code, name in enumerate(classes)}
    names = zip(cohort.table["class_name"], cohort.labels, strict=True)
    return np.array([UNLABELLED if label < 0 else number[name] for name, label in names], np.int64)
