"""
Banded ridge: a penalty for each feature space
==============================================

Two feature spaces of different size and strength share one model, each with a penalty of its own. `unique_variance` asks
what is lost without a space, `common_variance` what two of them explain together.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np

import heschl
from heschl.linear import common_variance, unique_variance

rng = np.random.default_rng(0)
lengths = rng.integers(80, 140, size=40)
n = int(lengths.sum())
common = rng.standard_normal((n, 4))
sound = np.hstack([common, rng.standard_normal((n, 4))])
words = np.hstack([common, rng.standard_normal((n, 40))])  # wider, and partly the same
drive = {
    "sound alone": sound[:, 4:] @ rng.standard_normal((4, 8)),
    "words alone": words[:, 4:8] @ rng.standard_normal((4, 8)),
    "what both hold": common @ rng.standard_normal((4, 8)),
}
Y = np.hstack([np.roll(d / d.std(0), 4, axis=0) for d in drive.values()]) + rng.standard_normal((n, 24))
X = heschl.FeatureSpaces({"sound": sound, "words": words})

# %%
# Penalties by cross-validation, for each electrode and space. ``r2_split_`` shares the joint R² out among the spaces
# (the product measure): it sums to the joint R².
model = heschl.BandedRidgeCV(alphas=np.logspace(0, 5, 6), lags=range(8), standardize=True).fit(X, Y, segments=lengths)
print("median penalty of each space, electrodes that follow sound:", np.median(model.alphas_[:, :8], axis=1))
print("                              electrodes that follow words:", np.median(model.alphas_[:, 8:16], axis=1))

# %%
found = unique_variance(model, X, Y, segments=lengths)
both = common_variance(
    {"sound": sound, "words": words},
    Y,
    segments=lengths,
    folds=np.arange(40) % 5,
    lags=range(8),
    alphas=np.logspace(0, 5, 6),
)
figure, axis = plt.subplots(figsize=(6, 3.2), layout="constrained")
axis.plot(found.r2, "k_", ms=10, label="joint")
for name, values in zip(found.space_names, found.unique, strict=True):
    axis.plot(values, "o", label=f"unique to {name}")
for start in (7.5, 15.5):
    axis.axvline(start, color="0.85", zorder=0)
axis.set(xlabel="electrode: " + " | ".join(drive), ylabel="R²")
axis.plot(both.part("common"), "x", color="0.4", label="common to both")
axis.legend(frameon=False, fontsize=8)
