"""Ctrl-C while a kernel runs, and fits in threads beside forks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from heschl.linear.device import forks, interrupt, threads
from heschl.linear.device.forks import no_fork
from heschl.linear.device.interrupt import INTERRUPTED, Interruptible, interruptible
from heschl.linear.device.threads import beside_others, n_threads, one_blas_thread

# A factorisation of some seconds on one thread, interrupted as soon as its thread is there. What is printed says
# whether it still runs when Python goes on.
INTERRUPT = """
import os, signal, sys, threading, time
import numpy as np
from heschl.linear.device.host import HOST
G, W = np.eye(5000), np.ones((5000, 1))
signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts in the background ignores it
def running():
    return any(thread.name == "heschl kernel" for thread in threading.enumerate())
def interrupt():
    while not running():
        time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt, daemon=True).start()
try:
    HOST.kernels.ridge_solve(G, G.diagonal().copy(), 1.0, W, 1)
except KeyboardInterrupt:
    print(running(), flush=True)
    if "again" in sys.argv:
        print(HOST.kernels.ridge_solve(np.eye(2), np.ones(2), 1.0, np.ones((2, 1)), 1), flush=True)  # Python goes on
    raise
"""

FORKS = """
import os, sys, threading, time
import numpy as np
from heschl import LaggedRidge
rng = np.random.default_rng(0)
X, y = rng.standard_normal((600, 150)), rng.standard_normal((600, 4))
fit = lambda: LaggedRidge(lags=range(3), alpha=1.0, solver="cholesky").fit(X, y).coef_
expected, done = fit(), []
def fits():
    for _ in range(int(sys.argv[1])):
        done.append(np.allclose(fit(), expected))
thread = threading.Thread(target=fits, daemon=True)
thread.start()
for _ in range(10):
    pid = os.fork()
    if pid == 0: os._exit(0)
    os.waitpid(pid, 0)
    time.sleep(0.05)
thread.join()  # without forks: what hangs now has hung for good
print(len(done), all(done))
"""


@pytest.mark.parametrize("again", [[], ["again"]])
def test_an_interruption_does_not_wait_for_a_kernel(again: list[str]) -> None:
    command = [sys.executable, "-c", INTERRUPT, *again]
    found = subprocess.run(command, capture_output=True, text=True, timeout=100)
    said, error = found.stdout, found.stderr
    assert said.split() == ["True", *(["None"] if again else [])]
    assert "KeyboardInterrupt" in error and found.returncode in (INTERRUPTED, -signal.SIGINT)


def test_calls_give_what_they_give(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupt, "LONG_BYTES", 1)
    threads: list[str] = []

    def call(values: np.ndarray, *, factor: float = 2.0) -> np.ndarray:
        threads.append(threading.current_thread().name)
        if factor == 0.0:
            raise ValueError("no factor")
        return factor * values

    values = np.ones(3)
    np.testing.assert_array_equal(interruptible(call)(values, factor=3.0), 3 * values)
    with pytest.raises(ValueError, match="no factor"):
        interruptible(call)(values, factor=0.0)
    assert threads == ["heschl kernel", "heschl kernel"]
    monkeypatch.setattr(interrupt, "LONG_BYTES", 1 << 20)
    interruptible(call)(values)
    assert threads[-1] == threading.current_thread().name  # short: not worth a thread
    module = Interruptible(np)
    assert module.add(1, 2) == 3 and module.add is module.add and module.pi == np.pi


def test_without_a_thread_left_the_call_is_made_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(interrupt, "LONG_BYTES", 1)
    monkeypatch.setattr(threading.Thread, "start", none_left)
    assert interruptible(np.sum)(np.ones(3)) == 3


def test_a_second_fit_at_a_time_has_one_blas_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[bool] = []

    @contextmanager
    def hold() -> Iterator[None]:
        held[-1] = True
        yield

    def fit() -> None:
        held.append(False)
        with beside_others(), beside_others():
            pass

    def in_a_thread() -> None:
        thread = threading.Thread(target=fit)
        thread.start()
        thread.join()

    monkeypatch.setattr(threads, "_fits", set())  # what an interrupted test left running may still be there
    monkeypatch.setattr(threads, "one_blas_thread", hold)
    fit()
    in_a_thread()
    with beside_others():
        in_a_thread()
    fit()
    assert held == [False, False, True, False]


def test_a_call_inside_another_does_not_wait_for_the_fork_that_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupt, "LONG_BYTES", 1)
    entered = threading.Event()
    found: list[float] = []

    def outer() -> None:
        with no_fork():
            entered.set()
            while not forks._forks_waiting:
                time.sleep(0.001)
            with no_fork():
                found.append(float(interruptible(np.sum)(np.ones(3))))

    thread = threading.Thread(target=outer, daemon=True)
    thread.start()
    entered.wait()
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    thread.join(10)
    assert found == [3.0]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fit_in_a_thread_goes_on_while_another_forks() -> None:
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2"}
    command = [sys.executable, "-W", "ignore", "-c", FORKS, "6"]
    found = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=100)
    assert found.stdout.split() == ["6", "True"], found.stderr


def test_a_forked_process_begins_anew() -> None:
    entered, leave = threading.Event(), threading.Event()

    def fit() -> None:
        with one_blas_thread():
            entered.set()
            leave.wait()

    thread = threading.Thread(target=fit)
    thread.start()
    entered.wait()
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        with beside_others(), no_fork():
            os.write(write, str(n_threads()).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    leave.set()
    thread.join()
    assert os.read(read, 10) == b"1"  # its BLAS stays at one thread
