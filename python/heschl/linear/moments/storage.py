"""Moments on disk: one .npz file of plain arrays, no pickle; written whole or not at all, under a checksum."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from heschl.checks import InputError
from heschl.files import replacing
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
    with np.load(path, allow_pickle=False) as file:
        found = {name: file[name] for name in file.files}
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
