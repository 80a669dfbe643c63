"""
Layers of a model
=================

Scores over the layers of a model, chosen properly: the best layer is part of the choice, so it is chosen on inner folds
too. Features are simulated: each layer is a mixture of the one before and something new.
"""

# %%
import numpy as np

import heschl
from heschl.linear import nested_cv

rng = np.random.default_rng(0)
lengths = rng.integers(80, 140, size=40)
n = int(lengths.sum())
layers = [rng.standard_normal((n, 24))]
for _ in range(7):
    turn = np.linalg.qr(rng.standard_normal((24, 24)))[0]
    layers.append(0.8 * np.tanh(layers[-1] @ turn) + 0.4 * rng.standard_normal((n, 24)))

# %%
# Thirty electrodes follow layer 4, of eight.
Y = np.roll(layers[4] @ rng.standard_normal((24, 30)) / 4, 4, axis=0) + rng.standard_normal((n, 30))
how = {"segments": lengths, "folds": np.arange(40) % 5, "lags": range(8), "alphas": np.logspace(1, 6, 6)}
found = [nested_cv(X, Y, **how) for X in layers]
ax = heschl.plot_layers({"a model": [f.r2.mean(axis=0) for f in found]})
ax.axvline(4, color="0.8", zorder=0)

# %%
# The layer of each fold is chosen by inner folds alone (``inner_score``), and scored on the fold it has not seen. The
# maximum over layers of the outer scores is what is often published; it is optimistic.
inner = np.stack([f.inner_score for f in found])  # (layer, fold, electrode)
outer = np.stack([f.r2 for f in found])
chosen = inner.argmax(axis=0)
honest = np.take_along_axis(outer, chosen[None], axis=0)[0].mean(axis=0)
maximum = outer.mean(axis=1).max(axis=0)
print("chosen layers:", np.bincount(chosen.ravel(), minlength=8))
print(f"R², layer chosen inside: {np.median(honest):.4f}; maximum over layers: {np.median(maximum):.4f}")
