"""What can be known from the settings alone: units, orders of magnitude, places to write to."""

from __future__ import annotations

import os
from pathlib import Path

from heschl.linear.device.place import check_device
from heschl.study.check.problems import attempt
from heschl.study.config.encoding import AlphaRange
from heschl.study.config.study import Study
from heschl.study.kinds.problems import Problem
from heschl.study.work.layout import Layout

LONG_LAG_S = 5.0
"""Auditory cortex answers within a second; a longer lag is more likely a number of ms."""
LONG_WORD_LAG_S = 30.0
NARROW = 100.0
"""Times that the largest λ is the smallest, below which a grid leaves inner folds little to choose."""
LARGEST_EXPONENT = 12.0
FINE_GRID_HZ, COARSE_GRID_HZ = 400.0, 2.0
"""A rate of frames that is higher is more likely that of the sound; one that is lower a number of kHz."""


def settings_problems(study: Study, folder: Path, path: Path) -> list[Problem]:
    """Look for settings in other units than theirs."""
    found = [*_lags(study), *_places(study, folder, path)]
    alphas = study.encoding.alpha_grid()
    if alphas[0] > alphas[-1]:
        found.append(
            Problem(
                "error", "encoding.alphas", f"low = {alphas[0]:g} above high = {alphas[-1]:g}", "low below high",
                "Exchange the two.",
            )
        )  # fmt: skip
    elif len(alphas) == 1:
        found.append(
            Problem(
                "warning", "encoding.alphas", f"one λ, {alphas[0]:g}", "several for inner folds to choose from",
                "alphas = { low = 1e1, high = 1e7, n = 13 } serves most features.",
            )
        )  # fmt: skip
    elif alphas[-1] < NARROW * alphas[0]:
        exponents = study.encoding.alphas if isinstance(study.encoding.alphas, AlphaRange) else None
        remedy = "alphas = { low = 1e1, high = 1e7, n = 13 } serves most features."
        if exponents is not None and exponents.high <= LARGEST_EXPONENT:
            low, high, n = exponents.low, exponents.high, exponents.n
            remedy = f"If these are exponents, write {{ low = 1e{low:g}, high = 1e{high:g}, n = {n} }}."
        found.append(
            Problem(
                "warning", "encoding.alphas", f"λ from {alphas[0]:g} to {alphas[-1]:g}", "several decades of λ", remedy
            )
        )
    attempt(found, lambda: check_device(study.encoding.device))  # a GPU that is not there
    if study.grid.rate is not None and study.grid.rate < COARSE_GRID_HZ:
        found.append(
            Problem(
                "error", "grid.rate", f"{study.grid.rate:g} frames per second", "25 to 200 Hz",
                f"If these are kHz, write rate = {1e3 * study.grid.rate:g}.",
            )
        )  # fmt: skip
    if study.grid.rate is not None and study.grid.rate > FINE_GRID_HZ:
        found.append(
            Problem(
                "warning", "grid.rate", f"{study.grid.rate:g} frames per second", "25 to 200 Hz",
                "It is the rate of frames, not that of the sound; each frame is a row of the fit.",
            )
        )  # fmt: skip
    return found


def _lags(study: Study) -> list[Problem]:
    found = []

    def seconds(key: str, value: float, longest: float) -> None:
        if abs(value) > longest:
            found.append(
                Problem(
                    "error", key, f"{value:g} s", f"seconds, at most {longest:g} of them",
                    f"If these are milliseconds, write {key.rpartition('.')[2]} = {value / 1e3:g}.",
                )
            )  # fmt: skip

    seconds("encoding.tmin", study.encoding.tmin, LONG_LAG_S)
    seconds("encoding.tmax", study.encoding.tmax, LONG_LAG_S)
    if study.word_lags is not None:
        for name in ("tmin", "tmax", "step", "window"):
            seconds(f"word_lags.{name}", getattr(study.word_lags, name), LONG_WORD_LAG_S)
    if study.encoding.tmax <= 0:
        found.append(
            Problem(
                "warning", "encoding.tmax", f"lags of {study.encoding.tmin:g} to {study.encoding.tmax:g} s",
                "positive lags, which are the past of the stimulus",
                "A negative lag predicts responses from sound that follows them: exchange the signs?",
            )
        )  # fmt: skip
    return found


def _places(study: Study, folder: Path, path: Path) -> list[Problem]:
    """Look whether results, and features, can be written where they are to be."""
    where = {"the folder of results": Layout.of(path).out}
    if study.store.folder is not None:
        where["store.folder"] = folder / Path(study.store.folder).expanduser()
    found = []
    for key, wanted in where.items():
        exists = wanted
        while not exists.exists():
            exists = exists.parent
        if not exists.is_dir() or not os.access(exists, os.W_OK):
            found.append(
                Problem(
                    "error" if key == "store.folder" else "warning", key, f"{exists}, which may not be written to",
                    "a folder to write to",
                    "Choose another store.folder." if key == "store.folder" else "Run with --out FOLDER.",
                )
            )  # fmt: skip
    return found
