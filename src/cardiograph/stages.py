"""The stages of the pipeline as functions: stop after any of them, inspect the arrays, and continue.

``cardiograph.run`` runs all of them in one call, with an audit before and a report at the end::

    config = cg.load_config(overrides={"encoder": {"weights": "random"}})
    cohort = cg.read_cohort("cohort.csv", config)
    split = cg.split_cohort(cohort, config)
    clinical = cg.read_clinical(cohort, split, config)
    dataset = cg.embed(cohort, split, clinical, config)
    prepared = cg.build_graph(dataset, config)
    model, history = cg.train(prepared, config)
    predictor = cg.make_predictor(model, dataset, prepared, config)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cardiograph.artifacts.cache import PageCache, cache_folder
from cardiograph.cohort.manifest import read_cohort as read_table
from cardiograph.config import RunConfig
from cardiograph.config_outcome import refuse_follow_up
from cardiograph.containers import VAL, ClinicalTable, Cohort, Split
from cardiograph.features.clinical import clinical_values
from cardiograph.inference import Predictor
from cardiograph.ingest.context import RunContext
from cardiograph.ingest.groups import group_records, split_records
from cardiograph.ingest.page_index import PageIndex, index_pages
from cardiograph.models.build import Model
from cardiograph.models.examples import History
from cardiograph.progress import NoProgress, Progress
from cardiograph.threads import set_threads
from cardiograph.train.calibrate import calibrate_bundle
from cardiograph.train.data import Dataset, build_dataset
from cardiograph.train.fit import PreparedGraph, fit_network, make_bundle, prepare
from cardiograph.train.steps import DEFAULT_STEPS


def read_cohort(source: str | Path, config: RunConfig | None = None, *, progress: Progress | None = None) -> Cohort:
    """Read a table or a folder of pages, check every cell, and open every page.

    Args:
        source: CSV, TSV or Parquet table with one row per ECG, or a folder with one folder per class.
        config: Settings; the defaults if None.
        progress: Callback that receives stage progress.

    Returns:
        The cohort. With ``pages.skip_bad``, records whose page cannot be used are left out.

    Raises:
        CohortError: If a cell or the table cannot be used; the message lists every fault.
        PageError: If a page cannot be used.
    """
    config = config or RunConfig()
    refuse_follow_up(config.outcome.kind, "single stages give")
    cohort = read_table(Path(source), config.cohort, outcome=config.outcome)
    with _context(config, progress) as context:
        return _indexed(cohort, context)[0]


def split_cohort(cohort: Cohort, config: RunConfig | None = None) -> Split:
    """Assign whole groups (a patient, or copies of one page) to training, validation and test.

    Args:
        cohort: Result of :func:`read_cohort`.
        config: Settings; the defaults if None.

    Raises:
        CohortError: If too few groups have a label.
    """
    with _context(config) as context:
        cohort, page_index = _indexed(cohort, context)
        return split_records(cohort, group_records(cohort, page_index, context.config), context.config)


def read_clinical(cohort: Cohort, split: Split, config: RunConfig | None = None) -> ClinicalTable | None:
    """Return the clinical values of a cohort, or simulate them if configured.

    Args:
        cohort: Result of :func:`read_cohort`.
        split: Result of :func:`split_cohort`; a simulation blind to the label uses the prevalence of the training part.
        config: Settings; the defaults if None.

    Returns:
        [records, variables] values in their units; None for a cohort of pages alone.
    """
    return clinical_values(cohort, split, config or RunConfig())


def embed(
    cohort: Cohort,
    split: Split,
    clinical: ClinicalTable | None = None,
    config: RunConfig | None = None,
    *,
    progress: Progress | None = None,
) -> Dataset:
    """Embed every page, and augmented copies of training pages if configured.

    Args:
        cohort: Result of :func:`read_cohort`.
        split: Result of :func:`split_cohort`.
        clinical: Result of :func:`read_clinical`.
        config: Settings; the defaults if None.
        progress: Callback that receives stage progress.

    Returns:
        The dataset; ``inputs.image`` holds the [records, width] embeddings.

    Raises:
        WeightsError: If the encoder's weights are not available.
    """
    with _context(config, progress) as context:
        cohort, page_index = _indexed(cohort, context)
        return build_dataset(cohort, page_index, split, clinical, context)


def build_graph(dataset: Dataset, config: RunConfig | None = None) -> PreparedGraph:
    """Fuse the blocks into node features and link each record to its nearest training records.

    Args:
        dataset: Result of :func:`embed`.
        config: Settings; the defaults if None.

    Returns:
        ``features`` [records, width], and ``graph`` with exports to PyTorch Geometric, NetworkX and GraphML.
    """
    return prepare(dataset.inputs, config or RunConfig())


def train(
    prepared: PreparedGraph, config: RunConfig | None = None, *, model: str | None = None
) -> tuple[Model, History]:
    """Train a model on the graph and keep the epoch with the lowest validation loss.

    Args:
        prepared: Result of :func:`build_graph`.
        config: Settings; the defaults if None.
        model: Name in :data:`cardiograph.registry.MODELS`; the configured one if None.

    Returns:
        The model and its learning curves.
    """
    config = config or RunConfig()
    return fit_network(model or config.model.name, prepared, config)


def make_predictor(
    model: Model, dataset: Dataset, prepared: PreparedGraph, config: RunConfig | None = None
) -> Predictor:
    """Calibrate a model on validation records and return the predictor that scores new patients.

    Args:
        model: Result of :func:`train` for the configured model.
        dataset: Result of :func:`embed`.
        prepared: Result of :func:`build_graph`.
        config: Settings; the defaults if None.
    """
    config = config or RunConfig()
    bundle = make_bundle(config.model.name, model, dataset, prepared, config)
    if len(dataset.rows(VAL)):
        bundle = calibrate_bundle(bundle, dataset, prepared, config, DEFAULT_STEPS)
    return Predictor(bundle, None if dataset.encoder is None else dataset.encoder.engine)


@contextmanager
def _context(config: RunConfig | None, progress: Progress | None = None) -> Iterator[RunContext]:
    set_threads()
    with PageCache(cache_folder()) as cache:
        yield RunContext(config or RunConfig(), cache, progress or NoProgress())


def _indexed(cohort: Cohort, context: RunContext) -> tuple[Cohort, PageIndex | None]:
    return index_pages(cohort, context) if cohort.has_pages else (cohort, None)
