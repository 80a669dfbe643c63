"""Moments on disk: one .npz file of plain arrays, no pickle; written whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from heschl.checks import InputError
from heschl.files import replacing
from heschl.linear.moments.margins import Margins
from heschl.linear.moments.shift import Shift
from heschl.linear.moments.sums import LaggedSums

FORMAT = "heschl lagged moments 1"
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


def load_moments(path: str | Path) -> dict[str, Any]:
    """Read the fields that `save_moments` wrote."""
    expected = "a file written by LaggedMoments.save"
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
    except (ValueError, BadZipFile, EOFError) as error:
        raise InputError(str(path), f"no such arrays ({error})", expected) from None
    if str(found.get("format", "")) != FORMAT:
        raise InputError(str(path), f"format {found.get('format', 'none')}", FORMAT)
    first, w, n_rows, n_frames = found["counts"].tolist()
    margins = None
    if "margin_X" in found:
        margins = Margins(found["margin_X"], found["margin_y"], found["margin_lengths"], int(found["margin_size"]))
    return dict(
        lags=range(first, first + w),
        boundary=str(found["boundary"]),
        shift=Shift(found["feature_shift"], found["target_shift"]),
        n_rows=n_rows,
        n_frames=n_frames,
        margins=margins,
        **{name: found[name] for name in ARRAYS},
    )
