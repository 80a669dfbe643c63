"""
Canonical correlations: what two models share
=============================================

Two feature spaces share five dimensions. Fitted canonical correlations are large even where nothing is shared; those of
held-out segments, and permuted ones, tell what is real. `heschl.cca_grid` does every pair of layers.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np

import heschl
from heschl.linear import held_out_correlations, permuted_correlations

rng = np.random.default_rng(0)
lengths = rng.integers(40, 60, size=40)
n = int(lengths.sum())
shared = rng.standard_normal((n, 5))
A = np.hstack([shared @ rng.standard_normal((5, 40)), np.zeros((n, 20))]) + 2 * rng.standard_normal((n, 60))
B = np.hstack([shared @ rng.standard_normal((5, 50)), np.zeros((n, 50))]) + 2 * rng.standard_normal((n, 100))

# %%
model = heschl.CCA(n_components=20).fit(A, B)
held_out = held_out_correlations(heschl.CCA(20), A, B, segments=lengths)
permuted = permuted_correlations(heschl.CCA(20), A, B, segments=lengths, n_permutations=50, random_state=0)
figure, axis = plt.subplots(figsize=(5, 3.2), layout="constrained")
axis.plot(np.arange(1, 21), model.correlations_, "o-", label="fitted")
axis.plot(np.arange(1, 21), held_out.mean(axis=0), "o-", label="on held-out segments")
axis.axhspan(permuted.null.min(), permuted.null.max(), color="0.85", label="first one, permuted")
axis.set(xlabel="component", ylabel="canonical correlation", title="five dimensions are shared")
axis.legend(frameon=False)
print("p of the first eight:", permuted.p_values[:8].round(3))

# %%
# Every layer of one model with every layer of another: each is whitened once.
layers_a = {str(i): A @ rng.standard_normal((60, 30)) + 4 * i * rng.standard_normal((n, 30)) for i in range(5)}
layers_b = {str(i): B @ rng.standard_normal((100, 30)) + 8 * i * rng.standard_normal((n, 30)) for i in range(7)}
grid = heschl.cca_grid(layers_a, layers_b, n_components=5)
figure, axis = plt.subplots(figsize=(4.5, 3), layout="constrained")
image = axis.imshow(grid.mean("component"), origin="lower", vmin=0)
axis.set(xlabel="layer of the second model", ylabel="layer of the first")
figure.colorbar(image, label="mean of 5 correlations")
