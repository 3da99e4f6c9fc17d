"""Where the reference records of a model are: in its bundle, or in shards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cardiograph.artifacts.bundle import ModelBundle
from cardiograph.errors import RunError
from cardiograph.inference.reference_records import ReferenceRecords


@dataclass(frozen=True)
class ShardAccess:
    """How a service reaches the shards of its reference records.

    Args:
        addresses: Address of each process that holds a shard, in any order; several may hold copies of one shard.
        key: Secret that they ask for; None without one.
    """

    addresses: Sequence[str]
    key: str | None = None


def records_of(bundle: ModelBundle, run: Path | str, shards: ShardAccess | None) -> ReferenceRecords | None:
    """Return the reference records of a model that does not hold them; None for one that does.

    Raises:
        RunError: If they are in shards, and it was not said where.
    """
    if shards is not None:
        from cardiograph.inference.sharded_records import ShardedRecords

        return ShardedRecords(bundle, shards)
    if bundle.shards is None:
        return None
    message = (
        f"{run}: its reference records are in {len(bundle.shards.sha256)} shards; serve it with `cardiograph serve` "
        "and --shard for the address of each, or use the run that was cut"
    )
    raise RunError(message)
