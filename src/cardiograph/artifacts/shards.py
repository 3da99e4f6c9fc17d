"""Files of the neighbour search: the IVF index of a bundle, and shards of the reference that are mapped from the disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.artifacts import files
from cardiograph.containers import IvfIndex, NeighbourIndex, SearchPoints, ShardedIndex
from cardiograph.errors import RunError
from cardiograph.graph.shards import Shard

_ARRAYS = ("centroids", "rows", "starts", "centre", "axes", "lowered")
_FACTS = ("probes", "recall", "sampled", "raised")


def index_facts(lists: NeighbourIndex | None) -> Any:  # noqa: ANN401 - as JSON has it
    """Return the numbers of an index, ready for JSON: one object, a list of them for shards, or None."""
    if isinstance(lists, ShardedIndex):
        return [index_facts(part) for part in lists.parts]
    return None if lists is None else {name: getattr(lists, name) for name in _FACTS}


def index_arrays(lists: NeighbourIndex) -> dict[str, NDArray[Any]]:
    """Return the arrays of an index; names of those of a shard start with its number."""
    if isinstance(lists, ShardedIndex):
        parts = enumerate(lists.parts)
        return {f"{number}/{name}": each for number, part in parts for name, each in index_arrays(part).items()}
    return {name: getattr(lists, name) for name in _ARRAYS}


def index_from(arrays: Mapping[str, NDArray[Any]], facts: Any) -> NeighbourIndex:  # noqa: ANN401 - as JSON has it
    """Return the index with the given :func:`index_arrays` and :func:`index_facts`."""
    if isinstance(facts, list):
        return ShardedIndex(tuple(_one_index(arrays, each, f"{number}/") for number, each in enumerate(facts)))
    return _one_index(arrays, facts)


def _one_index(arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any], prefix: str = "") -> IvfIndex:
    fields: dict[str, Any] = {**{name: arrays[prefix + name] for name in _ARRAYS}, **facts}
    return IvfIndex(**fields)


def write_shards(folder: Path, shards: Sequence[Shard]) -> list[Path]:
    """Write each shard to a file, and return the files in the order of the shards."""
    paths = [folder / f"shard-{number:04d}.safetensors" for number in range(len(shards))]
    for path, shard in zip(paths, shards, strict=True):
        write_shard(path, shard)
    return paths


def write_shard(path: Path, shard: Shard) -> None:
    """Write a shard and its IVF index to a file."""
    points, lists = shard.points, shard.points.lists
    arrays: dict[str, NDArray[Any]] = {
        "values": points.values,
        "present": points.present.astype(np.uint8),
        "blocks": np.array(points.blocks, np.int64).reshape(-1, 2),
        "scales": np.array(points.scales, np.float64),
        "first": np.array([shard.first], np.int64),
        "complete": np.array([shard.complete], np.uint8),
    }
    if isinstance(lists, IvfIndex):
        arrays |= index_arrays(lists) | {f"index_{name}": np.array([getattr(lists, name)]) for name in _FACTS}
        arrays["index_raised"] = arrays["index_raised"].astype(np.uint8)
    files.write_arrays(path, arrays)


def read_shard(path: Path) -> Shard:
    """Map a shard from its file: memory holds only what searches touch.

    Raises:
        RunError: If the file is missing or damaged, or is not that of a shard.
    """
    try:
        return shard_in(files.map_arrays(path))
    except (ValueError, LookupError) as error:
        message = f"{path}: cannot be read as a shard ({error}); write the shards again"
        raise RunError(message) from error


def shard_in(arrays: Mapping[str, NDArray[Any]]) -> Shard:
    """Return the shard in the arrays of its file.

    Raises:
        ValueError, LookupError: If they are not those of a shard.
    """
    blocks = tuple((int(start), int(stop)) for start, stop in arrays["blocks"])
    scales = tuple(float(scale) for scale in arrays["scales"])
    facts = {name: arrays[f"index_{name}"][0].item() for name in _FACTS if "centroids" in arrays}
    lists = index_from(arrays, {**facts, "raised": bool(facts["raised"])}) if facts else None
    points = SearchPoints(arrays["values"], arrays["present"].astype(bool), blocks, scales, lists)
    return Shard(points, int(arrays["first"][0]), bool(arrays["complete"][0]))
