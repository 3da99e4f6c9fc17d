"""Thread limits are set together, and restored after a block that changes them."""

import os

import pytest
import torch
from threadpoolctl import threadpool_info

from cardiograph.threads import available_threads, one_blas_thread, set_threads, torch_threads


@pytest.fixture(autouse=True)
def as_before():
    before = torch.get_num_threads()
    yield
    set_threads(before)


def blas():
    return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}


@pytest.mark.parametrize("threads", [1, 2])
def test_every_library_gets_the_requested_number_of_threads(threads):
    import cv2
    import faiss

    assert set_threads(threads) == threads
    assert torch.get_num_threads() == threads
    assert faiss.omp_get_max_threads() == threads
    assert blas() == {threads}
    assert cv2.getNumThreads() == 1, "pages are worked on side by side"


def test_without_a_number_it_is_the_cores_that_this_process_may_use():
    assert set_threads() == available_threads() == len(os.sched_getaffinity(0))


def test_threads_of_a_block_end_with_it_whatever_happens():
    set_threads(2)
    with pytest.raises(ZeroDivisionError), torch_threads(1):
        assert torch.get_num_threads() == 1
        raise ZeroDivisionError
    assert torch.get_num_threads() == 2
    with one_blas_thread():
        assert blas() == {1}
    assert blas() == {2}
