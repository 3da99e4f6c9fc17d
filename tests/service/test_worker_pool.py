"""A bounded line before a few workers."""

import asyncio
import threading

import pytest

from cardiograph.service.api.problems import ProblemError
from cardiograph.service.worker_pool import ScoringPool, unless_gone


class Blocked:
    """Jobs that wait until they are let go, and signal that they began."""

    def __init__(self):
        self.go, self.begun = threading.Event(), []

    def job(self, name):
        def work():
            self.begun.append(name)
            self.go.wait(10)
            return name

        return work


@pytest.fixture
def blocked():
    found = Blocked()
    yield found
    found.go.set()


def pool(**changes):
    return ScoringPool(**({"workers": 1, "waiting": 1, "timeout_seconds": 5} | changes))


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


def test_a_full_line_refuses_at_once_and_says_when_to_come_back(blocked):
    async def scene():
        line = pool()
        first, second = (asyncio.create_task(line.run(blocked.job(name))) for name in "ab")
        await until(lambda: blocked.begun == ["a"])
        assert line.waiting == 1
        with pytest.raises(ProblemError) as caught:
            await line.run(blocked.job("c"))
        assert (caught.value.status, caught.value.code) == (429, "line_full")
        assert int(caught.value.headers["Retry-After"]) >= 1
        blocked.go.set()
        assert await asyncio.gather(first, second) == ["a", "b"]
        await until(lambda: line.waiting == 0)
        assert await line.run(lambda: "d") == "d"

    asyncio.run(scene())
    assert blocked.begun == ["a", "b"]


def test_a_patient_caller_waits_for_room(blocked):
    async def scene():
        line = pool()
        tasks = [asyncio.create_task(line.run(blocked.job(name), patient=True)) for name in "abcd"]
        await until(lambda: blocked.begun == ["a"])
        assert line.waiting == 1
        blocked.go.set()
        return await asyncio.gather(*tasks)

    assert asyncio.run(scene()) == list("abcd")


def test_who_leaves_the_line_is_never_begun_and_gives_room(blocked):
    async def scene():
        line = pool()
        first, second = (asyncio.create_task(line.run(blocked.job(name))) for name in "ab")
        await until(lambda: blocked.begun == ["a"])
        second.cancel()
        await until(lambda: line.waiting == 0)
        third = asyncio.create_task(line.run(blocked.job("c")))
        await asyncio.sleep(0)
        blocked.go.set()
        return await asyncio.gather(first, third)

    assert asyncio.run(scene()) == ["a", "c"]
    assert blocked.begun == ["a", "c"]


def test_a_job_out_of_time_is_given_up_but_keeps_its_worker(blocked):
    async def scene():
        line = pool(waiting=0, timeout_seconds=0.02)
        with pytest.raises(ProblemError) as caught:
            await line.run(blocked.job("a"))
        assert (caught.value.status, caught.value.code) == (503, "too_slow")
        with pytest.raises(ProblemError) as caught:
            await line.run(blocked.job("b"))
        assert caught.value.code == "line_full"

    asyncio.run(scene())


def test_a_client_that_leaves_cancels_its_work(blocked):
    async def scene():
        line, gone = pool(), asyncio.Event()
        first = asyncio.create_task(line.run(blocked.job("a")))
        await until(lambda: blocked.begun == ["a"])
        second = asyncio.create_task(unless_gone(line.run(blocked.job("b")), gone.wait()))
        await until(lambda: line.waiting == 1)
        gone.set()
        assert await second is None
        await until(lambda: line.waiting == 0)
        blocked.go.set()
        assert await first == "a"

    asyncio.run(scene())
    assert blocked.begun == ["a"]


def test_a_pool_that_stops_finishes_what_is_in_and_takes_nothing(blocked):
    async def scene():
        line = pool()
        tasks = [asyncio.create_task(line.run(blocked.job(name))) for name in "ab"]
        await until(lambda: blocked.begun == ["a"])
        closing = asyncio.create_task(line.close())
        await until(lambda: line.closing)
        with pytest.raises(ProblemError) as caught:
            await line.run(blocked.job("c"), patient=True)
        assert (caught.value.status, caught.value.code) == (503, "stopping")
        blocked.go.set()
        await closing
        return await asyncio.gather(*tasks)

    assert asyncio.run(scene()) == ["a", "b"]


def test_a_pool_does_not_wait_for_a_job_without_end(blocked):
    async def scene():
        line = pool(timeout_seconds=0.02)
        tasks = [asyncio.create_task(line.run(blocked.job(name))) for name in "ab"]
        await asyncio.gather(*tasks, return_exceptions=True)
        await line.close()
        assert line.busy
        blocked.go.set()
        await until(lambda: not line.busy)

    asyncio.run(scene())
    assert blocked.begun == ["a"]


def test_the_fault_of_a_job_is_its_callers():
    async def scene():
        line = pool()
        with pytest.raises(ZeroDivisionError):
            await line.run(lambda: 1 / 0)
        return await line.run(lambda: 1)

    assert asyncio.run(scene()) == 1
