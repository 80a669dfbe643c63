"""What two feature spaces explain together and apart: commonality, of new stimuli, with penalties of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from heschl.checks import check_choice
from heschl.linear.crossval.crossed import CrossedMean, crossed_mean
from heschl.linear.crossval.learned import Learn
from heschl.linear.crossval.path import Progress
from heschl.linear.device.arrays import Double
from heschl.linear.estimators.bands import Candidates
from heschl.linear.estimators.subsets import fit_subsets, share_of

# Signs of the R² of the first space, the second, and both.
PARTS: dict[str, tuple[int, int, int]] = {
    "first": (1, 0, 0),
    "second": (0, 1, 0),
    "both": (0, 0, 1),
    "common": (1, 1, -1),
    "unique_first": (0, -1, 1),
    "unique_second": (-1, 0, 1),
}


@dataclass(frozen=True)
class CommonVariance:
    """R² of two spaces, of both together, and what follows: common and unique parts; T stimuli, c targets.

    R² is about the mean of the training folds, pooled over stimuli: out of fold, so that parts of nothing are 0 but for
    what fitting costs, and add up. Over the common time course it is the share of the same variance that is explained
    beyond that course.

    Attributes
    ----------
    names : tuple of str
        The first and the second space.
    sse : ndarray of shape (3, T, c)
        Squared errors of the first, the second and both, summed over each stimulus; NaN where it was not heard.
    total : ndarray of shape (T, c)
        Squared errors of the training folds' mean.
    baseline : ndarray of shape (T, c)
        Squared errors of what the spaces are compared with: that mean, or the mean time course of the training folds.
    stimuli : ndarray of shape (T,)
        Labels.
    alphas : ndarray of shape (K, 2, c)
        Penalties of the two spaces together that inner folds chose for each outer fold; infinite for one left out.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.linear import common_variance
    >>> rng = np.random.default_rng(0)
    >>> X = {"mel": rng.standard_normal((300, 2)), "words": rng.standard_normal((300, 2))}
    >>> y = X["mel"][:, :1] + rng.standard_normal((300, 1))
    >>> found = common_variance(X, y, segments=[30] * 10, folds=np.arange(10) % 5, lags=[0], alphas=[1.0])
    >>> found.names, found.gain("common").shape, bool(found.part("unique_first")[0] > 0.3)
    (('mel', 'words'), (10, 1), True)
    """

    names: tuple[str, str]
    sse: Double
    total: Double
    baseline: Double
    stimuli: np.ndarray[Any, Any]
    alphas: Double

    def part(self, name: str) -> Double:
        """Share of the variance of each target, (c,).

        Parameters
        ----------
        name : {"first", "second", "both", "common", "unique_first", "unique_second"}
            common = R²(first) + R²(second) - R²(both); unique_first = R²(both) - R²(second).
        """
        return share_of(self.gain(name), self.total)

    def gain(self, name: str) -> Double:
        """Return what each stimulus adds to a part, (T, c): `part` is its sum over that of `total`."""
        check_choice("name", name, tuple(PARTS))
        return np.asarray(sum(sign * (self.baseline - sse) for sign, sse in zip(PARTS[name], self.sse, strict=True)))

    def over_subjects(self, name: str, subjects: ArrayLike) -> CrossedMean:
        """Mean of a part over subjects and their electrodes, with its interval for new subjects and new stimuli.

        Parameters
        ----------
        name : str
            See `part`.
        subjects : array-like of shape (c,)
            Whose electrode each target is.
        """
        return crossed_mean(self.gain(name), self.total, subjects)


def common_variance(
    spaces: Mapping[str, Any] | Learn,
    y: ArrayLike,
    *,
    segments: ArrayLike,
    folds: ArrayLike,
    lags: Sequence[int],
    alphas: ArrayLike,
    groups: ArrayLike | None = None,
    standardize: bool = True,
    boundary: str = "zero",
    missing: str = "raise",
    memory_limit: float | None = None,
    device: str = "auto",
    over_time_course: bool = False,
    progress: Progress | None = None,
) -> CommonVariance:
    """Split what two feature spaces explain into what either could explain and what only one can.

    common = R²(first) + R²(second) - R²(both), each R² out of fold and each model with penalties of its own: banded
    ridge, min ‖Y - X₁W₁ - X₂W₂ - 1 bᵀ‖² + λ₁ ‖W₁‖² + λ₂ ‖W₂‖², all pairs of `alphas` tried on inner folds for each
    target. So a wide space does not drown a narrow one, and nothing that scores has chosen.

    Where a probe of what two models share is asked of, the first space is the shared part and the second the probe:
    what is common is what the shared part says *and* the probe says. (The R² of a probe's own variates is not: with as
    many of them as the probe is wide it scores what the probe predicts, though the shared part predict nothing.)

    Parameters
    ----------
    spaces : mapping of two names to features, or callable
        Features are array-like of shape (n_frames, d) or `Repeated`. A callable learns them in each training set:
        spaces(k, train) gives the two names and functions without arguments, as in `nested_cv_learned`.
    y : array-like of shape (n_frames, c)
    segments, folds, lags, standardize, boundary, missing, device
        As in `nested_cv`.
    alphas : array-like
        Penalties to choose from; two spaces try their square, at one factorisation for each ratio and least penalty.
    groups : array-like of shape (n_segments,), optional
        Stimulus of each segment: errors are summed over its repeats. None: each segment by itself.
    memory_limit : float, optional
        Bytes above the data.
    over_time_course : bool
        Take what all stimuli evoke alike out first, as in `nested_cv_learned`: parts are of what lies beyond it.
    progress : callable, optional
        Called with (models done, models in all).

    Returns
    -------
    CommonVariance

    Raises
    ------
    InputError
        As `nested_cv`, and for other than two spaces.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.linear import common_variance
    >>> rng = np.random.default_rng(0)
    >>> a, b, both = rng.standard_normal((3, 1200, 1))
    >>> X = {"first": np.hstack([a, both]), "second": np.hstack([b, both])}
    >>> y = a + b + both + rng.standard_normal((1200, 1))
    >>> found = common_variance(X, y, segments=[40] * 30, folds=np.arange(30) % 5, lags=[0], alphas=[1.0, 100.0])
    >>> [bool(abs(found.part(name)[0] - 0.25) < 0.05) for name in ("common", "unique_first", "unique_second")]
    [True, True, True]
    """
    found = fit_subsets(
        spaces, y, Candidates.grid, most=2, with_shares=False, segments=segments, folds=folds, lags=lags, alphas=alphas,
        groups=groups, standardize=standardize, boundary=boundary, missing=missing, memory_limit=memory_limit,
        device=device, over_time_course=over_time_course, progress=progress,
    )  # fmt: skip
    first, second = found.names
    return CommonVariance((first, second), found.sse, found.total, found.baseline, found.stimuli, found.alphas)
