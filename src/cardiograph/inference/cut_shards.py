"""Cuts the reference records of a run into shards, for a service whose machine does not hold them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from cardiograph.artifacts import files
from cardiograph.artifacts.embedding_axes import EMBEDDINGS_FILE, EmbeddingAxes
from cardiograph.artifacts.label_folders import refuse_several_labels
from cardiograph.artifacts.run import RunDirectory
from cardiograph.artifacts.shard_folders import ShardFacts, ShardFolder
from cardiograph.containers import TRAIN, IvfIndex, SearchPoints, ShardedIndex
from cardiograph.errors import ConfigError, RunError
from cardiograph.graph.shards import Shard, shards_of, split
from cardiograph.inference.survival import load_predictor

SERVICE = "service"
"""Name of the folder of the run without its reference records."""

_ROW_FILES = ("cohort.parquet", "split.parquet", "measurements.parquet", "readings.parquet", EMBEDDINGS_FILE)
"""Files of a run with a row for each of its records."""


def cut_shards(run: Path, out: Path, count: int | None = None) -> list[Path]:
    """Write a finished run as a folder for the service, without reference records, and a folder for each shard of them.

    Predictions are those of the run, to the last bit: a run whose search has an index is cut where its index is.

    Args:
        run: Folder of a finished run with one outcome.
        out: New or empty folder for ``service``, ``shard-0000``, ``shard-0001`` and so on.
        count: Number of shards; None for the number of shards in the index of the run, or 2 if its search is exact.

    Returns:
        Folders of the shards, in the order of the reference records.

    Raises:
        ConfigError: If the run cannot be cut into so many shards.
        RunError: If the run cannot be used, or ``out`` holds files or cannot be written.
    """
    refuse_several_labels(run)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        message = f"{out}: holds files already; give a new folder"
        raise RunError(message)
    predictor = load_predictor(run)
    bundle, records = predictor.bundle, predictor.records
    shards = _cut(run, bundle.reference_points(), count)
    folders = [out / f"shard-{number:04d}" for number in range(len(shards))]
    sha256 = []
    for shard, folder in zip(shards, folders, strict=True):
        files.make_folder(folder)
        part = bundle.reference.part(shard.first, shard.first + len(shard.points))
        sha256.append(ShardFolder(shard, part).write(folder))
    prior = records.prior
    facts = ShardFacts(
        sha256=tuple(sha256),
        bounds=(*(shard.first for shard in shards), len(records)),
        prior=prior if isinstance(prior, float) else tuple(prior.tolist()),
        medians=tuple(each if np.isfinite(each) else None for each in records.medians.tolist()),
        stores_ecgs=records.stores_ecgs,
    )
    service = out / SERVICE
    if (run / "bundle").is_dir():
        _copy_without_training_records(RunDirectory(run), service)
    files.make_folder(service / "bundle")
    replace(bundle, reference=replace(bundle.reference.part(0, 0), ecgs=None), shards=facts).save(
        service / "bundle", predictor.engine
    )
    return folders


def _copy_without_training_records(run: RunDirectory, service: Path) -> None:
    """Copy a run without its bundle, and without the rows of training records in its tables and arrays.

    Raises:
        RunError: If the run cannot be read or the copy cannot be written.
    """
    try:
        shutil.copytree(run.path, service, ignore=shutil.ignore_patterns("bundle", ".*", *_ROW_FILES))
    except OSError as error:
        message = f"{service}: cannot be written ({error.strerror or error}); free disk space or choose another folder"
        raise RunError(message) from error
    copy, held_out = RunDirectory(service), (run.read_table("split.parquet")["part"] != TRAIN).to_numpy()
    for name in (each for each in _ROW_FILES if (run.path / each).is_file()):
        if name == EMBEDDINGS_FILE:
            EmbeddingAxes.of_run(run).write(copy)
            copy.write_arrays(name, {key: values[held_out] for key, values in run.read_arrays(name).items()})
        else:
            copy.write_table(name, run.read_table(name)[held_out].reset_index(drop=True))


def _cut(run: Path, points: SearchPoints, count: int | None) -> list[Shard]:
    """Return the shards of a reference.

    Raises:
        ConfigError: If there are fewer records than shards, or an index that cannot be cut so.
    """
    if isinstance(points.lists, IvfIndex | ShardedIndex):
        there = len(points.lists.parts) if isinstance(points.lists, ShardedIndex) else 1
        if count not in (None, there):
            message = (
                f"{run}: its search has an index in {there} part{'s' * (there > 1)}, so it can only be cut into "
                f"{there}; leave out --count, or make the run with --set graph.shards={count}"
            )
            raise ConfigError(message)
        return shards_of(points)
    wanted = 2 if count is None else count
    if wanted > len(points):
        message = f"{run}: has {len(points)} reference records, which cannot be cut into {wanted} shards"
        raise ConfigError(message)
    return split(points, wanted)
