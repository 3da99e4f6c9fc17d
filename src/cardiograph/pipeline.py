"""A run: the stages in order, from a table of patients to a model, its scores and its report."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cardiograph.artifacts.cache import PageCache, cache_folder
from cardiograph.artifacts.run import RunDirectory
from cardiograph.clinical.features import clinical_table
from cardiograph.clinical.simulate import simulate_blind, simulate_from_label
from cardiograph.cohort.balance import class_weights
from cardiograph.cohort.duplicates import find_groups
from cardiograph.cohort.manifest import read_cohort
from cardiograph.cohort.split import check_given_split, draw_split
from cardiograph.config import RunConfig
from cardiograph.containers import TRAIN, ClinicalTable, Cohort, Split
from cardiograph.errors import ConfigError
from cardiograph.imaging.weights import find_weights
from cardiograph.models.gnn import LAYERS
from cardiograph.progress import Progress, Silent
from cardiograph.stages.augmentation import Augmented, augment_pages, sample_sheet
from cardiograph.stages.ceiling import synthetic_ceiling
from cardiograph.stages.encoding import choose_encoder
from cardiograph.stages.fitting import Material, fit_network, prepare
from cardiograph.stages.ingest import Survey, data_hash, embed_pages, survey_pages
from cardiograph.stages.recording import record_model, record_scores
from cardiograph.stages.reporting import write_report
from cardiograph.stages.studied import Learnt, Studied
from cardiograph.stages.workshop import Workshop
from cardiograph.threads import set_threads


@dataclass(frozen=True)
class RunResult:
    """A finished run.

    Args:
        path: Its folder.
        metrics: The content of ``metrics.json``.
    """

    path: Path
    metrics: dict[str, Any]


def run(
    source: Path, out: Path, config: RunConfig | None = None, *, progress: Progress | None = None, command: str = ""
) -> RunResult:
    """Learn from a cohort and tell how good it is.

    Args:
        source: Table, or folder with a folder per class.
        out: Run folder. An unfinished run of this cohort and configuration is gone on with; a finished one is returned.
        config: Settings; the defaults where None.
        progress: Told of each stage.
        command: The command line, for the report.

    Raises:
        CardiographError: With what is wrong and what to do.
    """
    config = config or RunConfig()
    set_threads()
    if source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        message = (
            f"run {out}: lies inside the cohort {source}, where it would be read as a class; choose another folder"
        )
        raise ConfigError(message)
    cohort = read_cohort(source, config.cohort, outcome=config.outcome)
    _check(cohort, config)
    directory = RunDirectory(out)
    progress = progress or Silent()
    if cohort.has_pages and config.encoder.weights != "random" and not directory.finished:
        progress.start("finding weights", 1)
        find_weights(config.encoder.weights, cache=cache_folder())  # before an hour of reading pages, not after it
    with directory.locked(), PageCache(cache_folder()) as cache:
        shop = Workshop(config, directory, cache, progress)
        survey = None
        if cohort.has_pages:
            start = time.perf_counter()  # not a stage yet: the folder is claimed when the pages are known
            cohort, survey = survey_pages(cohort, shop)
            shop.seconds["reading pages"] = time.perf_counter() - start
        split = split_cohort(cohort, survey, config)  # before the folder is claimed: a cohort may not allow a split
        if directory.begin(config, data_hash(cohort, survey)):
            return RunResult(out, directory.read_json("metrics.json"))
        studied = _study(cohort, survey, split, shop)
        learnt = _learn(studied.material, shop)
        with shop.stage("scoring", 1):
            predictors = record_model(directory, studied, learnt, config)
            metrics = record_scores(directory, studied, learnt, predictors, config)
        ceiling = synthetic_ceiling(source, studied, learnt)
        directory.record({"seconds": shop.seconds, "command": command, "source": source.name, "ceiling": ceiling})
        with shop.stage("report", 1):
            write_report(directory)
        directory.finish()
    return RunResult(out, metrics)


def _study(cohort: Cohort, survey: Survey | None, split: Split, shop: Workshop) -> Studied:
    """Values and embeddings: all that is known before anything is learnt."""
    config = shop.config
    clinical = clinical_values(cohort, split, config)
    if survey is None:
        return Studied(cohort, None, split, _material(cohort, split, clinical, None, None, config))
    with shop.stage("embedding"):
        labelled = [row for row in split.rows(TRAIN) if cohort.labels[row] >= 0]
        encoder = choose_encoder(survey.of(labelled), shop)
        images = embed_pages(survey, encoder.engine, encoder.facts.fingerprint, shop)
    augmented: Augmented | None = None
    if config.balance.mode == "augment":
        with shop.stage("augmentation"):
            augmented = augment_pages(cohort, split, survey, encoder, shop)
    shop.directory.write_bytes("pages.png", sample_sheet(cohort, split, survey, config, augmented))
    material = _material(cohort, split, clinical, images.values, augmented, config)
    return Studied(cohort, survey, split, material, encoder)


def _learn(material: Material, shop: Workshop) -> Learnt:
    """The graph, and every network on the same features."""
    with shop.stage("linking patients", 1):
        prepared = prepare(material, shop.config)
    networks = {}
    for name in LAYERS:
        with shop.stage(f"training {name}", shop.config.model.epochs):
            networks[name] = fit_network(name, prepared, shop.config, lambda _: shop.progress.advance())
    return Learnt(prepared, networks)


def split_cohort(cohort: Cohort, survey: Survey | None, config: RunConfig) -> Split:
    """Groups first, then parts: the table's own where it has them, checked, or drawn."""
    groups = find_groups(
        patient_ids=list(cohort.table["patient_id"]),
        pixel_hashes=[None] * len(cohort) if survey is None else [facts.pixel_hash for facts in survey.facts],
        perceptual_hashes=None if survey is None else survey.perceptual_hashes,
        values=clinical_table(cohort).values,
        near_copies=config.pages.near_copies,
    )
    if cohort.table["split"].notna().any():
        return check_given_split(list(cohort.table["split"]), cohort.labels, groups, list(cohort.record_ids))
    return draw_split(cohort.labels, groups, config.split, np.random.default_rng([config.seed, 0]))


