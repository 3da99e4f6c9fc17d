"""The one pool of workers: a bounded line before it, an answer at once where the line is full, a limit of time."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from cardiograph.service.api.problems import ProblemError

Answer = TypeVar("Answer")

_FIRST_GUESS_SECONDS = 0.2
"""What a job is taken to last before any has ended."""

_WEIGHT = 0.1
"""Weight of the newest job in the running mean of their seconds."""


class ScoringPool:
    """Runs jobs on a few threads; lives on one event loop.

    A job that waits can be left by its caller (cancelled, or out of time) and is then never begun. A job that runs keeps its
    worker until it ends, whether or not somebody still waits for it.

    Args:
        workers: Jobs at a time.
        waiting: Jobs that may wait; the next one is refused.
        timeout_seconds: From coming into the line to the answer.
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
        """Jobs that no worker has begun."""
        return max(0, self._inside - self._workers)

    async def run(self, job: Callable[[], Answer], *, patient: bool = False) -> Answer:
        """Run a job on a worker.

        Args:
            job: Called without arguments on a worker thread.
            patient: Wait for room in the line instead of being refused; for lines of a batch, whose sender is held back.

        Raises:
            ProblemError: 429 ``line_full``, 503 ``too_slow`` or 503 ``stopping``.
        """
        while patient and self._inside >= self._room and not self.closing:
            self._left.clear()
            await self._left.wait()
        if self.closing:
            raise ProblemError(503, "stopping", "The service is stopping; ask again in a moment.", headers=_later(5))
        if self._inside >= self._room:
            message = "All workers are busy and the line is full; ask again later."
            raise ProblemError(429, "line_full", message, headers=_later(self._wait_seconds()))
        future = self._executor.submit(self._timed, job)
        self._inside += 1
        loop = asyncio.get_running_loop()
        future.add_done_callback(lambda ended: _tell(loop, self._leave, ended))
        try:
            async with asyncio.timeout(self._timeout):
                return await asyncio.wrap_future(future)
        except TimeoutError as error:
            message = f"No answer within {self._timeout:g} s; ask again later."
            raise ProblemError(503, "too_slow", message, headers=_later(self._wait_seconds())) from error

    @property
    def busy(self) -> bool:
        """Whether a job is in, given up by its caller or not; its thread keeps Python from ending."""
        return self._inside > 0

    async def close(self) -> None:
        """Take no new job, and wait for those that are in, as long as a caller would."""
        self.closing = True
        self._left.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._timeout):
                while self.busy:
                    self._left.clear()
                    await self._left.wait()
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _timed(self, job: Callable[[], Answer]) -> Answer:
        start = time.perf_counter()
        try:
            return job()
        finally:
            self._seconds += _WEIGHT * (time.perf_counter() - start - self._seconds)

    def _leave(self, _: Future[Answer]) -> None:
        self._inside -= 1
        self._left.set()

    def _wait_seconds(self) -> int:
        return max(1, math.ceil(self._inside * self._seconds / self._workers))


def _later(seconds: int) -> dict[str, str]:
    return {"Retry-After": str(seconds)}


def _tell(loop: asyncio.AbstractEventLoop, leave: Callable[[Future[Answer]], None], ended: Future[Answer]) -> None:
    """Call ``leave`` on the loop; where the loop is gone, nobody counts any more."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(leave, ended)


async def unless_gone(work: Awaitable[Answer], gone: Awaitable[None]) -> Answer | None:
    """The result of ``work``, or None where ``gone`` came first, which cancels the work."""
    task, watch = asyncio.ensure_future(work), asyncio.ensure_future(gone)
    try:
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        for each in (task, watch):
            each.cancel()
