"""Workers on a Ray cluster: tasks that a lost node had are repeated on another.

A task is a plain Ray task. Ray keeps the processes that ran earlier tasks, and each keeps its state, so a node that
joins later is used and a node that is lost costs its tasks in flight alone.
"""

from __future__ import annotations

import logging
import os
import socket
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from cardiograph.errors import ConfigError, RunError
from cardiograph.threads import become_worker

_State = TypeVar("_State")
_Task = TypeVar("_Task")
_Result = TypeVar("_Result")
_Value = TypeVar("_Value")

TRIES = 5
"""How often a task is repeated if its node or process is lost."""

SECONDS_TO_ANSWER = 5.0
"""How long a cluster may take to accept a connection."""

TASKS_PER_CORE = 3
"""Tasks in flight for each core of the cluster."""


class HeldByRay(Generic[_Value]):
    """A value in the store of a cluster.

    Args:
        reference: Ray's reference of it.
    """

    def __init__(self, reference: Any) -> None:  # noqa: ANN401 - a class of Ray
        self._reference = reference

    def value(self) -> _Value:
        """Fetch the value."""
        import ray

        found: _Value = ray.get(self._reference)
        return found


class RayWorkers:
    """Workers on the cores of a Ray cluster.

    Args:
        address: ``ray://HOST:PORT`` of a cluster; None for the one that ``RAY_ADDRESS`` names, else a new one on this
            machine, which ends with the workers.

    Raises:
        ConfigError: If Ray is not installed.
    """

    def __init__(self, address: str | None) -> None:
        try:
            import ray
        except ImportError as error:
            message = "--on ray: Ray is not installed; pip install 'cardiograph[ray]'"
            raise ConfigError(message) from error
        self._ray: Any = ray
        self._address, self._connected = address, False

    def _connect(self) -> None:
        """Connect to the cluster, or start one, with the first work."""
        if self._connected or self._ray.is_initialized():
            return
        os.environ.setdefault("RAY_worker_niceness", "0")  # Ray's own 15 would let any other process pass
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a cluster of ours reports to no one
        address = self._address or os.environ.get("RAY_ADDRESS")
        if address:
            _require_reachable(address)
        settings: dict[str, Any] = {} if address else {"include_dashboard": False}
        try:
            self._ray.init(address=self._address, log_to_driver=False, logging_level=logging.ERROR, **settings)
        except Exception as error:  # Ray raises plain exceptions where a node does not start in time
            place = f"the cluster at {address}" if address else "a cluster on this machine"
            message = f"--on ray: {place} cannot be used ({error}); try again, or leave out --on"
            raise RunError(message) from error
        self._connected = True

    def count(self) -> int:
        """Number of cores of the cluster at this moment."""
        self._connect()
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def close(self) -> None:
        """Leave the cluster; one that was started for these workers ends."""
        if self._connected:
            self._ray.shutdown()
            self._connected = False

    def hold(self, value: _Value) -> HeldByRay[_Value]:
        """Put a value into the cluster's store, from which each machine fetches it once."""
        self._connect()
        return HeldByRay(self._ray.put(value))

    def map(
        self, start: Callable[[], _State], work: Callable[[_State, _Task], _Result], tasks: Iterable[_Task]
    ) -> Iterator[_Result]:
        """Yield results as they are finished; see :meth:`cardiograph.workers.place.Workers.map`."""
        limit = TASKS_PER_CORE * self.count()
        shared = [self._ray.put(start)]  # in a list: a reference alone would be resolved for every task
        key = uuid.uuid4().hex
        remote = self._ray.remote(num_cpus=1, max_retries=TRIES)(_work)
        waiting: list[Any] = []
        for task in tasks:
            waiting.append(remote.remote(key, shared, work, task))
            if len(waiting) >= limit:
                result, waiting = self._next(waiting)
                yield result
        while waiting:
            result, waiting = self._next(waiting)
            yield result

    def _next(self, waiting: list[Any]) -> tuple[Any, list[Any]]:
        """Return the first result of those waited for, and the others."""
        done, rest = self._ray.wait(waiting, num_returns=1)
        try:
            return self._ray.get(done[0]), rest
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except self._ray.exceptions.RayError as error:
            message = (
                f"a task was lost on {TRIES + 1} nodes or processes of the Ray cluster, perhaps because memory ran out "
                f"({type(error).__name__}); finished work is kept: run the same command again"
            )
            raise RunError(message) from error


def _require_reachable(address: str) -> None:
    """Raise RunError unless something answers at HOST:PORT; Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        if port.isdecimal():  # "auto" names a cluster on this machine
            socket.create_connection((host, int(port)), timeout=SECONDS_TO_ANSWER).close()
    except OSError as error:
        message = (
            f"--on ray: no cluster answers at {address} ({error.strerror or error}); start one with `ray start --head`, "
            "correct the address, or leave out --on"
        )
        raise RunError(message) from error


_STATES: dict[str, Any] = {}
"""The state of this worker process, by the call of :meth:`RayWorkers.map` that it belongs to."""


def _work(key: str, shared: list[Any], work: Callable[[Any, _Task], _Result], task: _Task) -> _Result:
    """Run a task in a process of the cluster, which makes its state with the first task of a call."""
    import ray

    if key not in _STATES:
        become_worker()
        _STATES.clear()
        _STATES[key] = ray.get(shared[0])()
    return work(_STATES[key], task)
