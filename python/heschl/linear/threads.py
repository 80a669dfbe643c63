"""Threads: as many as SciPy's BLAS may use, which threadpoolctl governs; inside BLAS, or each with its own."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, TypeVar

from threadpoolctl import ThreadpoolController

Item = TypeVar("Item")
Memory = TypeVar("Memory")
Result = TypeVar("Result")


@functools.cache
def _blas() -> Any:
    # A new controller takes about a millisecond, so one is kept. NumPy's BLAS is another pool than SciPy's.
    pools = [lib for lib in ThreadpoolController().lib_controllers if lib.user_api == "blas"]
    return next((lib for lib in pools if "scipy" in lib.filepath), pools[0] if pools else None)


def n_threads() -> int:
    """Threads to use now; a surrounding ``threadpoolctl.threadpool_limits`` is kept to."""
    blas = _blas()
    return int(blas.num_threads) if blas is not None else os.cpu_count() or 1


_lock = threading.Lock()
_serial = {"users": 0, "threads": 1}  # fits that hold BLAS at one thread, and what it had before the first of them


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    """Hold BLAS at one thread. The setting is the process's: the last to leave restores it."""
    blas = _blas()
    with _lock:
        if _serial["users"] == 0:
            _serial["threads"] = n_threads()
        _serial["users"] += 1
        if blas is not None:
            blas.set_num_threads(1)
    try:
        yield
    finally:
        with _lock:
            _serial["users"] -= 1
            if _serial["users"] == 0 and blas is not None:
                blas.set_num_threads(_serial["threads"])


def map_threads(
    work: Callable[[Item, Memory], Result], items: Sequence[Item], allocate: Callable[[], Memory], *, small: bool
) -> Iterator[Result]:
    """work(item, memory) for each item, in order: side by side where they are small, else one by one.

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
        try:
            return work(item, memory)
        finally:
            free.put(memory)

    with _one_blas_thread():
        pool = ThreadPoolExecutor(workers)
        try:
            yield from pool.map(run, items)
        finally:
            pool.shutdown(cancel_futures=True)
