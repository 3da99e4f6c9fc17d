"""Thread limits are set together, and restored after a block that changes them."""

import os
import platform
import subprocess
import sys

import pytest
import torch
from threadpoolctl import threadpool_info

from cardiograph.threads import available_threads, in_threads, one_blas_thread, set_threads, torch_threads


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


def test_a_worker_uses_one_thread_also_in_what_it_imports_later():
    program = (
        "import sys\n"
        "from cardiograph.threads import available_threads, become_worker\n"
        "become_worker()\n"
        "assert not {'torch', 'faiss'} & set(sys.modules)\n"
        "import cv2, faiss, torch\n"
        "from threadpoolctl import threadpool_info\n"
        "print(available_threads(), torch.get_num_threads(), faiss.omp_get_max_threads(), cv2.getNumThreads(),\n"
        "      *(each['num_threads'] for each in threadpool_info()))\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    shown = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert set(shown.stdout.split()) == {"1"}


def test_threads_of_a_block_end_with_it_whatever_happens():
    set_threads(2)
    with pytest.raises(ZeroDivisionError), torch_threads(1):
        assert torch.get_num_threads() == 1
        raise ZeroDivisionError
    assert torch.get_num_threads() == 2
    with one_blas_thread():
        assert blas() == {1}
    assert blas() == {2}


def test_large_arrays_that_were_freed_are_used_again():
    """In a process of its own, because the setting lasts: fewer pages are cleared for the same work."""
    code = (
        "import resource, sys, numpy as np\n"
        "from cardiograph.threads import keep_freed_memory\n"
        "keep_freed_memory() if sys.argv[1] == 'kept' else None\n"
        "faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "before = faults()\n"  # of the imports
        "for _ in range(20): np.ones(10_000_000)\n"
        "print(faults() - before)\n"
    )
    faults = {
        kind: int(subprocess.run([sys.executable, "-c", code, kind], capture_output=True, check=True).stdout)
        for kind in ("kept", "given back")
    }
    if platform.libc_ver()[0] == "glibc":
        assert faults["kept"] < faults["given back"] / 3


@pytest.mark.parametrize("many", [False, True])
def test_threads_return_results_in_order(many):
    assert in_threads(lambda number: number**2, range(50), many=many) == [number**2 for number in range(50)]
