"""Canonical correlations of every layer of one model with every layer of another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from heschl.checks import InputError
from heschl.files import digest, replacing
from heschl.linear.cca.cca import check_parameters
from heschl.linear.cca.costs import map_operations
from heschl.linear.cca.whitening import Whitened, largest_singular_values, product, whiten
from heschl.linear.design.frames import Frames
from heschl.linear.device.backend import Backend
from heschl.linear.device.place import backend_of, check_device, name_of, open_device
from heschl.seals import is_sealed, seal

if TYPE_CHECKING:
    import xarray as xr

Layer = ArrayLike | Callable[[], ArrayLike]


def cca_grid(
    spaces_a: Mapping[str, Layer],
    spaces_b: Mapping[str, Layer],
    *,
    n_components: int = 50,
    rank_tol: float = 1e-10,
    pca: float | int | None = None,
    standardize: bool = False,
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
        (layer_a, layer_b, component) of float64; `attrs["device"]` says where the products were made.

    Raises
    ------
    InputError
        For no layer, layers of other numbers of rows, NaN, a layer that does not vary.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl import cca_grid
    >>> rng = np.random.default_rng(0)
    >>> layers = {str(i): rng.standard_normal((100, 3)) for i in range(2)}
    >>> found = cca_grid(layers, layers, n_components=2)
    >>> found.dims, found.sel(layer_a="0", layer_b="0").values.round(6).tolist()
    (('layer_a', 'layer_b', 'component'), [1.0, 1.0])
    """
    import xarray as xr

    check_parameters(n_components, rank_tol, pca)
    check_device(device)
    if not spaces_a or not spaces_b:
        raise InputError("spaces_a, spaces_b", f"{len(spaces_a)} and {len(spaces_b)} layers", "one or more of each")
    n: int | None = None
    backend: Backend | None = None

    def side_of(side: str, name: str, layer: Layer) -> Whitened:
        nonlocal n, backend
        where = f"{side}[{name!r}]"
        frames = Frames.of(layer() if callable(layer) else layer, name=where)
        rows, width = frames.shape
        if backend is None:  # by the first layer, as if all were as wide
            operations = map_operations((len(spaces_a), width), (len(spaces_b), width), rows)
            backend = open_device(device, lambda _: operations, frames.spaces[0].values)
        n = rows if n is None else n
        if rows != n:
            raise InputError(where, f"{rows} rows", f"{n}, as many as the layers before")
        X = frames.to(backend).expanded()
        return whiten(where, X, rank_tol=rank_tol, pca=pca, standardize=standardize)

    key = digest(list(spaces_a), n_components, rank_tol, pca, standardize)
    kept = {name: None if resume is None else Path(resume) / f"{key}-{digest(name)}.npy" for name in spaces_b}
    out = np.zeros((len(spaces_a), len(spaces_b), n_components))
    sides: list[Whitened] = []
    for j, (name, layer) in enumerate(spaces_b.items()):
        path = kept[name]
        if path is not None and is_sealed(path, path.name):
            out[:, j] = np.load(path)
        else:
            sides = sides or [side_of("spaces_a", own, spaces_a[own]) for own in spaces_a]
            edges = np.cumsum([0, *(side.rank for side in sides)])
            other = side_of("spaces_b", name, layer)
            products = backend_of(other.rows).below([product(side, other) for side in sides])
            out[:, j] = np.minimum(largest_singular_values(products, edges, n_components), 1.0)
            if path is not None:
                with replacing(path) as temporary, open(temporary, "wb") as file:
                    np.save(file, out[:, j])
                    file.flush()
                    seal(temporary, path.name)
        if progress is not None:
            progress(j + 1, len(spaces_b))
    return xr.DataArray(
        out,
        dims=("layer_a", "layer_b", "component"),
        coords={"layer_a": list(spaces_a), "layer_b": list(spaces_b), "component": np.arange(n_components)},
        name="correlation",
        attrs={} if backend is None else {"device": name_of(backend)},  # none where all was finished before
    )
