"""Noise that repeats of a stimulus share: where it can be seen at all.

A noise ceiling takes what is the same at every presentation of a stimulus for signal. Noise that is the same there (an
artefact of the sound card, a drift that two presentations in a row have in common) raises it, and no repeat tells. It
shows in two places: before the sound, where there can be no signal, and in presentations that followed one another,
which are then more alike than those that lay apart. Noise that is locked to the sound itself and the same whenever it
is played cannot be told from signal in any recording of this kind.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from heschl.ecog.responses.trials import Array, Responses

if TYPE_CHECKING:
    import pandas as pd

Double = NDArray[np.float64]


def shared_noise(responses: Responses) -> pd.DataFrame:
    """Look for noise that presentations of one stimulus share, electrode by electrode.

    Parameters
    ----------
    responses : Responses
        Trials in the order in which they were presented; those of one stimulus are its repeats. With samples before the
        sound (`onset` below 0) these are compared, too.

    Returns
    -------
    pandas.DataFrame
        Indexed by electrode: ``before`` (correlation of presentations of one stimulus before the sound, about the mean
        over all presentations; 0 without shared noise) and ``before_p``; ``near`` (by how much of the variance
        presentations in a row are more alike than others of the same stimulus) and ``near_p``. p is one-sided, of a
        Student's t over stimuli; NaN where the recording has nothing to look at: no samples before the sound, or fewer
        than 3 stimuli with presentations in a row and apart.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.ecog import Responses, shared_noise
    >>> rng = np.random.default_rng(0)
    >>> trials, names = [], []
    >>> for stimulus in range(12):
    ...     artefact = rng.standard_normal((60, 1))  # the same at each presentation, before the sound as after it
    ...     trials += [artefact + rng.standard_normal((60, 1)) for _ in range(3)]
    ...     names += [f"s{stimulus}"] * 3
    >>> found = shared_noise(Responses("S1", ("e1",), 100.0, -0.2, tuple(names), tuple(trials)))
    >>> bool(abs(found.loc["e1", "before"] - 0.5) < 0.15), bool(found.loc["e1", "before_p"] < 0.01)
    (True, True)
    """
    import pandas as pd

    before, before_p = _before(responses)
    near, near_p = _near(responses)
    return pd.DataFrame(
        {"before": before, "before_p": before_p, "near": near, "near_p": near_p},
        index=pd.Index(responses.electrodes, name="electrode"),
    )


def _before(responses: Responses) -> tuple[Double, Double]:
    """Correlate presentations of one stimulus before the sound."""
    n = round(-responses.onset * responses.sfreq)
    if n < 1 or min(map(len, responses.trials)) < n:
        return _nothing(responses)
    waits = np.nan_to_num(np.stack([trial[:n] for trial in responses.trials]).astype(np.float64))
    waits -= waits.mean(axis=0)
    together, alone = [], []
    for at in _presentations(responses).values():
        if len(at) > 1:
            products = _products(waits[at])
            together.append(np.mean([products[pair] for pair in combinations(range(len(at)), 2)], axis=0))
            alone.append(np.mean([products[i, i] for i in range(len(at))], axis=0))
    return _test(together, alone, responses)


def _near(responses: Responses) -> tuple[Double, Double]:
    """Compare presentations of one stimulus in a row with those apart."""
    excess, alone = [], []
    for at in _presentations(responses).values():
        pairs = list(combinations(range(len(at)), 2))
        near = [pair for pair in pairs if at[pair[1]] - at[pair[0]] == 1]
        far = [pair for pair in pairs if at[pair[1]] - at[pair[0]] > 1]
        if near and far:
            length = min(len(responses.trials[i]) for i in at)
            trials = np.nan_to_num(np.stack([responses.trials[i][:length] for i in at]).astype(np.float64))
            products = _products(trials - trials.mean(axis=(0, 1)))
            excess.append(np.mean([products[p] for p in near], axis=0) - np.mean([products[p] for p in far], axis=0))
            alone.append(np.mean([products[i, i] for i in range(len(at))], axis=0))
    return _test(excess, alone, responses)


def _presentations(responses: Responses) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for i, name in enumerate(responses.stimuli):
        found[name].append(i)
    return found


def _products(trials: Array) -> Double:
    """Return the mean products over samples of each pair of presentations, (R, R, c)."""
    return np.asarray(np.einsum("itc,jtc->ijc", trials, trials) / trials.shape[1])


def _test(parts: list[Double], alone: list[Double], responses: Responses) -> tuple[Double, Double]:
    """Return the share of variance, and p of its mean over stimuli being above 0."""
    if len(parts) < 3:
        return _nothing(responses)
    values = np.array(parts)
    mean, spread = values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(len(values))
    total = np.mean(alone, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return mean / total, np.asarray(stats.t.sf(mean / spread, len(values) - 1))


def _nothing(responses: Responses) -> tuple[Double, Double]:
    nothing = np.full(len(responses.electrodes), np.nan)
    return nothing, nothing.copy()
