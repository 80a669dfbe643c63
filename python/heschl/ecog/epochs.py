"""From a continuous signal to trials: what was recorded from before each stimulus until after it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.ecog.responses.trials import Responses
from heschl.names import stimulus_name
from heschl.timing.resample import ZERO_CROSSINGS, resample_known

if TYPE_CHECKING:
    import pandas as pd


def epoch(
    values: NDArray[np.floating],
    rate: float,
    events: pd.DataFrame,
    *,
    start: float = 0.0,
    pre: float = 0.5,
    post: float = 0.5,
    sfreq: float | None = None,
    subject: str = "",
    electrodes: tuple[str, ...] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Responses:
    """Cut a continuous signal into trials around stimuli.

    Sample i of a trial lies at −pre + i / sfreq s from the exact onset of its stimulus. Where that is between two
    samples of the signal, it is interpolated without delay or aliasing (`heschl.timing.resample`). Only samples that
    are missing, or lie before or after the recording, become missing samples.

    Parameters
    ----------
    values : (n_samples, n_electrodes) array
        The signal, such as high gamma; NaN is missing.
    rate : float
        Its samples per second, Hz.
    events : pandas.DataFrame
        ``onset`` and ``duration`` (s on the clock of `start`) and ``stimulus``, a row for each presentation; also
        ``session``, where the recording consists of several.
    start : float
        Time of the first sample, s.
    pre, post : float
        Margins to keep before the onset and after the end of each stimulus, s; at least 0.
    sfreq : float, optional
        Samples per second of the trials, Hz; the signal's own by default.
    subject : str
        The subject's name.
    electrodes : tuple of str, optional
        Names of the columns of `values`; "e0", "e1" … by default.
    progress : callable, optional
        Called with (presentations done, in all).

    Returns
    -------
    Responses
        Trials in the order of the events, repeats apart; NaN is missing.

    Raises
    ------
    InputError
        For missing columns, onsets or durations that are not finite, no event, negative margins, and a
        stimulus that lies outside the recording.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.ecog import epoch
    >>> import pandas as pd
    >>> signal = np.sin(2 * np.pi * 2 * np.arange(1000) / 100)[:, None]
    >>> events = pd.DataFrame({"onset": [1.0, 5.003], "duration": [1.0, 1.0], "stimulus": ["a", "b"]})
    >>> responses = epoch(signal, 100.0, events, pre=0.2, post=0.0)
    >>> responses.onset, [trial.shape for trial in responses.trials]
    (-0.2, [(120, 1), (120, 1)])
    >>> bool(abs(responses.trials[1][20, 0] - np.sin(2 * np.pi * 2 * 5.003)) < 1e-3)
    True
    """
    values = np.asarray(values)
    if values.ndim != 2 or len(values) < 2:
        raise InputError("values", f"shape {values.shape}", "(n_samples, n_electrodes), two samples or more")
    sfreq = rate if sfreq is None else sfreq
    for name, number in (("rate", rate), ("sfreq", sfreq)):
        if not (np.isfinite(number) and number > 0):
            raise InputError(name, f"{number} Hz", "a finite rate above 0 Hz")
    for name, number in (("pre", pre), ("post", post)):
        if not (np.isfinite(number) and number >= 0):
            raise InputError(name, f"{number} s", "a margin of 0 s or more")
    names = tuple(f"e{i}" for i in range(values.shape[1])) if electrodes is None else electrodes
    if len(names) != values.shape[1]:
        raise InputError(
            "electrodes", f"{len(names)} names", f"one for each of the {values.shape[1]} columns of values"
        )
    rows = _rows(events, start, start + len(values) / rate)
    times = start + np.arange(len(values)) / rate
    reach = ZERO_CROSSINGS / min(rate, sfreq) + 1 / rate
    trials = []
    for i, (onset, duration, _) in enumerate(rows):
        wanted = onset - round(pre * sfreq) / sfreq + np.arange(round((pre + duration + post) * sfreq)) / sfreq
        trials.append(_piece(values, times, wanted, reach))
        if progress is not None:
            progress(i + 1, len(rows))
    sessions = tuple(str(name) for name in events["session"]) if "session" in events.columns else ()
    if any(name in ("", "None", "nan") for name in sessions):
        raise InputError("events: session", "a row without one", "the session of every presentation, or no such column")
    return Responses(
        subject, names, float(sfreq), -round(pre * sfreq) / sfreq, tuple(name for *_, name in rows), tuple(trials),
        sessions=sessions,
    )  # fmt: skip


def _rows(events: pd.DataFrame, first: float, last: float) -> list[tuple[float, float, str]]:
    for column in ("onset", "duration", "stimulus"):
        if column not in events.columns:
            raise InputError("events", f"the columns {', '.join(map(str, events.columns))}", f"a column {column!r}")
    if len(events) == 0:
        raise InputError("events", "no event", "one or more")
    rows: list[tuple[float, float, str]] = []
    for onset, duration, stimulus in events[["onset", "duration", "stimulus"]].itertuples(index=False):
        place = f"events, row {len(rows)} ({stimulus})"
        if not (np.isfinite(onset) and np.isfinite(duration) and duration > 0):
            raise InputError(
                place, f"onset {onset} s and duration {duration} s", "finite times, and a duration above 0 s"
            )
        if onset + duration <= first or onset >= last:
            raise InputError(
                place, f"a stimulus from {onset:g} to {onset + duration:g} s",
                f"one within the recording, {first:g} to {last:g} s",
            )  # fmt: skip
        rows.append((float(onset), float(duration), stimulus_name(str(stimulus))))
    return rows


def _piece(
    values: NDArray[np.floating], times: NDArray[np.float64], wanted: NDArray[np.float64], reach: float
) -> NDArray[np.floating]:
    """Return the signal at the times wanted; NaN where it was not recorded."""
    out = np.full((len(wanted), values.shape[1]), np.nan, dtype=np.result_type(values.dtype, np.float32))
    half = (times[1] - times[0]) / 2
    recorded = np.flatnonzero((wanted >= times[0] - half) & (wanted <= times[-1] + half))
    if len(recorded):
        near = slice(*np.searchsorted(times, (wanted[recorded[0]] - reach, wanted[recorded[-1]] + reach)))
        out[recorded] = resample_known(values[near], times[near], wanted[recorded])
    return out
