"""Resampling: sign flips with the maximum statistic, as products."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError

Floats = NDArray[np.float64]
BLOCK = 500
"""Flips whose sums are made together."""


def _flipped_t(differences: Floats, signs: NDArray[np.int8]) -> Iterator[Floats]:
    """Yield t of the columns of differences (n, c) for blocks of the rows of signs (m, n), each by one product."""
    n = len(differences)
    squares = (differences**2).sum(axis=0)
    for start in range(0, len(signs), BLOCK):
        sums = signs[start : start + BLOCK].astype(np.float64) @ differences
        variance = (squares - sums**2 / n) / (n - 1)
        yield np.divide(sums / n, np.sqrt(variance / n), out=np.full(sums.shape, -np.inf), where=variance > 0)


def _max_t(differences: Floats, signs: NDArray[np.int8]) -> Floats:
    """Return the largest t over columns of differences (n, c), for each row of signs (m, n)."""
    return np.concatenate([t.max(axis=1) for t in _flipped_t(differences, signs)])


def sign_flip_p_values(differences: Floats, *, n_permutations: int = 2000, seed: int = 0) -> Floats:
    """Test for each column whether its mean is above 0, against the largest statistic over all columns.

    H₀: each row's differences are as likely with the opposite sign, all columns of a row together (a stimulus under two
    models). Controls the family-wise error over columns, whatever their dependence (Nichols & Holmes 2002, Human Brain
    Mapping 15:1).

    Parameters
    ----------
    differences : (n, c) array
        A row for each unit that is exchangeable: a stimulus. Columns that hold NaN or do not vary get NaN.
    n_permutations : int
        Random flips, beside the data themselves.
    seed : int

    Returns
    -------
    (c,) array
        One-sided p values.

    Raises
    ------
    InputError
        For fewer than two rows.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> p = sign_flip_p_values(rng.standard_normal((40, 3)) + [1.0, 0.0, 0.0])
    >>> bool(p[0] < 0.01), bool(p[0] < p[1:].min())
    (True, True)
    """
    return sign_flip_tests(differences, n_permutations=n_permutations, seed=seed)[1]


def sign_flip_tests(differences: Floats, *, n_permutations: int = 2000, seed: int = 0) -> tuple[Floats, Floats]:
    """Test the same, and each column by itself; see `sign_flip_p_values`.

    Returns
    -------
    p, p_max : (c,) arrays
        One-sided p values: of each column alone, and against the largest statistic over all columns.
    """
    n = len(differences)
    if n < 2:
        raise InputError("differences", f"{n} rows", "two or more")
    alone, largest = np.full((2, differences.shape[1]), np.nan)
    testable = np.isfinite(differences).all(axis=0) & (np.ptp(differences, axis=0) > 0)
    if not testable.any():
        return alone, largest
    tested = np.ascontiguousarray(differences[:, testable])
    signs = np.where(np.random.default_rng(seed).random((n_permutations, n)) < 0.5, -1, 1).astype(np.int8)
    t = tested.mean(axis=0) / (tested.std(axis=0, ddof=1) / np.sqrt(n)) - 1e-12
    counts = np.zeros((2, tested.shape[1]))
    for null in _flipped_t(tested, signs):
        counts += (null >= t).sum(axis=0), (null.max(axis=1)[:, None] >= t).sum(axis=0)
    alone[testable], largest[testable] = (1 + counts) / (1 + n_permutations)
    return alone, largest
