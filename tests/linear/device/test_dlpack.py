"""Torch tensors go in without a copy, and predictions come out as tensors."""

from __future__ import annotations

import numpy as np
import pytest

from heschl import InputError, LaggedRidge
from heschl.linear.design.frames import Frames
from linear.problems import make

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_tensors_in_and_out(dtype: str) -> None:
    problem = make(0, [40, 30, 50], 3, 2, range(0, 4), dtype)
    X, y = torch.from_numpy(problem.H), torch.from_numpy(problem.Y)
    model = LaggedRidge(lags=problem.lags).fit(X, y, segments=problem.lengths)
    expected = LaggedRidge(lags=problem.lags).fit(problem.H, problem.Y, segments=problem.lengths)
    np.testing.assert_array_equal(model.coef_, expected.coef_)
    prediction = model.predict(X, segments=problem.lengths)
    assert isinstance(prediction, torch.Tensor) and str(prediction.dtype) == f"torch.{dtype}"
    np.testing.assert_array_equal(prediction.numpy(), expected.predict(problem.H, segments=problem.lengths))
    prediction += 1  # its memory is the caller's


def test_no_copy() -> None:
    X = torch.randn(50, 3)
    assert np.shares_memory(Frames.of(X).spaces[0].values, X.numpy())
    assert np.shares_memory(Frames.of(X.requires_grad_()).spaces[0].values, X.detach().numpy())


def test_tensors_that_cannot_be_read() -> None:
    y = torch.randn(50)
    with pytest.raises(InputError, match="X: found a tensor that NumPy cannot read"):
        LaggedRidge().fit(torch.randn(50, 3).to(torch.bfloat16), y)
    with pytest.raises(InputError, match="X: found a tensor on another device"):
        LaggedRidge().fit(torch.empty(50, 3, device="meta"), y)
