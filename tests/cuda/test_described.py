"""Arrays of other libraries by descriptions that cannot be: each is refused before its memory is looked at."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest

from heschl.linear.device.cuda import Device
from heschl.linear.device.status import EMULATE

MEMORY = np.arange(64.0)


class Managed(ctypes.Structure):
    """DLPack's DLManagedTensor."""

    _fields_ = [
        ("data", ctypes.c_void_p), ("device", ctypes.c_int32), ("number", ctypes.c_int32), ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)), ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("offset", ctypes.c_uint64), ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p),
    ]  # fmt: skip


def capsule(name: bytes | None = b"dltensor", **changes: Any) -> tuple[Any, Any]:
    """Return a capsule of a (3, 4) matrix of float64 on the host but for some changes, and what must outlive it."""
    about: dict[str, Any] = {"data": MEMORY.ctypes.data, "device": 1, "ndim": 2, "code": 2, "bits": 64, "lanes": 1}
    about |= {"shape": (ctypes.c_int64 * 2)(3, 4), "strides": (ctypes.c_int64 * 2)(4, 1)} | changes
    for side in ("shape", "strides"):
        if isinstance(about[side], tuple):
            about[side] = (ctypes.c_int64 * 2)(*about[side])
    managed = Managed(**about)
    make = ctypes.pythonapi.PyCapsule_New
    make.restype, make.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    return make(ctypes.addressof(managed), name, None), (managed, about)


def on_emulation(device: Device, monkeypatch: pytest.MonkeyPatch) -> Device:
    if not device.module.__name__.endswith("emulated"):
        pytest.skip("the memory described is the host's: the emulation's alone")
    monkeypatch.setenv(EMULATE, "1")
    return device


def test_what_is_described_rightly_is_read(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = on_emulation(device, monkeypatch)
    for strides, expected in (((4, 1), MEMORY[:12].reshape(3, 4)), ((1, 3), MEMORY[:12].reshape(4, 3).T)):
        given, kept = capsule(strides=strides)
        np.testing.assert_array_equal(backend.module.from_dlpack(backend.context, given).numpy(), expected)
        del kept


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        (None, {}), (b"used_dltensor", {}), (b"dltensor", {"shape": (-1, 4)}), (b"dltensor", {"shape": (3, -4)}),
        (b"dltensor", {"shape": (1 << 62, 1 << 62)}), (b"dltensor", {"shape": (1 << 40, 1 << 20)}),
        (b"dltensor", {"data": None}), (b"dltensor", {"shape": None}), (b"dltensor", {"ndim": 3}),
        (b"dltensor", {"ndim": -1}), (b"dltensor", {"lanes": 4}), (b"dltensor", {"bits": 8}),
        (b"dltensor", {"code": 7}),
        (b"dltensor", {"device": 10}), (b"dltensor", {"number": 99}),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(
    device: Device, monkeypatch: pytest.MonkeyPatch, name: bytes | None, changes: dict[str, Any]
) -> None:
    backend = on_emulation(device, monkeypatch)
    given, kept = capsule(name, **changes)
    with pytest.raises(ValueError, match="expected"):
        backend.module.from_dlpack(backend.context, given)
    del kept
