"""Work in threads of this process, a few items ahead of the caller."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from cardiograph.threads import available_threads

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def in_order(pool: ThreadPoolExecutor, work: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
    """Yield results in the order of ``items``; works only a few items ahead, which bounds the memory."""
    waiting: deque[Future[_Result]] = deque()
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) > 2 * available_threads():
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
