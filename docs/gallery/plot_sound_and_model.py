"""
A mel spectrum against a speech model
=====================================

Which explains more of an electrode: the spectrum of the sound, or a layer of a speech model? Here twelve electrodes
follow the sound and twelve follow a layer of a small Wav2Vec2 with random weights; both feature spaces are fitted to all.
"""

# %%
# Speech-like sounds, and the two feature spaces on one grid of frames: the model's, 50 per second.
import tempfile

import numpy as np

import heschl
from heschl.features import SpeechModel, mel_spectrogram
from heschl.linear import nested_cv
from heschl.study.simulate.models import write_speech_model
from heschl.study.simulate.sound import SFREQ, speak
from heschl.study.simulate.text import accents, make_lexicon, make_sentences

rng = np.random.default_rng(0)
lexicon = make_lexicon(rng)
sentences = make_sentences(lexicon, 15, rng)
sounds = [speak([lexicon.words[i] for i in s.words], accents(len(s.words)), rng)[0] for s in sentences]
with tempfile.TemporaryDirectory() as folder:
    write_speech_model(folder, seed=0)
    model = SpeechModel(folder)
layers = [model.extract(sound) for sound in sounds]  # (layers, frames, width)
print(f"{len(sounds)} sounds, {sum(map(len, sounds)) / SFREQ:.0f} s; layers {model.layers}, {model.width} wide")

# %%
# A mel frame every 10 ms; the grid of the model is reached by averaging what lies around each of its frames.
mels = []
for sound, layer in zip(sounds, layers, strict=True):
    spectrum, grid = mel_spectrogram(sound, SFREQ, n_mels=32)
    at, wanted = grid.times(len(spectrum)), model.grid.times(layer.shape[1])
    nearest = np.abs(at[None, :] - wanted[:, None]) <= 0.0125
    mels.append(nearest @ spectrum / nearest.sum(axis=1, keepdims=True))
lengths = [len(mel) for mel in mels]
mel = np.concatenate(mels).astype(np.float32)
layer2 = np.concatenate([layer[2] for layer in layers])


def responses(features, seed):
    """Return twelve electrodes that follow mixtures of features 100 ms (5 frames) late, at a signal-to-noise of 1."""
    own = np.random.default_rng(seed)
    drive = (features - features.mean(0)) / features.std(0) @ own.standard_normal((features.shape[1], 12))
    late = np.roll(drive / drive.std(0), 5, axis=0)
    return late + own.standard_normal(late.shape)


Y = np.hstack([responses(mel, 1), responses(layer2, 2)]).astype(np.float32)

# %%
folds = np.arange(len(sounds)) % 5
how = {"segments": lengths, "folds": folds, "lags": range(10), "alphas": np.logspace(1, 6, 6)}
scores = {name: nested_cv(X, Y, **how).r2.mean(axis=0) for name, X in (("mel", mel), ("layer 2", layer2))}
import matplotlib.pyplot as plt

figure, axes = plt.subplots(1, 2, figsize=(7, 3), sharey=True, layout="constrained")
for axis, kind, some in zip(axes, ("follow the sound", "follow layer 2"), (slice(0, 12), slice(12, 24)), strict=True):
    heschl.plot_scores({name: values[some] for name, values in scores.items()}, ax=axis)
    axis.set_title(f"12 electrodes that {kind}", fontsize=10)
