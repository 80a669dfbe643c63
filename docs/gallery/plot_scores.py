"""
Penalties, and scores that no choice has touched
================================================

How well do features predict a response? The cross-validated score at the chosen penalty is optimistic, because the same
folds chose that penalty. ``nested=True`` chooses on inner folds of each training set and scores on the outer one.
"""

# %%
# Twenty electrodes follow 16 features, from not at all to well.
import numpy as np

import heschl
from heschl.linear import nested_cv

rng = np.random.default_rng(0)
lengths = rng.integers(80, 160, size=60)
n = int(lengths.sum())
X = rng.standard_normal((n, 16))
strength = np.linspace(0, 1, 20)
Y = strength * (np.roll(X, 5, axis=0) @ rng.standard_normal((16, 20)) / 4) + rng.standard_normal((n, 20))

model = heschl.LaggedRidgeCV(tmin=0, tmax=0.2, sfreq=50, alphas=np.logspace(0, 6, 13), nested=True)
model.fit(X, Y, segments=lengths)

# %%
# Each electrode has a penalty of its own: the better its signal, the smaller. A hollow point lies at an end of the grid;
# that is expected where there is nothing to predict, and else a reason to widen ``alphas``.
heschl.plot_alphas(model)

# %%
# The honest score is a little lower than the one that chose. For the share of variance that *could* be predicted, with
# these strengths, see :ref:`sphx_glr_auto_gallery_plot_ceiling.py`.
ax = heschl.plot_scores({"best of cv_scores_": model.cv_scores_.max(axis=0), "nested": model.test_scores_})
ax.set_title(f"median optimism {np.median(model.cv_scores_.max(axis=0) - model.test_scores_.mean(axis=0)):.4f}")

# %%
# `heschl.linear.nested_cv` does the same as a function and keeps more: r, pooled R², predictions, each fold's penalty.
found = nested_cv(X, Y, segments=lengths, folds=np.arange(60) % 5, lags=range(11), alphas=np.logspace(0, 6, 13))
print("mean R² of each fold", found.r2.mean(axis=1).round(3))
print("mean r of each fold ", found.r.mean(axis=1).round(3))
