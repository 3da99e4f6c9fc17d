"""Processes that train one network together by ``torch.distributed``; a single process is the special case of one rank."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed

from cardiograph.errors import RunError
from cardiograph.models.neighbour_table import NeighbourTable

TIMEOUT_S = 600
"""Seconds for which a process waits for the others before it gives up."""


_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Ranks:
    """The processes that train a network, and the number of this one among them.

    Args:
        rank: Number of this process, from 0.
        world: Number of processes.
        device: Device of this process: the CPU, or a GPU if there is one and a process group is used.
    """

    rank: int = 0
    world: int = 1
    device: torch.device = _CPU

    @classmethod
    def current(cls) -> Ranks:
        """Return the ranks of the initialised process group; a single process on the CPU if there is none."""
        if not (distributed.is_available() and distributed.is_initialized()):
            return cls()
        return cls(distributed.get_rank(), distributed.get_world_size(), _device())

    def part(self, count: int) -> slice:
        """Return the part of ``count`` rows that this process computes."""
        return slice(count * self.rank // self.world, count * (self.rank + 1) // self.world)

    def gather(self, own: Tensor, count: int) -> Tensor:
        """Return the [count, ...] rows of all processes; gradients flow to the own rows only.

        Args:
            own: [own part, ...] rows that this process computed, see :meth:`part`.
            count: Number of rows of all processes.
        """
        if self.world == 1:
            return own
        bounds = [count * number // self.world for number in range(self.world + 1)]
        sizes = [stop - start for start, stop in itertools.pairwise(bounds)]
        padded = own.new_zeros(max(sizes), *own.shape[1:])
        padded[: len(own)] = own.detach()
        parts = [torch.empty_like(padded) for _ in sizes]
        with self._exchange():
            distributed.all_gather(parts, padded)
        rows = [part[:size] for part, size in zip(parts, sizes, strict=True)]
        rows[self.rank] = own
        return torch.cat(rows)

    def sum_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Replace each gradient by its sum over all processes."""
        if self.world == 1:
            return
        gradients = [each.grad for each in parameters if each.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        with self._exchange():
            distributed.all_reduce(flat)
        parts = torch.split(flat, [each.numel() for each in gradients])
        for gradient, summed in zip(gradients, parts, strict=True):
            gradient.copy_(summed.view_as(gradient))

    def copy_first(self, tensors: Iterable[Tensor]) -> None:
        """Overwrite each tensor by that of the first process."""
        if self.world == 1:
            return
        for tensor in tensors:
            with self._exchange():
                distributed.broadcast(tensor, 0)

    def state_of_first(self, state: dict[str, Tensor] | None) -> dict[str, Tensor] | None:
        """Return the named tensors of the first process; those of the others are ignored."""
        if self.world == 1:
            return state
        held = [state]
        with self._exchange():
            distributed.broadcast_object_list(held, 0)
        return held[0]

    def require_same(self, fingerprint: bytes) -> None:
        """Check that all processes train on the same records with the same settings.

        Args:
            fingerprint: [32] bytes that identify them.

        Raises:
            RunError: A process has others than the first one.
        """
        own = torch.frombuffer(bytearray(fingerprint), dtype=torch.uint8)[None]
        found = self.gather(own, self.world)
        other = (found != found[0]).any(1).nonzero().flatten().tolist()
        if other:
            message = (
                f"training process {other[0]} of {self.world} has other records or settings than process 0; give all of "
                "them the same files and the same version of the package"
            )
            raise RunError(message)

    @contextmanager
    def _exchange(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            message = (
                f"training process {self.rank} of {self.world} lost contact with the others ({reason}); one of them ended "
                "or did not answer in time: see its own message, then start all of them again"
            )
            raise RunError(message) from error


class MeansOfRanks:
    """Means over the neighbours of all records, of which each process computes its part; they are exchanged once.

    Args:
        neighbour_table: Neighbours of each record among the records.
        ranks: Processes that train together.
    """

    def __init__(self, neighbour_table: NeighbourTable, ranks: Ranks) -> None:
        self._count, self._ranks = len(neighbour_table.index), ranks
        self._own = neighbour_table.of_rows(ranks.part(self._count))

    def mean(self, source: Tensor) -> Tensor:
        """Average over the neighbours; see :meth:`NeighbourTable.mean`."""
        return self._ranks.gather(self._own.mean(source), self._count)


@dataclass(frozen=True)
class Meeting:
    """How the processes of a training find each other.

    Args:
        rank: Number of this process, from 0; that of the environment (torchrun) if None.
        world: Number of processes; that of the environment if None.
        address: Where they meet: ``env://`` reads ``MASTER_ADDR`` and ``MASTER_PORT``; or ``tcp://HOST:PORT`` of the
            first process, or ``file:///PATH`` of a new file on a shared file system.
        timeout_s: Seconds for which a process waits for the others.
    """

    rank: int | None = None
    world: int | None = None
    address: str = "env://"
    timeout_s: float = TIMEOUT_S


@contextmanager
def process_group(meeting: Meeting) -> Iterator[Ranks]:
    """Join the process group of a training, unless a launcher such as Ray Train has done so, and leave it at the end.

    Raises:
        RunError: The other processes cannot be reached.
    """
    if distributed.is_initialized():
        yield Ranks.current()
        return
    try:
        distributed.init_process_group(
            "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo",
            init_method=meeting.address,
            rank=-1 if meeting.rank is None else meeting.rank,
            world_size=-1 if meeting.world is None else meeting.world,
            timeout=timedelta(seconds=meeting.timeout_s),
        )
    except (RuntimeError, ValueError) as error:
        message = (
            f"the processes of the training cannot meet at {meeting.address} ({str(error).splitlines()[0]}); start "
            "them with torchrun, or give each its rank, their number and the address of the first"
        )
        raise RunError(message) from error
    try:
        yield Ranks.current()
    finally:
        distributed.destroy_process_group()


def processes_here() -> int:
    """Return the number of processes of the group on this machine, as torchrun and Ray Train state it."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if distributed.is_initialized() else 1


def _device() -> torch.device:
    if not torch.cuda.is_available():
        return _CPU
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
