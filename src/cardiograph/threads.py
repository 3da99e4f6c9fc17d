"""The thread pools of torch, faiss, OpenCV, BLAS and OpenMP, set together: each alone would take every core."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


def available_threads() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def set_threads(threads: int | None = None) -> int:
    """Give every numerical library ``threads`` threads, all cores if None; returns the number."""
    import faiss
    import torch
    from threadpoolctl import threadpool_limits

    threads = threads or available_threads()
    torch.set_num_threads(threads)
    faiss.omp_set_num_threads(threads)
    threadpool_limits(limits=threads)
    one_thread_a_page()
    return threads


def one_thread_a_page() -> None:
    """Give OpenCV one thread: pages are worked on side by side. Enough for work that only reads pages."""
    import cv2

    cv2.setNumThreads(1)


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Run a block with ``threads`` threads of torch: on small matrices threads wait for each other longer than they work."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Run a block with one thread of BLAS: how many there are would decide the last digits."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="blas"):
        yield
