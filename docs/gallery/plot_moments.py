"""
Recordings that never lie in memory together
============================================

Everything a ridge fit needs of the data are *lagged moments*: sums that add up over recordings. They are gathered one
recording at a time, kept in a small file, and folds, lags and features are chosen afterwards.
"""

# %%
import os
import tempfile

import numpy as np

from heschl import LaggedMoments, LaggedRidge, lagged_design

rng = np.random.default_rng(0)
lags = range(10)


def session(i):
    """Read session i; here it is simulated."""
    own = np.random.default_rng(i)
    X = own.standard_normal((5000, 6))
    return X, np.roll(X[:, :2], 3, axis=0) + own.standard_normal((5000, 2)), [500] * 10


total = None
for i in range(8):
    X, y, lengths = session(i)
    part = LaggedMoments.from_data(X, y, lags=lags, segments=lengths, ids=[f"session{i}/{s}" for s in range(10)])
    total = part if total is None else total + part
print(total.n_rows, "rows,", 8 * total.n_rows * X.shape[1] // 1000, "kB of features")

# %%
# A part can be taken out again (a fold, a subject that withdraws), and lags or features chosen: nothing is read twice.
X, y, lengths = session(7)
last = LaggedMoments.from_data(X, y, lags=lags, segments=lengths, ids=[f"session7/{s}" for s in range(10)])
without = total - last
few = without.select(features=[0, 1, 2], lags=range(5))
print(without.n_rows, few.first_column.shape)

# %%
# They survive on disk:
with tempfile.TemporaryDirectory() as folder:
    without.save(f"{folder}/moments.npz")
    print("moments:", os.path.getsize(f"{folder}/moments.npz") // 1000, "kB")
    again = LaggedMoments.load(f"{folder}/moments.npz")
print(np.array_equal(np.asarray(again.first_column), np.asarray(without.first_column)))

# %%
# The same sums as a design matrix would give, which for this one session is ten times the data:
design = lagged_design(X, lags, segments=lengths)
print("design:", design.nbytes // 1000, "kB; data:", X.nbytes // 1000, "kB")
model = LaggedRidge(10.0, lags=lags).fit(X, y, segments=lengths)
print("weight of feature 0 at lag 3:", model.coef_[0, 0, 3].round(3))

# %%
# Why so little is enough: X'X of the design repeats along its diagonals, block by block; the first block column has it all.
import matplotlib.pyplot as plt

figure, axes = plt.subplots(1, 2, figsize=(6, 3.6), width_ratios=[10, 1], sharey=True, layout="constrained")
smooth = np.apply_along_axis(np.convolve, 0, X, np.hanning(9), "same")  # features that are alike from frame to frame
gram = lagged_design(smooth, lags, segments=lengths)
gram = gram.T @ gram
axes[0].imshow(gram, aspect="auto")
axes[0].set(title="X'X, 60 x 60", xlabel="lag x feature", ylabel="lag x feature")
axes[1].imshow(gram[:, :6], aspect="auto")
axes[1].set_title("kept", fontsize=10)
