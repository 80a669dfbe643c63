"""Arrays of torch, CuPy and JAX on a GPU: taken in where they lie, and given back in kind."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from heschl.checks import InputError
from heschl.linear.device.arrays import Array
from heschl.linear.device.cuda import cuda_backend, device_of

DL_CUDA = 2


def on_device(X: Any) -> bool:
    """Whether an input lies on a GPU: heschl's own array, or a torch, CuPy or other one with DLPack."""
    if isinstance(X, np.ndarray) or not hasattr(X, "__dlpack_device__"):
        return False
    try:
        return _own(X) or int(X.__dlpack_device__()[0]) == DL_CUDA
    except (ValueError, BufferError):  # a place that DLPack has no name for
        return False


def _own(X: Any) -> bool:
    return type(X).__module__ in ("heschl._cuda", "heschl._cuda_emulated")


def adopt(name: str, X: Any) -> Array:
    """Give a device's matrix as heschl's, where it lies; heschl's stream waits for the caller's.

    Raises
    ------
    InputError
        For another number of axes, another type, NaN or infinity.
    """
    shape = tuple(X.shape)
    if len(shape) != 2 or 0 in shape:
        raise InputError(name, f"an array of shape {shape}", "a matrix (n_frames, n_columns) with at least one of each")
    found = _adopted(name, X)
    if not device_of(found).finite(found):
        raise InputError(name, "NaN or infinity", "finite numbers", "Leave such frames out, or fill them in.")
    return found


def on_host(name: str, X: Any) -> Any:
    """Give an input that lies on a device as NumPy's array, any other as it is."""
    if not on_device(X):
        return X
    found = _adopted(name, X)
    return device_of(found).get(found)


def responses_there(y: Any, dtype: DTypeLike) -> Array | None:
    """Give responses that lie on a device as heschl's matrix (n, c) of a type, where they lie; None of any others."""
    if not on_device(y):
        return None
    found = _adopted("y", y)
    found = found.reshape((len(found), 1)) if found.ndim == 1 else found
    return found if found.dtype == dtype else device_of(found).cast(found, dtype)


def _adopted(name: str, X: Any) -> Array:
    if _own(X):
        return X
    backend = cuda_backend()
    if str(X.dtype).rpartition(".")[2] not in ("float32", "float64"):
        raise InputError(name, f"numbers of type {X.dtype}", "float32 or float64", "Convert them on the device.")
    return backend.module.from_dlpack(backend.context, X.__dlpack__(stream=backend.context.stream or None))


def in_kind(array: Array, X: Any) -> Any:
    """A device's array as the library's that X is of; heschl's own where X is that."""
    if _own(X):
        return array
    library = type(X).__module__.partition(".")[0]
    return importlib.import_module({"jaxlib": "jax.numpy"}.get(library, library)).from_dlpack(array)
