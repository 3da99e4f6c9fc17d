"""How many files of the package three results pass through, which is what a newcomer has to read to follow them.

usage: python benchmarks/code_trips.py

- page to embedding: index a cohort of one page with an empty cache, and embed the page
- predict: ``Predictor.predict`` of a loaded model for a patient who is no reference record, with a page and values
- report table: from the predictions of the test and validation records to the formatted scores of the report
- report row: the same for one score, the AUROC with its interval

A file counts once if a function in it is called or a dataclass of it is constructed, in any thread. Imports and constants
do not count. Each trip runs twice and the second one is recorded, after the caches of functions are emptied and with
fresh objects, so that neither the first imports nor remembered results distort the count. Prints one JSON object; the
counts do not depend on the machine.
"""

from __future__ import annotations

import dataclasses
import functools
import gc
import json
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TypeVar

import numpy as np

import cardiograph
from cardiograph.artifacts.cache import PageCache
from cardiograph.artifacts.run import RunDirectory
from cardiograph.cohort.manifest import read_cohort
from cardiograph.config import RunConfig
from cardiograph.containers import TEST, Cohort
from cardiograph.evaluate.bootstrap import bootstrap_scores
from cardiograph.evaluate.summary import summarise
from cardiograph.inference import Predictor
from cardiograph.ingest.context import RunContext
from cardiograph.ingest.embed import embed_pages
from cardiograph.ingest.encoder_choice import choose_encoder
from cardiograph.ingest.page_index import index_pages
from cardiograph.progress import NoProgress
from cardiograph.report.tables import interval, metric_rows
from cardiograph.run.pipeline import run
from cardiograph.run.report import report_content
from cardiograph.synthesis.cohort import write_cohort

PACKAGE = Path(cardiograph.__file__).parent
CONFIG = RunConfig.model_validate(
    {"encoder": {"weights": "random"}, "model": {"epochs": 5}, "evaluation": {"bootstrap": 100}}
)
VALUES = {"ef": 0.34, "bnp": 463.0, "nyha": 3.0, "sbp": 132.0, "age": 70.0}

CACHED = type(functools.cache(lambda: None))
_T = TypeVar("_T")


def files_of(prepare: Callable[[], _T], work: Callable[[_T], object]) -> list[str]:
    """Return the files of the package that ``work`` passes through, sorted.

    Args:
        prepare: Makes the argument of ``work``; its files do not count.
        work: The trip; it is called twice.
    """
    modules: set[str] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        if (
            event == "call"
        ):  # the module's file, because the methods that dataclasses generate have no file of their own
            modules.add(frame.f_globals.get("__file__") or "")

    work(prepare())
    argument = prepare()
    for each in gc.get_objects():
        if type(each) is CACHED and each.__module__.startswith("cardiograph"):
            each.cache_clear()
    threading.setprofile(note)
    sys.setprofile(note)
    try:
        work(argument)
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return sorted(str(Path(name).relative_to(PACKAGE)) for name in modules if name.startswith(f"{PACKAGE}/"))


def page_to_embedding(cohort: Cohort, folder: Path) -> list[str]:
    """Count the files from a cohort of one page to its embedding."""
    one = Cohort(cohort.table.dropna(subset="ecg").iloc[:1].reset_index(drop=True), cohort.variables, cohort.outcome)

    def context() -> RunContext:
        return RunContext(CONFIG, PageCache(Path(tempfile.mkdtemp(dir=folder))), NoProgress())

    first = context()
    encoder = choose_encoder(index_pages(one, first)[1], first)

    def embed(context: RunContext) -> None:
        embed_pages(index_pages(one, context)[1], encoder.engine, encoder.facts, context)

    return files_of(context, embed)


def predict(directory: RunDirectory) -> list[str]:
    """Count the files of a prediction for a test record."""
    split = directory.read_table("split.parquet")
    pages = directory.read_table("cohort.parquet").loc[split["part"] == TEST, "ecg"].dropna()
    return files_of(
        lambda: Predictor.load(directory.path), lambda predictor: predictor.predict(Path(pages.iloc[0]), VALUES)
    )


def report(directory: RunDirectory) -> dict[str, list[str]]:
    """Count the files from predictions to the scores in the report, for all of them and for one."""

    def table(_: None) -> list[str]:
        metrics = summarise(
            content.test,
            content.validation,
            content.models,
            provenance=content.provenance,
            settings=CONFIG.evaluation,
            seed=1,
        )
        return [interval(row["test"]) for row in metric_rows(dataclasses.replace(content, metrics=metrics))]

    def row(_: None) -> str:
        test, primary = content.test, content.models.primary
        found = bootstrap_scores(
            test.labels,
            {primary: test.probabilities[primary]},
            test.groups,
            content.models.thresholds,
            resamples=CONFIG.evaluation.bootstrap,
            confidence=CONFIG.evaluation.confidence,
            rng=np.random.default_rng(1),
            names=("auroc",),
        )
        return interval(found[primary]["auroc"].as_dict())

    content = report_content(directory)
    return {"report table": files_of(lambda: None, table), "report row": files_of(lambda: None, row)}


def main() -> None:
    """Run a small synthetic cohort and print the files of each trip."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = write_cohort(folder / "cohort", patients=60, seed=3)
        directory = RunDirectory(run(table, folder / "run", CONFIG).path)
        cohort = read_cohort(table, CONFIG.cohort, outcome=CONFIG.outcome.name)
        trips = {
            "page to embedding": page_to_embedding(cohort, folder),
            "predict": predict(directory),
            **report(directory),
        }
    print(json.dumps({trip: {"files": len(found), "names": found} for trip, found in trips.items()}, indent=1))


if __name__ == "__main__":
    main()
