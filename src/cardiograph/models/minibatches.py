"""Minibatches of training records, and records that lose a block (modality dropout)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

MAX_STEPS = 32
"""Minibatches in an epoch at most. With the default batch of 2,048 records, an epoch of a larger cohort reads 65,536 of
them, the next epoch the next, and the training loss is that of as many records."""


class Minibatches:
    """Shuffled rows of the loss in batches of about ``size``; epochs of a large cohort share a shuffle.

    Args:
        weights: [records] weight of each record in the loss; those with weight 0 are left out.
        size: Number of rows of a batch.

    Attributes:
        order: Rows of the current shuffle; none before the first epoch.
        used: Number of batches of the shuffle that earlier epochs used.
    """

    def __init__(self, weights: Tensor, size: int) -> None:
        self._rows, self._size = torch.nonzero(weights > 0).flatten(), size
        self.order, self.used = self._rows[:0], 0

    def epoch(self) -> Sequence[Tensor]:
        """Return the batches of the next epoch."""
        batches = self._batches()
        if self.used >= len(batches):
            rows = self._rows
            self.order = rows[torch.randperm(len(rows))] if len(rows) > self._size else rows
            batches, self.used = self._batches(), 0
        start = self.used
        self.used += MAX_STEPS
        return batches[start : self.used]

    def _batches(self) -> Sequence[Tensor]:
        return self.order.chunk(-(-len(self.order) // self._size)) if len(self.order) else ()


def judged_rows(weights: Tensor, size: int) -> Tensor | None:
    """Return evenly spaced rows of the loss, as many as an epoch reads; None if an epoch reads all of them.

    Args:
        weights: [records] weight of each record in the loss.
        size: Number of rows of a batch.
    """
    used, limit = torch.nonzero(weights > 0).flatten(), MAX_STEPS * size
    return used[torch.linspace(0, len(used) - 1, limit).long()] if len(used) > limit else None


def drawn_blocks(count: int, blocks: int, share: float) -> Tensor:
    """Draw the block that each of ``count`` records loses: [records] its number, or -1 for none.

    Args:
        count: Number of records.
        blocks: Number of blocks.
        share: Share of the records that lose a block, 0 to 1.
    """
    hidden = torch.rand(count) < share
    return torch.where(hidden, torch.randint(blocks, (count,)), -1)


def without_blocks(features: Tensor, blocks: Sequence[tuple[int, int]], hidden: Tensor) -> Tensor:
    """Return [records, features] features as if each record lacked its block.

    Args:
        features: [records, features] features.
        blocks: Column range of each block.
        hidden: Result of :func:`drawn_blocks`.
    """
    seen, hidden = features.clone(), hidden.to(features.device)
    for number, (start, stop) in enumerate(blocks):
        seen[hidden == number, start:stop] = 0
    return seen
