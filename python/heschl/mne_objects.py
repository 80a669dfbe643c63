"""To and from MNE: recordings as tables that estimators take, weights as `Evoked` objects that MNE's plots take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.linear.estimators.labelled import coefficients, names_of

if TYPE_CHECKING:
    import mne
    import pandas as pd

DATA = ("meg", "eeg", "seeg", "ecog", "dbs", "fnirs")


class MneData(NamedTuple):
    """What `from_mne` returns; a tuple of four.

    Attributes
    ----------
    X : pandas.DataFrame
        (n_frames, n_features); its index says the segment and the time (s) of each row.
    y : pandas.DataFrame
        (n_frames, n_channels), in MNE's units, by the channels' names.
    sfreq : float
        Frames per second, Hz.
    info : mne.Info
        Of the channels of y: names, kinds, positions, montage.
    """

    X: pd.DataFrame
    y: pd.DataFrame
    sfreq: float
    info: mne.Info


def from_mne(
    inst: mne.io.BaseRaw | mne.BaseEpochs,
    features: Any,
    *,
    picks: str | Sequence[str] | None = None,
    feature_names: Sequence[str] | None = None,
) -> MneData:
    """Take features and responses out of a `Raw` or `Epochs` object, as tables that every estimator takes.

    The index of both tables says where each row lies. So estimators keep lags inside segments, also in scikit-learn's
    cross-validations, without being told so. A `Raw` is cut wherever an annotation begins with "bad" (these rows are
    left out) and where recordings were joined; each epoch is a segment.

    Parameters
    ----------
    inst : mne.io.Raw or mne.Epochs
    features : array-like, mapping, str or sequence of str
        Channels of `inst` by name; or an array, (n_times, n_features) for a `Raw` and (n_epochs, n_times, n_features)
        for `Epochs`; or, for `Epochs`, a mapping of an event's name to an array (n_times, n_features): each stimulus
        once.
    picks : str or sequence of str, optional
        Channels of the responses: a type ("ecog", "eeg", ...) or names. Default: all data channels. Bad channels are
        left out unless they are named.
    feature_names : sequence of str, optional
        Names of the features of an array.

    Returns
    -------
    MneData
        X, y, sfreq, info.

    Raises
    ------
    InputError
        For features that do not fit, and channels that are not there.

    Examples
    --------
    >>> import mne, numpy as np
    >>> from heschl import LaggedRidge, from_mne, to_mne
    >>> rng = np.random.default_rng(0)
    >>> sound = rng.standard_normal((1000, 1))
    >>> voltage = np.roll(sound[:, 0], 10) + rng.standard_normal((3, 1000))
    >>> raw = mne.io.RawArray(voltage, mne.create_info(["G1", "G2", "G3"], 100.0, "ecog"), verbose="error")
    >>> X, y, sfreq, info = from_mne(raw, sound, feature_names=["envelope"])
    >>> model = LaggedRidge(tmin=0, tmax=0.2, sfreq=sfreq).fit(X, y)
    >>> trf = to_mne(model, info)["envelope"]  # an Evoked: trf.plot(), trf.plot_topomap(), trf.to_data_frame() ...
    >>> trf.ch_names, trf.times[trf.data[0].argmax()]
    (['G1', 'G2', 'G3'], np.float64(0.1))
    """
    import mne
    import pandas as pd

    epochs = isinstance(inst, mne.BaseEpochs)
    if not epochs and not isinstance(inst, mne.io.BaseRaw):
        raise InputError("inst", type(inst).__name__, "an mne.io.Raw or mne.Epochs")
    own = [features] if isinstance(features, str) else features
    by_name = isinstance(own, Sequence) and all(isinstance(name, str) for name in own)
    names = _channels(inst.info, picks, own if by_name else ())
    if by_name:
        missing = [name for name in own if name not in inst.ch_names]
        if missing:
            raise InputError("features", repr(missing[0]), f"channels of {', '.join(inst.ch_names[:8])} …, or an array")
        feature_names = list(own)
    order = [inst.ch_names.index(name) for name in names]
    info = mne.pick_info(inst.info, order)
    values = inst.get_data(picks=order)
    sfreq = float(inst.info["sfreq"])
    if epochs:
        given = inst.get_data(picks=list(own)).transpose(0, 2, 1) if by_name else _of_epochs(inst, own)
        n_epochs, _, n_times = values.shape
        _check(given, (n_epochs, n_times))
        events = {code: name for name, code in inst.event_id.items()}
        kinds = [events.get(int(code), str(code)) for code in inst.events[:, 2]]
        rows: list[Any] = [
            np.repeat(inst.selection, n_times), np.repeat(kinds, n_times), np.tile(inst.times, n_epochs),
        ]  # fmt: skip
        index = pd.MultiIndex.from_arrays(rows, names=["segment", "event", "time"])
        X, y = given.reshape(-1, given.shape[2]), values.transpose(0, 2, 1).reshape(-1, len(names))
    else:
        given = inst.get_data(picks=list(own)).T if by_name else np.asarray(own)
        _check(given, (inst.n_times,))
        segment = _segments(inst)
        kept = segment >= 0
        index = pd.MultiIndex.from_arrays([segment[kept], inst.times[kept]], names=["segment", "time"])
        X, y = given[kept], values.T[kept]
    labels = list(feature_names) if feature_names is not None else [f"x{i}" for i in range(X.shape[1])]
    if len(labels) != X.shape[1]:
        raise InputError("feature_names", f"{len(labels)} names", f"{X.shape[1]}, one for each feature")
    return MneData(pd.DataFrame(X, index, labels), pd.DataFrame(y, index, names), sfreq, info)


def to_mne(model: Any, info: mne.Info) -> dict[str, mne.EvokedArray]:
    """Return the weights of a fitted estimator as one `Evoked` object for each feature, for MNE's plots and analyses.

    Parameters
    ----------
    model : LaggedRidge, LaggedRidgeCV or BandedRidgeCV
        Fitted, with `sfreq`.
    info : mne.Info
        Of the channels that are the targets, as `from_mne` returns it; channels are found by the targets' names where
        these are known, else taken in order.

    Returns
    -------
    dict of str to mne.EvokedArray
        (n_channels, n_lags) for each feature; times are lags in s. Values are weights, whatever unit a plot prints.

    Raises
    ------
    InputError
        For a model without `sfreq`, or of another one than `info`, and channels that do not fit.

    Examples
    --------
    See `from_mne`.

    >>> import mne, numpy as np
    >>> from heschl import LaggedRidge, to_mne
    >>> X = np.random.default_rng(0).standard_normal((500, 1))
    >>> model = LaggedRidge(tmin=-0.1, tmax=0.2, sfreq=100).fit(X, X)
    >>> to_mne(model, mne.create_info(["G1"], 100.0, "ecog"))["x0"].times[0]
    np.float64(-0.1)
    """
    import mne

    features, targets = names_of(model)
    if model.sfreq is None:
        raise InputError("model.sfreq", "None", "frames per second", "Give lags as tmin, tmax and sfreq.")
    if not np.isclose(float(model.sfreq), info["sfreq"]):
        raise InputError(
            "info", f"a rate of {info['sfreq']:g} Hz", f"{float(model.sfreq):g} Hz, as in the fit",
            "Use the info of what was fitted (from_mne returns it).",
        )  # fmt: skip
    if hasattr(model, "target_names_") and set(targets) <= set(info["ch_names"]):
        info = mne.pick_info(info, [info["ch_names"].index(name) for name in targets])
    elif len(info["ch_names"]) != len(targets):
        raise InputError("info", f"{len(info['ch_names'])} channels", f"{len(targets)}, one for each target")
    weights, start = coefficients(model), float(model.lags_[0]) / float(model.sfreq)
    return {
        str(name): mne.EvokedArray(
            np.asarray(weights[:, at], dtype=np.float64), info, tmin=start, comment=str(name), verbose="error"
        )
        for at, name in enumerate(features)
    }


def _channels(info: mne.Info, picks: str | Sequence[str] | None, apart: Sequence[str]) -> list[str]:
    """Return the names of the channels of the responses."""
    import mne

    if picks is not None and not isinstance(picks, str):
        absent = [name for name in picks if name not in info["ch_names"]]
        if absent:
            raise InputError("picks", repr(absent[0]), f"channels of {', '.join(info['ch_names'][:8])} …")
        return list(picks)
    if picks in info["ch_names"]:
        return [str(picks)]
    if picks is not None and picks not in (*DATA, "misc"):
        raise InputError("picks", repr(picks), f"a kind of channel ({', '.join(DATA)}) or names of channels")
    kinds = dict.fromkeys(DATA if picks is None else (picks,), True)
    names = [info["ch_names"][i] for i in mne.pick_types(info, **kinds, exclude="bads")]
    names = [name for name in names if name not in apart]
    if not names:
        raise InputError("picks", f"no {picks or 'data'} channel", "at least one good one")
    return names


def _of_epochs(epochs: mne.BaseEpochs, features: Any) -> NDArray[Any]:
    """Return the features of each epoch, (n_epochs, n_times, n_features)."""
    if not isinstance(features, Mapping):
        return np.asarray(features)
    events = {code: name for name, code in epochs.event_id.items()}
    kinds = [events[int(code)] for code in epochs.events[:, 2]]
    absent = sorted(set(kinds) - set(features))
    if absent:
        raise InputError("features", f"nothing for the event {absent[0]!r}", "features of every event")
    tables = {name: np.asarray(features[name]) for name in set(kinds)}
    wrong = [name for name, table in tables.items() if table.ndim != 2 or len(table) != len(epochs.times)]
    if wrong:
        found = f"an array of shape {tables[wrong[0]].shape}"
        raise InputError(
            f"features[{wrong[0]!r}]", found, f"({len(epochs.times)}, n_features), one row for each sample"
        )
    return np.stack([tables[name] for name in kinds])


def _check(features: NDArray[Any], shape: tuple[int, ...]) -> None:
    if features.ndim != len(shape) + 1 or features.shape[:-1] != shape:
        words = "(n_epochs, n_times, n_features)" if len(shape) == 2 else "(n_times, n_features)"
        raise InputError(
            "features", f"an array of shape {features.shape}", f"{words} = ({', '.join(map(str, shape))}, n_features)",
            "Bring features to the rate and start of the recording, or resample the recording to theirs.",
        )  # fmt: skip


def _segments(raw: mne.io.BaseRaw) -> NDArray[np.int64]:
    """Number the stretches between bad spans and joins, one number per sample; -1 inside a bad span."""
    sfreq, n = float(raw.info["sfreq"]), int(raw.n_times)
    bad = np.zeros(n, dtype=bool)
    begins = np.zeros(n, dtype=bool)
    for note in raw.annotations:
        kind = str(note["description"]).lower()
        first = round((float(note["onset"]) - float(raw.first_time)) * sfreq)
        if kind.startswith("edge") or kind == "bad boundary":
            begins[min(max(first, 0), n - 1)] = True
        elif kind.startswith("bad"):
            bad[max(first, 0) : max(0, round(first + float(note["duration"]) * sfreq))] = True
    begins[1:] |= bad[:-1] & ~bad[1:]
    return np.where(bad, -1, np.cumsum(begins))
