"""The problems measured, by name; seeded, so that every rival sees the same numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from heschl.linear import group_folds

Array = NDArray[Any]

SHIFT_SEED = 7
SIGNAL_LAGS = (0, 2, 4, 6)  # frames by which responses follow the features
SCORE_TOLERANCE = 1e-4  # of R² against float64: what float32 may cost
NOISE_STD = 2.0  # beside a signal of 1: R² of a perfect model is 0.2, as good electrodes reach


@dataclass(frozen=True)
class Case:
    """One problem: n_frames in n_segments, d features, w lags, c targets."""

    n_frames: int
    n_segments: int
    d: int
    w: int
    c: int
    n_folds: int = 5
    n_alphas: int = 10
    log10_alphas: tuple[float, float] = (1.0, 5.5)
    dtype: str = "float32"
    ragged: bool = False

    def quick(self) -> Case:
        """The same kind of problem at a size at which everything takes milliseconds."""
        n_segments = min(self.n_segments, 15)
        return replace(
            self, n_frames=20 * n_segments, n_segments=n_segments, d=min(self.d, 40), w=min(self.w, 6),
            c=min(self.c, 3), n_alphas=min(self.n_alphas, 4),
        )  # fmt: skip

    @property
    def p(self) -> int:
        """Columns of the lagged design."""
        return self.w * self.d

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Frames in each segment: equal, or as uneven as sentences are."""
        if not self.ragged:
            return np.full(self.n_segments, self.n_frames // self.n_segments, dtype=np.int64)
        return _parts(np.random.default_rng(1).gamma(6.0, size=self.n_segments), self.n_frames)

    @property
    def bounds(self) -> NDArray[np.int64]:
        """First row and one past the last row of each segment."""
        ends = np.cumsum(self.lengths)
        return np.stack([ends - self.lengths, ends], axis=1)

    @property
    def alphas(self) -> NDArray[np.float64]:
        return np.logspace(*self.log10_alphas, self.n_alphas)

    @property
    def fold(self) -> NDArray[np.int64]:
        """Fold of each segment."""
        if self.n_folds == 1:
            return np.zeros(self.n_segments, dtype=np.int64)
        return group_folds(np.arange(self.n_segments), self.lengths, self.n_folds)

    def features(self) -> Array:
        return smooth_features(np.random.default_rng(0), self.n_frames, self.d, self.dtype)

    def data(self) -> tuple[Array, Array]:
        """Features (n_frames, d) and responses (n_frames, c)."""
        H = self.features()
        return H, responses(np.random.default_rng(2), H, self.lengths, self.c)


@dataclass(frozen=True)
class WordCase(Case):
    """Features that stay the same for as long as a word lasts, and are 0 where there is none."""

    n_words: int = 5200

    def quick(self) -> WordCase:
        return replace(super().quick(), n_words=45, ragged=True)  # type: ignore[return-value, call-arg]

    def words(self) -> tuple[Array, NDArray[np.int64], NDArray[np.int64]]:
        """Runs of equal features in order of time, cut at the ends of segments.

        Returns
        -------
        values : ndarray of shape (n_words + 1, d)
            One row per word; the last row, of zeros, is silence.
        rows : ndarray of shape (n_runs,), int64
            Row of `values` that holds in each run; every word has one run.
        counts : ndarray of shape (n_runs,), int64
            Frames of each run.
        """
        rng = np.random.default_rng(3)
        values = np.zeros((self.n_words + 1, self.d), self.dtype)
        values[:-1] = smooth_features(rng, self.n_words, self.d, self.dtype)
        rows, counts, word = [], [], 0
        for n_words, length in zip(_parts(self.lengths.astype(float), self.n_words), self.lengths, strict=True):
            rows.append(np.r_[self.n_words, np.arange(word, word + n_words), self.n_words])  # silence at both ends
            counts.append(_parts(rng.gamma(4.0, size=n_words + 2), length))
            word += n_words
        return values, np.concatenate(rows), np.concatenate(counts)

    def features(self) -> Array:
        """The same at frame rate."""
        values, rows, counts = self.words()
        return np.repeat(values[rows], counts, axis=0)


@dataclass(frozen=True)
class PredictCase(Case):
    """Prediction with given weights, the same for all."""

    def weights(self) -> tuple[Array, Array]:
        """Weights (w, d, c) and intercept (c,), of the size a fit gives."""
        rng = np.random.default_rng(4)
        W = rng.standard_normal((self.w, self.d, self.c)) / self.p**0.5
        return W.astype(self.dtype), rng.standard_normal(self.c).astype(self.dtype)


def _parts(weights: Array, total: int) -> NDArray[np.int64]:
    """Whole numbers of at least 1, nearly in proportion to the weights, that sum to `total`."""
    ideal = (total - len(weights)) * np.cumsum(weights) / weights.sum()
    return np.diff(np.r_[0, np.round(ideal)]).astype(np.int64) + 1


def smooth_features(rng: np.random.Generator, n: int, d: int, dtype: str) -> Array:
    """Features (n, d) as a model's states are: smooth in time, correlated, of decaying spectrum, off zero.

    d latent signals, each a first-order autoregression with a time constant of 1 to 20 frames and a standard deviation
    that falls as rank^-0.7, are mixed at random; a little white noise keeps the rank full.
    """
    latent = rng.standard_normal((d, n), dtype=np.float32)
    for k, pole in enumerate(np.exp(-1.0 / rng.uniform(1.0, 20.0, size=d))):
        size = np.float32((1.0 - pole**2) ** 0.5 * (k + 1.0) ** -0.7)
        latent[k] = lfilter(np.array([size], np.float32), np.array([1.0, -pole], np.float32), latent[k])
    H = latent.T @ rng.standard_normal((d, d), dtype=np.float32)
    del latent
    H /= H.std(axis=0)
    for row in range(0, n, 4096):  # in blocks: the largest problem should not need three times its own memory
        block = H[row : row + 4096]
        block += np.float32(0.1) * rng.standard_normal(block.shape, dtype=np.float32)
    H += 0.5 * rng.standard_normal(d, dtype=np.float32)
    return H.astype(dtype, copy=False)


def responses(rng: np.random.Generator, H: Array, lengths: Array, c: int) -> Array:
    """Responses (n, c) that follow the features inside each segment, with smooth noise."""
    n, d = H.shape
    frame = np.arange(n) - np.repeat(np.cumsum(lengths) - lengths, lengths)  # of the segment
    Y = np.zeros((n, c), H.dtype)
    for lag in SIGNAL_LAGS:
        B = rng.standard_normal((d, c), dtype=np.float32).astype(H.dtype) / d**0.5
        Y[lag:] += (frame[lag:, None] >= lag) * (H[: n - lag] @ B)
    Y /= np.maximum(Y.std(axis=0), 1e-6)
    noise = rng.standard_normal((n, c), dtype=np.float32)
    pole = 0.7
    for row in range(0, c, 64):
        part = slice(row, row + 64)
        smooth = lfilter([(1 - pole**2) ** 0.5], [1.0, -pole], noise[:, part], axis=0)
        Y[:, part] += NOISE_STD * smooth.astype(H.dtype)
    return Y


SMALL = Case(n_frames=3_000, n_segments=30, d=16, w=20, c=1, dtype="float64")
MIDDLE = Case(n_frames=12_000, n_segments=120, d=64, w=20, c=200)
LAYER = Case(n_frames=58_943, n_segments=599, d=768, w=20, c=822, log10_alphas=(3.0, 7.5), ragged=True)
HOUR = Case(n_frames=180_000, n_segments=1, d=128, w=20, c=200, n_folds=1)  # one recording, at 50 Hz
LANGUAGE = WordCase(n_frames=58_943, n_segments=599, d=1_600, w=20, c=822, log10_alphas=(3.0, 7.5), ragged=True)
TINY = Case(n_frames=20, n_segments=4, d=1, w=1, c=1, n_folds=2, n_alphas=2, dtype="float64")
PREDICT = PredictCase(n_frames=58_943, n_segments=599, d=128, w=20, c=822, ragged=True)
DUAL = Case(n_frames=3_000, n_segments=30, d=768, w=20, c=200, log10_alphas=(2.0, 6.5))
WORDS = WordCase(n_frames=58_943, n_segments=599, d=1_600, w=20, c=51, log10_alphas=(2.0, 6.5), ragged=True)
WORDS_NARROW = replace(WORDS, d=128)  # p = 2,560: where a float64 answer is at hand
BY_FRAMES = Case(n_frames=24_000, n_segments=240, d=256, w=20, c=300, log10_alphas=(2.5, 7.0), ragged=True)
BY_WORDS = WordCase(
    n_frames=24_000, n_segments=240, d=256, w=20, c=300, log10_alphas=(2.5, 7.0), ragged=True, n_words=2_400
)
SHIFTS = Case(n_frames=58_943, n_segments=599, d=1, w=1, c=822, ragged=True)  # fixed predictions: no features needed
SWAPS = Case(n_frames=12_000, n_segments=120, d=128, w=20, c=822)
BANDED = Case(n_frames=6_000, n_segments=60, d=32, w=20, c=200)

BY_SIZE = {
    "design": {"small": SMALL, "middle": MIDDLE, "large": PREDICT},
    "moments": {"small": SMALL, "middle": MIDDLE, "large": LAYER, "an hour": HOUR},
    "predict": {
        "small": PredictCase(n_frames=3_000, n_segments=30, d=16, w=20, c=1, dtype="float64"),
        "middle": PredictCase(n_frames=12_000, n_segments=120, d=64, w=20, c=200),
        "large": PREDICT,
    },
}


def shift_problem(case: Case, n_shifts: int) -> tuple[Array, Array, NDArray[np.int64]]:
    """Responses, out-of-fold predictions of them, and the circular shifts of a null (n_shifts, n_segments)."""
    rng = np.random.default_rng(5)
    Y = smooth_features(rng, case.n_frames, case.c, case.dtype)
    prediction = 0.2 * Y + smooth_features(rng, case.n_frames, case.c, case.dtype)
    shifts = np.random.default_rng(SHIFT_SEED).integers(0, case.lengths, size=(n_shifts, case.n_segments))
    return Y, prediction, shifts


def swap_problem(case: Case, n_swaps: int) -> NDArray[np.int64]:
    """Segments whose responses stand in for each segment's own, (n_swaps, n_segments); all of one length."""
    rng = np.random.default_rng(6)
    return np.stack([rng.permutation(case.n_segments) for _ in range(n_swaps)])


@dataclass(frozen=True)
class CcaCase:
    """Two sides that share some dimensions; `condition` of each side."""

    n: int
    dx: int
    dy: int
    k: int = 50
    condition: float = 10.0
    dtype: str = "float64"

    def quick(self) -> CcaCase:
        return replace(self, n=120, dx=12, dy=15, k=5)

    def data(self) -> tuple[Array, Array]:
        rng = np.random.default_rng(8)
        latent = rng.standard_normal((self.n, 60))
        return self._side(rng, latent, self.dx), self._side(rng, latent, self.dy)

    def _side(self, rng: np.random.Generator, latent: Array, d: int) -> Array:
        values = latent @ rng.standard_normal((60, d)) / 8 + rng.standard_normal((self.n, d))
        turn, _ = np.linalg.qr(rng.standard_normal((d, d)))
        return ((values @ turn * np.geomspace(1, 1 / self.condition, d)) @ turn.T).astype(self.dtype)


CCA_PAIR = CcaCase(n=3_575, dx=462, dy=705)  # the paper's principal components of words
CCA_PAIR_TWO_PASSES = replace(CCA_PAIR, condition=1e5)
CCA_LAYER = CcaCase(n=58_943, dx=768, dy=1_600, dtype="float32")
