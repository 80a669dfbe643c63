"""What two models share, as features: canonical variates and what is left, residual context, probes of the shared part.

Everything here is learned from the rows it is given (the training rows of a fold) and then applied to all rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from heschl.checks import InputError, check_choice
from heschl.linear.cca.cca import CCA, PARTS
from heschl.linear.cca.whitening import cross, whiten
from heschl.linear.device.arrays import Double
from heschl.linear.device.threads import one_blas_thread
from heschl.linear.moments.formulas import column_correlations

Rows = NDArray[np.bool_]
Words = NDArray[np.int64]
COORDS = ("variates", "features")
SIDES = ("probe", "shared")
# Of a feature's deviation: less than this is rounding of float32, which a CCA would whiten back to full size.
NOTHING_LEFT = 1e-5


@dataclass(frozen=True)
class SharedParts:
    """The canonical split of two models' layers, A (n, d_a) and B (n, d_b).

    Attributes
    ----------
    cca : CCA
        Fitted to the rows (or words) it was given.
    spoken : (n,) array of bool
        Rows with a word.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl import CCA
    >>> from heschl.linear import SharedParts
    >>> rng = np.random.default_rng(0)
    >>> shared = rng.standard_normal((300, 1))
    >>> A, B = (shared + 0.3 * rng.standard_normal((300, 3)) for _ in range(2))
    >>> parts = SharedParts.learn(CCA(1), A, B, train=np.arange(300) < 200)
    >>> top, rest = (parts.features("a", A, part) for part in ("top", "rest"))
    >>> top.shape, rest.shape, bool(parts.held_out(A, B, np.arange(300) >= 200)[0] > 0.9)
    ((300, 1), (300, 2), True)
    """

    cca: CCA
    spoken: Rows = field(repr=False)

    @classmethod
    def learn(
        cls,
        cca: CCA,
        A: NDArray[Any],
        B: NDArray[Any],
        train: Rows,
        *,
        spoken: Rows | None = None,
        words: Words | None = None,
    ) -> SharedParts:
        """Fit a CCA to the training rows that have a word.

        Parameters
        ----------
        cca : CCA
            Its parameters are used; it is not fitted.
        A, B : (n, d) arrays
            Features of both models, frame by frame.
        train : (n,) array of bool
        spoken : (n,) array of bool, optional
            Rows with a word; default: all. Without a word a language model has nothing to say, and the first component
            would tell silence from speech.
        words : (m, 2) array of int, optional
            First row and one past the last of each word: the CCA is then of words, over which features are averaged.

        Raises
        ------
        InputError
            As `CCA.fit`; and where no training row has a word.
        """
        known = np.ones(len(A), dtype=bool) if spoken is None else spoken
        a, b = (level(side, train & known, words if words is None else words[train[words[:, 0]]]) for side in (A, B))
        return cls(clone(cca).set_params(cv=None).fit(a, b), known)

    def features(
        self, side: str, X: NDArray[Any], part: str, coords: str = "variates", k: int | None = None
    ) -> NDArray[Any]:
        """Compute a part of one side's features, for all rows, in their precision.

        Parameters
        ----------
        side : {"a", "b"}
        X : (n, d) array
            Of that side.
        part : {"top", "rest", "all"}
            The canonical variates; what is left; both.
        coords : {"variates", "features"}
            Variates, of variance 1; or the side's own features: what the variates carry of them, and that taken away.
            At λ > 0 ridge regression is not the same in both: whitening turns the penalty on weights into one on what
            they predict.
        k : int, optional
            Only the first k variates as "top".

        Returns
        -------
        (n, width) array
            In rows without a word, 0 (in variates) or the mean (in features).
        """
        check_choice("side", side, ("a", "b"))
        check_choice("part", part, PARTS)
        check_choice("coords", coords, COORDS)
        name = "x" if side == "a" else "y"
        mean, top = getattr(self.cca, f"{name}_mean_"), getattr(self.cca, f"{name}_weights_")
        silent, dtype = ~self.spoken, np.result_type(X, np.float32)
        centred = np.asarray(X, dtype=np.float64) - mean
        centred[silent] = 0.0
        with one_blas_thread():
            if coords == "variates":
                weights = {"top": (top[:, :k],), "all": (top, getattr(self.cca, f"{name}_rest_weights_"))}
                weights["rest"] = weights["all"][1:]
                return np.asarray(cross(centred.T, np.concatenate(weights[part], axis=1)), dtype=dtype)
            carried = centred @ top[:, :k] @ getattr(self.cca, f"{name}_loadings_")[:k]
        return np.asarray({"top": carried, "rest": centred - carried, "all": centred}[part] + mean, dtype=dtype)

    def held_out(self, A: NDArray[Any], B: NDArray[Any], test: Rows, words: Words | None = None) -> Double:
        """Correlate variates on other rows: (k,); NaN where a variate is constant there."""
        a, b = (
            level(side, test & self.spoken, words if words is None else words[test[words[:, 0]]]) for side in (A, B)
        )
        return column_correlations(*self.cca.transform(a, b))


def level(X: NDArray[Any], rows: Rows, words: Words | None) -> Double:
    """Return rows of X for an analysis: frames, or means over words."""
    if words is None:
        out = np.asarray(X[rows], dtype=np.float64)
    else:
        padded = np.zeros((len(X) + 1, X.shape[1]))  # a word may end with the last row
        padded[:-1] = X
        sums = np.add.reduceat(padded, words.reshape(-1), axis=0)[::2] if len(words) else padded[:0]
        out = sums / (words[:, 1:] - words[:, :1])
    if len(out) == 0:
        raise InputError("train", "no row with a word", "some", "Are the words' times those of these stimuli?")
    return out


def residual(X: NDArray[Any], base: NDArray[Any], train: Rows, *, reg: float = 0.0) -> NDArray[Any]:
    """Remove from a layer what is linear in another: with layer 0, what is left is context beyond the words themselves.

    The regression X ≈ base W + b is learned on the training rows.

    Parameters
    ----------
    X, base : (n, d) arrays
    train : (n,) array of bool
        Rows that the regression is learned from.
    reg : float
        Ridge penalty on W, in units of the sums of squares of `base`: for embeddings nearly as many as words.

    Returns
    -------
    (n, d) array
        X - base W - b, in the precision of X; of mean 0 on the training rows. A feature of which no more than rounding
        is left (1e-5 of its own deviation on the training rows, so whatever the units) is 0, and no direction to `CCA`,
        which would scale it up to variance 1.

    Raises
    ------
    InputError
        Where `base` does not vary on the training rows, and where nothing is left of any feature.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.linear import residual
    >>> rng = np.random.default_rng(0)
    >>> words, context = rng.standard_normal((2, 300, 2))
    >>> left = residual(words @ [[1.0, 2.0], [0.5, 0.0]] + context, words, np.arange(300) < 200)
    >>> bool(np.abs(left[200:] - context[200:]).mean() < 0.2)
    True
    """
    layer, words = np.asarray(X[train], dtype=np.float64), np.ascontiguousarray(base[train], dtype=np.float64)
    side = whiten("base", words, reg=reg)
    mean = layer.mean(axis=0)
    with one_blas_thread():
        fitted = cross(side.rows @ (side.turn * side.shrink), layer - mean)
        out = np.asarray(X, dtype=np.float64) - mean
        out -= cross((np.asarray(base, dtype=np.float64) - side.mean).T, (side.back * side.shrink) @ fitted)
    left, whole = (np.sqrt(np.square(rows).sum(axis=0)) for rows in (out[train], layer - mean))
    nothing = left <= NOTHING_LEFT * whole
    if nothing.all():
        raise InputError(
            "X", f"features that are linear in `base` on all {len(layer)} training rows: nothing is left",
            "a layer that says more",
            "The layer is `base` itself, or there are fewer rows than features of `base`: "
            "then reg (shared.context_reg of a study) leaves what is not linear.",
        )  # fmt: skip
    out[:, nothing] = 0.0
    return np.asarray(out, dtype=np.result_type(X, np.float32))


def probe(
    shared: NDArray[Any],
    X: NDArray[Any],
    train: Rows,
    *,
    spoken: Rows,
    words: Words | None = None,
    n_components: int = 50,
    side: str = "probe",
    whole: bool = False,
) -> NDArray[Any]:
    """Compute what a set of features says of the shared part: its canonical variates with that part, as features.

    Parameters
    ----------
    shared : (n, k) array
        Variates that two models share (`SharedParts.features`).
    X : (n, d) array
        The probe: word vectors, the mel spectrum, residual context.
    train, spoken, words
        See `SharedParts.learn`.
    n_components : int
        At most; as many as the narrower of both has directions.
    side : {"probe", "shared"}
        Whose variates. Those of the shared side, all k of them, span the same space whatever the probe is, so that
        every probe would predict equally well: "shared" is allowed with fewer components than k only, those that
        held-out rows confirm (`held_out_correlations`).
    whole : bool
        Allow as many variates as the probe has directions, as published. They are a rotation of the probe and say
        nothing of the shared part: such an acoustic probe scored 0.27 where the shared part predicted nothing.

    Returns
    -------
    (n, components) array
        0 in rows without a word.

    Raises
    ------
    InputError
        For side "shared" with all of its components, for as many variates as the probe is wide (unless `whole`), and as
        `CCA.fit`. `heschl.linear.common_variance` asks what both say in any case.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.linear import probe
    >>> rng = np.random.default_rng(0)
    >>> shared = rng.standard_normal((200, 4))
    >>> semantic = np.hstack([shared[:, :1], rng.standard_normal((200, 2))])  # knows one of four dimensions
    >>> found = probe(shared, semantic, np.arange(200) < 150, spoken=np.ones(200, bool), n_components=1)
    >>> found.shape, bool(abs(np.corrcoef(found[:, 0], shared[:, 0])[0, 1]) > 0.95)
    ((200, 1), True)
    """
    check_choice("side", side, SIDES)
    if side == "shared" and n_components >= shared.shape[1]:
        raise InputError(
            "side", f'"shared" with {n_components} of {shared.shape[1]} components', 'fewer, or side="probe"',
            "All variates of the shared side are one and the same space, whatever the probe.",
        )  # fmt: skip
    given = words if words is None else words[train[words[:, 0]]]
    a, b = level(shared, train & spoken, given), level(X, train & spoken, given)
    rank = _rank(b)
    width = min(n_components, int(np.linalg.matrix_rank(a - a.mean(axis=0))), rank)
    if side == "probe" and width >= rank and not whole:
        raise InputError(
            "n_components", f"{width} variates of a probe of {rank} directions", f"fewer than {rank}",
            "All its variates are the probe itself, whatever the shared part. common_variance asks what both say.",
        )  # fmt: skip
    found = SharedParts(CCA(width).fit(a, b), spoken)
    return found.features("a", shared, "top") if side == "shared" else found.features("b", X, "top")


def _rank(values: Double) -> int:
    return whiten("X", values).rank
