"""What an installed wheel must do with nothing but its own dependencies: needs pytest and the wheel alone."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import Ridge

from heschl import LaggedRidgeCV, lagged_design


def test_fit_equals_ridge() -> None:
    rng = np.random.default_rng(0)
    H, lengths = rng.standard_normal((600, 4)), [50] * 12
    y = np.roll(H[:, :1], 3, axis=0) + rng.standard_normal((600, 1))
    model = LaggedRidgeCV(lags=range(0, 6), alphas=[1.0, 10.0, 100.0]).fit(H, y, segments=lengths)
    ridge = Ridge(alpha=model.alpha_[0]).fit(lagged_design(H, range(0, 6), segments=lengths), y[:, 0])
    np.testing.assert_allclose(model.coef_[0].T.ravel(), ridge.coef_, atol=1e-10)
    assert int(np.abs(model.coef_[0, 0]).argmax()) == 3
