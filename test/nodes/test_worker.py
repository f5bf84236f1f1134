# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Workers are held at an item by an event, so that every order of things can be made."""

import threading

import pytest

from geloc3r_ros.nodes.worker import NewestWorkers

SECONDS = 30.0


class Bench:
    """A worker whose items wait until they are let go."""

    def __init__(self):
        self.begun = threading.Semaphore(0)
        self.may_end = threading.Semaphore(0)
        self.ended = threading.Semaphore(0)
        self.done, self.dropped, self.threads = [], [], set()
        self.worker = NewestWorkers(self._work, self.dropped.append)

    def _work(self, item):
        self.threads.add(threading.current_thread())
        self.begun.release()
        assert self.may_end.acquire(timeout=SECONDS)
        return lambda: self._finish(item)

    def _finish(self, item):
        self.done.append(item)
        self.ended.release()

    def begin(self, item):
        """Put an item and wait until it is in work."""
        self.worker.put(item)
        assert self.begun.acquire(timeout=SECONDS)

    def finish(self):
        """Let the item in work end."""
        self.may_end.release()
        assert self.ended.acquire(timeout=SECONDS)


@pytest.fixture
def bench():
    bench = Bench()
    yield bench
    bench.may_end.release(100)
    bench.worker.stop()


def test_items_are_processed_in_a_thread_of_their_own(bench):
    for item in ("a", "b"):
        bench.begin(item)
        bench.finish()
    assert bench.done == ["a", "b"]
    assert len(bench.threads) == 1
    assert threading.current_thread() not in bench.threads


def test_the_newest_wins_and_the_overtaken_are_told(bench):
    bench.begin("a")
    for item in ("b", "c", "d"):
        bench.worker.put(item)
    assert bench.dropped == ["b", "c"]
    bench.finish()
    assert bench.begun.acquire(timeout=SECONDS)
    bench.finish()
    assert bench.done == ["a", "d"]


def test_what_is_discarded_is_not_processed(bench):
    bench.begin("a")
    bench.worker.put("b")
    bench.worker.discard()
    bench.finish()
    bench.begin("c")
    bench.finish()
    assert (bench.done, bench.dropped) == (["a", "c"], ["b"])


def test_stop_finishes_the_item_in_work_and_forgets_the_one_that_waits(bench):
    bench.begin("a")
    bench.worker.put("b")
    stopper = threading.Thread(target=bench.worker.stop)
    stopper.start()
    stopper.join(0.1)
    assert stopper.is_alive()  # the item is still in work
    bench.finish()
    stopper.join(SECONDS)
    assert not stopper.is_alive()
    assert bench.done == ["a"]
    assert not any(thread.is_alive() for thread in bench.threads)


def test_nothing_is_processed_after_stop(bench):
    bench.worker.stop()
    bench.worker.put("a")
    bench.worker.stop()
    assert bench.done == []


def test_items_in_work_at_once_finish_in_the_order_of_their_beginning():
    begun, done = threading.Semaphore(0), []
    may_end = {item: threading.Event() for item in "abc"}

    def work(item):
        begun.release()
        assert may_end[item].wait(SECONDS)
        return lambda: done.append(item)

    workers = NewestWorkers(work, done.append, threads=3)
    for item in may_end:
        workers.put(item)
        assert begun.acquire(timeout=SECONDS)
    for item in ("c", "b"):
        may_end[item].set()
    assert done == []
    may_end["a"].set()
    workers.stop()
    assert done == ["a", "b", "c"]
