"""Thread limits for torch, faiss, OpenCV, BLAS and OpenMP, set together because each uses all cores by default."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

KEPT_BYTES = 256 * 2**20
"""Size of the largest array whose memory is kept; twice as much may be kept in all."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's mallopt."""


_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Environment variables that limit the threads of libraries that are imported later."""

_limit: int | None = None
"""Number of threads of a worker among others; None for a process that may use all cores."""


def available_threads() -> int:
    """Return the number of cores available to this process, 1 for a worker among others."""
    if _limit is not None:
        return _limit
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def become_worker() -> None:
    """Use one thread in this process from now on, because other workers use the other cores.

    Torch and faiss take seconds to import and many workers need neither, so they are limited by the environment, which
    they read when they are imported.
    """
    from threadpoolctl import threadpool_limits

    global _limit
    _limit = 1
    os.environ |= dict.fromkeys(_THREAD_VARIABLES, "1")
    if "torch" in sys.modules or "faiss" in sys.modules:
        set_threads(1)
    else:
        threadpool_limits(limits=1)
        limit_opencv_threads()


def set_threads(threads: int | None = None) -> int:
    """Set the number of threads of every numerical library, all cores if None, and return it."""
    import faiss
    import torch
    from threadpoolctl import threadpool_limits

    threads = threads or available_threads()
    torch.set_num_threads(threads)
    faiss.omp_set_num_threads(threads)
    threadpool_limits(limits=threads)
    limit_opencv_threads()
    return threads


def keep_freed_memory() -> None:
    """Let the C library keep arrays of up to 256 MB that were freed, for later ones, until the process ends.

    By default glibc returns each array above 32 MB to the system, which clears its pages again for the next: half of the
    processor time where all records of a large cohort pass through a network. Other C libraries are left as they are.
    """
    try:
        adjust = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    adjust(_M_MMAP_THRESHOLD, KEPT_BYTES)
    adjust(_M_TRIM_THRESHOLD, 2 * KEPT_BYTES)


def in_threads(work: Callable[[_Item], _Result], items: Iterable[_Item], *, many: bool) -> list[_Result]:
    """Return the result of ``work`` for each item, in order; with ``many``, by threads, which pays for large arrays."""
    if not many:
        return [work(item) for item in items]
    with ThreadPoolExecutor(available_threads()) as pool:
        return list(pool.map(work, items))


def limit_opencv_threads() -> None:
    """Limit OpenCV to one thread, because pages are processed in parallel; enough for work that only reads pages."""
    import cv2

    cv2.setNumThreads(1)


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Run a block with ``threads`` torch threads; on small matrices, synchronisation costs more than it saves."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Run a block with one BLAS thread; the number of threads would otherwise affect the last digits of results."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="blas"):
        yield
