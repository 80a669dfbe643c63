"""How fast the devices of this machine multiply: measured once in a process, where there is a choice to make."""

from __future__ import annotations

import threading
import time

import numpy as np

from heschl.linear.device.backend import Backend, DeviceKind

# Orders of the products that are timed: doubled until one takes ENOUGH seconds, in which a call's own cost is small.
LEAST, MOST, ENOUGH = 256, 8192, 4e-3

_lock = threading.Lock()
_measured: dict[str, float] = {}


def measured_rate(kind: DeviceKind, number: int = 0) -> float:
    """Return the operations per second of a float32 product on one device of a kind.

    Examples
    --------
    >>> from heschl.linear.device.host import CPU
    >>> from heschl.linear.device.rates import measured_rate
    >>> measured_rate(CPU) == measured_rate(CPU) > 1e6
    True
    """
    with _lock:
        if kind.name not in _measured:
            _measured[kind.name] = _measure(kind.open(False, number))
        return _measured[kind.name]


def _measure(backend: Backend) -> float:
    order = LEAST
    _seconds(backend, order)  # libraries load their code, and memory is found, at the first call
    while True:
        taken = min(_seconds(backend, order) for _ in range(2))
        if taken >= ENOUGH or order >= MOST:
            return 2.0 * order**3 / max(taken, 1e-9)
        order *= 2


def _seconds(backend: Backend, order: int) -> float:
    a = backend.zeros((order, order), np.float32)
    out, one = backend.zeros((order, order), np.float32), slice(1)
    backend.get(backend.part(out, one, one))  # waits until the zeros are there
    start = time.perf_counter()
    backend.multiply(a, a, add_to=out)
    backend.get(backend.part(out, one, one))
    return time.perf_counter() - start
