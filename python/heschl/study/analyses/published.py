"""The published practice beside the sound one: the same layers, scored as the code published with the paper does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.files import digest, digest_code
from heschl.linear import joined_cv
from heschl.study.config.study import Encoding
from heschl.study.extraction.features import Features
from heschl.study.inputs.targets import FitGroup
from heschl.study.work.cache import Cache, Piece, load_arrays, save_arrays
from heschl.study.work.progress import Reporter

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

DIFFERENCES = (
    "sentences are joined before lagging, so that a sentence's first frames see the one before it",
    "folds are contiguous fifths of the joined frames: a sentence may lie on both sides of a cut",
    "\N{GREEK SMALL LETTER LAMDA} comes from 1e2 to 1e7 by the correlation on half of the held-out fifth",
    "responses are brought to the frames of features by FFT, sentence by sentence, as if each went round in a circle",
    "the score is the mean over folds of r\N{SUPERSCRIPT TWO}, undefined ones counted as 0: never below 0",
    "the layer is the one with the highest score",
)
"""What the published practice does otherwise."""


def fft_resampled(
    values: NDArray[np.float64], times_in: NDArray[np.float64], times_out: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Resample a trial by its discrete Fourier transform (scipy.signal.resample), as the published code does.

    The first sample stays the first: a frame gets the value at its begin, half a frame before its centre.

    Parameters
    ----------
    values : (n_in, c) array
    times_in : (n_in,) array
        s, evenly spaced. What lies before or after the frames that are asked for is cut off first.
    times_out : (n_out,) array
        Centres of frames, s.

    Returns
    -------
    (n_out, c) array
        Missing (NaN) throughout, in an electrode that has a gap.
    """
    from scipy.signal import resample

    step = times_out[1] - times_out[0] if len(times_out) > 1 else 2 * times_out[0]
    begin, end = times_out[0] - step / 2, times_out[-1] + step / 2
    inside = (times_in > begin - 1e-9) & (times_in < end - 1e-9)
    return np.asarray(resample(values[inside], len(times_out), axis=0))


def fit_published(
    groups: Sequence[FitGroup],
    features: Mapping[str, Features],
    encoding: Encoding,
    rate: float,
    cache: Cache,
    report: Reporter,
) -> NDArray[np.float64]:
    """Score every layer the published way, but for what the cache holds.

    Returns
    -------
    (model, electrode) array
        Mean over folds of r².

    Raises
    ------
    InputError
        Where responses are missing: the published code knows no masks.
    """
    code = digest_code("_core", "linear", "study.analyses.published")
    pieces = []
    with report.stage("as published", sum(len(found.layers) for found in features.values()) * len(groups)) as advance:
        for space, found in features.items():
            for i, layer in enumerate(found.layers):
                for group in groups:
                    if not np.isfinite(group.y).all():
                        raise InputError(
                            "preset", "missing responses", "none, with 'chen2024'", "Leave out the preset, or the gaps."
                        )
                    key = digest(code, found.key, i, group.y, group.segments, encoding.decides(), rate)
                    make = partial(_write, found, i, group, encoding, rate)
                    pieces.append(Piece(f"published/{space}/{layer}.npz", key, make))
        cache.share(pieces, advance)
    scores = [load_arrays(path)["mean_squared_r"] for path in cache.paths(pieces, report)]
    rows = [np.concatenate(scores[at : at + len(groups)]) for at in range(0, len(scores), len(groups))]
    return np.stack(rows)


def _write(found: Features, layer: int, group: FitGroup, encoding: Encoding, rate: float, path: Path) -> None:
    scores = joined_cv(
        found.layer(layer, group.segments),
        group.y,
        lags=encoding.lags(rate),
        standardize=encoding.standardize,
        device=encoding.device,
    )
    save_arrays(path, {"mean_squared_r": scores.mean_squared_r})


def add_published(results: xr.Dataset, scores: NDArray[np.float64]) -> xr.Dataset:
    """Give the results with ``published_r2`` (model, electrode) and ``published_max`` (space, electrode)."""
    best = [scores[results["model_space"].values == space].max(axis=0) for space in results["space"].values]
    return results.assign(
        published_r2=(("model", "electrode"), scores), published_max=(("space", "electrode"), np.stack(best))
    )


def published_table(results: xr.Dataset) -> pd.DataFrame:
    """Give for each space the published score, the sound one, and what lies between; medians over electrodes."""
    import pandas as pd

    sound = results["best_r2"].mean("fold", skipna=True).values
    published = results["published_max"].values
    return pd.DataFrame(
        {
            "space": [str(space) for space in results["space"].values],
            "as published": np.nanmedian(published, axis=1),
            "sound R2": np.nanmedian(sound, axis=1),
            "difference": np.nanmedian(published - sound, axis=1),
        }
    )
