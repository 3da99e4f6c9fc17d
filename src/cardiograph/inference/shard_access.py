"""Where the shards of a model's reference records are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class ShardAccess:
    """How a service reaches the shards of its reference records.

    Args:
        addresses: Address of each process that holds a shard, in any order; several may hold copies of one shard.
        key: Secret that they ask for; None without one.
    """

    addresses: Sequence[str]
    key: str | None = None
