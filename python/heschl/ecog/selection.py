"""Which electrodes respond to speech: each choice with the statistics that it was made by."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError, check_choice
from heschl.ecog.responses.repeats import repeats_of
from heschl.ecog.responses.trials import Responses

if TYPE_CHECKING:
    import pandas as pd

Window = tuple[float, float]
Double = NDArray[np.float64]

METHODS = ("t_test", "permutation")


def speech_responsive(
    responses: Responses,
    *,
    method: str = "t_test",
    before: Window = (-0.2, 0.1),
    after: Window = (0.15, 1.0),
    alpha: float = 0.01,
    n_permutations: int = 10_000,
    random_state: int = 0,
) -> pd.DataFrame:
    """Select the electrodes whose response after the onset of speech differs from that before it.

    For each stimulus (its repeats averaged), the mean over the window `after` is compared with that over `before`.

    Parameters
    ----------
    responses : Responses
        Trials that begin before the sound. NaN is missing.
    method : {"t_test", "permutation"}
        - "t_test": paired t-test over stimuli, two-sided, at ``alpha`` / number of electrodes (Bonferroni), as the
          paper's lab publishes it (−200 … 100 ms against 150 … 1000 ms, p < 0.01).
        - "permutation": the signs of the stimuli's differences are flipped at random; an electrode's t is compared with
          the largest ``|t|`` over all electrodes in each flip (Nichols & Holmes 2002, Hum. Brain Mapp. 15:1), which
          accounts for the dependence between electrodes and assumes no normal distribution.
    before, after : (float, float)
        Windows [from, to), s from the sound's onset.
    alpha : float
        Probability of selecting any electrode that does not respond (family-wise error rate).
    n_permutations : int
        Number of sign flips.
    random_state : int
        Seed of the flips.

    Returns
    -------
    pandas.DataFrame
        Indexed by electrode: ``difference`` (after − before, in the responses' units), ``t``, ``p`` (corrected for the
        number of electrodes), ``selected``, ``method``, ``alpha``, ``n_stimuli``.

    Raises
    ------
    InputError
        For responses that do not reach into a window, or fewer than 2 stimuli.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.ecog import Responses, speech_responsive
    >>> rng = np.random.default_rng(0)
    >>> trials = tuple(rng.standard_normal((150, 2)) for _ in range(30))
    >>> for trial in trials:
    ...     trial[70:, 0] += 0.5
    >>> table = speech_responsive(Responses("S1", ("stg", "far"), 100.0, -0.5, tuple(map(str, range(30))), trials))
    >>> table["selected"].tolist()
    [True, False]
    """
    import pandas as pd

    check_choice("method", method, METHODS)
    if not 0 < alpha < 1:
        raise InputError("alpha", f"{alpha}", "a probability between 0 and 1")
    change = _window_means(responses, after) - _window_means(responses, before)
    n = np.isfinite(change).sum(axis=0)
    if n.min() < 2:
        at = int(n.argmin())
        raise InputError(
            f"subject {responses.subject}, electrode {responses.electrodes[at]}", f"{n[at]} stimuli in both windows",
            "2 or more",
        )  # fmt: skip
    c = len(responses.electrodes)
    t = _t(change)
    if method == "t_test":
        from scipy import stats

        p = np.minimum(1.0, c * 2 * stats.t.sf(np.abs(t), n - 1))
    else:
        rng = np.random.default_rng(random_state)
        largest = _largest_flipped(np.nan_to_num(change), n, n_permutations, rng)
        p = (1 + (largest[:, None] >= np.abs(t)).sum(axis=0)) / (1 + n_permutations)
    return pd.DataFrame(
        {
            "difference": np.nanmean(change, axis=0),
            "t": t,
            "p": p,
            "selected": p < alpha,
            "method": method,
            "alpha": alpha,
            "n_stimuli": n,
        },
        index=pd.Index(responses.electrodes, name="electrode"),
    )


def reliable_across_repeats(
    responses: Responses, *, alpha: float = 0.01, n_permutations: int = 1000, random_state: int = 0
) -> pd.DataFrame:
    """Select the electrodes that respond alike when a stimulus is repeated.

    The mean of the odd presentations is correlated with that of the even ones, over all frames of all repeated stimuli.
    The null distribution is that of the largest correlation over electrodes after each stimulus' odd half was shifted
    in time, circularly, by a random lag.

    Parameters
    ----------
    responses : Responses
        Trials; those of one stimulus are its repeats. NaN is missing.
    alpha : float
        Probability of selecting any electrode that is not reliable (family-wise error rate).
    n_permutations : int
        Number of random shifts.
    random_state : int
        Seed of the shifts.

    Returns
    -------
    pandas.DataFrame
        Indexed by electrode: ``r``, ``p`` (corrected for the number of electrodes), ``selected``, ``alpha``,
        ``n_stimuli``.

    Raises
    ------
    InputError
        Where no stimulus was presented more than once.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.ecog import Responses, reliable_across_repeats
    >>> rng = np.random.default_rng(0)
    >>> trials, names = [], []
    >>> for stimulus in range(5):
    ...     signal = rng.standard_normal((100, 1)) * [1, 0]  # the second electrode does not respond
    ...     trials += [signal + rng.standard_normal((100, 2)) for _ in range(4)]
    ...     names += [f"s{stimulus}"] * 4
    >>> responses = Responses("S1", ("stg", "far"), 100.0, 0.0, tuple(names), tuple(trials))
    >>> reliable_across_repeats(responses, n_permutations=200)["selected"].tolist()
    [True, False]
    """
    import pandas as pd

    stacked = repeats_of(responses)
    halves = [
        (_mean(values[::2]), _mean(values[1::2]))
        for values in (repeats.astype(np.float64) for repeats in stacked.values() if len(repeats) > 1)
    ]
    if not halves:
        raise InputError(
            f"subject {responses.subject}: repeats", f"{len(stacked)} stimuli, each presented once",
            "stimuli that come again", "Choose by speech_responsive.",
        )  # fmt: skip
    rng = np.random.default_rng(random_state)
    odd, even = (np.concatenate(side) for side in zip(*halves, strict=True))
    r = _correlation(odd, even)
    count = np.zeros(len(r), dtype=np.int64)
    for _ in range(n_permutations):
        shifted = np.concatenate([np.roll(one, rng.integers(len(one)), axis=0) for one, _ in halves])
        count += np.nanmax(_correlation(shifted, even)) >= r
    p = (1 + count) / (1 + n_permutations)
    return pd.DataFrame(
        {"r": r, "p": p, "selected": p < alpha, "alpha": alpha, "n_stimuli": len(halves)},
        index=pd.Index(responses.electrodes, name="electrode"),
    )


def _window_means(responses: Responses, window: Window) -> Double:
    """Return the mean of each stimulus over a window, repeats averaged, (n_stimuli, c); NaN where nothing is known."""
    means = defaultdict(list)
    for i, (name, trial) in enumerate(zip(responses.stimuli, responses.trials, strict=True)):
        times = responses.times(i)
        inside = (times >= window[0] - 1e-9) & (times < window[1] - 1e-9)
        if not inside.any() or responses.onset > window[0] + 0.5 / responses.sfreq:
            raise InputError(
                f"subject {responses.subject}, trial {i} ({name})",
                f"responses from {responses.onset:g} to {responses.covered(i):g} s",
                f"samples in the window {window[0]:g} to {window[1]:g} s from the sound's onset",
                "Epoch with a longer margin, or give other windows.",
            )
        means[name].append(_mean(np.asarray(trial[inside], dtype=np.float64)))
    return np.stack([_mean(np.stack(repeats)) for repeats in means.values()])


def _mean(values: Double) -> Double:
    """Return the mean over the first axis of what is known; NaN where nothing is."""
    known = np.isfinite(values)
    count = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0)
    return np.asarray(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0))


def _t(change: Double) -> Double:
    n = np.isfinite(change).sum(axis=0)
    error = np.nanstd(change, axis=0, ddof=1) / np.sqrt(n)
    mean = np.nanmean(change, axis=0)
    return np.asarray(np.divide(mean, error, out=np.zeros(mean.shape), where=error > 0))


def _largest_flipped(change: Double, n: NDArray[np.int64], n_flips: int, rng: np.random.Generator) -> Double:
    """Return the largest |t| over electrodes of each sign flip, (n_flips,): squares stay, sums are one product."""
    squares = np.square(change).sum(axis=0)
    out = np.empty(n_flips)
    for start in range(0, n_flips, 1000):
        flips = rng.choice([-1.0, 1.0], size=(min(1000, n_flips - start), len(change)))
        sums = flips @ change
        variance = np.maximum(squares - sums**2 / n, 0.0) / (n - 1)
        t = np.divide(sums / n, np.sqrt(variance / n), out=np.zeros(sums.shape), where=variance > 0)
        out[start : start + len(flips)] = np.abs(t).max(axis=1)
    return out


def _correlation(a: Double, b: Double) -> Double:
    known = np.isfinite(a) & np.isfinite(b)
    n = np.maximum(known.sum(axis=0), 1)
    a, b = np.where(known, a, 0.0), np.where(known, b, 0.0)
    a, b = (np.where(known, side - side.sum(axis=0) / n, 0.0) for side in (a, b))
    norm = np.sqrt(np.square(a).sum(axis=0) * np.square(b).sum(axis=0))
    return np.asarray(np.divide((a * b).sum(axis=0), norm, out=np.zeros(norm.shape), where=norm > 0))
