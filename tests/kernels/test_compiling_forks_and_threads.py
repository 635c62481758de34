"""Threads and processes may come to a kernel's first call at once, and a fork at any moment."""

import os
import threading

import numpy as np
import pytest
from helpers.first_calls import WORK, assert_adds, run, unused

from minnet.kernels.dense import add_row


def test_threads_that_call_first_at_once_build_once(home, compiled):
    made, barrier, failed = unused(add_row), threading.Barrier(8), []

    def first_call():
        barrier.wait()
        try:
            assert_adds(made, np.float32)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=first_call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    assert compiled() == 1


FORKS = """
import os, signal, threading, warnings
warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)

def child():
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_before_and_after_first_use_and_while_numba_is_imported_works(home):
    code = """
child()
builder = threading.Thread(target=work)
builder.start()
child()
builder.join()
child()
"""
    run(WORK + FORKS + code)
    run(WORK + FORKS + code)  # and where nothing has to be compiled any more


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_while_another_thread_compiles_works(home):
    code = """
import numba.core.event

class Starts(numba.core.event.Listener):
    def on_start(self, event):
        started.set()

    def on_end(self, event):
        pass

started = threading.Event()
numba.core.event.register("numba:compile", Starts())
builder = threading.Thread(target=work)
builder.start()
assert started.wait(60)
child()
builder.join()
"""
    run(WORK + FORKS + code)


def test_a_spawned_process_gets_a_kernel_by_name(home):
    code = """
import multiprocessing
import numpy as np
from minnet.kernels.losses import count_correct

if __name__ == "__main__":
    eye = np.eye(3)
    assert count_correct(eye, eye) == 3
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(count_correct, (eye, eye[::-1].copy())) == 1
"""
    run(code)
