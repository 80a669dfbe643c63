"""
From MNE and back
=================

`heschl.from_mne` takes features and responses out of a ``Raw`` or ``Epochs`` object, `heschl.to_mne` hands weights back
as ``Evoked`` objects, with the channels' positions: MNE's own plots work.
"""

# %%
# A simulated recording of a grid of 16 electrodes; the envelope of the sound is a channel of its own. One stretch is
# marked as bad, and the object was made of two runs.
import matplotlib.pyplot as plt
import mne
import numpy as np

import heschl

mne.set_log_level("error")
rng = np.random.default_rng(0)
names = [f"G{i + 1}" for i in range(16)]
places = {name: [-0.06, 0.01 * (i % 4) - 0.04, 0.01 * (i // 4) - 0.01] for i, name in enumerate(names)}


def run(n):
    """Simulate a run of n samples at 100 Hz."""
    sound = np.convolve(rng.standard_normal(n), np.hanning(9), "same")
    delays = np.arange(16) // 4 * 3 + 5  # later from one row of the grid to the next
    grid = np.stack([np.roll(sound, d) for d in delays]) + 3 * rng.standard_normal((16, n))
    info = mne.create_info([*names, "envelope"], 100.0, ["ecog"] * 16 + ["misc"])
    return mne.io.RawArray(np.vstack([grid, sound]), info)


raw = mne.concatenate_raws([run(6000), run(6000)])
raw.set_montage(mne.channels.make_dig_montage(places, coord_frame="mni_tal"), on_missing="ignore")
raw.set_annotations(raw.annotations + mne.Annotations([20.0], [1.5], "BAD_cough"))

# %%
# The tables know where rows lie: the bad stretch is left out, and no lag crosses it, or the join of the two runs.
X, y, sfreq, info = heschl.from_mne(raw, "envelope", picks="ecog")
print(X.index.get_level_values("segment").value_counts(sort=False))

# %%
model = heschl.LaggedRidgeCV(tmin=-0.05, tmax=0.25, sfreq=sfreq, alphas=np.logspace(0, 6, 7), cv=3).fit(X, y)
trf = heschl.to_mne(model, info)["envelope"]
figure, axis = plt.subplots(figsize=(6, 3), layout="constrained")
axis.plot(trf.times, trf.data.T, lw=1)
axis.set(xlabel="lag (s)", ylabel="weight", title="16 electrodes: later from row to row")

# %%
# The montage is the recording's, in its own frame:
positions = trf.get_montage().get_positions()
print(positions["coord_frame"], positions["ch_pos"]["G1"])
