"""
A temporal response function of one electrode
=============================================

One electrode follows the envelope of sentences 100 ms late. The weights of a lagged ridge model over lags, its
*temporal response function*, say so. This needs the core alone: no PyTorch, no model.
"""

# %%
# Sixty sentences of different lengths at 100 frames per second. The response is the envelope through a kernel that peaks
# at 100 ms, and noise.
import numpy as np

import heschl

rng = np.random.default_rng(0)
sfreq = 100.0
lengths = rng.integers(150, 300, size=60)  # frames
smooth = np.hanning(15) / np.hanning(15).sum()
sentences = [np.convolve(np.abs(rng.standard_normal(n)), smooth, "same") for n in lengths]
times = np.arange(0, 0.3, 1 / sfreq)
kernel = np.exp(-0.5 * ((times - 0.1) / 0.03) ** 2) - 0.5 * np.exp(-0.5 * ((times - 0.2) / 0.04) ** 2)
X = np.concatenate(sentences)[:, None]
clean = np.concatenate([np.convolve(s, kernel)[: len(s)] for s in sentences])
y = clean + clean.std() * rng.standard_normal(len(clean))

# %%
# Lags from -100 to 400 ms; the penalty is chosen by five-fold cross-validation over whole sentences. ``segments`` says
# where sentences end: no lag reaches from one into the next.
model = heschl.LaggedRidgeCV(tmin=-0.1, tmax=0.4, sfreq=sfreq, alphas=np.logspace(-2, 5, 15))
model.fit(X, y, segments=lengths)
model

# %%
# The weights, and the kernel that made the response:
ax = heschl.plot_trf(model)
ax.plot(times, kernel, "--", color="0.4", label="planted")
ax.axvline(0.1, color="0.8", zorder=0)
ax.legend(frameon=False)
ax.set_title("100 ms after the envelope", fontsize=10)

# %%
# All of it as one labelled dataset:
model.to_xarray()
