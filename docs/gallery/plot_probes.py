"""
What is the shared part made of? Probes
=======================================

A probe asks how much of the shared variates another feature space knows: word meaning, sound, or context, which is what
is left of a layer beyond its words.
"""

# %%
# The shared part has six dimensions: two are acoustic, two semantic, two contextual.
import matplotlib.pyplot as plt
import numpy as np

from heschl.linear import probe, residual

rng = np.random.default_rng(0)
n = 2000
train = np.arange(n) < 1500
spoken = np.ones(n, dtype=bool)
acoustic, semantic, context = rng.standard_normal((3, n, 2))
shared = np.hstack([acoustic, semantic, context]) @ np.linalg.qr(rng.standard_normal((6, 6)))[0]
layer = np.hstack([semantic, context]) @ rng.standard_normal((4, 8))  # of a language model
spaces = {
    "mel": np.hstack([acoustic, rng.standard_normal((n, 6))]),
    "word vectors": np.hstack([semantic, rng.standard_normal((n, 6))]),
    "context": residual(layer, semantic, train),  # what the layer has beyond the words' meanings
    "noise": rng.standard_normal((n, 8)),
}

# %%
# Each probe's canonical variates with the shared part, learned on training rows, then regressed on the held-out ones:
known = {}
for name, space in spaces.items():
    found = probe(shared, space, train, spoken=spoken, n_components=2)
    weights = np.linalg.lstsq(np.c_[found[train], np.ones(1500)], shared[train], rcond=None)[0]
    error = shared[~train] - np.c_[found[~train], np.ones(500)] @ weights
    known[name] = 1 - (error**2).sum() / ((shared[~train] - shared[train].mean(0)) ** 2).sum()
figure, axis = plt.subplots(figsize=(4.5, 2.8), layout="constrained")
axis.bar(list(known), list(known.values()), color=["C0", "C2", "C1", "0.7"])
axis.axhline(1 / 3, color="0.5", lw=0.8, ls=":")
axis.set(ylabel="share of the shared part known", ylim=(-0.02, 0.5))
