"""Moments on disk: one .npz file of plain arrays, no pickle; written whole or not at all, under a checksum."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from heschl.checks import InputError
from heschl.files import replacing
from heschl.linear.design.rows import BOUNDARIES
from heschl.linear.moments.margins import Margins
from heschl.linear.moments.shift import Shift
from heschl.linear.moments.sums import LaggedSums
from heschl.seals import is_sealed, seal

FORMAT = "heschl lagged moments 2"
ARRAYS = (
    "first_column", "leaving", "entering", "pair_sums", "pair_counts", "cross", "target_sums", "totals", "feature_sums",
    "extremes", "ids", "owner", "room",
)  # fmt: skip


def save_moments(moments: LaggedSums, path: str | Path) -> None:
    """Write moments to `path`; a file of that name is replaced once the new one is whole."""
    out: dict[str, Any] = {name: getattr(moments, name) for name in ARRAYS}
    out |= {
        "format": FORMAT,
        "boundary": moments.boundary,
        "counts": np.array([moments.lags[0], len(moments.lags), moments.n_rows, moments.n_frames]),
        "feature_shift": moments.shift.features,
        "target_shift": moments.shift.targets,
    }
    if moments.margins is not None:
        m = moments.margins
        out |= {"margin_X": m.X, "margin_y": m.y, "margin_lengths": m.lengths, "margin_size": np.array(m.size)}
    with replacing(Path(path)) as temporary, open(temporary, "wb") as file:
        np.savez(file, **out)
        file.flush()
        seal(temporary)


def load_moments(path: str | Path) -> dict[str, Any]:
    """Read the fields that `save_moments` wrote; a file that is changed in any byte is refused before it is parsed."""
    path, expected = Path(path), "a file written by LaggedMoments.save"
    if not path.is_file():
        raise InputError(str(path), "no such file", expected)
    if not is_sealed(path):
        raise InputError(
            str(path), "a file without its checksum, or changed since", expected,
            "It is damaged, of another kind, or of another version of heschl: gather these moments again.",
        )  # fmt: skip
    try:
        return _fields(path, expected)
    except InputError:
        raise
    except Exception as error:  # sealed with care, and wrong all the same: zipfile and NumPy raise many types
        raise InputError(str(path), f"no such moments ({type(error).__name__}: {error})", expected) from error


def _fields(path: Path, expected: str) -> dict[str, Any]:
    """Read the fields of a file, and check that their shapes belong together."""
    with np.load(path, allow_pickle=False) as file:
        found = {name: file[name] for name in file.files}
    if str(found.get("format", "")) != FORMAT:
        raise InputError(str(path), f"format {found.get('format', 'none')}", FORMAT)
    first, w, n_rows, n_frames = found["counts"].tolist()
    if w < 1 or not 0 <= n_rows <= n_frames:
        raise InputError(str(path), f"{w} lags, {n_rows} rows of {n_frames} frames", expected)
    margins = None
    if "margin_X" in found:
        margins = Margins(found["margin_X"], found["margin_y"], found["margin_lengths"], int(found["margin_size"]))
    _check_shapes(found, w, margins, str(path), expected)
    return dict(
        lags=range(first, first + w),
        boundary=str(found["boundary"]),
        shift=Shift(found["feature_shift"], found["target_shift"]),
        n_rows=n_rows,
        n_frames=n_frames,
        margins=margins,
        **{name: found[name] for name in ARRAYS},
    )


def _check_shapes(found: dict[str, Any], w: int, margins: Margins | None, where: str, expected: str) -> None:
    """Refuse arrays that do not belong to the same lags, features, targets and segments; see `LaggedMoments`."""
    d, c, s, r = (
        int(found[name].shape[at]) for name, at in (("first_column", 1), ("cross", 1), ("ids", 0), ("owner", 0))
    )
    shapes: dict[str, tuple[int, ...]] = {
        "first_column": (w * d, d), "pair_sums": (w * w, d), "pair_counts": (w * w,), "cross": (w * d, c),
        "target_sums": (w, c), "totals": (2, c), "feature_sums": (2, d), "extremes": (s, 2, d), "ids": (s,),
        "owner": (r,), "room": (r, 3), "feature_shift": (d,), "target_shift": (c,),
    }  # fmt: skip
    edges = {name: found[name].shape in ((r, w * d), (0, w * d)) for name in ("leaving", "entering")}
    wrong = [name for name, shape in shapes.items() if found[name].shape != shape]
    wrong += [name for name, fits in edges.items() if not fits]
    wrong += [
        name for name in ARRAYS if found[name].dtype.kind not in ("iuU" if name in ("ids", "owner", "room") else "f")
    ]
    frames = found["first_column"].dtype
    wrong += [name for name in ("feature_shift", "target_shift") if found[name].dtype != frames]
    if wrong or not ((found["owner"] >= 0) & (found["owner"] < s)).all() or str(found["boundary"]) not in BOUNDARIES:
        raise InputError(
            where, f"arrays that do not belong together ({', '.join(wrong) or 'owner, boundary'})", expected
        )
    if margins is not None:
        whole = all(values.dtype.kind in "iu" for values in (margins.lengths, found["margin_size"]))
        if not whole or {margins.X.dtype, margins.y.dtype} != {frames} or margins.size < 0:
            raise InputError(where, "margins of another type of numbers", expected)
        kept = int(np.minimum(margins.lengths, 2 * margins.size).sum())
        if margins.X.shape != (kept, d) or margins.y.shape != (kept, c) or margins.lengths.shape != (s,):
            raise InputError(where, "margins that do not belong to its segments", expected)
