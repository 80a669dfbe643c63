"""BandedRidgeCV: a penalty for each feature space, and what each space explains."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from heschl.checks import InputError, check_alphas
from heschl.linear.crossval.fit import Fit, Size, joined, largest
from heschl.linear.crossval.path import AlphaEdgeWarning, PathScores, choose_alpha
from heschl.linear.crossval.scores import Score, check_score
from heschl.linear.design.segments import Splits, make_splits
from heschl.linear.design.spaces import FeatureSpaces
from heschl.linear.device.arrays import Double, Integers
from heschl.linear.device.host import HOST
from heschl.linear.estimators.bands import Candidates, Spaces, fit_chosen, search, split_r2
from heschl.linear.estimators.base import DEFAULT_LAGS, Data, LaggedModel
from heschl.linear.estimators.ridge import DEFAULT_ALPHAS
from heschl.linear.estimators.shown import named_targets
from heschl.linear.ridge.engine import Blocks, in_blocks
from heschl.linear.ridge.primal import Primal
from heschl.linear.ridge.problem import Problem
from heschl.linear.ridge.weights import Weights
from heschl.notices import reporting, warn

Result = TypeVar("Result")


@dataclass(frozen=True)
class _Choice:
    scores: Double  # (n_candidates, c)
    fit: Fit
    shares: Double  # (m, c)


@dataclass(frozen=True)
class Task:
    """Checked data and candidates of one fit."""

    data: Data
    splits: Splits
    spaces: Spaces
    alphas: Double
    candidates: Candidates
    score: Score


class BandedRidgeCV(LaggedModel):
    """Ridge regression on time-lagged features with a penalty for each feature space, chosen for each target.

    Minimises ‖Y - Σ_j X_j W_j - 1 bᵀ‖² + Σ_j λ_j ‖W_j‖² with X_j the lagged design of space j, which is never
    built. All combinations of `alphas` over the spaces are tried where they are few; else weights γ of the spaces are
    drawn from the simplex and λ_j = α / γ_j for every α of `alphas`.

    Parameters
    ----------
    spaces : mapping of str to column numbers or slice, optional
        Columns of X of each feature space; together all columns, none twice. None: the spaces of X where it is
        `FeatureSpaces`, else one space of all columns (`LaggedRidgeCV` then does the same).
    alphas : array-like, default=0.1 ... 1e8 by decades
        Penalties, in scikit-learn's scale.
    n_iter : int, default=100
        Most weightings γ of the spaces to try: a full grid where its ratios are no more, else so many draws (equal
        weights and each space alone always among them).
    concentration : float or sequence of float, default=(1.0, 0.1)
        Of the Dirichlet draws of γ, in turn: 1 is uniform over the simplex, less lies nearer to its corners.
    random_state : int or numpy.random.Generator, optional
        Of the draws.
    lags, tmin, tmax, sfreq, cv, boundary, fit_intercept, standardize, missing, scoring
        See `LaggedRidgeCV`. Penalties of spaces compare where their features are of one scale: `standardize`.
    alpha_per_target : bool, default=True
        Penalties for each target, or the same for all.
    solver : {"auto", "cholesky", "krylov"}, default="auto"
        How to solve; "auto" takes what costs least.
    tol, memory_limit, dtype, device, verbose
        See `LaggedRidge`.

    Attributes
    ----------
    alphas_ : ndarray of shape (n_spaces, n_targets)
        Chosen penalties λ; infinite for a space left out.
    space_names_ : tuple of str
    candidates_ : ndarray of shape (n_candidates, n_spaces)
        Penalties tried.
    cv_scores_ : ndarray of shape (n_candidates, n_targets)
        Score of each: the mean over folds of R², r or r², or pooled R², as `scoring` says.
    r2_split_ : ndarray of shape (n_spaces, n_targets)
        Cross-validated R² at the chosen penalties (pooled where `scoring` is), shared out among the spaces by the
        product measure; it sums to `cv_scores_` where these are R². Optimistic as these are: the same folds chose.
    condition_ : ndarray of shape (1,)
        The largest estimated condition number, as in `LaggedRidge`, of all candidates and training sets.
    coef_, intercept_, lags_, feature_mean_, dtype_, solver_, device_, products_, n_steps_, dimension_
        See `LaggedRidge`. All others are NumPy arrays wherever X lies.
    n_features_in_, feature_names_in_, target_names_
        See `LaggedRidge`.

    Raises
    ------
    InputError
        A `ValueError` that names the argument, what was found, what was expected and what to do.

    See Also
    --------
    heschl.linear.unique_variance : what is lost without a space.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl import BandedRidgeCV
    >>> rng = np.random.default_rng(0)
    >>> H = rng.standard_normal((1000, 5))
    >>> y = H[:, 0] + rng.standard_normal(1000)  # the second space says nothing
    >>> model = BandedRidgeCV({"first": [0, 1], "second": [2, 3, 4]}, alphas=[0.01, 10, 1e4], lags=[0, 1])
    >>> model = model.fit(H, y, segments=[100] * 10)
    >>> bool(model.r2_split_[0, 0] > 0.4), bool(abs(model.r2_split_[1, 0]) < 0.02)
    (True, True)
    """

    __metadata_request__fit = {"segments": True, "groups": True}  # noqa: RUF012

    def __init__(
        self,
        spaces: Mapping[str, Any] | None = None,
        alphas: ArrayLike = DEFAULT_ALPHAS,
        n_iter: int = 100,
        concentration: float | Sequence[float] = (1.0, 0.1),
        random_state: int | np.random.Generator | None = None,
        lags: Sequence[int] | NDArray[np.int64] = DEFAULT_LAGS,
        tmin: float | None = None,
        tmax: float | None = None,
        sfreq: float | None = None,
        cv: Any = 5,
        boundary: str = "zero",
        fit_intercept: bool = True,
        standardize: bool = False,
        missing: str = "raise",
        scoring: str = "r2",
        alpha_per_target: bool = True,
        solver: str = "auto",
        tol: float | None = None,
        memory_limit: float | None = None,
        dtype: DTypeLike | None = None,
        device: str = "auto",
        verbose: bool = False,
    ) -> None:
        self.spaces = spaces
        self.alphas = alphas
        self.n_iter = n_iter
        self.concentration = concentration
        self.random_state = random_state
        self.lags = lags
        self.tmin = tmin
        self.tmax = tmax
        self.sfreq = sfreq
        self.cv = cv
        self.boundary = boundary
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.missing = missing
        self.scoring = scoring
        self.alpha_per_target = alpha_per_target
        self.solver = solver
        self.tol = tol
        self.memory_limit = memory_limit
        self.dtype = dtype
        self.device = device
        self.verbose = verbose

    def fit(
        self, X: Any, y: ArrayLike, *, segments: ArrayLike | None = None, groups: ArrayLike | None = None
    ) -> BandedRidgeCV:
        """Choose the penalties by cross-validation and fit on all frames.

        Parameters
        ----------
        X, y, segments, groups
            See `LaggedRidgeCV.fit`.

        Returns
        -------
        BandedRidgeCV
            Itself, fitted.
        """
        task = self._task(X, y, segments, groups)
        with reporting(self.verbose):
            found = self._best(task)
        candidates = task.candidates
        self.space_names_ = task.spaces.names
        self.candidates_ = candidates.penalties
        self.alphas_ = np.ascontiguousarray(candidates.penalties[found.fit.chosen].T)
        self.cv_scores_, self.r2_split_ = found.scores, found.shares
        self._keep(found.fit, task.data)
        self._warn(candidates.alphas[found.fit.chosen], task.alphas)
        return self

    def _task(self, X: Any, y: Any, segments: Any, groups: Any) -> Task:
        """Refuse all that can be wrong, before any work."""
        alphas = check_alphas(self.alphas)
        score = check_score("scoring", self.scoring)
        if isinstance(self.n_iter, bool) or not isinstance(self.n_iter, (int, np.integer)) or self.n_iter < 1:
            raise InputError("n_iter", repr(self.n_iter), "a whole number of at least 1")
        try:
            concentration = np.atleast_1d(np.asarray(self.concentration, dtype=np.float64))
        except (TypeError, ValueError):
            concentration = np.empty(0)
        positive = np.isfinite(concentration) & (concentration > 0)
        if concentration.ndim != 1 or not concentration.size or not positive.all():
            raise InputError("concentration", repr(self.concentration)[:60], "numbers above 0")
        data = self._checked(X, y, segments, groups)
        spaces = check_spaces(self.spaces, X, data.problem.X.shape[1])
        splits = make_splits(self.cv, data.bounds, data.groups, len(data.problem.X))
        data = replace(data, problem=replace(data.problem, segments=data.bounds))
        return Task(data, splits, spaces, alphas, self._candidates(len(spaces.names), alphas), score)

    def _candidates(self, n_spaces: int, alphas: Double) -> Candidates:
        """List the full grid where its ratios are few, else draw."""
        if len(alphas) ** n_spaces <= 10_000:
            grid = Candidates.grid(n_spaces, alphas)
            if len(grid.gammas) <= max(self.n_iter, 1) or n_spaces == 1:
                return grid
        concentration = np.atleast_1d(np.asarray(self.concentration, dtype=np.float64))
        rng = np.random.default_rng(self.random_state)
        return Candidates.random(n_spaces, alphas, int(self.n_iter), concentration, rng)

    def _best(self, task: Task) -> _Choice:
        problem, splits, spaces, candidates = task.data.problem, task.splits, task.spaces, task.candidates
        score, c = task.score, problem.y.shape[1]

        def scores_of(_: Problem, solver: Primal, targets: Integers) -> PathScores:
            return search(solver, splits, spaces, candidates, score, self.alpha_per_target)

        scored, *_, of_folds = self._in_blocks(task, scores_of)
        scores = PathScores.joined(scored, c)
        chosen = choose_alpha(scores.chosen_by, candidates.alphas, self.alpha_per_target)

        def fits_of(_: Problem, solver: Primal, targets: Integers) -> tuple[Weights, Double, Size]:
            everything = range(len(splits.parts))
            weights = fit_chosen(solver, everything, spaces, candidates, chosen[targets])
            shares = split_r2(solver, splits, spaces, candidates, chosen[targets], score)
            return weights if len(targets) == c else weights.on(HOST), shares, (solver.n_steps, solver.dimension)

        fitted, method, dtype, device, products, of_all = self._in_blocks(task, fits_of)
        shares = np.empty((len(spaces.names), c))
        for targets, (_, own, _) in fitted:
            shares[:, targets] = own
        weights = joined([(targets, own) for targets, (own, _, _) in fitted], c)
        space = largest([size for _, (_, _, size) in fitted])
        values = [value for part in (of_folds, of_all) for of_set in part.values() for value in of_set.values()]
        fit = Fit(
            weights, None, chosen, method, dtype, np.array([max(values, default=np.nan)]), *space, device, products
        )
        return _Choice(score.oriented(scores.chosen_by), fit, shares)

    def _in_blocks(self, task: Task, work: Callable[[Problem, Any, Integers], Result]) -> Blocks[Result]:
        """Call work(problem, solver, targets) on blocks of targets."""
        n_gammas = len(task.candidates.gammas)
        n_alphas = max(1, len(task.candidates.alphas) // n_gammas)
        n_sets = n_gammas * len(task.splits.test)
        options = replace(self._options, banded=True)
        return in_blocks(task.data.problem, task.splits.parts, n_sets, n_alphas, work, options)

    def _warn(self, chosen: Double, alphas: Double) -> None:
        """Warn of undefined scores, and of penalties at an end of the grid."""
        undefined = np.flatnonzero(~np.isfinite(self.cv_scores_).any(axis=0))
        if undefined.size:
            warn(
                "The response, or its prediction, is constant in every test fold for targets "
                f"{named_targets(undefined)}: their scores are NaN and they get the largest penalties.",
                UserWarning,
            )  # fmt: skip
        ends = [alphas.min(), alphas.max()] if len(alphas) > 1 else []
        edge = np.setdiff1d(np.flatnonzero(np.isin(chosen, ends)), undefined)
        if edge.size:
            warn(
                f"A smallest penalty, or all of them, at an end of the grid [{alphas.min():g}, {alphas.max():g}] for "
                f"targets {named_targets(edge)}. Widen `alphas`, unless these targets hold nothing to predict.",
                AlphaEdgeWarning,
            )  # fmt: skip


def check_spaces(spaces: Mapping[str, Any] | None, X: Any, d: int) -> Spaces:
    """Check feature spaces: every column in one of them, and no more."""
    if spaces is None:
        spaces = X.columns if isinstance(X, FeatureSpaces) else {"all": slice(None)}
    if not isinstance(spaces, Mapping) or not spaces:
        raise InputError("spaces", repr(spaces)[:60], "a mapping of names to columns of X")
    member = np.full(d, -1, dtype=np.int64)
    for at, (name, columns) in enumerate(spaces.items()):
        try:
            index = np.atleast_1d(np.arange(d)[columns if isinstance(columns, slice) else np.asarray(columns)])
            if isinstance(columns, slice) and columns.stop is not None and columns.stop > d:
                raise IndexError  # a slice would stop at the last column in silence
        except (IndexError, TypeError):
            raise InputError(f"spaces[{name!r}]", repr(columns)[:60], f"column numbers from 0 to {d - 1}") from None
        if index.size == 0 or (member[index] >= 0).any() or np.unique(index).size < index.size:
            taken = [list(spaces)[m] for m in np.unique(member[index]) if m >= 0]
            raise InputError(
                f"spaces[{name!r}]", "no column" if index.size == 0 else f"columns also in {taken or [name]}",
                "columns of its own",
            )  # fmt: skip
        member[index] = at
    if (member < 0).any():
        raise InputError("spaces", f"columns {np.flatnonzero(member < 0)[:10].tolist()} in no space", "all columns")
    return Spaces(tuple(str(name) for name in spaces), member)
