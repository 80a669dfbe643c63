"""When stimuli really began: the recorded sound compared with the stimuli, and the drift between two clocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError

if TYPE_CHECKING:
    import pandas as pd

Double = NDArray[np.float64]

APART_S = 0.05
"""A rival peak lies at least so far from the best one, s."""


@dataclass(frozen=True)
class Drift:
    """How a clock runs against another: measured = offset + rate · nominal.

    Attributes
    ----------
    offset : float
        Of the measured clock at nominal time 0, s.
    rate : float
        Measured seconds for each nominal second.
    residual : float
        Median absolute deviation of the onsets from the line, s.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.ecog import Drift
    >>> drift = Drift(offset=0.5, rate=1.0001, residual=0.0)
    >>> round(drift.ppm, 3), drift(np.array([0.0, 1000.0])).tolist()
    (100.0, [0.5, 1000.6])
    """

    offset: float
    rate: float
    residual: float

    @property
    def ppm(self) -> float:
        """Drift in parts per million."""
        return (self.rate - 1) * 1e6

    def __call__(self, times: Double) -> Double:
        """Convert nominal times to measured ones, s."""
        return self.offset + self.rate * np.asarray(times, dtype=np.float64)


def find_onsets(
    audio: NDArray[np.floating],
    sfreq: float,
    sounds: Mapping[str, NDArray[np.floating]],
    events: pd.DataFrame,
    *,
    search: float = 1.0,
    least: float = 0.3,
) -> pd.DataFrame:
    """Find when each stimulus is heard in the recorded sound, by matched filtering.

    Around each nominal onset, the sound is slid along the recording. Its onset is where their normalised correlation is
    largest (in absolute value, since cables may invert the polarity), refined to a fraction of a sample by a parabola
    through the peak.

    Parameters
    ----------
    audio : (n_samples,) array
        The channel that recorded the sound, on the clock of the other channels.
    sfreq : float
        Its sampling rate, Hz.
    sounds : mapping of stimulus to (n,) array
        The sounds, brought to `sfreq` (`heschl.timing.audio.read_audio` does so).
    events : pandas.DataFrame
        Nominal ``onset`` (s) and ``stimulus`` of each presentation.
    search : float
        How far from its nominal onset a stimulus is looked for, s.
    least : float
        Correlation below which a stimulus counts as not heard.

    Returns
    -------
    pandas.DataFrame
        One row per event, in their order: ``onset`` (s from the first sample; NaN where not heard), ``duration``,
        ``stimulus``, ``nominal``, ``confidence`` (the correlation at the sample nearest to the peak, 0 … 1: 0.7 where a
        sound up to the Nyquist frequency begins between two samples) and ``rival`` (the largest 50 ms or more away).

    Raises
    ------
    InputError
        For missing columns, a stimulus without a sound, an event that lies outside the recording, a sound of
        silence.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.ecog import fit_drift
    >>> import numpy as np
    >>> from heschl.ecog import find_onsets
    >>> import pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> sound, audio = rng.standard_normal(500), 0.1 * rng.standard_normal(5000)
    >>> audio[2345:2845] -= sound
    >>> events = pd.DataFrame({"onset": [2.0], "stimulus": ["a"]})
    >>> onsets = find_onsets(audio, 1000.0, {"a": sound}, events)
    >>> round(float(onsets.loc[0, "onset"]), 4), bool(onsets.loc[0, "confidence"] > 0.9)
    (2.345, True)
    """
    import pandas as pd

    for column in ("onset", "stimulus"):
        if column not in events.columns:
            raise InputError("events", f"the columns {', '.join(map(str, events.columns))}", f"a column {column!r}")
    audio = np.asarray(audio, dtype=np.float64)
    if audio.ndim != 1 or not np.isfinite(audio).all():
        raise InputError("audio", f"shape {audio.shape}, or NaN", "(n_samples,) finite samples")
    rows = []
    for row, (nominal, stimulus) in enumerate(events[["onset", "stimulus"]].itertuples(index=False)):
        place = f"events, row {row} ({stimulus})"
        if stimulus not in sounds:
            raise InputError(place, "no sound of that name", f"one of the {len(sounds)} sounds")
        sound = np.asarray(sounds[stimulus], dtype=np.float64)
        if not np.abs(sound - sound.mean()).max(initial=0.0) > 0:
            raise InputError(place, "a sound of silence", "a sound that can be found")
        first = max(0, round((nominal - search) * sfreq))
        last = min(len(audio), round((nominal + search) * sfreq) + len(sound))
        if last - first < len(sound):
            seconds = len(audio) / sfreq
            raise InputError(place, f"a nominal onset at {nominal:g} s", f"one within the recording of {seconds:g} s")
        at, peak, rival = _best_match(np.asarray(audio[first:last], dtype=np.float64), sound, round(APART_S * sfreq))
        onset = (first + at) / sfreq if peak >= least else np.nan
        rows.append((onset, len(sound) / sfreq, stimulus, float(nominal), peak, rival))
    return pd.DataFrame(rows, columns=["onset", "duration", "stimulus", "nominal", "confidence", "rival"])


def fit_drift(nominal: Double, measured: Double, *, most: float = 0.02) -> Drift:
    """Fit a line through pairs of times on two clocks, robust against a few wrong pairs.

    Parameters
    ----------
    nominal, measured : (n,) arrays of float64
        Times of the same events on both clocks, s, such as nominal onsets and those that `find_onsets` measured; pairs
        with a NaN are left out.
    most : float
        Largest median deviation from the line, s.

    Returns
    -------
    Drift
        By the median of slopes (Theil & Sen), then least squares through the pairs within 3 robust deviations of it.

    Raises
    ------
    InputError
        For fewer than 3 pairs, and times that lie on no line.

    Examples
    --------
    >>> from heschl.ecog import fit_drift
    >>> import numpy as np
    >>> from heschl.ecog import Drift, corrected
    >>> nominal = np.arange(10) * 60.0
    >>> round(fit_drift(nominal, 2.0 + nominal * (1 + 50e-6)).ppm, 3)
    50.0
    """
    from scipy import stats

    nominal, measured = np.asarray(nominal, dtype=np.float64), np.asarray(measured, dtype=np.float64)
    known = np.isfinite(nominal) & np.isfinite(measured)
    nominal, measured = nominal[known], measured[known]
    if len(nominal) < 3 or np.ptp(nominal) == 0:
        raise InputError("nominal, measured", f"{len(nominal)} pairs of times", "3 or more, at different times")
    rate, offset, *_ = stats.theilslopes(measured, nominal)
    deviation = measured - offset - rate * nominal
    spread = float(np.median(np.abs(deviation)))
    if spread > most:
        raise InputError(
            "nominal, measured",
            f"times {spread:.3g} s off any line",
            f"{most:g} s or less",
            "Is the order of events right?",
        )
    inside = np.abs(deviation) <= max(3 * 1.4826 * spread, 1e-9)
    rate, offset = np.polyfit(nominal[inside], measured[inside], 1)
    return Drift(float(offset), float(rate), spread)


def corrected(onsets: pd.DataFrame, drift: Drift) -> pd.DataFrame:
    """Replace onsets that were not measured, or not reliably, by those that the drift predicts.

    An onset is replaced if the stimulus was not heard, or if it deviates from the line by more than 5 robust standard
    deviations and by more than 5 ms.

    Parameters
    ----------
    onsets : pandas.DataFrame
        From `find_onsets`: ``onset`` and ``nominal`` in s.
    drift : Drift
        From `fit_drift`.

    Returns
    -------
    pandas.DataFrame
        `onsets` with replaced values of ``onset``, and a column ``corrected`` (bool) that marks them.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.ecog import Drift, corrected
    >>> import pandas as pd
    >>> onsets = pd.DataFrame({"onset": [1.5, np.nan], "nominal": [1.0, 2.0]})
    >>> corrected(onsets, Drift(0.5, 1.0, 0.001)).values.tolist()
    [[1.5, 1.0, False], [2.5, 2.0, True]]
    """
    expected = drift(onsets["nominal"].to_numpy())
    onset = onsets["onset"].to_numpy()
    off = ~(np.abs(onset - expected) <= max(5 * 1.4826 * drift.residual, 0.005))
    return onsets.assign(onset=np.where(off, expected, onset), corrected=off)


def _best_match(audio: Double, sound: Double, apart: int) -> tuple[float, float, float]:
    """Return where a sound fits best (in samples), its correlation at that place, and the largest elsewhere."""
    from scipy.signal import fftconvolve

    n = len(sound)
    sound = sound - sound.mean()
    products = fftconvolve(audio, sound[::-1], mode="valid")
    ones = np.concatenate([[0.0], np.cumsum(audio)])
    squares = np.concatenate([[0.0], np.cumsum(audio**2)])
    energy = squares[n:] - squares[:-n] - (ones[n:] - ones[:-n]) ** 2 / n
    floor = 1e-12 * max(float(energy.max()), np.finfo(float).tiny)
    match = np.abs(products) / np.sqrt(np.maximum(energy, floor) * (sound @ sound))
    at = int(match.argmax())
    peak = float(min(1.0, match[at]))
    elsewhere = np.concatenate([match[: max(0, at - apart)], match[at + apart :]])
    rival = float(elsewhere.max()) if len(elsewhere) else 0.0
    if 0 < at < len(match) - 1:
        before, top, after = match[at - 1 : at + 2]
        curve = before - 2 * top + after
        if curve < 0:
            return at + 0.5 * (before - after) / curve, peak, rival
    return float(at), peak, rival
