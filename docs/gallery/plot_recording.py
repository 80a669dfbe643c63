"""
From a raw recording to response functions
==========================================

An EDF file with line noise, a flat and a noisy electrode, and the sound on a channel of its own. Each step of
``heschl ecog prepare`` is a function; what comes out goes into an estimator.
"""

# %%
# Simulate a recording and write it as EDF (so that there is a file to read).
import tempfile

import matplotlib.pyplot as plt
import numpy as np

import heschl
from heschl.ecog import (
    epoch,
    find_onsets,
    high_gamma,
    mark_artefacts,
    mark_bad_channels,
    noise_ceiling,
    read_recording,
    remove_line_noise,
    rereference,
    simulate_recording,
    speech_responsive,
    write_recording,
)
from heschl.features import envelope
from heschl.timing.resample import resample

rng = np.random.default_rng(0)
rate = 8000
shape = np.hanning(1600)
sounds = {
    f"sound{i}": np.concatenate([a * shape * rng.standard_normal(1600) for a in rng.uniform(0.2, 1, 8)])
    for i in range(6)
}
folder = tempfile.TemporaryDirectory()
simulated, truth = simulate_recording(
    sounds, rate, n_repeats=4, n_driven=3, n_silent=5, n_bad=2, sfreq=1000.0, pause=1.0
)
path = write_recording(simulated, folder.name, "edf", name="S1")
print(path.name, f"{simulated.duration:.0f} s;", "follow the sound:", truth.driven, "broken:", truth.bad)

# %%
# Read it; say which channels are no electrodes. Samples stay in the file until they are asked for.
recording = read_recording(path, subject="S1", audio="mic", trigger="trigger")
recording = mark_bad_channels(recording)
recording = mark_artefacts(recording)
recording = rereference(remove_line_noise(recording))
print(recording.electrodes.loc[recording.electrodes["bad"], "reason"])

# %%
# When was each sound really heard? The recorded sound knows; the stimulus computer's clock drifts.
audio = recording.read(0, recording.n_samples, ["mic"])[:, 0]
at = np.arange(1600 * 8) / rate
low = {name: resample(s[:, None], at, np.arange(0, at[-1], 1 / 1000))[:, 0] for name, s in sounds.items()}
onsets = find_onsets(audio, recording.sfreq, low, recording.events)
error = np.abs(np.sort(onsets["onset"]) - truth.onsets)
print(f"clock off by up to {np.abs(np.sort(recording.events['onset']) - truth.onsets).max() * 1e3:.0f} ms,",
      f"onsets found to {error.max() * 1e3:.2f} ms")  # fmt: skip

# %%
# High gamma, trials, and the electrodes that respond:
gamma = high_gamma(recording, rate=100.0)
events = recording.events.assign(onset=onsets["onset"].to_numpy())
responses = epoch(
    gamma.values, gamma.rate, events, pre=0.4, post=0.2, subject="S1", electrodes=tuple(gamma.electrodes.index)
)
table = speech_responsive(responses, alpha=0.05)
ceiling = noise_ceiling(responses)
print(table.join(ceiling[["r2", "low"]].add_prefix("ceiling_")).round(3))

# %%
figure, axis = plt.subplots(figsize=(6, 3), layout="constrained")
mean = np.nanmean([trial[:200] for trial in responses.trials], axis=0)
for j, name in enumerate(responses.electrodes):
    axis.plot(responses.times(0)[:200], mean[:, j], color="C3" if name in truth.driven else "0.7", lw=1)
axis.set(
    xlabel="time after the sound's onset (s)", ylabel="high gamma (sd)", title="red: electrodes that follow the sound"
)

# %%
# Response functions: the envelope of each sound at the times of its responses (0 before and after it). Trials are segments, so
# no lag crosses from one into the next; repeats of a sound share a fold; what artefacts took is missing.
X = []
for trial, name in enumerate(responses.stimuli):
    values, grid = envelope(sounds[name], rate, rate=100.0)
    X.append(np.interp(responses.times(trial), grid.times(len(values)), values[:, 0], left=0, right=0)[:, None])
groups = np.repeat(responses.stimuli, [len(trial) for trial in responses.trials])
model = heschl.LaggedRidgeCV(
    tmin=0.0, tmax=0.3, sfreq=responses.sfreq, alphas=np.logspace(2, 6, 5), cv=3, nested=True, missing="mask",
    standardize=True,
)  # fmt: skip
model.fit(X, responses.trials, groups=groups)
for name, score in zip(responses.electrodes, model.test_scores_.mean(axis=0), strict=True):
    print(f"{name}: R² {score:5.2f}, ceiling {ceiling.loc[name, 'r2']:5.2f}")

# %%
# The latencies that were planted are the peaks:
figure, axis = plt.subplots(figsize=(6, 3), layout="constrained")
lags = np.arange(31) / 100
for name, latency in zip(truth.driven, truth.latencies, strict=True):
    weights = model.coef_[responses.electrodes.index(name), 0]
    (line,) = axis.plot(lags, weights, label=f"{name}, planted at {latency * 1e3:.0f} ms")
    axis.axvline(latency, color=line.get_color(), ls=":", lw=1)
axis.set(xlabel="lag (s)", ylabel="weight (sd per sd)")
axis.legend(frameon=False)
folder.cleanup()
