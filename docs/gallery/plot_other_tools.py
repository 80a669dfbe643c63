"""
From other tools: the same fit side by side
===========================================

What the same model is called elsewhere, how its penalty is scaled, and the numbers, asserted equal. Tools that are not
installed are left out.
"""

# %%
# Twelve sentences of equal length (some of these tools need that), one response.
from importlib.util import find_spec

import numpy as np

from heschl import BandedRidgeCV, LaggedRidge, LaggedRidgeCV, lagged_design

rng = np.random.default_rng(0)
sfreq, n_sentences, n, d = 50.0, 12, 120, 3
X = rng.standard_normal((n_sentences, n, d))
y = np.stack([np.convolve(x[:, 0], [0, 0, 1, 0.5], "full")[:n] for x in X])[..., None]
y += rng.standard_normal(y.shape)
flat_X, flat_y, lengths = X.reshape(-1, d), y.reshape(-1, 1), [n] * n_sentences
lags = range(0, 9)


def same(name, found, expected, tolerance=1e-8):
    """Assert equal numbers, and say how equal they are."""
    difference = np.abs(np.asarray(found) - np.asarray(expected)).max() / np.abs(expected).max()
    assert difference < tolerance, (name, difference)
    print(f"{name}: largest relative difference {difference:.0e}")


# %%
# scikit-learn
# ------------
# ``Ridge(alpha)`` on the lagged design; λ is the same number. The design's columns are lag-major: all features at the
# first lag, then at the second.
from sklearn.linear_model import Ridge

model = LaggedRidge(alpha=10.0, lags=lags).fit(flat_X, flat_y, segments=lengths)
design = lagged_design(flat_X, lags, segments=lengths)
ridge = Ridge(10.0).fit(design, flat_y[:, 0])
curves = {"heschl": model.coef_[0, 0], "scikit-learn": ridge.coef_.reshape(len(lags), d)[:, 0]}
same("scikit-learn Ridge, weights", model.coef_[0].T.ravel(), ridge.coef_)

# %%
# himalaya
# --------
# ``RidgeCV`` chooses one λ for each target, as `LaggedRidgeCV` does, from a design without an intercept or with
# (``fit_intercept=True``). λ is the same number; folds have to be given as a splitter.
if find_spec("himalaya"):
    from himalaya.ridge import RidgeCV
    from himalaya.scoring import r2_score
    from sklearn.model_selection import PredefinedSplit

    alphas = np.logspace(-1, 4, 6)
    fold = np.repeat(np.arange(n_sentences) % 4, n)
    theirs = RidgeCV(
        alphas, fit_intercept=True, cv=PredefinedSplit(fold),
        solver_params={"score_func": r2_score},
    ).fit(design, flat_y)  # fmt: skip
    ours = LaggedRidgeCV(lags=lags, alphas=alphas, cv=PredefinedSplit(fold)).fit(flat_X, flat_y, segments=lengths)
    assert np.isclose(float(theirs.best_alphas_[0]), ours.alpha_[0])
    same("himalaya RidgeCV, weights at the λ that both chose", ours.coef_[0].T.reshape(-1, 1), theirs.coef_, 1e-6)
    curves["himalaya"] = np.asarray(theirs.coef_).reshape(len(lags), d)[:, 0]
    same("himalaya RidgeCV, score", ours.cv_scores_.max(), np.asarray(theirs.cv_scores_).max(), 1e-6)

# %%
# MNE's ReceptiveField
# --------------------
# With scikit-learn's ``Ridge`` inside, and no intercept. Its ``coef_`` has the same axes (targets, features, lags), its
# ``tmin`` and ``tmax`` the same meaning. Epochs must be of one length there; ``segments`` need not be.
if find_spec("mne"):
    import mne
    from mne.decoding import ReceptiveField

    mne.set_log_level("error")
    field = ReceptiveField(0.0, 0.16, sfreq, estimator=Ridge(10.0, fit_intercept=False), scoring="r2")
    field.fit(X.transpose(1, 0, 2), y.transpose(1, 0, 2))
    ours = LaggedRidge(10.0, tmin=0.0, tmax=0.16, sfreq=sfreq, fit_intercept=False).fit(
        flat_X, flat_y, segments=lengths
    )
    same("MNE ReceptiveField, weights", ours.coef_, field.coef_)
    curves["MNE"] = field.coef_[0, 0]

# %%
# mTRF-Toolbox and mTRFpy
# -----------------------
# `heschl.linear.mtrf_lags` rounds lags as they do. Version 2 of the toolbox and mTRFpy average X'X over trials and scale it
# by the sampling rate: ``alpha`` is their λ · fs · trials, and their weights are ours times fs.
from heschl.linear import average_models, mtrf_lags

lags = mtrf_lags(0.0, 0.16, sfreq)
if find_spec("mtrf"):
    from mtrf.model import TRF

    trf = TRF(direction=1)
    trf.train(list(X), list(y), sfreq, 0.0, 0.16, 10.0 / (sfreq * n_sentences))
    ours = LaggedRidge(10.0, lags=lags).fit(flat_X, flat_y, segments=lengths)
    same("mTRFpy, weights", ours.coef_.transpose(1, 2, 0) * sfreq, trf.weights)
    curves["mTRFpy"] = trf.weights[0, :, 0] / sfreq

# %%
# Up to version 1.5 the toolbox has a constant for each feature and penalises it like all else: ``penalize_intercept``. Its
# equations for one trial, written out (ones beside the lagged features):
x, response = X[0], y[0]
columns = np.hstack([np.ones((n, d)), lagged_design(x, lags)])
expected = np.linalg.solve(columns.T @ columns + 5.0 * np.eye(columns.shape[1]), columns.T @ response)
toolbox = LaggedRidge(5.0, lags=lags, penalize_intercept=1 / d)
ours = toolbox.fit(x, response)
same("mTRF-Toolbox 1.5, weights", ours.coef_[0].T.reshape(-1, 1), expected[d:])
same("mTRF-Toolbox 1.5, constant", ours.intercept_, expected[:d].sum(axis=0))

# %%
# Its cross-validation predicts each trial by the mean of the models of all others, ``average_models``:
models = [LaggedRidge(5.0, lags=lags, penalize_intercept=1 / d).fit(x, r) for x, r in zip(X, y, strict=True)]
r = [
    np.corrcoef(average_models(models[:i] + models[i + 1 :]).predict(X[i]).ravel(), y[i].ravel())[0, 1]
    for i in range(n_sentences)
]
print(f"mTRF-Toolbox 1.5, cross-validated r: {np.mean(r):.3f}")

# %%
# Banded ridge
# ------------
# himalaya's ``GroupRidgeCV`` draws weightings of the spaces; `BandedRidgeCV` tries the whole grid where it is small.
spaces = {"first": [0], "others": [1, 2]}
banded = BandedRidgeCV(spaces, alphas=[1.0, 100.0, 1e4], lags=lags).fit(flat_X, flat_y, segments=lengths)
print("penalty of each space:", dict(zip(banded.space_names_, banded.alphas_[:, 0], strict=True)))

# %%
# The response function that each of them finds (moved apart, or they would hide each other):
import matplotlib.pyplot as plt

figure, axis = plt.subplots(figsize=(6, 3), layout="constrained")
for i, (name, weights) in enumerate(curves.items()):
    axis.plot(np.asarray(lags) / sfreq, np.asarray(weights) - 0.4 * i, marker="o", ms=3, label=name)
axis.set(xlabel="lag (s)", ylabel="weight, moved apart", yticks=[])
axis.legend(frameon=False)
