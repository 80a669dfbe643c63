"""Canonical correlations of every layer of one model with every layer of another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heschl.checks import InputError
from heschl.files import digest, replacing
from heschl.linear.cca.cca import check_parameters
from heschl.linear.cca.costs import map_operations
from heschl.linear.cca.whitening import (
    Whitened,
    cross,
    largest_singular_values,
    largest_singular_vectors,
    product,
    whiten,
)
from heschl.linear.design.frames import Frames
from heschl.linear.device.arrays import Array, Double
from heschl.linear.device.backend import SPLIT, Backend
from heschl.linear.device.place import backend_of, check_device, name_of, open_device
from heschl.linear.moments.formulas import column_correlations
from heschl.seals import is_sealed, seal

if TYPE_CHECKING:
    import xarray as xr

Layer = ArrayLike | Callable[[], ArrayLike]
# Columns of products by tensor cores that are compared with float32's own, and how far their cosines may be from it.
COMPARED, ROUNDING = 4, 3e-6


def cca_grid(
    spaces_a: Mapping[str, Layer],
    spaces_b: Mapping[str, Layer],
    *,
    n_components: int = 50,
    rank_tol: float = 1e-10,
    pca: float | int | None = None,
    standardize: bool = False,
    test: ArrayLike | None = None,
    device: str = "auto",
    resume: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> xr.DataArray:
    """Correlate every layer of one model with every layer of another.

    Every layer is whitened once. The bases of `spaces_a` stay in memory, in the precision of their features; a layer of
    `spaces_b` is loaded, whitened and multiplied with each of them. The largest singular values of all these products
    are taken side by side, as roots of eigenvalues: those below 1e-7 are lost in rounding.

    Parameters
    ----------
    spaces_a, spaces_b : mapping of layer to (n, d) array-like, or to a function that loads one
        Rows belong together throughout. The model with fewer or narrower layers goes first.
    n_components : int
        Correlations of each pair; 0 beyond the rank of a side.
    test : (n,) array of bool, optional
        Rows that nothing is fitted to: what layers share on the others is correlated on these, too.
    rank_tol, pca, standardize, device
        See `CCA`. On a GPU the bases of `spaces_a` lie in its memory; layers that lie there already stay there, and
        where the first does all are brought there.
    resume : path, optional
        A folder that keeps what is finished: a call that was interrupted, made again with the same layers and settings,
        does only the layers of `spaces_b` that are missing or damaged. That the data are the same is for the caller to
        know.
    progress : callable, optional
        Called with (layers of `spaces_b` done, in all).

    Returns
    -------
    xarray.DataArray
        (layer_a, layer_b, component) of float64; with `test` (rows, layer_a, layer_b, component), rows "fitted" and
        "test". A correlation on test rows is NaN where a variate is constant there.
        `attrs["device"]` says where the products were made, and `attrs["products"]` of what: "float16 x 3" of float32
        split into halves, by a GPU's tensor cores, as exact as float32's (some are compared), or "as given".

    Raises
    ------
    InputError
        For no layer, layers of other numbers of rows, NaN, a layer that does not vary, `test` without a row to fit or
        fewer than two to correlate.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl import cca_grid
    >>> rng = np.random.default_rng(0)
    >>> layers = {str(i): rng.standard_normal((100, 3)) for i in range(2)}
    >>> found = cca_grid(layers, layers, n_components=2)
    >>> found.dims, found.sel(layer_a="0", layer_b="0").values.round(6).tolist()
    (('layer_a', 'layer_b', 'component'), [1.0, 1.0])

    How much of it holds on rows that nothing was fitted to:

    >>> noise = {"n": rng.standard_normal((100, 20))}
    >>> found = cca_grid(layers, noise, n_components=1, test=np.arange(100) >= 60)
    >>> r = found.sel(layer_a="0", layer_b="n", component=0)
    >>> bool(r.sel(rows="fitted") > 0.5), bool(abs(r.sel(rows="test")) < 0.5)
    (True, True)
    """
    import xarray as xr

    check_parameters(n_components, rank_tol, pca)
    check_device(device)
    if not spaces_a or not spaces_b:
        raise InputError("spaces_a, spaces_b", f"{len(spaces_a)} and {len(spaces_b)} layers", "one or more of each")
    n: int | None = None
    backend: Backend | None = None
    aside = None if test is None else _rows(test)

    def side_of(side: str, name: str, layer: Layer) -> _Side:
        nonlocal n, backend
        where = f"{side}[{name!r}]"
        frames = Frames.of(layer() if callable(layer) else layer, name=where)
        rows, width = frames.shape
        if backend is None:  # by the first layer, as if all were as wide
            operations = map_operations((len(spaces_a), width), (len(spaces_b), width), rows)
            backend = open_device(device, lambda _: operations, frames.spaces[0].values)
            work.enter_context(backend.at_work())
        n = rows if n is None else n
        if rows != n:
            raise InputError(where, f"{rows} rows", f"{n}, as many as the layers before")
        X = frames.to(backend).expanded()
        if aside is None:
            return _Side.of(whiten(where, X, rank_tol=rank_tol, pca=pca, standardize=standardize))
        if rows != len(aside):
            raise InputError("test", f"{len(aside)} rows", f"{rows}, those of the layers")
        all_rows = backend.get(X)
        fitted = backend.put(np.ascontiguousarray(all_rows[~aside]))
        found = whiten(where, fitted, rank_tol=rank_tol, pca=pca, standardize=standardize)
        return _Side.of(found, (all_rows[aside] - found.mean) @ found.back)

    key = digest(list(spaces_a), n_components, rank_tol, pca, standardize, aside)
    kept = {name: None if resume is None else Path(resume) / f"{key}-{digest(name)}.npy" for name in spaces_b}
    out = np.zeros((1 if aside is None else 2, len(spaces_a), len(spaces_b), n_components))
    sides: list[_Side] = []
    cores = _TensorCores()
    with ExitStack() as work:
        for j, (name, layer) in enumerate(spaces_b.items()):
            path = kept[name]
            if path is not None and is_sealed(path, path.name):
                out[:, :, j] = np.load(path)
            else:
                sides = sides or [side_of("spaces_a", own, spaces_a[own]) for own in spaces_a]
                edges = np.cumsum([0, *(side.fitted.rank for side in sides)])
                other = side_of("spaces_b", name, layer)
                here = backend_of(other.fitted.rows)
                products = [
                    product(side.fitted, other.fitted, cores.crossed(side, other, compare=i == 0))
                    for i, side in enumerate(sides)
                ]
                out[0, :, j] = np.minimum(largest_singular_values(here.below(products), edges, n_components), 1.0)
                if aside is not None:
                    for i, side in enumerate(sides):
                        r = _on_test_rows(side, other, here.get(products[i]), n_components)
                        out[1, i, j, : len(r)] = r
                if path is not None:
                    with replacing(path) as temporary, open(temporary, "wb") as file:
                        np.save(file, out[:, :, j])
                        file.flush()
                        seal(temporary, path.name)
            if progress is not None:
                progress(j + 1, len(spaces_b))
    found = xr.DataArray(
        out,
        dims=("rows", "layer_a", "layer_b", "component"),
        coords={
            "rows": ["fitted", "test"][: len(out)],
            "layer_a": list(spaces_a), "layer_b": list(spaces_b), "component": np.arange(n_components),
        },
        name="correlation",
        attrs={} if backend is None else {"device": name_of(backend), "products": cores.products},  # else all was there
    )  # fmt: skip
    return found.isel(rows=0, drop=True) if aside is None else found


@dataclass(frozen=True)
class _Side:
    """A layer: whitened, and where the rows that are held out lie in its basis."""

    fitted: Whitened
    test: Double
    halves: Any = field(repr=False)
    """Of its rows, for tensor cores, where a device has them and gains by them."""

    @classmethod
    def of(cls, fitted: Whitened, test: Double | None = None) -> _Side:
        """Split its rows into halves, too, where that serves."""
        halves = backend_of(fitted.rows).halves(fitted.rows)
        return cls(fitted, np.empty((0, 0)) if test is None else test, halves)


@dataclass
class _TensorCores:
    """Products of two layers' rows from their halves, until one is seen to be less exact than float32's own.

    Attributes
    ----------
    exact : bool
        Whether none was.
    products : str
        What they were made of last.
    """

    exact: bool = True
    products: str = "as given"

    def crossed(self, a: _Side, b: _Side, *, compare: bool) -> Array | None:
        """Multiply a's rowsᵀ by b's; None where tensor cores do not serve."""
        if not self.exact or a.halves is None or b.halves is None:
            return None
        here, (left, right) = backend_of(a.fitted.rows), (a.fitted.rows, b.fitted.rows)
        found = here.crossed(a.halves, b.halves)
        if compare:
            every, some = slice(None), slice(min(COMPARED, right.shape[1]))
            part = here.copy(here.part(right, every, some))
            apart = here.summed(here.part(found, every, some), [cross(left, part)], -1)
            size, of_part = here.bring([here.squares(left), here.squares(part)])
            apart = here.scaled_rows(apart, 1.0 / np.sqrt(np.maximum(size, np.finfo(float).tiny)))
            off = here.get(here.squares(apart))
            self.exact = bool((off <= ROUNDING**2 * left.shape[1] * of_part).all())
        self.products = SPLIT if self.exact else "as given"
        return found if self.exact else None


def _rows(test: ArrayLike) -> NDArray[np.bool_]:
    rows = np.asarray(test)
    if rows.dtype != np.bool_ or rows.ndim != 1 or rows.all() or rows.sum() < 2:
        raise InputError(
            "test", f"an array of {rows.dtype} of shape {rows.shape}, {np.count_nonzero(rows)} of them true",
            "one bool for each row: two or more held out, others to fit",
        )  # fmt: skip
    return rows


def _on_test_rows(a: _Side, b: _Side, M: Double, k: int) -> Double:
    """Correlate the variates of two layers on the rows that are held out; M is the product of their bases."""
    left, _, right = largest_singular_vectors(M, min(k, *M.shape))
    return column_correlations(a.test @ left, b.test @ right)
