"""Arrays of torch, CuPy and JAX, each on a stream of its own with work pending: where a card and they are."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import pytest

from cuda.test_memory import PROBLEM
from heschl import LaggedRidge
from heschl.linear.device.cuda import Device
from tolerances import COEFFICIENTS, worst

ORDER, TIMES = 3000, 20  # of products that are under way while an array is handed over

# The library's stream, and what writes an array on it behind such products.
Late = tuple[Callable[[], AbstractContextManager[Any]], Callable[[], Any]]


def _worked(zeros: Any, late: Any) -> Any:
    for _ in range(TIMES):
        zeros = zeros @ late
    return zeros[0, 0]


def of_torch(torch: Any, values: Any) -> Late:
    stream = torch.cuda.Stream()
    late, source = torch.zeros((ORDER, ORDER), device="cuda"), torch.as_tensor(values).cuda()
    torch.cuda.synchronize()
    return (lambda: torch.cuda.stream(stream)), (lambda: source + _worked(late, late))


def of_cupy(cupy: Any, values: Any) -> Late:
    stream = cupy.cuda.Stream(non_blocking=True)
    late, source = cupy.zeros((ORDER, ORDER), np.float32), cupy.asarray(values)
    cupy.cuda.Device().synchronize()
    return (lambda: stream), (lambda: source + _worked(late, late))


def of_jax(jax: Any, values: Any) -> Late:
    late, source = jax.numpy.zeros((ORDER, ORDER)), jax.numpy.asarray(values)
    return nullcontext, (lambda: source + _worked(late, late))  # JAX has streams of its own


@pytest.mark.parametrize(("name", "late"), [("torch", of_torch), ("cupy", of_cupy), ("jax", of_jax)])
def test_arrays_with_work_pending(
    device: Device, monkeypatch: pytest.MonkeyPatch, name: str, late: Callable[..., Late]
) -> None:
    """heschl waits for what writes them, and its results are of their kind."""
    if device.module.emulated:
        pytest.skip("these know no emulated GPU")
    monkeypatch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # JAX would take most of the card
    library = pytest.importorskip(name)
    if not (library.cuda.is_available() if name != "jax" else library.default_backend() == "gpu"):
        pytest.skip(f"{name} was built without CUDA")
    how: dict[str, Any] = dict(segments=PROBLEM.lengths)
    expected = LaggedRidge(10.0, PROBLEM.lags).fit(PROBLEM.H, PROBLEM.Y, **how).coef_
    stream, write = late(library, PROBLEM.H.astype(np.float32))
    for _ in range(3):
        with stream():
            model = LaggedRidge(10.0, PROBLEM.lags, dtype="float32").fit(write(), PROBLEM.Y.astype(np.float32), **how)
            found = model.coef_
        assert type(found).__module__.partition(".")[0] in (name, "jaxlib")
        on_host = {"torch": lambda x: x.cpu(), "cupy": lambda x: x.get(), "jax": np.asarray}[name](found)
        assert worst(np.asarray(on_host), expected) < COEFFICIENTS["float32"]
