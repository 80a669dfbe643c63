"""MNE's ReceptiveField, given its weights: prediction alone.

MNE knows one sampling rate and epochs of one length; sentences of uneven length go through it one by one. Its features
are read by (feature, lag), it computes in float64, and with `fit_intercept=False` missing history is 0, as here. (With
an intercept MNE pads with each feature's mean instead and shifts every lagged column to that mean: another model.)
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

FFT = 1.0  # a number as the estimator means MNE's own TimeDelayingRidge with that penalty


def _field(W: Array, estimator: Any) -> Any:
    """A ReceptiveField that holds the weights W (n_lags, d, c): fitted on noise, its weights replaced."""
    import mne
    from mne.decoding import ReceptiveField

    mne.set_log_level("ERROR")
    n_lags, d, c = W.shape
    rng = np.random.default_rng(0)
    field = ReceptiveField(0.0, n_lags - 1.0, 1.0, estimator=estimator, fit_intercept=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a fit on next to nothing
        field.fit(rng.standard_normal((2 * n_lags, d)), rng.standard_normal((2 * n_lags, c)))
    field.coef_ = np.ascontiguousarray(W.transpose(2, 1, 0), dtype=np.float64)
    field.estimator_.coef_ = field.coef_ if estimator == FFT else field.coef_.reshape(c, -1)
    return field


def design_field(W: Array) -> Any:
    """With scikit-learn's Ridge inside: MNE builds the delayed design (float64), one product follows. Its fast way."""
    from sklearn.linear_model import Ridge

    return _field(W, Ridge(alpha=1.0, fit_intercept=False))


def fft_field(W: Array) -> Any:
    """With its own TimeDelayingRidge, the default: a Python loop of FFT convolutions over targets and features."""
    return _field(W, FFT)


def mne_segments(H: Array, lengths: Array, field: Any, intercept: Array) -> Array:
    """Predictions segment by segment, so that no lag reaches into another one."""
    out = np.empty((len(H), len(field.coef_)))
    begin = 0
    for length in lengths:
        out[begin : begin + length] = field.predict(H[begin : begin + length]).reshape(length, -1)
        begin += length
    out += intercept
    return out


def mne_whole(H: Array, lengths: Array, field: Any, intercept: Array) -> Array:
    """All frames in one call, as one segment."""
    assert len(lengths) == 1
    out = np.asarray(field.predict(H).reshape(len(H), -1))
    out += intercept
    return out
