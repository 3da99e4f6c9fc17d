"""Thread limits for torch, faiss, OpenCV, BLAS and OpenMP, set together because each uses all cores by default."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


def available_threads() -> int:
    """Return the number of cores available to this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
