"""Threads: as many as SciPy's BLAS may use, which threadpoolctl governs; inside BLAS, or each with its own."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from queue import SimpleQueue
from typing import Any, TypeVar

from threadpoolctl import ThreadpoolController

Item = TypeVar("Item")
Memory = TypeVar("Memory")
Result = TypeVar("Result")


@functools.cache
def _pools() -> tuple[Any, ...]:
    """List this process's BLAS libraries, SciPy's, which the core calls, first. NumPy's wheel brings another one."""
    import scipy.linalg.cython_blas  # noqa: F401  (loads it)

    # A new controller takes about a millisecond, so one is kept.
    pools = [lib for lib in ThreadpoolController().lib_controllers if lib.user_api == "blas"]
    return tuple(sorted(pools, key=lambda lib: ("scipy.libs" not in lib.filepath, "numpy.libs" in lib.filepath)))


def n_threads() -> int:
    """Return the number of threads to use now, by threadpoolctl's limits; 1 in a thread of `map_threads`."""
    if getattr(_here, "serial", False):
        return 1
    held = _held
    if held:
        return held[0]
    pools = _pools()
    return int(pools[0].num_threads) if pools else os.cpu_count() or 1


# Fewer operations than this take less time than starting threads for them.
WORTH_A_THREAD = 2e7


def worth_threads(operations: float) -> int:
    """Return how many threads so many operations are worth."""
    return int(min(n_threads(), max(1, operations // WORTH_A_THREAD)))


_here = threading.local()  # .serial: this thread is one of several that `map_threads` runs
_lock = threading.Lock()
_held: list[int] = []  # threads that each pool had before the first of those who hold them at one
_users = 0


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold BLAS at one thread; `n_threads` stays what it was. The last to leave restores it, for the whole process.

    A BLAS thread that has done its part waits for more by spinning, and takes the time of whoever else would run. Where
    no product is large enough to be shared, none should be woken from the first to the last.

    OpenBLAS (0.3.30 and 0.3.31) does not hear this from another thread once the main thread has set a number itself, as
    `threadpool_limits` does there: results are the same, and fits in that thread slower.
    """
    global _held, _users
    with _lock:
        if _users == 0:
            _held = [pool.num_threads for pool in _pools()]
            for pool in _pools():
                pool.set_num_threads(1)
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                for pool, count in zip(_pools(), _held, strict=True):
                    pool.set_num_threads(count)
                _held = []


_fits: set[int] = set()  # the threads that are fitting


@contextmanager
def beside_others() -> Iterator[None]:
    """Hold BLAS at one thread while another fit is under way; training sets still run side by side.

    Fits that run at once would take BLAS's threads from each other, which wait by spinning: several times slower than
    one after the other.
    """
    this = threading.get_ident()
    if this in _fits:
        yield
        return
    with _lock:
        alone = not _fits
        _fits.add(this)
    try:
        with nullcontext() if alone else one_blas_thread():
            yield
    finally:
        _fits.discard(this)


def _forget() -> None:
    """Begin anew in a forked process: those who held BLAS at one thread are not in it. It stays at one there."""
    global _lock, _held, _users, _fits
    _lock, _held, _users, _fits = threading.Lock(), [], 0, set()


os.register_at_fork(after_in_child=_forget)


@contextmanager
def as_one_of(count: int, *, small: bool) -> Iterator[None]:
    """Compute one item here as `map_threads` would with so many of them: the number of threads decides last digits."""
    if not small or min(n_threads(), count) < 2:
        yield
        return
    with one_blas_thread():
        _here.serial = True
        try:
            yield
        finally:
            _here.serial = False


def map_threads(
    work: Callable[[Item, Memory], Result], items: Sequence[Item], allocate: Callable[[], Memory], *, small: bool
) -> Iterator[Result]:
    """Call work(item, memory) for each item, in order: side by side where they are small, else one by one.

    A small factorisation gains little from two BLAS threads, and loses all where one of them must wait for another
    process; two factorisations, each in a thread of its own, do not wait for each other.

    Parameters
    ----------
    work : callable
        Mostly inside the core, where no Python lock is held.
    items : sequence
    allocate : callable
        Makes what each thread writes into, once a thread.
    small : bool
        Whether `items` should run side by side.

    Yields
    ------
    Results in the order of `items`.
    """
    workers = min(n_threads(), len(items))
    if not small or workers < 2:
        memory = allocate()
        for item in items:
            yield work(item, memory)
        return
    free: SimpleQueue[Memory] = SimpleQueue()
    for _ in range(workers):
        free.put(allocate())

    def run(item: Item) -> Result:
        memory = free.get()
        _here.serial = True
        try:
            return work(item, memory)
        finally:
            free.put(memory)

    with one_blas_thread():
        pool, interrupted = ThreadPoolExecutor(workers), False
        try:
            yield from pool.map(run, items)
        except KeyboardInterrupt:
            interrupted = True  # what runs goes on to its end, and is not waited for
            raise
        finally:
            pool.shutdown(wait=not interrupted, cancel_futures=True)
