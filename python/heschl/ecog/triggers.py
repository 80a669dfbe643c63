"""Events from a trigger channel: codes, or pulses in a known order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.ecog.recording.recording import Recording

if TYPE_CHECKING:
    import pandas as pd

BLOCK = 60.0
"""s of the channel that are read at a time."""
WHOLE = 0.02
"""How near to whole numbers a channel of codes keeps."""
UNITS = (1.0, 1e-3, 1e-6)
"""V, mV, µV: a file that says its codes are of that unit hands them on in V."""
LARGEST_CODE = 65535


def trigger_events(
    recording: Recording,
    durations: Mapping[str, float],
    *,
    codes: Mapping[int, str] | None = None,
    order: Sequence[str] | None = None,
    refractory: float = 0.05,
) -> pd.DataFrame:
    """Find the onsets of stimuli in a recording's trigger channel.

    An event begins where the channel leaves its resting level. A channel of whole numbers is read by its values, also
    where its file says that these are mV or µV. In any other channel, an event is a pulse that exceeds half of the
    largest pulse.

    Parameters
    ----------
    recording : Recording
        With a `trigger` channel.
    durations : mapping of stimulus to float
        Duration of each stimulus, s.
    codes : mapping of int to str, optional
        The stimulus of each code; other codes are left out.
    order : sequence of str, optional
        The stimulus of each pulse, in the order of presentation; give this or `codes`.
    refractory : float
        Time after an onset during which no other one is looked for, s.

    Returns
    -------
    pandas.DataFrame
        ``onset``, ``duration`` (s) and ``stimulus`` of each presentation.

    Raises
    ------
    InputError
        For a recording without a trigger channel, a channel without pulses, codes that never occur, a stimulus without
        a duration, and a number of pulses other than the length of `order` (the message then gives the longest pause
        between pulses, where one may be missing).

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.ecog import Recording, trigger_events
    >>> import pandas as pd
    >>> from heschl.ecog import ArraySource
    >>> values = np.zeros((3000, 2))
    >>> values[1000:1010, 1], values[2000:2010, 1] = 1, 2
    >>> table = pd.DataFrame({"bad": [False]}, index=["e1"])
    >>> empty = pd.DataFrame(columns=["onset", "duration", "stimulus"])
    >>> recording = Recording("S1", 1000.0, 3000, ("e1", "sti"), table, empty, np.zeros((0, 2)), ArraySource(values),
    ...     trigger="sti")
    >>> trigger_events(recording, {"a": 0.5, "b": 0.5}, codes={1: "a", 2: "b"}).values.tolist()
    [[1.0, 0.5, 'a'], [2.0, 0.5, 'b']]
    """
    import pandas as pd

    if (codes is None) == (order is None):
        raise InputError("codes, order", "both or neither", "codes of stimuli, or their order")
    if recording.trigger is None:
        raise InputError(f"recording of {recording.subject}", "no trigger channel", "one; read_recording(trigger=...)")
    values, whole = _codes(_read(recording, recording.trigger))
    rest = float(np.median(values))
    height = float(np.abs(values - rest).max())
    if height == 0:
        raise InputError(f"trigger {recording.trigger!r}", "a constant channel", "pulses or codes")
    away = np.abs(values - rest) > (0.5 if whole else height / 2)
    rises = np.flatnonzero(np.diff(away.astype(np.int8), prepend=0) == 1)
    # Codes may follow each other without a return to rest.
    if whole:
        steps = np.flatnonzero((np.diff(np.round(values), prepend=rest) != 0) & away)
        rises = np.union1d(rises, steps)
    at = _apart(rises, int(refractory * recording.sfreq))
    if codes is not None:
        # The value a little later: a code may take some samples to be all there.
        settled = np.minimum(at + max(1, int(0.002 * recording.sfreq)), len(values) - 1)
        observed = np.round(values[settled]).astype(int)
        absent = sorted(set(codes) - set(observed.tolist()))
        if absent:
            listed = ", ".join(map(str, np.unique(observed)[:12]))
            raise InputError(
                f"trigger {recording.trigger!r}", f"no code {absent[0]} (there are {listed or 'none'})",
                f"each code of {len(codes)}", "Leave out of `codes` what was not presented.",
            )  # fmt: skip
        pairs = [
            (sample, codes[code]) for sample, code in zip(at.tolist(), observed.tolist(), strict=True) if code in codes
        ]
    else:
        assert order is not None, "one of both was given"
        if len(at) != len(order):
            pauses = np.diff(at) / recording.sfreq
            longest = (
                f"; the longest pause begins at {at[int(pauses.argmax())] / recording.sfreq:.2f} s"
                if len(at) > 1
                else ""
            )
            raise InputError(
                f"trigger {recording.trigger!r}", f"{len(at)} pulses{longest}",
                f"{len(order)}, as many as presentations",
                "Correct the order by the log of the experiment, or find onsets in the recorded sound.",
            )  # fmt: skip
        pairs = list(zip(at.tolist(), order, strict=True))
    unknown = sorted({name for _, name in pairs} - set(durations))
    if unknown:
        raise InputError("durations", f"none of {unknown[0]!r}", "one of each stimulus")
    rows = [(sample / recording.sfreq, float(durations[name]), name) for sample, name in pairs]
    return pd.DataFrame(rows, columns=["onset", "duration", "stimulus"])


def _codes(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], bool]:
    """Return a channel in the unit in which its values are whole numbers, and whether there is one.

    In mV and µV any voltage of coarse steps is whole, so there a channel of codes must also keep to its resting level
    most of the time.
    """
    for unit in UNITS:
        codes = values / unit
        rest = np.median(codes)
        away = np.abs(codes - rest)
        whole = away.max() > 0.5 and bool((np.abs(codes - np.round(codes)) < WHOLE).all())
        if whole and (unit == 1.0 or (away.max() <= LARGEST_CODE and np.mean(away < 0.5) > 0.5)):
            return codes, True
    return values, False


def _read(recording: Recording, channel: str) -> NDArray[np.float64]:
    step = max(1, int(BLOCK * recording.sfreq))
    starts = range(0, recording.n_samples, step)
    parts = [recording.read(start, min(start + step, recording.n_samples), [channel])[:, 0] for start in starts]
    return np.nan_to_num(np.concatenate(parts))


def _apart(rises: NDArray[np.int64], least: int) -> NDArray[np.int64]:
    """Keep the first of rises that follow each other within `least` samples."""
    kept: list[int] = []
    for rise in rises.tolist():
        if not kept or rise - kept[-1] > least:
            kept.append(rise)
    return np.array(kept, dtype=np.int64)
