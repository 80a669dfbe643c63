"""The test of "this electrode follows these features": whole stimuli's responses exchanged, the analysis repeated.

Permuted responses are further targets of the same training sets, so every permutation chooses its penalties and its
layers on inner folds as the analysis does, and nothing is fixed that the true responses had a say in. (With fixed
predictions of K folds the null has half the variance it should have, for fold j predicted from fold k and fold k from
fold j is one number counted twice; with λ fixed at what the true responses chose, its tail is too short.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from heschl.checks import InputError, check_choice, check_count
from heschl.linear.crossval.nested import nested_cv
from heschl.linear.crossval.path import Progress
from heschl.linear.crossval.scores import SCORES, SUMS, FoldSums, Score
from heschl.linear.design.entrance import check_fit
from heschl.linear.design.frames import Frames
from heschl.linear.design.permuter import Move, Permuter
from heschl.linear.design.time_course import beyond_length
from heschl.linear.device.arrays import Double, Float
from heschl.linear.moments.formulas import quotient
from heschl.linear.nulls.distribution import NullDistribution


def covariance(sums: FoldSums) -> Double:
    """Return Σ (y - mean) (p - mean) / Σ (y - mean)² of each fold, (..., K, c)."""
    assert sums.spy is not None, "made of predictions"
    return quotient(sums.spy, sums.sst)


def pooled_covariance(sums: FoldSums) -> Double:
    """Return the same of all folds together, (..., c)."""
    assert sums.spy is not None, "made of predictions"
    return quotient(sums.spy.sum(axis=-2), sums.sst.sum(axis=-2))


# A statistic to test by and none to choose a penalty by: the larger the weights, the larger it is.
COVARIANCE = Score("covariance", "covariance", covariance, pooled=pooled_covariance)


CHOSEN_BY = "r"
"""The inner score that chooses λ and layer for a statistic that is no R²: inner R² of a small effect lies below 0 at
every λ but those that leave weights of next to nothing."""


def statistics() -> dict[str, Score]:
    """Return what may be tested by name: the covariance, and every score of the table."""
    return {COVARIANCE.name: COVARIANCE, **SCORES}


# Bytes that permuted responses and their predictions may take; a fit takes its own memory beside.
RESPONSE_BYTES = 4 << 30
# Copies of permuted responses that are held at a time: as given, in the fit, predicted, and in sums.
COPIES = 6


def exchange_test(
    spaces: Mapping[str, Any],
    y: ArrayLike,
    *,
    segments: ArrayLike,
    folds: ArrayLike,
    lags: Sequence[int],
    alphas: ArrayLike,
    groups: ArrayLike | None = None,
    sessions: ArrayLike | None = None,
    standardize: bool = True,
    boundary: str = "zero",
    alpha_per_target: bool = True,
    missing: str = "raise",
    statistic: str = "r",
    n_permutations: int = 500,
    solver: str = "auto",
    memory_limit: float | None = None,
    device: str = "auto",
    random_state: int | np.random.Generator | None = None,
    progress: Progress | None = None,
) -> dict[str, NullDistribution]:
    """Test for each target and feature space whether the responses to a stimulus follow its features.

    The responses of whole stimuli are exchanged among stimuli of nearly the same length and the analysis is repeated:
    nested cross-validation, λ for each target and the best of several layers chosen on inner folds. H₀: which of the
    stimuli of nearly the same length (in the same session) evoked a response has nothing to do with its features.
    What all stimuli evoke alike at a time since their onset or before their end, noise of any autocorrelation within
    stimuli, and electrodes that depend on each other all belong to H₀; p values are then exact. Nothing is assumed of
    the noise's distribution; noise that carries over from one stimulus to the next is harmless where the order of
    stimuli was random.

    Parameters
    ----------
    spaces : mapping of str to features, or to a list of features
        Features are array-like of shape (n_frames, n_features), `Repeated` or `FeatureSpaces`. Of a list (layers of a
        model) the best for each outer fold and target is chosen on inner folds, for each permutation anew. To test
        layers one by one, give each a name of its own.
    y : array-like of shape (n_frames, n_targets)
        Responses.
    segments : array-like
        Lengths of the segments in frames (or one label per row): a stimulus heard once.
    folds : array-like of shape (n_segments,)
        Fold 0 ... K - 1 of each segment, K >= 3.
    lags : sequence of int
        Consecutive lags in frames; positive = past of the stimulus.
    alphas : array-like
        Penalties to choose from.
    groups : array-like of shape (n_segments,), optional
        Stimulus of each segment: all repeats of a stimulus are exchanged together, in order, for those of another that
        was heard as often (in the same sessions). None: each segment by itself.
    sessions : array-like of shape (n_segments,), optional
        Session (or recording block) of each segment, where responses differ between sessions: they are exchanged
        within sessions only. None: all is one session.
    standardize, boundary, alpha_per_target, missing, solver, memory_limit, device
        As in `nested_cv`.
    statistic : {"r", "covariance", "r2", "pooled_r2", "r_squared"}
        "r": Pearson's r of out-of-fold predictions and responses, mean over folds, or its square. "covariance": their
        covariance over the variance of responses: more powerful where features change from frame to frame (87 instead
        of 83 % at R² = .04), less where they are of whole stimuli (50 instead of 78 %). "r2", "pooled_r2": the score
        that is reported; about half as powerful for small effects, where the error that weights add hides what they
        say. λ and layer are chosen by the same R² on inner folds, for all other statistics by r.
    n_permutations : int
        A few hundred: `NullDistribution.p_fitted_max` then serves hundreds of targets. Each costs a fit of all
        targets, at the factorisations that the whole block of permutations shares.
    random_state : int or numpy.random.Generator, optional
    progress : callable, optional
        Called with (alignments done, alignments in all), the true one among them.

    Returns
    -------
    dict of str to NullDistribution
        For each space. `p_values_max`, `p_fitted_max` and `q_values` are corrected over all targets of all spaces
        that were given together.

    Raises
    ------
    InputError
        As `nested_cv`, and where no stimulus can take another's place.

    Warns
    -----
    ExchangeWarning
        Where many frames are cropped, or stay in place, for few stimuli are of nearly the same length.

    Notes
    -----
    Stimuli are cut into bins by length, and cropped at their end to the shortest of their bin, for the true alignment
    as for the others; bins are those that lose the fewest frames. Since lengths within a bin still differ, what follows
    linearly from a stimulus' length and the time to its end is taken out of the responses first. The observed statistic
    is that of such responses. H₀ is of whole responses, not of their means alone: where their variance goes with that
    of the features, more is found than said: 10 % at 5 % with two sessions of different gain and loudness and no
    `sessions`, 17 % with a large artefact in just the stimulus whose features vary most.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.linear import exchange_test
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((800, 2))
    >>> y = X @ [[0.5, 0.0], [0.0, 0.0]] + rng.standard_normal((800, 2))
    >>> found = exchange_test({"sound": X}, y, segments=[40] * 20, folds=np.arange(20) % 4, lags=range(2),
    ...                       alphas=[1.0, 100.0, 1e4], n_permutations=99, random_state=0)["sound"]
    >>> bool(found.p_values[0] == 0.01), bool(found.p_values[1] > 0.05)
    (True, True)
    """
    if not isinstance(spaces, Mapping) or not spaces:
        raise InputError("spaces", repr(spaces)[:60], "a mapping of names to features, or to lists of features")
    check_choice("statistic", statistic, tuple(statistics()))
    score = statistics()[statistic]
    check_count("n_permutations", n_permutations, 1)
    layers = {name: list(own) if isinstance(own, (list, tuple)) else [own] for name, own in spaces.items()}
    n = len(Frames.of(next(iter(layers.values()))[0]))
    given = check_fit(
        y=y, n_frames=n, lags=lags, segments=segments, folds=folds, least_folds=3, boundary=boundary, missing=missing,
        alphas=alphas, memory_limit=memory_limit, device=device,
    )  # fmt: skip
    responses = given.responses.host
    permuter = Permuter.of(given.bounds, given.folds, groups, sessions)
    permuter.tell(n_permutations)
    rng = np.random.default_rng(random_state)
    responses = beyond_length(responses, given.bounds)
    moves = [permuter.identity(), *(permuter.draw(rng) for _ in range(n_permutations))]
    how: dict[str, Any] = {
        "segments": segments, "folds": folds, "lags": lags, "alphas": alphas, "standardize": standardize,
        "boundary": boundary, "alpha_per_target": alpha_per_target, "solver": solver, "memory_limit": memory_limit,
        "device": device, "missing": "raise" if permuter.keep.all() and missing == "raise" else "mask",
        "scoring": statistic if statistic in ("r2", "pooled_r2") else CHOSEN_BY,
    }  # fmt: skip
    c = responses.shape[1]
    room = RESPONSE_BYTES if memory_limit is None else min(RESPONSE_BYTES, memory_limit)
    size = max(1, int(room) // (COPIES * max(1, responses.nbytes)))
    if not alpha_per_target:
        size = 1  # permutations must not choose their one λ together
    scores = np.empty((len(moves), len(layers), c))
    for first in range(0, len(moves), size):
        some = moves[first : first + size]
        stacked = _stacked(responses, permuter, some)
        for at, own in enumerate(layers.values()):
            sums = _by_permutation(_best(own, stacked, how), len(some))
            scores[first : first + len(some), at] = score.over_folds(sums)
        if progress is not None:
            progress(first + len(some), len(moves))
    flat = scores.reshape(len(moves), -1)
    together = NullDistribution.of(score, flat[0], flat[1:], balanced=True)
    return {name: _part(together, slice(at * c, (at + 1) * c)) for at, name in enumerate(layers)}


def _stacked(y: Float, permuter: Permuter, moves: Sequence[Move]) -> Float:
    """Put permuted responses side by side, (n, B · c); NaN where a frame takes no part."""
    out = np.concatenate([y[permuter.rows(move)] for move in moves], axis=1)
    out[~permuter.keep] = np.nan
    return out


def _best(layers: Sequence[Any], y: Float, how: Mapping[str, Any]) -> FoldSums:
    """Return the sums, (K, C), of the layer that inner folds choose for each outer fold and target."""
    best: FoldSums | None = None
    inner = np.empty(0)
    for X in layers:
        nested = nested_cv(X, y, **how)  # one at a time: its predictions are large
        score, sums = np.where(np.isfinite(nested.inner_score), nested.inner_score, -np.inf), nested.sums
        if best is None:
            best, inner = sums, score
            continue
        better = score > inner
        inner[better] = score[better]
        for name in SUMS:
            getattr(best, name)[better] = getattr(sums, name)[better]
    assert best is not None, "a space has at least one layer"
    return best


def _by_permutation(sums: FoldSums, count: int) -> FoldSums:
    """Reshape the sums of stacked targets (K, B · c) to (B, K, c)."""
    parts = (getattr(sums, name) for name in SUMS)
    return FoldSums(*(part.reshape(len(part), count, -1).transpose(1, 0, 2) for part in parts))


def _part(found: NullDistribution, targets: slice) -> NullDistribution:
    """Return the distribution of some of the targets."""
    arrays = {f.name: getattr(found, f.name) for f in fields(found) if f.name != "statistic"}
    parts = {name: own[:, targets] if name == "null" else own[targets] for name, own in arrays.items()}
    return replace(found, **parts)
