"""
Many subjects: means that hold for new subjects and new stimuli
===============================================================

Electrodes of one subject are no independent samples, and neither are frames of one sentence. `heschl.linear.crossed_mean`
gives a mean with an interval over both; the paired t test over electrodes, which is often published, is far too sure.
"""

# %%
# Six subjects with 20 electrodes; the gain of one model over another differs between subjects and between sentences.
import numpy as np
from scipy import stats

from heschl.linear import crossed_mean, subject_mean

rng = np.random.default_rng(0)
n_subjects, n_sentences = 6, 60
subjects = np.repeat(np.arange(n_subjects), 20)
gain = (
    0.01
    + 0.02 * rng.standard_normal(n_subjects)[subjects][:, None]
    + 0.03 * rng.standard_normal(n_sentences)[None, :]
    + 0.05 * rng.standard_normal((len(subjects), n_sentences))
)

# %%
found = crossed_mean(
    gain.T, np.ones_like(gain.T), subjects
)  # (stimuli, electrodes): gains, and what they are shares of
t, p = stats.ttest_1samp(gain.mean(axis=1), 0)
alone = subject_mean(gain.mean(axis=1), subjects)
for name, m in (("new subjects and new sentences", found), ("new subjects, these sentences", alone)):
    print(f"{name}: {m.estimate:.4f}, {m.low:.4f} to {m.high:.4f}, p = {m.p:.2g}")
print(f"t test over electrodes: p = {p:.1e}")

# %%
import matplotlib.pyplot as plt

figure, axis = plt.subplots(figsize=(5, 3), layout="constrained")
for s in range(n_subjects):
    values = gain[subjects == s].mean(axis=1)
    axis.plot(np.full(20, s) + rng.uniform(-0.15, 0.15, 20), values, ".", color=f"C{s}")
    axis.plot([s - 0.25, s + 0.25], [values.mean()] * 2, color=f"C{s}", lw=2)
axis.axhline(0, color="0.5", lw=0.8)
axis.set(xlabel="subject", ylabel="gain of one model over the other (R²)")
