"""
Noise ceilings
==============

No model predicts noise. Where stimuli were repeated, `heschl.ecog.noise_ceiling` estimates the R² that a perfect model
would reach, with an interval; an R² over it is the share of what could be explained.
"""

# %%
# Twelve electrodes; ten sentences, each heard six times; the signal has from none to twice the variance of the noise.
import matplotlib.pyplot as plt
import numpy as np

from heschl.ecog import Responses, noise_ceiling, normalised

rng = np.random.default_rng(0)
power = np.linspace(0, 2, 12)
trials, names = [], []
for sentence in range(10):
    signal = np.sqrt(power) * rng.standard_normal((120, 12))
    for _ in range(6):
        trials.append((signal + rng.standard_normal((120, 12))).astype(np.float32))
        names.append(f"sentence{sentence}")
electrodes = tuple(f"e{i}" for i in range(12))
responses = Responses("S1", electrodes, 50.0, 0.0, tuple(names), tuple(trials))

# %%
ceiling = noise_ceiling(responses)
truth = power / (power + 1 / 6)  # of the mean of six trials
figure, axis = plt.subplots(figsize=(5, 3.2), layout="constrained")
axis.errorbar(
    np.arange(12),
    ceiling["r2"],
    np.abs(ceiling[["low", "high"]].T.to_numpy() - ceiling["r2"].to_numpy()),
    fmt="o",
    ms=4,
)
axis.plot(np.arange(12), truth, "k_", ms=14, label="planted")
axis.set(xlabel="electrode", ylabel="noise ceiling, R² (95 % interval)")
axis.legend(frameon=False)

# %%
# A score is divided by its ceiling only where that is determined well enough; elsewhere it is NaN, not a large number:
print(ceiling[["r2", "low", "high", "determined", "divisor"]].round(3))
print(normalised(np.full(12, 0.3), ceiling).round(2))
