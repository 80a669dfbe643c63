"""Forks wait for calls into BLAS.

Before a process forks, OpenBLAS ends its threads, whoever waits for them: a product of several threads that another
Python thread has under way then never ends, in NumPy alone as here. (Limits that are set and restored have no part in
it; and once a process has forked, a limit of one thread may not hold.) So a fork waits for the calls that run, each a
part of a fit, and calls wait for a fork. Programs that are started by `subprocess` as a rule do not fork.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_turn = threading.Condition()
_running = 0
_forks_waiting = 0
_here = threading.local()  # .inside: this thread has begun what forks wait for


def forks_wait_for_this() -> bool:
    """Return whether this thread is inside `no_fork`."""
    return getattr(_here, "inside", False)


@contextmanager
def no_fork() -> Iterator[None]:
    """Keep other threads from forking meanwhile. What is done inside neither forks nor waits for one who might."""
    global _running
    if forks_wait_for_this():  # to wait for a fork that waits for this thread would be for ever
        yield
        return
    with _turn:
        while _forks_waiting:
            _turn.wait()
        _running += 1
    _here.inside = True
    try:
        yield
    finally:
        _here.inside = False
        with _turn:
            _running -= 1
            _turn.notify_all()


def _before() -> None:
    global _forks_waiting
    _turn.acquire()  # and held until the fork is done
    _forks_waiting += 1
    while _running:
        _turn.wait()


def _after_in_parent() -> None:
    global _forks_waiting
    _forks_waiting -= 1
    _turn.notify_all()
    _turn.release()


def _after_in_child() -> None:
    """Begin anew: no other thread is in this process."""
    global _turn, _running, _forks_waiting, _here
    _turn, _running, _forks_waiting, _here = threading.Condition(), 0, 0, threading.local()


os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
