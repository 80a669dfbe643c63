"""
Word-lag encoding
=================

The other common design: one row for each word, and the response averaged in a window at each of many lags about the
word's onset. All lags share one X, so they are targets of one fit.
"""

# %%
# 600 words with 20 features, about two a second; the response follows them 200 ms after the onset.
import matplotlib.pyplot as plt
import numpy as np

from heschl.linear import nested_cv

rng = np.random.default_rng(0)
n_words, rate = 600, 100
onsets = np.cumsum(rng.uniform(0.3, 0.7, n_words)) + 3
X = rng.standard_normal((n_words, 20))
drive = X @ rng.standard_normal(20) / np.sqrt(20)
times = np.arange(0, onsets[-1] + 4, 1 / rate)
response = 0.5 * rng.standard_normal(len(times))
for onset, strength in zip(onsets, drive, strict=True):
    response += strength * np.exp(-0.5 * ((times - onset - 0.2) / 0.08) ** 2)

# %%
# The mean over 200 ms windows at lags from -1 to 1.5 s: one column for each lag.
lags = np.arange(-1, 1.5, 0.05)
total = np.concatenate([[0], np.cumsum(response)])
begin = np.round((onsets[:, None] + lags - 0.1) * rate).astype(int)
Y = (total[begin + 20] - total[begin]) / 20

# %%
# Consecutive words belong together: folds are runs of words. Words are no frames, so there is one lag, 0.
runs = np.full(30, n_words // 30)
found = nested_cv(X, Y, segments=runs, folds=np.arange(30) // 6, lags=[0], alphas=np.logspace(-1, 4, 11))
r = found.r
figure, axis = plt.subplots(figsize=(5, 3), layout="constrained")
axis.plot(lags, r.mean(axis=0))
axis.fill_between(lags, r.min(axis=0), r.max(axis=0), alpha=0.2, lw=0)
axis.axvline(0.2, color="0.8", zorder=0)
axis.set(xlabel="lag after word onset (s)", ylabel="r: mean and range of 5 folds")
