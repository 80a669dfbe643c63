"""
Real read speech, simulated electrodes
======================================

Sentences of *Sense and Sensibility*, read for LibriVox (public domain), as Debian's package ``pocketsphinx-testdata`` brings
them. Where that is not installed, speech-like sounds take their place, and the text below says so. The responses are
simulated either way.
"""

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import heschl
from heschl.features import envelope, mel_spectrogram, onset_spectrogram
from heschl.timing import read_audio

rate = 16000
folder = Path("/usr/share/pocketsphinx/test/data/librivox")
files = sorted(folder.glob("*.wav"))
if files:
    sounds = [read_audio(file, rate) for file in files]
    print(f"{len(sounds)} utterances from LibriVox, {sum(map(len, sounds)) / rate:.1f} s")
    print((folder / "transcription").read_text().splitlines()[0])
else:
    from heschl.study.simulate.sound import speak
    from heschl.study.simulate.text import accents, make_lexicon, make_sentences

    rng = np.random.default_rng(1)
    lexicon = make_lexicon(rng)
    texts = [[lexicon.words[i] for i in s.words] for s in make_sentences(lexicon, 6, rng)]
    sounds = [speak(words, accents(len(words)), rng)[0] for words in texts]
    print("pocketsphinx-testdata is not installed: simulated, speech-like sounds stand in")

# %%
# A mel spectrum every 10 ms, how fast it rises, and the envelope on the same grid:
mels, rises, envelopes = [], [], []
for sound in sounds:
    mel, grid = mel_spectrogram(sound, rate, n_mels=40)
    mels.append(mel)
    rises.append(onset_spectrogram(mel, grid))
    values, own = envelope(sound, rate, rate=100.0)
    envelopes.append(np.interp(grid.times(len(mel)), own.times(len(values)), values[:, 0])[:, None])
figure, axes = plt.subplots(2, 1, figsize=(7, 4), sharex=True, layout="constrained")
times = grid.times(len(mels[-1]))
axes[0].imshow(mels[-1].T, origin="lower", aspect="auto", extent=(times[0], times[-1], 0, 40))
axes[0].set(ylabel="mel band")
axes[1].plot(times, envelopes[-1] / envelopes[-1].max(), label="envelope")
axes[1].plot(times, rises[-1].sum(1) / rises[-1].sum(1).max(), label="rises of the spectrum")
axes[1].set(xlabel="time (s)")
axes[1].legend(frameon=False)

# %%
# Two simulated electrodes: one follows rises of the spectrum 80 ms late, one the envelope 150 ms late.
rng = np.random.default_rng(0)
lengths = [len(mel) for mel in mels]
rise, level = np.concatenate(rises).sum(1), np.concatenate(envelopes)[:, 0]
drive = np.stack([np.roll(rise / rise.std(), 8), np.roll(level / level.std(), 15)], axis=1)
Y = drive + rng.standard_normal(drive.shape)
X = np.stack([rise / rise.std(), level / level.std()], axis=1)
model = heschl.LaggedRidgeCV(tmin=-0.05, tmax=0.3, sfreq=100, alphas=np.logspace(0, 5, 11), cv=5)
model.fit(X, Y, segments=lengths)
figure, axes = plt.subplots(1, 2, figsize=(7, 2.8), sharey=True, layout="constrained")
for target, axis in enumerate(axes):
    heschl.plot_trf(model, target=target, ax=axis)
    axis.set_title(("follows rises, 80 ms late", "follows the envelope, 150 ms late")[target], fontsize=10)
    axis.legend(["rises", "envelope"], frameon=False)
