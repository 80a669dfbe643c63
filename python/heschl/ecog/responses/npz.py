"""Responses in one .npz file: what each key may hold."""

from __future__ import annotations

import difflib
from pathlib import Path

import numpy as np

from heschl.checks import InputError
from heschl.ecog.files.archives import open_npz
from heschl.ecog.responses.trials import Array, Responses
from heschl.names import plain_names, stimulus_names
from heschl.notices import warn


def read_npz(path: Path, subject: str, where: str) -> Responses:
    """Read and check one .npz file."""
    arrays, held = open_npz(path, _KEYS, where)
    for name in held:
        meant = difflib.get_close_matches(name.lower(), _KEYS, 1, 0.8) if name not in _KEYS else []
        if meant:
            warn(f"{where}: {name!r} is not read; {meant[0]!r} would be")
    values = _numbers(arrays, "responses", where)
    if values.ndim not in (2, 3):
        raise InputError(
            f"{where}: responses",
            f"shape {values.shape}",
            "(trial, time, electrode), or (time, electrode) with lengths",
        )
    electrodes = _electrodes(arrays, where)
    stimuli = stimulus_names(_names(arrays, "stimuli", where), f"{where}: stimuli")
    for i, name in enumerate(stimuli):
        if not name:
            raise InputError(f"{where}: stimuli", f"an empty name of trial {i}", "the name of a sound")
    values = _time_first(values, len(electrodes), arrays.get("lengths"), where)
    lengths = _lengths(arrays, values, len(stimuli), where)
    if values.ndim == 3:
        trials = tuple(trial[:length] for trial, length in zip(values, lengths, strict=True))
    else:
        trials = tuple(np.split(values, np.cumsum(lengths)[:-1]))
    sfreq, onset = _clock(arrays, values, int(max(lengths)), where)
    anatomy, sessions = _anatomy(arrays, len(electrodes), where), _sessions(arrays, len(stimuli), where)
    return Responses(subject, electrodes, sfreq, onset, stimuli, trials, anatomy, sessions)


def _electrodes(arrays: dict[str, Array], where: str) -> tuple[str, ...]:
    """Return the electrodes' names, all different."""
    electrodes = _names(arrays, "electrodes", where)
    if not electrodes or "" in electrodes:
        raise InputError(f"{where}: electrodes", "an empty name" if electrodes else "none", "a name of each electrode")
    twice = next((name for name in electrodes if electrodes.count(name) > 1), None)
    if twice is not None:
        raise InputError(
            f"{where}: electrodes",
            f"the name {twice!r} more than once",
            "a name of its own for each electrode",
        )
    return electrodes


def _time_first(values: Array, n: int, lengths: Array | None, where: str) -> Array:
    """Return responses as (…, time, electrode); the other order is told by the number of electrodes."""
    time, last = values.shape[-2:]
    if n not in (time, last):
        raise InputError(
            f"{where}: electrodes", f"{n} names", f"one for each of the {last} columns of responses"
        )  # fmt: skip
    total = None if lengths is None or values.ndim == 3 else int(lengths.sum())
    if time == last and (values.ndim == 3 or total == n):
        raise InputError(
            f"{where}: responses",
            f"shape {values.shape} with {n} electrodes: (…, time, electrode), or (…, electrode, time)",
            "lengths that tell the two apart",
        )
    return np.swapaxes(values, -1, -2) if last != n else values


def _anatomy(arrays: dict[str, Array], n: int, where: str) -> dict[str, Array]:
    """Return regions and positions, where the file has them."""
    anatomy: dict[str, Array] = {}
    if "regions" in arrays:
        regions = np.array(_names(arrays, "regions", where), dtype=object)
        if len(regions) != n:
            raise InputError(f"{where}: regions", f"{len(regions)} names", f"{n}, one for each electrode")
        anatomy["region"] = regions
    if "positions" in arrays:
        positions = _numbers(arrays, "positions", where)
        if positions.shape != (n, 3):
            raise InputError(f"{where}: positions", f"shape {positions.shape}", f"({n}, 3): x, y, z in m")
        anatomy |= {axis: np.asarray(positions[:, i], dtype=np.float64) for i, axis in enumerate("xyz")}
    return anatomy


def _sessions(arrays: dict[str, Array], n: int, where: str) -> tuple[str, ...]:
    """Return the session of each trial, names or whole numbers; none where the file names none."""
    if "sessions" not in arrays:
        return ()
    values = arrays["sessions"]
    if values.shape != (n,) or values.dtype.kind not in "iuUS":
        raise InputError(
            f"{where}: sessions", f"dtype {values.dtype}, shape {values.shape}", f"a name for each of the {n} trials"
        )  # fmt: skip
    names = plain_names(values.astype(str) if values.dtype.kind in "iu" else values, f"{where}: sessions")
    if "" in names:
        raise InputError(
            f"{where}: sessions", f"an empty name of trial {names.index('')}", "the name of a recording session"
        )  # fmt: skip
    return names


