"""
Encoding from what two models share, and from the rest
======================================================

A layer of a speech model is cut in two: the canonical variates that it shares with a language model, and what is left
beside them. Which part predicts the electrodes? The cut is learned anew in each training set, so nothing leaks.
"""

# %%
# Both models hold five shared dimensions; each has ten of its own.
import numpy as np

import heschl
from heschl.linear import SharedParts, nested_cv_learned

rng = np.random.default_rng(0)
lengths = rng.integers(80, 120, size=40)
n = int(lengths.sum())
shared, own = rng.standard_normal((n, 5)), rng.standard_normal((n, 10))
speech = np.hstack([shared, own]) @ np.linalg.qr(rng.standard_normal((15, 15)))[0] + 0.1 * rng.standard_normal((n, 15))
other = np.hstack([shared, rng.standard_normal((n, 10))])
language = other @ np.linalg.qr(rng.standard_normal((15, 15)))[0] + 0.1 * rng.standard_normal((n, 15))

# %%
# Ten electrodes follow what is shared, ten what only the speech model has.
Y = np.hstack([shared @ rng.standard_normal((5, 10)), own @ rng.standard_normal((10, 10))])
Y = np.roll(Y / Y.std(0), 4, axis=0) + rng.standard_normal((n, 20))


def learn(fold, train):
    """Learn the cut on the training rows; return each part's features for all rows."""
    parts = SharedParts.learn(heschl.CCA(5), speech, language, train=train)
    return {
        "all": lambda: speech,
        "shared": lambda: parts.features("a", speech, "top"),
        "rest": lambda: parts.features("a", speech, "rest"),
    }


found = nested_cv_learned(
    learn, Y, segments=lengths, folds=np.arange(40) % 5, lags=range(8), alphas=np.logspace(0, 5, 6)
)

# %%
import matplotlib.pyplot as plt

figure, axes = plt.subplots(1, 2, figsize=(7, 3), sharey=True, layout="constrained")
for axis, title, some in zip(
    axes, ("follow what is shared", "follow the rest"), (slice(0, 10), slice(10, 20)), strict=True
):
    heschl.plot_scores({name: scores.r2[:, some] for name, scores in found.items()}, ax=axis)
    axis.set_title(f"electrodes that {title}", fontsize=10)
