"""Products of matrices, where these lie."""

from __future__ import annotations

from heschl.linear.device.arrays import Array
from heschl.linear.device.place import backend_of


def multiply(
    a: Array, b: Array, *, transpose_a: bool = False, transpose_b: bool = False, scale: float = 1.0,
    add_to: Array | None = None,
) -> Array:  # fmt: skip
    """Return scale · op(a) op(b), plus `add_to` (and in its memory) where it is given; as exact as its type.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.linear.device.products import multiply
    >>> multiply(np.eye(2), np.eye(2), scale=3.0)
    array([[3., 0.],
           [0., 3.]])
    """
    where = backend_of(a)
    return where.multiply(a, b, transpose_a=transpose_a, transpose_b=transpose_b, scale=scale, add_to=add_to)
