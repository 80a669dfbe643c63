"""Arrays of torch, CuPy and JAX on a GPU: taken in where they lie, and given back in kind."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from heschl.checks import InputError
from heschl.linear.device.arrays import Array
from heschl.linear.device.backend import DeviceKind
from heschl.linear.device.devices import DEVICES
from heschl.linear.device.place import backend_of
from heschl.notices import warn

# Of 16 bits are computed with in float32.
TYPES = ("float32", "float64", "float16", "bfloat16")


def _device_of(X: Any) -> DeviceKind | None:
    """Return the device on which an input lies: heschl's own array, or a torch, CuPy or other one with DLPack."""
    if isinstance(X, np.ndarray) or not hasattr(X, "__dlpack_device__"):
        return None
    try:
        number = None if _is_own(X) else int(X.__dlpack_device__()[0])
    except (ValueError, BufferError):  # a place that DLPack has no name for
        return None
    for kind in DEVICES.values():
        if kind.remote and (type(X).__module__ in kind.modules or number in kind.dlpack):
            return kind
    return None


def on_device(X: Any) -> bool:
    """Return whether an input lies on a device."""
    return _device_of(X) is not None


def _is_own(X: Any) -> bool:
    return any(type(X).__module__ in kind.modules for kind in DEVICES.values())


def adopt(name: str, X: Any) -> Array:
    """Return a device's matrix as heschl's, where it lies; heschl's stream waits for the caller's.

    Raises
    ------
    InputError
        For another number of axes, another type, NaN or infinity.
    """
    shape = tuple(X.shape)
    if len(shape) != 2 or 0 in shape:
        raise InputError(name, f"an array of shape {shape}", "a matrix (n_frames, n_columns) with at least one of each")
    found = _adopted(name, X)
    if not backend_of(found).finite(found):
        raise InputError(name, "NaN or infinity", "finite numbers", "Leave such frames out, or fill them in.")
    return found


def on_host(name: str, X: Any) -> Any:
    """Return an input that lies on a device as NumPy's array, any other as it is."""
    if not on_device(X):
        return X
    found = _adopted(name, X)
    return backend_of(found).get(found)


def responses_on_device(y: Any, dtype: DTypeLike) -> Array | None:
    """Return responses that lie on a device as heschl's matrix (n, c) of a type, where they lie; None of any others."""
    if not on_device(y):
        return None
    found = _adopted("y", y)
    found = found.reshape((len(found), 1)) if found.ndim == 1 else found
    return found if found.dtype == dtype else backend_of(found).cast(found, dtype)


def _adopted(name: str, X: Any) -> Array:
    if _is_own(X):
        return X
    kind = _device_of(X)
    assert kind is not None, "asked of what lies on a device alone"
    if str(X.dtype).rpartition(".")[2] not in TYPES:
        raise InputError(name, f"numbers of type {X.dtype}", " or ".join(TYPES), "Convert them on the device.")
    if getattr(X, "requires_grad", False):
        warn(f"{name} requires gradients: heschl computes none and reads it detached")
        X = X.detach()
    if len(X.shape) > 2:
        raise InputError(name, f"an array of shape {tuple(X.shape)}", "one or two axes")
    return kind.open(False, int(X.__dlpack_device__()[1])).adopt(X)


def in_kind(array: Array, X: Any) -> Any:
    """Return a device's array as one of the library that X is of; heschl's own where X is that."""
    if _is_own(X):
        return array
    library = type(X).__module__.partition(".")[0]
    return importlib.import_module({"jaxlib": "jax.numpy"}.get(library, library)).from_dlpack(array)
