"""Neighbour search in shards against one index, and training of SIGN by two processes against one.

usage: python benchmarks/shards.py [--records 20000] [--width 517] [--shards 2] [--epochs 10]

Records are those of benchmarks/graph_scale.py. Each shard is a file that a process of its own maps. One thread in each
process. Prints one JSON object: seconds of a search for all records, exact and by IVF, in the whole reference and in shards,
its recall, and whether both are equal; seconds of an epoch in one process and in as many as there are shards, and the
largest difference of their weights and losses.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.artifacts.shards import read_shard, write_shards
from cardiograph.artifacts.training_folder import TrainingTask, read_task, read_trained, write_task
from cardiograph.config import GraphConfig, ModelConfig
from cardiograph.containers import NearestNeighbours, SearchPoints
from cardiograph.graph.attach import attach, build_graph
from cardiograph.graph.exact import nearest
from cardiograph.graph.shards import MapShards, Shard, shards_of, split
from cardiograph.models.examples import Examples
from cardiograph.models.neighbour_table import NeighbourTable
from cardiograph.models.ranks import Meeting
from cardiograph.models.training import train
from cardiograph.threads import set_threads
from cardiograph.train.distributed import train_distributed
from graph_scale import mixture

K, VALIDATION = 5, 2000
_held: list[Shard] = []


def seconds(work: Callable[[], Any]) -> tuple[Any, float]:
    """What ``work`` returns, and the seconds that it took."""
    start = time.perf_counter()
    return work(), round(time.perf_counter() - start, 2)


def hold(path: Path) -> None:
    """Map the shard of this process."""
    set_threads(1)
    _held.append(read_shard(path))


def answer(work: Callable[[Shard], Any]) -> Any:  # noqa: ANN401 - what the work returns
    """Apply a function to the shard of this process."""
    return work(_held[0])


def pools(paths: list[Path]) -> list[ProcessPoolExecutor]:
    """One process for each shard, which is ready to search."""
    found = [ProcessPoolExecutor(1, get_context("spawn"), hold, (path,)) for path in paths]
    for pool in found:
        pool.submit(len, ()).result()
    return found


def over(held: list[ProcessPoolExecutor]) -> MapShards:
    """Apply a function to the shards of other processes."""

    def apply(work: Callable[[Shard], Any]) -> list[Any]:
        return [each.result() for each in [pool.submit(answer, work) for pool in held]]

    return apply


def search(reference: SearchPoints, shards: int, config: GraphConfig, folder: Path) -> dict[str, Any]:
    """Neighbours of all records, from one index and from the index of each shard, exact or IVF as configured."""
    rows, own = np.arange(len(reference)), own_rows(len(reference))
    graphs = [build_graph(reference, rows, rows, config.model_copy(update={"shards": each})) for each in (1, shards)]
    one, parts = (dataclasses.replace(reference, lists=graph.lists) for graph in graphs)
    held = pools(write_shards(folder, split(reference, shards) if parts.lists is None else shards_of(parts)))
    found, one_s = seconds(lambda: attach(one, reference, config, own))
    pooled, shards_s = seconds(lambda: attach(reference, reference, config, own, map_shards=over(held)))
    for pool in held:
        pool.shutdown()
    true = nearest(reference.values, reference.values, k=K, forbidden=own)
    return {
        "one_s": one_s,
        "shards_s": shards_s,
        "one_recall": recall(found, true),
        "shards_recall": recall(pooled, true),
        "equal": np.array_equal(found.index, pooled.index) and np.array_equal(found.distance, pooled.distance),
    }


def own_rows(count: int) -> list[NDArray[np.int64]]:
    """For each record, its own row."""
    return list(np.arange(count).reshape(-1, 1))


def recall(found: NearestNeighbours, true: NearestNeighbours) -> float:
    """Share of the true neighbours that were found."""
    return round(float((true.index[:, :, None] == found.index[:, None]).any(2).mean()), 5)


def examples(reference: SearchPoints, epochs: int) -> TrainingTask:
    """A training on the records, whose label is whether they lie far from a plane through their mean."""
    values, count = reference.values / reference.values.std(), len(reference) - VALIDATION
    away = np.abs((values - values.mean(0)) @ values[0])
    labels = (away > np.median(away)).astype(np.int64)
    known, queries = reference.of(np.arange(count)), reference.of(np.arange(count, len(values)))
    tables = [NeighbourTable.of(nearest(known.values, known.values, k=K, forbidden=own_rows(count)))]
    tables.append(NeighbourTable.of(nearest(known.values, queries.values, k=K), tables[0].degree))
    parts = (slice(count), slice(count, None))
    sets = [Examples.of(values[part], table, labels[part]) for part, table in zip(parts, tables, strict=True)]
    config = ModelConfig(epochs=epochs, patience=epochs)
    return TrainingTask("sign", sets[0], sets[1], config=config, seed=0)


def train_together(folder: Path, rank: int, world: int) -> None:
    """Train as one process of several, and write the seconds between the first and the last epoch."""
    set_threads(1)
    ends: list[float] = []
    meeting = Meeting(rank, world, f"file://{folder / 'meeting'}")
    train_distributed(folder, meeting, every=10**6, progress=lambda _: ends.append(time.perf_counter()))
    (folder / f"seconds-{rank}").write_text(str((ends[-1] - ends[0]) / (len(ends) - 1)))


def training(reference: SearchPoints, world: int, epochs: int, folder: Path) -> dict[str, Any]:
    """One process and several on the same examples."""
    write_task(folder, examples(reference, epochs))
    task, ends = read_task(folder), list[float]()
    one, history = train(
        task.name,
        task.train_set,
        task.val_set,
        config=task.config,
        seed=task.seed,
        progress=lambda _: ends.append(time.perf_counter()),
    )
    context = get_context("spawn")
    processes = [context.Process(target=train_together, args=(folder, rank, world)) for rank in range(world)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    several, curves = read_trained(folder)
    states = one.state_dict(), several.state_dict()
    return {
        "epoch_one_s": round((ends[-1] - ends[0]) / (len(ends) - 1), 3),
        "epoch_several_s": round(float((folder / "seconds-0").read_text()), 3),
        "best_epochs": [history.best, curves.best],
        "largest_difference_of_losses": float(np.abs(np.subtract(history.val_loss, curves.val_loss)).max()),
        "largest_difference_of_weights": max(
            float((states[0][each] - states[1][each]).abs().max()) for each in states[0]
        ),
    }


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--width", type=int, default=517)
    parser.add_argument("--shards", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args()
    set_threads(1)
    values = mixture(options.records, options.width, 0)
    reference = SearchPoints(values, np.ones((options.records, 1), bool), ((0, options.width),), (1.0,))
    result: dict[str, Any] = {"records": options.records, "shards": options.shards, "load_before": os.getloadavg()[0]}
    with TemporaryDirectory() as folder:
        for name, limit in (("exact", options.records), ("ivf", options.records // (2 * options.shards))):
            config = GraphConfig(k=K, exact_up_to=limit)
            result[name] = search(reference, options.shards, config, Path(folder) / name)
        result["training"] = training(reference, options.shards, options.epochs, Path(folder) / "training")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
