"""Sign flips against plain NumPy, and by their laws."""

from __future__ import annotations

import numpy as np
import pytest

from heschl.checks import InputError
from heschl.study.statistics.resampling import _max_t, sign_flip_p_values, sign_flip_tests


def test_the_largest_t_of_each_flip() -> None:
    rng = np.random.default_rng(0)
    values, signs = rng.standard_normal((12, 5)) + 0.3, rng.choice(np.array([-1, 1], np.int8), (40, 12))
    flipped = signs[:, :, None] * values
    t = flipped.mean(axis=1) / (flipped.std(axis=1, ddof=1) / np.sqrt(12))
    np.testing.assert_allclose(_max_t(values, signs), t.max(axis=1), atol=1e-12)


def test_sign_flips_hold_the_familywise_error() -> None:
    rng = np.random.default_rng(1)
    hits = [
        sign_flip_p_values(rng.standard_normal((30, 20)), n_permutations=199, seed=i).min() <= 0.05 for i in range(200)
    ]
    assert np.mean(hits) < 0.1
    values = rng.standard_normal((30, 20))
    values[:, 3] += 1.5
    values[0, 5], values[:, 6] = np.nan, 1.0
    alone, p = sign_flip_tests(values, n_permutations=999)
    np.testing.assert_array_equal(p, sign_flip_p_values(values, n_permutations=999))
    known = np.isfinite(p)
    assert (alone[known] <= p[known]).all() and (alone[known] < 0.05).sum() < 5 and np.isnan(alone[~known]).all()
    assert p[3] == 0.001 and np.isnan(p[5]) and np.isnan(p[6]) and (np.delete(p, [3, 5, 6]) > 0.05).all()
    assert np.isnan(sign_flip_p_values(np.full((3, 2), np.nan))).all()
    with pytest.raises(InputError, match="1 rows"):
        sign_flip_p_values(values[:1])
