"""A run whose reference records are cut into shards: one folder for each shard, and what the model knows of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import TypeAdapter

from cardiograph.artifacts import files
from cardiograph.artifacts.checked import NAME, CheckedFiles, sealed
from cardiograph.artifacts.reference import Reference
from cardiograph.artifacts.shards import shard_in, write_shard
from cardiograph.errors import RunError
from cardiograph.graph.shards import Shard

SCHEMA = 1
"""Version of the format of a shard's folder."""

_POINTS = "points.safetensors"


@dataclass(frozen=True)
class ShardFacts:
    """Facts about the shards that hold the reference records of a model in other processes.

    Args:
        sha256: SHA-256 of the ``bundle.json`` of each shard, in the order of the reference records.
        bounds: First row of each shard, and the number of reference records at the end.
        prior: Prior share of label 1 in votes, or of each of several classes.
        medians: Median of each clinical variable; None where no record has a value.
        stores_ecgs: Whether the shards store ECGs.
    """

    sha256: tuple[str, ...]
    bounds: tuple[int, ...]
    prior: float | tuple[float, ...]
    medians: tuple[float | None, ...]
    stores_ecgs: bool


def shard_facts(content: Any) -> ShardFacts | None:  # noqa: ANN401 - as JSON has it
    """Return the facts in ``bundle.json`` after a check of their types; None if there are none."""
    return None if content is None else TypeAdapter(ShardFacts).validate_json(json.dumps(content), strict=True)


@dataclass(frozen=True)
class ShardFolder:
    """One shard of the reference records of a model.

    Args:
        shard: Its records as points in the search space, with the row of the first.
        reference: Its records.
        sha256: SHA-256 (hex) of its ``bundle.json``; empty for a shard that was not read.
    """

    shard: Shard
    reference: Reference
    sha256: str = ""

    def write(self, folder: Path) -> str:
        """Write the shard into a folder, and return the SHA-256 of its ``bundle.json``, which is written last."""
        (folder / NAME).unlink(missing_ok=True)
        write_shard(folder / _POINTS, self.shard)
        written = [_POINTS, *self.reference.write(folder)]
        facts: dict[str, Any] = {"shard": SCHEMA, "sha256": {name: files.sha256_of(folder / name) for name in written}}
        files.write_json(folder / NAME, sealed(facts | self.reference.facts()))
        return files.sha256_of(folder / NAME)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read and check a shard.

        Raises:
            RunError: If the folder holds no shard, or a file is missing or differs from its checksum.
        """
        checked = CheckedFiles(folder) if (folder / NAME).exists() else None
        if checked is None or checked.facts.get("shard") != SCHEMA:
            message = (
                f"{folder}: holds no shard that this version reads; give a folder that `cardiograph shards cut` wrote"
            )
            raise RunError(message)
        try:
            shard, reference = shard_in(checked.arrays(_POINTS)), Reference.read(checked, checked.facts)
        except (ValueError, LookupError, TypeError) as error:
            message = f"{folder}: cannot be read as a shard ({error}); cut the run again"
            raise RunError(message) from error
        if len(shard.points) != len(reference):
            message = f"{folder}: has {len(shard.points)} points and {len(reference)} records; cut the run again"
            raise RunError(message)
        return cls(shard, reference, checked.sha256)
