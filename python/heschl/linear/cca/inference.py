"""What canonical correlations are worth: on rows that had no part in finding them, and against permuted rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from heschl.checks import check_count, check_matrix
from heschl.linear.cca.whitening import cross, largest_singular_values, whiten
from heschl.linear.design.permuter import Permuter
from heschl.linear.design.segments import segment_bounds, segment_groups
from heschl.linear.device.arrays import Double
from heschl.linear.device.exchange import on_host
from heschl.linear.device.place import open_device
from heschl.linear.device.threads import one_blas_thread

if TYPE_CHECKING:
    from heschl.linear.cca.cca import CCA

# Products of permuted sides whose singular values are found together, by threads or in one call on a GPU.
TOGETHER_BYTES = 32 << 20


@dataclass(frozen=True)
class PermutedCorrelations:
    """Canonical correlations against those of permuted rows; k components, m permutations.

    Attributes
    ----------
    correlations : (k,) array
        Of the rows that take part.
    p_values : (k,) array
        Share of permutations, the data themselves among them, whose largest correlation reaches this one. Exact for the
        first, conservative for those after it (which compete with a smaller null); controls the family-wise error.
    null : (m,) array
        Largest correlation of each permutation.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl import CCA
    >>> from heschl.linear import permuted_correlations
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((200, 3))
    >>> found = permuted_correlations(CCA(2), X, X[:, :2], segments=[20] * 10, n_permutations=19, random_state=0)
    >>> found.correlations.round(6).tolist(), found.p_values.tolist(), found.null.shape
    ([1.0, 1.0], [0.05, 0.05], (19,))
    """

    correlations: Double
    p_values: Double
    null: Double = field(repr=False)


def permuted_correlations(
    model: CCA,
    X: ArrayLike,
    Y: ArrayLike,
    *,
    segments: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    sessions: ArrayLike | None = None,
    n_permutations: int = 1000,
    random_state: int | np.random.Generator | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> PermutedCorrelations:
    """Test whether two sides correlate more than sides that have nothing to do with each other.

    Whole segments of Y are exchanged among those of nearly the same length, so that rows keep their neighbours and
    their time since the onset of the segment: what all segments have in common belongs to H₀. Segments are cut into
    bins by length and cropped at their end to the shortest of their bin, in the data as in every permutation. One
    single segment is circularly shifted, which asks for stationarity. A permutation of rows leaves a side's whitening
    as it is: only the product of both bases is made again.

    Parameters
    ----------
    model : CCA
        Its parameters are used; it is not fitted.
    X, Y : (n, d) array-like
    segments : array-like, optional
        Lengths, or a label per row. Default: one segment, which is shifted.
    groups : array-like of shape (n,), optional
        Stimulus of each row: repeats move together, for another stimulus with as many.
    sessions : array-like of shape (n_segments,), optional
        Session of each segment: rows of Y stay in their session. Default: one session.
    n_permutations : int
    random_state : None, int or numpy.random.Generator
    progress : callable, optional
        Called with (permutations done, in all).

    Returns
    -------
    PermutedCorrelations

    Raises
    ------
    InputError
        As `CCA.fit`, and where nothing can be exchanged or shifted.

    Warns
    -----
    ExchangeWarning
        Where many rows are cropped, or stay in place, for few segments are of nearly the same length.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl import CCA
    >>> from heschl.linear import permuted_correlations
    >>> rng = np.random.default_rng(0)
    >>> X, Y = rng.standard_normal((200, 4)), rng.standard_normal((200, 4))
    >>> Y[:, 0] += X[:, 0]
    >>> found = permuted_correlations(CCA(2), X, Y, segments=[20] * 10, n_permutations=99, random_state=0)
    >>> bool(found.p_values[0] == 0.01), bool(found.p_values[1] > 0.05)
    (True, True)
    """
    check_count("n_permutations", n_permutations, 1)
    from sklearn.base import clone

    left, right = (check_matrix(name, on_host(name, side), np.float64) for name, side in (("X", X), ("Y", Y)))
    bounds = segment_bounds(segments, len(left))
    names = None if groups is None else segment_groups(groups, bounds, len(left))
    permuter = Permuter.of(bounds, np.zeros(len(bounds), dtype=np.int64), names, sessions)
    permuter.tell(n_permutations)
    keep = np.flatnonzero(permuter.keep)
    place = np.cumsum(permuter.keep) - 1  # of each row among those that take part
    if len(left) == len(right) and len(keep) < len(left):
        left, right = left[keep], right[keep]
    observed = clone(model).set_params(cv=None).fit(left, right).correlations_
    pair = n_permutations * 2.0 * left.size * right.shape[1]
    backend = open_device(model.device, lambda _: pair)
    sides = [
        whiten(name, backend.put(side), reg=reg, **model.cut())
        for name, side, reg in zip(("X", "Y"), (left, right), model.penalties(), strict=True)
    ]
    # Columns of both as they enter the product.
    a, b = (backend.product(side.rows, backend.put(side.turn * side.shrink)) for side in sides)
    rng = np.random.default_rng(random_state)
    null = np.empty(n_permutations)
    size = a.shape[1]
    together = max(1, TOGETHER_BYTES // (8 * size * b.shape[1]))
    with one_blas_thread():
        for first in range(0, n_permutations, together):
            products = []
            for _ in range(first, min(first + together, n_permutations)):
                products.append(cross(a, backend.rows(b, place[permuter.rows(permuter.draw(rng))[keep]])))
            edges = size * np.arange(len(products) + 1)
            last = first + len(products)
            null[first:last] = largest_singular_values(backend.below(products), edges, 1)[:, 0]
            if progress is not None:
                progress(last, n_permutations)
    # The rounding of a tie counts as one.
    reached = (null[:, None] >= observed * (1 - 1e-12)).sum(axis=0)
    return PermutedCorrelations(observed, (1 + reached) / (1 + n_permutations), null)
