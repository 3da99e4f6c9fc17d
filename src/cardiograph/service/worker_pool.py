"""Worker pool with a bounded queue and a time limit; a full queue fails at once."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import math
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from cardiograph.service.api.problems import ProblemError

Result = TypeVar("Result")

_FIRST_GUESS_SECONDS = 0.2
"""Assumed duration of a job before any has finished."""

_WEIGHT = 0.1
"""Weight of the newest job in the running mean of job durations."""


class ScoringPool:
    """Runs jobs on a few threads; belongs to one event loop.

    A waiting job whose caller gives up (cancelled or timed out) never starts. A running job keeps its worker until it
    ends, even if its caller has given up.

    Args:
        workers: Number of jobs that run at once.
        waiting: Maximum number of waiting jobs; further jobs are rejected.
        timeout_seconds: Time limit of a job, including its time in the queue.
    """

    def __init__(self, *, workers: int, waiting: int, timeout_seconds: float) -> None:
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="scoring")
        self._workers, self._room, self._timeout = workers, workers + waiting, timeout_seconds
        self._seconds = _FIRST_GUESS_SECONDS
        self._inside = 0
        self._left = asyncio.Event()
        self.closing = False

    @property
    def waiting(self) -> int:
        """Number of jobs that have not started."""
        return max(0, self._inside - self._workers)

    async def run(self, job: Callable[[], Result], *, patient: bool = False) -> Result:
        """Run a job on a worker.

        Args:
            job: Function without arguments, called on a worker thread.
            patient: Whether to wait when the queue is full instead of failing; a batch upload then waits, too.

        Raises:
            ProblemError: 429 ``line_full``, 503 ``too_slow`` or 503 ``stopping``.
        """
        while patient and self._inside >= self._room and not self.closing:
            self._left.clear()
            await self._left.wait()
        if self.closing:
            raise ProblemError(503, "stopping", "The service is stopping; try again in a moment.", headers=_later(5))
        if self._inside >= self._room:
            message = "All workers are busy and the queue is full; try again later."
            raise ProblemError(429, "line_full", message, headers=_later(self._wait_seconds()))
        future = self._executor.submit(contextvars.copy_context().run, self._timed, job)
        self._inside += 1
        loop = asyncio.get_running_loop()
        future.add_done_callback(lambda ended: _notify(loop, self._leave, ended))
        try:
            async with asyncio.timeout(self._timeout):
                return await asyncio.wrap_future(future)
        except TimeoutError as error:
            message = f"No result within {self._timeout:g} s; try again later."
            raise ProblemError(503, "too_slow", message, headers=_later(self._wait_seconds())) from error

    @property
    def busy(self) -> bool:
        """Whether any job waits or runs, even if its caller has given up; its thread keeps Python from exiting."""
        return self._inside > 0

    async def close(self) -> None:
        """Reject new jobs and wait for the others, at most for the time limit of a job."""
        self.closing = True
        self._left.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._timeout):
                while self.busy:
                    self._left.clear()
                    await self._left.wait()
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _timed(self, job: Callable[[], Result]) -> Result:
        start = time.perf_counter()
        try:
            return job()
        finally:
            self._seconds += _WEIGHT * (time.perf_counter() - start - self._seconds)

    def _leave(self, _: Future[Result]) -> None:
        self._inside -= 1
        self._left.set()

    def _wait_seconds(self) -> int:
        return max(1, math.ceil(self._inside * self._seconds / self._workers))


def _later(seconds: int) -> dict[str, str]:
    return {"Retry-After": str(seconds)}


def _notify(loop: asyncio.AbstractEventLoop, leave: Callable[[Future[Result]], None], ended: Future[Result]) -> None:
    """Call ``leave`` on the loop unless the loop is closed."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(leave, ended)


async def unless_gone(work: Awaitable[Result], gone: Awaitable[None]) -> Result | None:
    """Await ``work``; return None and cancel it if ``gone`` completes first."""
    task, watch = asyncio.ensure_future(work), asyncio.ensure_future(gone)
    try:
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        for each in (task, watch):
            each.cancel()
