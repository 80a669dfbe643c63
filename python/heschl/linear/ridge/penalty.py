"""Penalties other than the sizes of weights: first differences along lags, and the constant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from heschl.checks import InputError, check_choice
from heschl.linear.device.arrays import Double

KINDS = ("ridge", "tikhonov")


@dataclass(frozen=True)
class Penalty:
    """What is added to ‖Y - X W - 1 bᵀ‖²: α ‖W‖², or α Σ_k ‖W_{k+1} - W_k‖² over lags k; and α `intercept` ‖b‖².

    Attributes
    ----------
    differences : bool
        Whether first differences along lags are penalised, in place of sizes.
    intercept : float
        Weight of the constant among what is penalised, 0 or more.
    """

    differences: bool = False
    intercept: float = 0.0

    @classmethod
    def of(cls, kind: object, penalize_intercept: object, fit_intercept: bool, n_lags: int) -> Penalty:
        """Check what estimators are given.

        Raises
        ------
        InputError
            For another kind, a weight below 0, a constant penalised that is not fitted, and differences of one lag.
        """
        check_choice("penalty", kind, KINDS)
        if kind == "tikhonov" and n_lags < 2:
            raise InputError("penalty", "'tikhonov' with one lag", "two lags or more", "Use penalty='ridge'.")
        number = isinstance(penalize_intercept, (bool, int, float, np.bool_, np.integer, np.floating))
        weight = float(penalize_intercept) if number else np.nan  # type: ignore[arg-type]
        if not (np.isfinite(weight) and weight >= 0.0):
            raise InputError("penalize_intercept", repr(penalize_intercept), "True, False, or a number of 0 or more")
        if weight and not fit_intercept:
            raise InputError(
                "penalize_intercept", f"{penalize_intercept!r} with fit_intercept=False", "an intercept to penalise"
            )
        return cls(kind == "tikhonov", weight)

    @property
    def plain(self) -> bool:
        """Whether it is ridge with a free constant, which every solver does."""
        return not self.differences and not self.intercept

    def add(self, gram: Double, alpha: float, n_features: int) -> None:
        """Add it to X'X (p, p), both triangles, p = n_lags · n_features by lags."""
        flat, p, d = gram.reshape(-1), len(gram), n_features
        if not self.differences:
            flat[:: p + 1] += alpha
            return
        count = np.full(p, 2.0)
        count[:d] = count[p - d :] = 1.0
        flat[:: p + 1] += alpha * count
        flat[d * p :: p + 1] -= alpha  # lag k + 1, lag k
        flat[d : (p - d) * p : p + 1] -= alpha


PLAIN = Penalty()
