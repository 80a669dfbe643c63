"""High gamma and trials as MNE's objects, with positions and their frame kept."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError, check_choice
from heschl.ecog.high_gamma import HighGamma
from heschl.ecog.responses.trials import Responses

if TYPE_CHECKING:
    import mne

FRAME = "mni_tal"
"""MNE's name of the frame that positions are in where nothing else is said."""
ENDS = ("nan", "shortest")


def to_raw(gamma: HighGamma, *, kind: str = "ecog") -> mne.io.RawArray:
    """Return high gamma as a `Raw` object of MNE's.

    Parameters
    ----------
    gamma : HighGamma
        NaN, near artefacts and ends, becomes 0 under an annotation "BAD_missing", which MNE leaves out.
    kind : {"ecog", "seeg", "dbs"}
        Type of the channels.

    Returns
    -------
    mne.io.RawArray
        Numbers as they are (standard deviations or V); positions in the frame that the recording had (by default MNI).

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from heschl.ecog import HighGamma, to_raw
    >>> table = pd.DataFrame({"x": [0.05], "y": [0.0], "z": [0.01]}, index=["G1"])
    >>> values = np.r_[np.full(10, np.nan), np.ones(90)].astype(np.float32)[:, None]
    >>> raw = to_raw(HighGamma(values, 100.0, table, ()))
    >>> raw.ch_names, raw.get_montage().get_positions()["coord_frame"], raw.annotations.description.tolist()
    (['G1'], 'mni_tal', ['BAD_missing'])
    """
    import mne

    table = gamma.electrodes
    places = {name: table[name].to_numpy(np.float64) for name in ("x", "y", "z") if name in table}
    info = _info([str(name) for name in table.index], gamma.rate, kind, places, table.attrs.get("coord_frame", FRAME))
    missing = ~np.isfinite(gamma.values)
    raw = mne.io.RawArray(np.where(missing, 0.0, gamma.values).T.astype(np.float64), info, verbose="error")
    edges = np.flatnonzero(np.diff(np.r_[False, missing.any(axis=1), False])) / gamma.rate
    if edges.size:
        raw.set_annotations(mne.Annotations(edges[::2], edges[1::2] - edges[::2], "BAD_missing"))
    return raw


def to_epochs(responses: Responses, *, end: str = "nan", kind: str = "ecog") -> mne.EpochsArray:
    """Return trials as an `Epochs` object of MNE's, an event for each stimulus.

    Parameters
    ----------
    responses : Responses
        Trials; time 0 is the onset of the sound.
    end : {"nan", "shortest"}
        Epochs are of one length: shorter trials end in NaN, or all are cut to the shortest.
    kind : {"ecog", "seeg", "dbs"}
        Type of the channels.

    Returns
    -------
    mne.EpochsArray
        Numbers as they are; `event_id` by the stimuli's names; positions in MNI space, as `anatomy` holds them.

    Raises
    ------
    InputError
        For another `end` or `kind`.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.ecog import Responses, to_epochs
    >>> trials = (np.ones((60, 1)), np.ones((50, 1)))
    >>> epochs = to_epochs(Responses("S1", ("G1",), 100.0, -0.1, ("a", "b"), trials), end="shortest")
    >>> epochs.get_data().shape, sorted(epochs.event_id), float(epochs.tmin)
    ((2, 1, 50), ['a', 'b'], -0.1)
    """
    import mne

    check_choice("end", end, ENDS)
    lengths = [len(trial) for trial in responses.trials]
    n_times = min(lengths) if end == "shortest" else max(lengths)
    values = np.full((len(lengths), len(responses.electrodes), n_times), np.nan)
    for i, trial in enumerate(responses.trials):
        values[i, :, : len(trial)] = trial[:n_times].T
    names = list(dict.fromkeys(responses.stimuli))
    codes = {name: i + 1 for i, name in enumerate(names)}
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]) + max(0, round(-responses.onset * responses.sfreq))
    events = np.stack([starts, np.zeros_like(starts), [codes[name] for name in responses.stimuli]], axis=1)
    anatomy = {name: np.asarray(responses.anatomy[name], np.float64) for name in "xyz" if name in responses.anatomy}
    info = _info(responses.electrodes, responses.sfreq, kind, anatomy, FRAME)
    return mne.EpochsArray(values, info, events.astype(int), responses.onset, codes, verbose="error")


def _info(
    names: Sequence[str], sfreq: float, kind: str, positions: Mapping[str, NDArray[np.float64]], frame: str
) -> Any:
    """Return an `Info` with a montage where positions are known."""
    import mne

    check_choice("kind", kind, ("ecog", "seeg", "dbs"))
    info = mne.create_info(list(names), sfreq, kind)
    if set(positions) < {"x", "y", "z"}:
        return info
    places = np.stack([positions[axis] for axis in "xyz"], axis=1)
    if not np.isfinite(places).all(axis=1).any():
        return info
    if np.nanmax(np.abs(places)) > 1:
        raise InputError("electrodes", f"a position of {np.nanmax(np.abs(places)):g}", "positions in m")
    montage = mne.channels.make_dig_montage(dict(zip(names, places, strict=True)), coord_frame=frame)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Fiducial point")  # there are none in a montage of electrodes
        return info.set_montage(montage, on_missing="ignore", verbose="error")
