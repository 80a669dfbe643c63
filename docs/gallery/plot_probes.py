"""
What is the shared part made of? Probes
=======================================

What two models share predicts some electrodes. Is that word meaning, sound, or context? For each probe, `common_variance`
asks how much of what the shared part explains the probe explains as well.
"""

# %%
# The shared part has six dimensions: two are acoustic, two semantic, two contextual. Context is what is left of a layer
# beyond the meaning of its words (`residual`, learned on training rows).
import matplotlib.pyplot as plt
import numpy as np

from heschl.linear import common_variance, residual

rng = np.random.default_rng(0)
lengths = np.full(24, 80)
n = int(lengths.sum())
train = np.arange(n) < 0.8 * n
acoustic, semantic, context = rng.standard_normal((3, n, 2))
shared = np.hstack([acoustic, semantic, context]) @ np.linalg.qr(rng.standard_normal((6, 6)))[0]
layer = np.hstack([semantic, context]) @ rng.standard_normal((4, 8))  # of a language model
spaces = {
    "mel": np.hstack([acoustic, rng.standard_normal((n, 6))]),
    "word vectors": np.hstack([semantic, rng.standard_normal((n, 6))]),
    "context": residual(layer, semantic, train),
    "noise": rng.standard_normal((n, 8)),
}

# %%
# Twelve electrodes follow mixtures of all six dimensions, half signal and half noise.
Y = shared @ rng.standard_normal((6, 12))
Y = Y / Y.std(0) + rng.standard_normal(Y.shape)
how = {"segments": lengths, "folds": np.arange(24) % 4, "lags": [0], "alphas": np.logspace(0, 4, 3)}
known = {}
for name, space in spaces.items():
    found = common_variance({"shared": shared, name: space}, Y, **how)
    known[name] = found.part("common") / found.part("first")

# %%
figure, axis = plt.subplots(figsize=(4.8, 3), layout="constrained")
for at, share in enumerate(known.values()):
    axis.plot(at + rng.uniform(-0.1, 0.1, 12), share, "o", color=f"C{at}", alpha=0.6)
    axis.plot([at - 0.2, at + 0.2], [share.mean()] * 2, "k", lw=2)
axis.axhline(1 / 3, color="0.5", lw=0.8, ls=":")
axis.set_xticks(range(4), list(known))
axis.set(ylabel="share of what the shared part\nexplains, known to the probe too")
