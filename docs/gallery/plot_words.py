"""
Words at frames: a language model beside the sound
==================================================

A language model has one state for each word; electrodes are sampled all the time. `heschl.timing` says which frames are a
word's, and `heschl.Repeated` keeps one row for each word in the fit, which costs by the word instead of by the frame.
"""

# %%
# Speech-like sentences and a small GPT-2 with random weights that reads them.
import tempfile

import numpy as np

import heschl
from heschl.features import LanguageModel, mel_spectrogram
from heschl.linear import unique_variance
from heschl.study.simulate.models import write_language_model
from heschl.study.simulate.sound import SFREQ, speak
from heschl.study.simulate.text import accents, make_lexicon, make_sentences

rng = np.random.default_rng(0)
lexicon = make_lexicon(rng)
texts = [[lexicon.words[i] for i in s.words] for s in make_sentences(lexicon, 16, rng)]
spoken = [speak(words, accents(len(words)), rng) for words in texts]
with tempfile.TemporaryDirectory() as folder:
    write_language_model(folder, lexicon, seed=0)
    model = LanguageModel(folder)
    states = [model.extract(words)[3] for words in texts]  # of layer 3: (words, width)
print(texts[0], states[0].shape)

# %%
# Frames of 10 ms. Silence is one more row, of zeros.
rate = 100.0
rows, counts, mels, lengths = [], [], [], []
for (sound, words), state in zip(spoken, states, strict=True):
    mel, grid = mel_spectrogram(sound, SFREQ, n_mels=24)
    times = grid.times(len(mel))
    word_of = np.full(len(mel), -1)
    for i, word in enumerate(words):
        word_of[(times >= word.start) & (times < word.end)] = i
    edges = np.flatnonzero(np.diff(word_of)) + 1
    for begin, end in zip(np.r_[0, edges], np.r_[edges, len(mel)], strict=True):
        rows.append(state[word_of[begin]] if word_of[begin] >= 0 else np.zeros(state.shape[1]))
        counts.append(end - begin)
    mels.append(mel)
    lengths.append(len(mel))
words = heschl.Repeated(np.array(rows, np.float32), np.array(counts))
mel = np.concatenate(mels)
print("frames", len(mel), "rows of words and silences", len(words.values))

# %%
# Ten electrodes follow the mel spectrum, ten the words, ten both. `FeatureSpaces` puts both side by side, each at its own
# rate.
expanded = words.expand()


def follow(features, seed):
    """Return ten mixtures of features, 80 ms late."""
    drive = features @ np.random.default_rng(seed).standard_normal((features.shape[1], 10))
    return np.roll((drive - drive.mean(0)) / drive.std(0), 8, axis=0)


Y = np.hstack([follow(mel, 1), follow(expanded, 2), 0.7 * (follow(mel, 3) + follow(expanded, 4))])
Y = (Y + rng.standard_normal(Y.shape)).astype(np.float32)
X = heschl.FeatureSpaces({"mel": mel.astype(np.float32), "words": words})
banded = heschl.BandedRidgeCV(alphas=np.logspace(1, 6, 4), lags=range(0, 20), standardize=True, cv=4)
found = unique_variance(banded, X, Y, segments=lengths)

# %%
import matplotlib.pyplot as plt

figure, axis = plt.subplots(figsize=(5.5, 3), layout="constrained")
for name, values, marker in zip(found.space_names, found.unique, "o^", strict=True):
    axis.plot(values, marker, label=f"unique to {name}")
axis.plot(found.r2, "k_", label="all")
axis.set(xlabel="electrode (10 follow mel, 10 words, 10 both)", ylabel="R²")
axis.legend(frameon=False)
