"""
Does an electrode follow these features? A permutation test
===========================================================

Whole sentences' responses are exchanged among sentences of nearly the same length, and everything is done again: penalty
chosen, folds scored. That keeps the responses' own autocorrelation, which shuffled frames would not.
"""

# %%
# Ten electrodes: the first five follow the features, the others are smooth noise.
import matplotlib.pyplot as plt
import numpy as np

from heschl.linear import permutation_test

rng = np.random.default_rng(0)
lengths = rng.integers(80, 110, size=40)
n = int(lengths.sum())
smooth = np.hanning(12) / np.linalg.norm(np.hanning(12))


def slow(columns):
    """Return noise that is as slow as high gamma."""
    return np.stack([np.convolve(rng.standard_normal(n), smooth, "same") for _ in range(columns)], axis=1)


X = slow(6)
Y = slow(10)
Y[:, :5] += 0.5 * np.roll(X[:, :5], 4, axis=0)

# %%
found = permutation_test(
    X, Y, segments=lengths, folds=np.arange(40) % 5, lags=range(8), alphas=np.logspace(1, 5, 5),
    n_permutations=200, random_state=0,
)  # fmt: skip
figure, axes = plt.subplots(1, 2, figsize=(7.5, 3), layout="constrained")
for axis, electrode in zip(axes, (0, 7), strict=True):
    axis.hist(found.null[:, electrode], 25, color="0.7")
    axis.axvline(found.observed[electrode], color="C1")
    axis.set(title=f"electrode {electrode}: p = {found.p_values[electrode]:.3f}", xlabel="pooled R²")

# %%
# Over many electrodes some p values are small by chance: correct them over the family.
print("p           ", found.p_values.round(3))
print("family-wise ", found.p_values_max.round(3))