def clinical_values(cohort: Cohort, split: Split, config: RunConfig) -> ClinicalTable | None:
    """The cohort's clinical values, or simulated ones; None for pages alone."""
    rng = np.random.default_rng([config.seed, 1])
    if config.clinical.simulate == "label":
        return simulate_from_label(cohort.labels, rng)
    if config.clinical.simulate == "blind":
        labels = cohort.labels[split.rows(TRAIN)]
        return simulate_blind(len(cohort), float((labels[labels >= 0] == 1).mean()), rng)
    return clinical_table(cohort) if cohort.variables else None


def _material(
    cohort: Cohort,
    split: Split,
    clinical: ClinicalTable | None,
    image: np.ndarray | None,
    augmented: Augmented | None,
    config: RunConfig,
) -> Material:
    weights = class_weights(cohort.labels[split.rows(TRAIN)]) if config.balance.mode == "weights" else None
    return Material(image, clinical, cohort.labels, split, None if augmented is None else augmented.copies, weights)


def _check(cohort: Cohort, config: RunConfig) -> None:
    """Settings that contradict the cohort."""
    if config.clinical.simulate != "none" and cohort.variables:
        names = ", ".join(variable.name for variable in cohort.variables)
        message = f"clinical.simulate: the cohort has clinical columns ({names}); drop them by --modality image"
        raise ConfigError(message)
    if config.balance.mode == "augment" and not cohort.has_pages:
        message = "balance.mode = 'augment' turns pages, and this cohort has none; use 'none' or 'weights'"
        raise ConfigError(message)
