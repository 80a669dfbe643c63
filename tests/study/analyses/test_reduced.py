"""Principal components of the training rows: as scikit-learn's, of words as of their frames, blind to the test fold."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from heschl.linear import Repeated
from heschl.study.analyses.fits.reduced import learn_components, nested_cv_reduced, prepared
from tolerances import COEFFICIENTS


@pytest.fixture
def X() -> np.ndarray:
    rng = np.random.default_rng(0)
    values = rng.standard_normal((300, 4)) @ rng.standard_normal((4, 6)) + 0.1 * rng.standard_normal((300, 6)) + 3
    return values.astype(np.float32)


@pytest.mark.parametrize("keep", [2, 0.9, 0.99, 6])
@pytest.mark.parametrize("standardize", [False, True])
def test_components_are_scikit_learns(X: np.ndarray, keep: float, standardize: bool) -> None:
    train = np.arange(300) < 200
    basis = learn_components(X, train, keep, standardize=standardize)
    rows = X[train].astype(np.float64)
    rows = StandardScaler().fit_transform(rows) if standardize else rows
    expected = PCA(n_components=keep if keep < 1 else int(keep), svd_solver="full").fit(rows)
    assert basis.shape[1] == expected.n_components_
    own = X[train] @ basis
    ours = np.cov((own - own.mean(axis=0)).T.astype(np.float64), bias=True)
    theirs = expected.explained_variance_ * 199 / 200
    np.testing.assert_allclose(np.diag(np.atleast_2d(ours)), theirs, rtol=COEFFICIENTS["float32"])


def test_words_count_as_their_frames(X: np.ndarray) -> None:
    counts = np.resize([3, 1, 5], 60)
    words, train = Repeated(X[:60], counts), np.arange(counts.sum()) < 90
    frames = np.repeat(X[:60], counts, axis=0)
    for keep in (3, None):
        by_word = prepared(words, train, keep, standardize=True)
        by_frame = prepared(frames, train, keep, standardize=True)
        assert isinstance(by_word, Repeated)
        a, b = np.repeat(by_word.values, by_word.counts, axis=0), np.asarray(by_frame)
        np.testing.assert_allclose(np.abs(a), np.abs(b), atol=1e-3)


def test_test_rows_have_no_part(X: np.ndarray) -> None:
    """A test fold that is spoiled changes its own scores, and its place in no other training set's components."""
    y = X[:, :1] + np.random.default_rng(1).standard_normal((300, 1)).astype(np.float32)
    how = {"segments": [30] * 10, "folds": np.arange(10) % 5, "lags": [0], "alphas": [1.0, 100.0]}
    train = np.repeat(how["folds"], 30) != 0
    spoiled = np.where(train[:, None], X, 1e3).astype(np.float32)
    a, b = (learn_components(values, train, 2, standardize=True) for values in (X, spoiled))
    np.testing.assert_array_equal(a, b)
    found = nested_cv_reduced(X, y, keep=4, standardize=True, **how)
    assert found.r2.shape == (5, 1) and (found.r2 > 0.5).all()
