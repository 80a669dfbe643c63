"""Sums over lags by frequency on the device: the twin of the host's, and of the reference, in groups of any size."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from heschl import _core
from heschl.linear import reference
from heschl.linear.design.rows import BOUNDARIES, row_ranges
from heschl.linear.device.cuda import cuda_backend
from linear.moments.test_frequency import PRODUCTS, right_side, uneven
from linear.problems import Ragged
from tolerances import KERNEL, worst


@given(uneven(), st.sampled_from(BOUNDARIES), st.sampled_from(PRODUCTS))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_both_ways(problem: Ragged, boundary: str, product: str) -> None:
    b, n, w = cuda_backend(), len(problem.H), len(problem.lags)
    ranges, _ = row_ranges(problem.bounds, problem.lags, boundary, n, None)
    right = problem.H if product == "itself" else problem.Y
    expected = reference.lagged_sums(
        problem.H.astype(float) - 0.25, right_side(problem, product, ranges), ranges, problem.lags
    )
    sides: list[Any] = []
    for side in (problem.H, right):
        sides += [b.put(side), b.put(np.full(side.shape[1], 0.25, side.dtype))]
    for name in ("sum_by_lag", "sum_by_frequency"):
        out = b.zeros(expected.shape, problem.H.dtype)
        which = getattr(_core.Product, product)
        getattr(b.kernels, name)(*sides, which, ranges, problem.lags[0], w, out, b.handle())
        assert worst(b.get(out), expected, float(n)) < KERNEL[problem.name], name


def test_the_paper_s_layers_go_by_frequency() -> None:
    """Counted on the card: an eighth of the operations of a product per lag for features, a third for responses."""
    edges = np.linspace(0, 58_943, 600).astype(np.int64)
    ranges = np.stack([edges[:-1], edges[1:], edges[:-1], edges[1:]], axis=1)
    for d, c, product, least in ((768, 768, "itself", 8.0), (1600, 1600, "itself", 9.0), (768, 822, "responses", 3.0)):
        by_lag, by_frequency = _core.sum_operations(ranges, 0, 20, d, c, getattr(_core.Product, product), True)
        assert by_lag > least * by_frequency, (d, by_lag / by_frequency)
