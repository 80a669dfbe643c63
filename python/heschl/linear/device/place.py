"""Which device a fit gets: where its arrays lie, what was asked for, or where it pays; and the memory there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from heschl.checks import InputError, check_choice
from heschl.linear.device.arrays import Array
from heschl.linear.device.backend import Backend, DeviceKind
from heschl.linear.device.devices import DEVICES
from heschl.linear.device.host import CPU, HOST
from heschl.linear.device.rates import measured_rate

AUTO = "auto"
TF32 = "tf32"
# Of a device's free memory, what a fit may plan with: the rest is for libraries' work space and what no plan sees.
FREE_SHARE = 0.85
# Where the host, at the rate in its row of the table, takes less than this share of the seconds that another device
# takes to get going, none is asked: to measure would cost more than there is to win.
WORTH_ASKING = 0.2


def named(device: str) -> tuple[DeviceKind, int]:
    """Return the row of a device's name, and which of several it is: "cuda:1" is the second GPU."""
    name, _, number = device.partition(":")
    return DEVICES[name], int(number or 0)


def backend_of(array: Array) -> Backend:
    """Return the backend where one of heschl's arrays lies."""
    if isinstance(array, np.ndarray):
        return HOST
    module = type(array).__module__
    return next(kind for kind in DEVICES.values() if module in kind.modules).backend_of(array)


def moved(array: Array, backend: Backend) -> Array:
    """Return an array where a backend computes: itself where it lies there."""
    where = backend_of(array)
    if where == backend:
        return array
    return backend.put(array if where.kind is backend.kind else where.get(array))


def check_device(device: Any, dtype: Any = None) -> None:
    """Refuse a device that is not known, or that cannot be used; and products of 10 bits where there are none."""
    name, numbered, number = device.partition(":") if isinstance(device, str) else (device, "", "")
    one_of_several = number.isdecimal() and name in DEVICES and DEVICES[name].remote
    check_choice("device", name if one_of_several or not numbered else device, (AUTO, *DEVICES))
    if dtype == TF32 and not (name in DEVICES and DEVICES[name].tf32):
        others = " or ".join(f'device="{kind.name}"' for kind in DEVICES.values() if kind.tf32)
        raise InputError("dtype", f"'tf32' with device={device!r}", "float32 or float64", f"Or use {others}.")
    if name in DEVICES:
        kind, which = named(device)
        kind.open(False, which)


def place(device: str, operations: Callable[[str], float]) -> str:
    """Return the name of the device to compute on: the one asked for, or for "auto" the one that is done first.

    Parameters
    ----------
    device : str
        "auto" or a name in `DEVICES`, of one of several with its number ("cuda:1").
    operations : callable
        Operations on the device of a name, which may be counted otherwise on another; infinite where it cannot be done.

    Returns
    -------
    str
        Of "auto" the first to be done of those that are there, by the rates measured. Only where the host would take
        longer than a start does others are asked whether they are there, and is anything measured.
    """
    if device != AUTO:
        return device
    on_host = operations(CPU.name) / CPU.rate
    others = [kind for kind in DEVICES.values() if kind.remote and on_host > WORTH_ASKING * kind.start]
    others = [kind for kind in others if kind.available()]
    if not others:
        return CPU.name

    def seconds(kind: DeviceKind) -> float:
        return kind.start + operations(kind.name) / measured_rate(kind)

    return min([*others, CPU], key=seconds).name  # of equal ones a device goes before the host


def name_of(backend: Backend) -> str:
    """Return a backend's name as users ask for it: "cpu", "cuda", or "cuda:1" of the second GPU."""
    return backend.kind.name + (f":{backend.number}" if backend.number else "")


def open_device(device: str, operations: Callable[[str], float], *given: Array, tf32: bool = False) -> Backend:
    """Return the backend to compute on: that of the arrays given where one of them lies on a device, else as `place`.

    Parameters
    ----------
    device, operations
        See `place`.
    *given : array
        heschl's own arrays, on the host or on devices.
    tf32 : bool
        Whether products of float32 may round their factors to 10 bits.
    """
    for array in given:
        where = backend_of(array)
        if where.kind.remote:
            return where.kind.open(tf32, where.number)
    kind, number = named(place(device, operations))
    return kind.open(tf32, number)


def memory_limit(backend: Backend, given: float | None) -> float | None:
    """Return the bytes that a fit may take: as given, and on a device no more than are free; None where all may."""
    limit = min(FREE_SHARE * backend.free_memory, float("inf") if given is None else given)
    return None if limit == float("inf") else limit