_KEYS = ("responses", "lengths", "stimuli", "electrodes", "sfreq", "times", "regions", "positions", "sessions")


def _get(arrays: dict[str, Array], key: str, where: str) -> Array:
    if key not in arrays:
        raise InputError(
            where,
            f"no {key!r} among {sorted(arrays)}",
            "the arrays responses, stimuli, electrodes, sfreq (or times), and lengths where trials differ",
        )
    return arrays[key]


def _numbers(arrays: dict[str, Array], key: str, where: str) -> Array:
    values = _get(arrays, key, where)
    if values.dtype.kind not in "fiu":
        raise InputError(f"{where}: {key}", f"dtype {values.dtype}", "real numbers")
    return values if values.dtype in (np.float32, np.float64) else values.astype(np.float64)


def _names(arrays: dict[str, Array], key: str, where: str) -> tuple[str, ...]:
    values = _get(arrays, key, where)
    if values.ndim != 1 or values.dtype.kind not in "US":
        raise InputError(f"{where}: {key}", f"dtype {values.dtype}, shape {values.shape}", "a list of names")
    return plain_names(values, f"{where}: {key}")


def _lengths(arrays: dict[str, Array], values: Array, n_trials: int, where: str) -> list[int]:
    """Return the valid samples of each trial, in agreement with the stimuli and the responses."""
    if n_trials == 0:
        raise InputError(f"{where}: stimuli", "no trial", "at least one")
    if values.ndim == 3 and len(values) != n_trials:
        raise InputError(f"{where}: stimuli", f"{n_trials} names", f"one for each of the {len(values)} trials")
    if "lengths" not in arrays and values.ndim == 3:
        return [values.shape[1]] * n_trials if values.shape[1] else _empty(0, where)
    lengths = _get(arrays, "lengths", where)
    if lengths.shape != (n_trials,) or lengths.dtype.kind not in "iu":
        raise InputError(
            f"{where}: lengths",
            f"dtype {lengths.dtype}, shape {lengths.shape}",
            f"whole numbers, one for each of the {n_trials} names in stimuli",
        )
    short = np.flatnonzero(lengths <= 0)
    if short.size:
        return _empty(int(short[0]), where)
    if values.ndim == 3 and lengths.max() > values.shape[1]:
        trial = int(lengths.argmax())
        raise InputError(
            f"{where}: lengths",
            f"{lengths[trial]} samples in trial {trial}",
            f"at most the {values.shape[1]} that responses holds",
        )
    if values.ndim == 2 and lengths.sum() != len(values):
        raise InputError(f"{where}: lengths", f"{lengths.sum()} samples in all", f"the {len(values)} rows of responses")
    return [int(length) for length in lengths]


def _empty(trial: int, where: str) -> list[int]:
    raise InputError(f"{where}: trial {trial}", "no sample", "at least one", "Leave empty trials out of the file.")


def _clock(arrays: dict[str, Array], values: Array, longest: int, where: str) -> tuple[float, float]:
    """Return (sampling rate in Hz, time of the first sample in s) from ``sfreq`` or ``times``."""
    if "times" not in arrays:
        sfreq = _numbers(arrays, "sfreq", where)
        if sfreq.size != 1 or not np.isfinite(sfreq).all() or sfreq.item() <= 0:
            found = f"{sfreq.item():g} Hz" if sfreq.size == 1 else f"shape {sfreq.shape}"
            raise InputError(f"{where}: sfreq", found, "one sampling rate above 0 Hz")
        return float(sfreq.item()), 0.0
    times = _numbers(arrays, "times", where).astype(np.float64)
    expected = values.shape[1] if values.ndim == 3 else longest
    if times.shape != (expected,) or expected < 2:
        raise InputError(
            f"{where}: times",
            f"shape {times.shape}",
            f"a time for each of the {expected} samples of the longest trial, two or more",
            "Or give sfreq instead.",
        )
    steps = np.diff(times)
    step = float(steps.mean())
    if not np.isfinite(times).all() or step <= 0 or np.abs(steps - step).max() > 0.01 * step:
        raise InputError(f"{where}: times", "times that are not evenly spaced and rising", "uniform sampling")
    rate = 1.0 / step
    if "sfreq" in arrays and not np.allclose(arrays["sfreq"], rate, rtol=1e-3):
        raise InputError(
            f"{where}: sfreq",
            f"{arrays['sfreq']} Hz, but times that run at {rate:g} Hz",
            "the same rate in both",
            "Leave one of them out.",
        )
    if times[0] > step:
        raise InputError(
            f"{where}: times",
            f"a first sample {times[0]:g} s after the sound's onset",
            "responses that start at the onset or before it",
            "Cut the sound and its words to the part that was recorded.",
        )
    return rate, float(times[0])
