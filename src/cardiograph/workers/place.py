"""The place of work: chosen once for a command or a block, used by every step that works on many files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol, TypeVar

from cardiograph.errors import ConfigError
from cardiograph.threads import available_threads

_State = TypeVar("_State")
_Task = TypeVar("_Task")
_Result = TypeVar("_Result")
_Value = TypeVar("_Value")
_Held = TypeVar("_Held", covariant=True)

PLACES = "threads, processes, processes:N, ray, or ray://HOST:PORT"


class Held(Protocol[_Held]):
    """A value that workers can get; Ray sends it to a machine once, a process gets it with each task."""

    def value(self) -> _Held:
        """Return the value, in a worker."""
        ...


class Workers(Protocol):
    """Processes, here or on other machines, each with its own state."""

    def count(self) -> int:
        """Number of tasks that are worked on at once."""
        ...

    def hold(self, value: _Value) -> Held[_Value]:
        """Return something that tasks carry in place of a large value."""
        ...

    def map(
        self,
        start: Callable[[], _State],
        work: Callable[[_State, _Task], _Result],
        tasks: Iterable[_Task],
    ) -> Iterator[_Result]:
        """Yield the result of each task as soon as it is finished, in any order.

        Only a few tasks are in flight, so ``tasks`` may be made while the workers run.

        Args:
            start: Makes the state of a worker, once for each; it is pickled.
            work: Module-level function of state and task.
            tasks: Tasks; each is pickled.

        Raises:
            RunError: If a worker is killed, and its task cannot be repeated.
        """
        ...


_CURRENT: ContextVar[Workers | None] = ContextVar("workers", default=None)


def current_workers() -> Workers | None:
    """Return the workers of the surrounding :func:`work_on`; None for threads of this process."""
    return _CURRENT.get()


@contextmanager
def work_on(place: str) -> Iterator[None]:
    """Read and embed ECGs at another place inside a ``with`` block; the results are the same.

    Workers start with the first work that they get and end with the block.

    Args:
        place: ``threads`` of this process; ``processes``, one for each core, or ``processes:N``; ``ray``, the cluster
            that the environment variable ``RAY_ADDRESS`` names, or a new one on this machine; or the ``ray://`` address
            of a cluster.

    Raises:
        ConfigError: If the place is none of these, or Ray is not installed.
    """
    workers: Any = _workers(place)
    token = _CURRENT.set(workers)
    try:
        yield
    finally:
        _CURRENT.reset(token)
        if workers is not None:
            workers.close()


def _workers(place: str) -> Any:  # noqa: ANN401 - one of two classes, imported only if needed
    kind, _, rest = place.partition(":")
    if place == "threads":
        return None
    if place == "processes" or (kind == "processes" and rest.isdecimal() and int(rest) > 0):
        from cardiograph.workers.processes import ProcessWorkers

        return ProcessWorkers(int(rest) if rest else available_threads())
    if place == "ray" or (place.startswith("ray://") and len(place) > len("ray://")):
        from cardiograph.workers.on_ray import RayWorkers

        return RayWorkers(None if place == "ray" else place)
    message = f"--on {place!r}: expected {PLACES}"
    raise ConfigError(message)
