"""Responses as a labelled dataset, stimulus × repeat × time × electrode: what preparation writes and a study reads."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from heschl.checks import InputError
from heschl.ecog.files.datasets import open_dataset, seconds_of
from heschl.ecog.responses.trials import Responses
from heschl.files import replacing
from heschl.names import plain_names, stimulus_names

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

FORMAT = "heschl responses 1"
DIMS = ("stimulus", "repeat", "time", "electrode")


def to_dataset(
    responses: Responses,
    *,
    electrodes: pd.DataFrame | None = None,
    tables: Mapping[str, pd.DataFrame] | None = None,
    provenance: Sequence[str] = (),
) -> xr.Dataset:
    """Arrange trials in one labelled dataset.

    Parameters
    ----------
    responses : Responses
        Trials; NaN is missing.
    electrodes : pandas.DataFrame, optional
        A row per electrode of the responses, by name: coordinates, regions … become coordinates of the dataset.
    tables : mapping of str to pandas.DataFrame, optional
        Statistics of each electrode, such as those by which electrodes were selected; their columns become
        "table.column".
    provenance : sequence of str
        What was done, a sentence each.

    Returns
    -------
    xarray.Dataset
        ``responses`` (stimulus, repeat, time, electrode), NaN where missing or never recorded; ``n_samples`` (stimulus,
        repeat), the length of each trial, 0 where there is none; ``time`` in s from the sound's onset; ``session``
        (stimulus, repeat), "" where there is no trial, if sessions are known.

    Raises
    ------
    InputError
        For tables without a row for every electrode.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.ecog import Responses, read_dataset, to_dataset, write_dataset
    >>> import numpy as np
    >>> from heschl.ecog import Responses, to_dataset
    >>> trials = tuple(np.full((n, 1), float(n), np.float32) for n in (3, 2, 3))
    >>> dataset = to_dataset(Responses("S1", ("e1",), 100.0, -0.01, ("a", "b", "a"), trials))
    >>> dict(dataset.sizes), dataset["time"].values.tolist(), dataset["n_samples"].values.tolist()
    ({'stimulus': 2, 'repeat': 2, 'time': 3, 'electrode': 1}, [-0.01, 0.0, 0.01], [[3, 3], [2, 0]])
    """
    import xarray as xr

    trials, sessions = defaultdict(list), defaultdict(list)
    for i, (name, trial) in enumerate(zip(responses.stimuli, responses.trials, strict=True)):
        trials[name].append(trial)
        sessions[name].append(responses.sessions[i] if responses.sessions else "")
    n_repeats = max(map(len, trials.values()))
    n_times = max(map(len, responses.trials))
    dtype = np.result_type(*(trial.dtype for trial in responses.trials))
    values = np.full((len(trials), n_repeats, n_times, len(responses.electrodes)), np.nan, dtype=dtype)
    n_samples = np.zeros((len(trials), n_repeats), dtype=np.int64)
    for i, repeats in enumerate(trials.values()):
        for j, trial in enumerate(repeats):
            values[i, j, : len(trial)] = trial
            n_samples[i, j] = len(trial)
    known = {}
    if responses.sessions:
        names = [own + [""] * (n_repeats - len(own)) for own in sessions.values()]
        known["session"] = (DIMS[:2], np.array(names, dtype=object))
    coordinates: dict[str, Any] = {
        "stimulus": np.array(list(trials), dtype=object),
        "time": ("time", responses.onset + np.arange(n_times) / responses.sfreq, {"units": "s"}),
        "electrode": np.array(responses.electrodes, dtype=object),
    }
    for prefix, table in (("", electrodes), *((f"{name}.", table) for name, table in (tables or {}).items())):
        if table is None:
            continue
        lacking = [name for name in responses.electrodes if name not in table.index]
        if lacking:
            raise InputError(f"table {prefix or 'electrodes'}", f"no row for {lacking[0]!r}", "one for each electrode")
        for column, cells in table.loc[list(responses.electrodes)].items():
            array = cells.to_numpy()
            coordinates[f"{prefix}{column}"] = (
                "electrode",
                array.astype(object) if array.dtype.kind not in "bif" else array,
            )
    return xr.Dataset(
        {"responses": (DIMS, values), "n_samples": (DIMS[:2], n_samples), **known},
        coords=coordinates,
        attrs={
            "format": FORMAT,
            "subject": responses.subject,
            "sfreq": responses.sfreq,
            "provenance": json.dumps(list(provenance)),
        },
    )


def write_dataset(dataset: xr.Dataset, path: str | Path) -> None:
    """Write a dataset as zarr, whole or not at all.

    Parameters
    ----------
    dataset : xarray.Dataset
        From `to_dataset`.
    path : str or Path
        The folder to write, such as "S1.zarr"; one that exists is replaced once the new one is whole.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.ecog import Responses, read_dataset, to_dataset, write_dataset
    >>> import tempfile
    >>> responses = Responses("S1", ("e1",), 100.0, 0.0, ("a",), (np.ones((3, 1), np.float32),))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_dataset(to_dataset(responses), folder + "/S1.zarr")
    ...     read_dataset(folder + "/S1.zarr", "S1").trials[0].shape
    (3, 1)
    """
    with replacing(Path(path)) as temporary:
        dataset.to_zarr(temporary, mode="w", consolidated=False)


def read_dataset(path: str | Path, subject: str) -> Responses:
    """Read the trials of a dataset.

    Parameters
    ----------
    path : str or Path
        A zarr folder, as `write_dataset` makes it, or a netCDF file of this form.
    subject : str
        The subject's name.

    Returns
    -------
    Responses
        Trials by stimulus and repeat; NaN is missing.

    Raises
    ------
    InputError
        For a path without a dataset, a damaged one, and one of another form.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.ecog import Responses, read_dataset, to_dataset, write_dataset
    >>> import tempfile
    >>> responses = Responses("S1", ("e1",), 100.0, -0.1, ("a", "a"), (np.ones((3, 1)), np.ones((2, 1))))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_dataset(to_dataset(responses), folder + "/S1.zarr")
    ...     read = read_dataset(folder + "/S1.zarr", "S1")
    >>> read.stimuli, read.onset, [trial.shape for trial in read.trials]
    (('a', 'a'), -0.1, [(3, 1), (2, 1)])
    """
    import xarray as xr

    path = Path(path)
    where = f"subject {subject} ({path})"
    if not path.exists():
        raise InputError(where, "no such file or folder", "responses: a dataset (.zarr, .nc)")
    dataset = open_dataset(path)
    with dataset:
        if dataset.attrs.get("format") != FORMAT or set(dataset.get("responses", xr.DataArray()).dims) != set(DIMS):
            raise InputError(
                where, f"the format {dataset.attrs.get('format')!r}",
                f"{FORMAT!r}: responses ({', '.join(DIMS)}), n_samples (stimulus, repeat), sfreq",
            )  # fmt: skip
        try:
            return _responses(dataset, subject, where)
        except (KeyError, ValueError, TypeError, OSError, RuntimeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(where, f"a damaged dataset ({type(error).__name__}: {error})", "a whole one") from error


def _responses(dataset: xr.Dataset, subject: str, where: str) -> Responses:
    values = dataset["responses"].transpose(*DIMS).values
    n_samples = dataset["n_samples"].transpose(*DIMS[:2]).values
    names = stimulus_names(dataset["stimulus"].values, f"{where}: stimulus")
    if values.dtype.kind != "f" or n_samples.dtype.kind not in "iu":
        raise InputError(where, f"responses of type {values.dtype}, n_samples of {n_samples.dtype}", "floats, integers")
    if n_samples.min() < 0 or n_samples.max() > values.shape[2] or not n_samples.any():
        raise InputError(
            f"{where}: n_samples", f"{n_samples.min()} to {n_samples.max()}", f"1 to {values.shape[2]} of each trial"
        )
    seconds, _ = seconds_of(dataset["time"], f"{where}: time")
    sfreq = float(dataset.attrs["sfreq"])
    if len(seconds) > 1 and abs((seconds[-1] - seconds[0]) * sfreq - (len(seconds) - 1)) > 1e-3 * len(seconds):
        raise InputError(
            f"{where}: sfreq", f"{sfreq:g} Hz, but times that run at another rate", "the same rate in both"
        )
    if not np.isfinite(seconds).all() or not sfreq > 0:
        raise InputError(f"{where}: time", f"times that are not finite, or {sfreq:g} Hz", "times in s, a rate above 0")
    pairs = [(i, j) for i in range(len(names)) for j in range(n_samples.shape[1]) if n_samples[i, j]]
    sessions: tuple[str, ...] = ()
    if "session" in dataset:
        labels = dataset["session"].transpose(*DIMS[:2]).values
        sessions = plain_names([str(labels[pair]) for pair in pairs], f"{where}: session")
        if "" in sessions:
            name = names[pairs[sessions.index("")][0]]
            raise InputError(f"{where}: session", f"an empty name of a trial of {name}", "the name of a session")
    return Responses(
        subject,
        plain_names(dataset["electrode"].values, f"{where}: electrode"),
        sfreq,
        float(seconds[0]),
        tuple(names[i] for i, _ in pairs),
        tuple(values[i, j, : n_samples[i, j]] for i, j in pairs),
        {name: dataset[name].values for name in ("region", "x", "y", "z") if name in dataset.coords},
        sessions,
    )
