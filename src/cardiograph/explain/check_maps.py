"""``cardiograph check-maps``: tests on held-out pages of a run whether its attention maps are meaningful."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from cardiograph.artifacts.maps import MapVerdict
from cardiograph.artifacts.run import RunDirectory
from cardiograph.containers import TEST, TRAIN
from cardiograph.errors import ConfigError, InputError, Issue, PageError, RunError
from cardiograph.explain.case import ExplainedCase
from cardiograph.explain.map_check import MIN_PAGES, MappedPage, judge_maps, map_gains
from cardiograph.explain.saliency import page_shares
from cardiograph.inference import Predictor, Query
from cardiograph.progress import NoProgress, Progress
from cardiograph.threads import set_threads

if TYPE_CHECKING:
    import pandas as pd

_Taken = TypeVar("_Taken")


def check_maps(run: Path, *, pages: int = 24, seed: int = 0, progress: Progress | None = None) -> MapVerdict:
    """Compare the maps of a run with other maps and store the verdict in its bundle, whose hash changes.

    The bundle of an encoder of pages also stores the mean of as many training pages, with which each page is compared.
    An encoder of leads compares with flat leads.

    Args:
        run: Folder of a finished run.
        pages: Maximum number of test pages, and of training pages, one of each group; at least 8.
        seed: Seed of pages, random maps and intervals.
        progress: Callback that receives progress after each page.

    Raises:
        ConfigError: If ``pages`` is below 8.
        RunError: If the run is unfinished, reads no pages, or has fewer than 8 groups with a page in training or test.
        EngineError: If the model reads leads and its network cannot be differentiated.
        PageError: If pages are missing or differ from those that the run read.
    """
    if pages < MIN_PAGES:
        message = f"--pages {pages}: a check needs {MIN_PAGES} pages or more"
        raise ConfigError(message)
    set_threads()
    progress, directory = progress or NoProgress(), RunDirectory(run)
    directory.require_finished()
    with directory.locked():
        predictor = Predictor.load(run)
        if predictor.engine is None:
            message = f"run {run}: its model reads no pages, so there are no maps to check"
            raise RunError(message)
        bundle, tested = predictor.bundle, _drawn(directory, TEST, pages, seed)
        if bundle.served.reads == "page":
            known = _drawn(directory, TRAIN, pages, seed)
            total = functools.reduce(np.add, _read(predictor, known, page_shares, "reading training pages", progress))
            bundle = replace(bundle, mean_page=(total / len(known)).astype(np.float32))
            predictor = Predictor(bundle, predictor.engine)
        mapped = list(_read(predictor, tested, MappedPage.of, "reading test pages", progress))
        progress.start("checking maps", len(mapped))
        gains = []
        for number in range(len(mapped)):
            gains.append(map_gains(mapped, number, np.random.default_rng([seed, 0, number])))
            progress.advance()
        verdict = judge_maps(np.array(gains), seed=seed)
        replace(bundle, served=replace(bundle.served, maps=verdict)).save_renewed(run / "bundle")
        directory.log("maps checked", **verdict.as_dict())
    return verdict


def _drawn(directory: RunDirectory, part: str, pages: int, seed: int) -> pd.DataFrame:
    """Draw records of a part that have a page, one of each group."""
    table, split = directory.read_table("cohort.parquet"), directory.read_table("split.parquet")
    table = table.assign(group=split["group"].to_numpy())[(split["part"] == part).to_numpy()]
    table = table[table["ecg"].notna()].sample(frac=1, random_state=seed).drop_duplicates("group").head(pages)
    if len(table) < MIN_PAGES:
        message = (
            f"run {directory.path}: its part {part!r} has {len(table)} groups with a page, a check needs {MIN_PAGES}; "
            "the maps stay unchecked"
        )
        raise RunError(message)
    return table.sort_index()


def _read(
    predictor: Predictor, table: pd.DataFrame, take: Callable[[ExplainedCase], _Taken], stage: str, progress: Progress
) -> Iterator[_Taken]:
    """Yield ``take(case)`` of each patient; raise one error for all unusable pages at the end."""
    scaler = predictor.bundle.scaler
    names = [] if scaler is None else [variable.name for variable in scaler.variables]
    progress.start(stage, len(table))
    issues: list[Issue] = []
    for row in table.to_dict("records"):
        query = Query(Path(row["ecg"]), {name: row.get(name) for name in names}, row["record_id"], row["patient_id"])
        try:
            case = ExplainedCase.of(predictor, query)
            _require_same(case, Path(row["ecg"]).name, row.get("pixel_hash"))
            if not issues:
                yield take(case)
        except InputError as error:
            issues += error.issues
        progress.advance()
    if issues:
        message = f"{len(issues)} of {len(table)} pages of the run cannot be used."
        raise PageError(message, issues)


def _require_same(case: ExplainedCase, name: str, pixel_hash: str | None) -> None:
    """Refuse a page whose pixels differ from those that the run read."""
    if case.queries.pixel_hashes[0] != pixel_hash:
        rule = "a check reads the pages that the run read"
        issue = Issue(
            f"page {name}", "", "another picture", rule, "put the old file back, or make the run again", "changed"
        )
        message = "A page differs from the one that the run read."
        raise PageError(message, [issue])
