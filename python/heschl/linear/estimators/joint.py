"""What several feature spaces explain together, alone and in common: every subset of them as a model of its own."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from heschl.checks import InputError, check_count
from heschl.linear.crossval.crossed import CrossedMean, crossed_mean
from heschl.linear.crossval.learned import Learn
from heschl.linear.crossval.path import Progress
from heschl.linear.device.arrays import Double
from heschl.linear.estimators.bands import Candidates
from heschl.linear.estimators.subsets import Subset, SubsetModels, fit_subsets, share_of, subsets_of

MOST_SPACES = 5
RATIOS = (1.0, 1e-1, 1e-2, 1e-3, 0.0)
"""Weights of spaces against each other that are tried: penalties whose ratios are powers of ten, and no weight."""


@dataclass(frozen=True)
class JointVariance(SubsetModels):
    """Errors of a model of every subset of m feature spaces, and what follows; T stimuli, c targets.

    R² is about the mean of the training folds, pooled over stimuli, out of fold: parts add up, and those of nothing are
    0 but for what fitting costs.

    Attributes
    ----------
    names : tuple of str
        The spaces.
    subsets : tuple of tuple of int
        The models: each space alone, pairs, … all.
    sse : ndarray of shape (2^m - 1, T, c)
        Squared errors of each model, summed over each stimulus; NaN where it was not heard.
    total : ndarray of shape (T, c)
        Squared errors of the training folds' mean.
    baseline : ndarray of shape (T, c)
        Squared errors that gains are from: `total`, or those of the time course that was taken out first.
    shares : ndarray of shape (m, c)
        R² of all spaces together, shared out among them by the product measure; it sums to that R².
    stimuli : ndarray of shape (T,)
        Labels.
    alphas : ndarray of shape (K, m, c)
        Penalties of all spaces together that inner folds chose for each outer fold; infinite for one left out.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.linear import joint_variance
    >>> rng = np.random.default_rng(0)
    >>> X = {name: rng.standard_normal((300, 2)) for name in ("mel", "speech", "words")}
    >>> y = X["mel"][:, :1] + X["words"][:, :1] + rng.standard_normal((300, 1))
    >>> found = joint_variance(X, y, segments=[30] * 10, folds=np.arange(10) % 5, lags=[0], alphas=[1.0, 100.0])
    >>> found.subsets[-1], found.shares.shape
    ((0, 1, 2), (3, 1))
    >>> bool(found.unique("mel")[0] > 0.2), bool(abs(found.unique("speech")[0]) < 0.03)
    (True, True)
    """

    @property
    def subsets(self) -> tuple[Subset, ...]:
        """The models: each space alone, pairs, … all."""
        return subsets_of(len(self.names))

    def r2(self, spaces: Sequence[str]) -> Double:
        """Return R² of the model of some spaces, (c,)."""
        return share_of(self.gain(spaces), self.total)

    def unique(self, space: str) -> Double:
        """Return what only one space explains: R² of all less R² of all others, (c,)."""
        return share_of(self.common_gain([space]), self.total)

    def common(self, spaces: Sequence[str]) -> Double:
        """Return what each of some spaces could explain, and no other: their commonality, (c,).

        One space: its unique part. The commonalities of all subsets add up to R² of all spaces together.
        """
        return share_of(self.common_gain(spaces), self.total)

    def adds(self, space: str, to: Sequence[str]) -> Double:
        """Return what a space explains beyond others: R² with it less R² without, (c,)."""
        return share_of(self.gain([*to, space]) - self.gain(to), self.total)

    def gain(self, spaces: Sequence[str]) -> Double:
        """Return what each stimulus adds to R² of some spaces, (T, c); `r2` is its sum over that of `total`."""
        members = self._members(spaces)
        return np.asarray(self.baseline - self.sse[self.subsets.index(members)] if members else 0.0 * self.total)

    def common_gain(self, spaces: Sequence[str]) -> Double:
        """Return what each stimulus adds to a commonality, (T, c)."""
        inside = self._members(spaces)
        rest = [space for i, space in enumerate(self.names) if i not in inside]
        out = np.zeros_like(self.total)
        for size in range(len(inside) + 1):
            for some in itertools.combinations(inside, size):
                out += (-1.0) ** (size + 1) * self.gain([*rest, *(self.names[i] for i in some)])
        return out

    def over_subjects(self, gain: Double, subjects: ArrayLike) -> CrossedMean:
        """Mean over subjects and their electrodes of a part, with its interval for new subjects and new stimuli.

        Parameters
        ----------
        gain : ndarray of shape (T, c)
            Of `gain` or `common_gain`, or a difference of them.
        subjects : array-like of shape (c,)
            Whose electrode each target is.
        """
        return crossed_mean(gain, self.total, subjects)

    def _members(self, spaces: Sequence[str]) -> Subset:
        unknown = [space for space in spaces if space not in self.names]
        if unknown:
            raise InputError("spaces", repr(unknown[0]), f"some of {', '.join(self.names)}")
        return tuple(sorted({self.names.index(space) for space in spaces}))


def joint_variance(
    spaces: Mapping[str, Any] | Learn,
    y: ArrayLike,
    *,
    segments: ArrayLike,
    folds: ArrayLike,
    lags: Sequence[int],
    alphas: ArrayLike,
    groups: ArrayLike | None = None,
    n_iter: int = 30,
    random_state: int = 0,
    standardize: bool = True,
    boundary: str = "zero",
    missing: str = "raise",
    memory_limit: float | None = None,
    device: str = "auto",
    over_time_course: bool = False,
    progress: Progress | None = None,
) -> JointVariance:
    """Fit a model of every subset of some feature spaces and score all of them out of fold.

    Banded ridge, min ‖Y - Σ_j X_j W_j - 1 bᵀ‖² + Σ_j λ_j ‖W_j‖²: each model has penalties of its own, chosen for each
    target on inner folds. So a wide space does not drown a narrow one, and nothing that scores has chosen.

    Parameters
    ----------
    spaces : mapping of names to features, or callable
        Two to five. Features are array-like of shape (n_frames, d) or `Repeated`. A callable learns them in each
        training set: spaces(k, train) gives the names and functions without arguments, as in `nested_cv_learned`.
    y : array-like of shape (n_frames, c)
    segments, folds, lags, standardize, boundary, missing, device
        As in `nested_cv`.
    alphas : array-like
        Penalties to choose from; those of several spaces are λ_j = α / γ_j.
    groups : array-like of shape (n_segments,), optional
        Stimulus of each segment: errors are summed over its repeats. None: each segment by itself.
    n_iter : int
        Most weightings γ of the spaces to try: ratios by powers of ten, and each space alone; of more than these, so
        many are drawn.
    random_state : int
        Of the draws.
    memory_limit : float, optional
        Bytes above the data.
    over_time_course : bool
        Take what all stimuli evoke alike (known from the training folds) out of responses and features first: R², parts
        and shares are then of what lies beyond it, still over the variance about the training mean.
    progress : callable, optional
        Called with (models done, models in all).

    Returns
    -------
    JointVariance

    Raises
    ------
    InputError
        As `nested_cv`, and for fewer than two spaces or more than five.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.linear import joint_variance
    >>> rng = np.random.default_rng(0)
    >>> a, b, both = rng.standard_normal((3, 1200, 1))
    >>> X = {"first": np.hstack([a, both]), "second": np.hstack([b, both])}
    >>> y = a + b + both + rng.standard_normal((1200, 1))
    >>> found = joint_variance(X, y, segments=[40] * 30, folds=np.arange(30) % 5, lags=[0], alphas=[1.0, 100.0])
    >>> parts = found.unique("first"), found.unique("second"), found.common(["first", "second"])
    >>> [bool(abs(part[0] - 0.25) < 0.05) for part in parts]
    [True, True, True]
    """
    check_count("n_iter", n_iter, 1)
    found = fit_subsets(
        spaces, y, lambda m, given: weightings(m, given, n_iter, random_state), most=MOST_SPACES, with_shares=True,
        segments=segments, folds=folds, lags=lags, alphas=alphas, groups=groups, standardize=standardize,
        boundary=boundary, missing=missing, memory_limit=memory_limit, device=device, over_time_course=over_time_course,
        progress=progress,
    )  # fmt: skip
    return JointVariance(**vars(found))


def weightings(n_spaces: int, alphas: Double, n_iter: int, seed: int) -> Candidates:
    """Return the candidates of some spaces: ratios by powers of ten, at most `n_iter` of them, with every α.

    Examples
    --------
    >>> len(weightings(2, np.array([1.0, 10.0]), 30, 0).gammas), len(weightings(3, np.array([1.0]), 30, 0).gammas)
    (9, 30)
    """
    if n_spaces == 1:
        return Candidates.grid(1, alphas)
    every = [gamma for gamma in itertools.product(RATIOS, repeat=n_spaces) if max(gamma) == 1.0]
    first = [np.ones(n_spaces), *np.eye(n_spaces)]
    others = [np.array(gamma) for gamma in every if not any((np.array(gamma) == one).all() for one in first)]
    room = max(0, n_iter - len(first))
    if len(others) > room:
        drawn = np.random.default_rng(seed).choice(len(others), room, replace=False)
        others = [others[i] for i in sorted(drawn.tolist())]
    return Candidates.of(np.array([*first, *others]), np.sort(alphas)[::-1])
