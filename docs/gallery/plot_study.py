"""
A study from the shell
======================

Files of your own, one ``study.toml``, one command. This example writes the files first: twelve sounds, the responses of two
subjects, features computed elsewhere; everything else is what you would type.
"""

# %%
# Sounds as WAV files, a .npz for each subject, a .npy for each stimulus of a model of your own.
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import soundfile

from heschl.features import mel_spectrogram
from heschl.study.simulate.sound import SFREQ, speak
from heschl.study.simulate.text import accents, make_lexicon, make_sentences

rng = np.random.default_rng(0)
folder = Path(tempfile.mkdtemp())
(folder / "stimuli").mkdir()
(folder / "mymodel").mkdir()
lexicon = make_lexicon(rng)
names, mels, states = [], [], []
for i, sentence in enumerate(make_sentences(lexicon, 12, rng)):
    words = [lexicon.words[j] for j in sentence.words]
    sound, _ = speak(words, accents(len(words)), rng)
    names.append(f"sentence{i:02d}")
    soundfile.write(folder / "stimuli" / f"{names[-1]}.wav", sound, SFREQ)
    mel = mel_spectrogram(sound, SFREQ, n_mels=16, hop=0.02)[0]  # 50 frames a second
    state = np.tanh(mel[:, ::2] / 20 + rng.standard_normal((len(mel), 8)))
    np.save(folder / "mymodel" / f"{names[-1]}.npy", state.astype(np.float32))
    mels.append((mel - mel.mean(0)) / mel.std(0))
    states.append(state)
for subject in ("S1", "S2"):
    weights = rng.standard_normal((16, 3)), rng.standard_normal((8, 3))
    trials = [
        np.roll(np.hstack([m @ weights[0] / 4, s @ weights[1] / 2]), 5, axis=0)
        for m, s in zip(mels, states, strict=True)
    ]
    trials = [t + 0.7 * rng.standard_normal(t.shape) for t in trials]
    np.savez(
        folder / f"{subject}.npz", responses=np.concatenate(trials).astype(np.float32), lengths=[len(t) for t in trials],
        stimuli=names, electrodes=[f"G{i + 1}" for i in range(6)], sfreq=50.0,
    )  # fmt: skip

# %%
# The study:
STUDY = """
name = "Sound against a model of one's own"
[stimuli]
sounds = "stimuli/*.wav"
[responses.subjects]
S1 = "S1.npz"
S2 = "S2.npz"
[grid]
rate = 50.0
[features.mel]
kind = "mel"
n_mels = 16
[features.mymodel]
kind = "frame_arrays"
folder = "mymodel"
rate = 50.0                    # Hz; each frame sees 25 ms:
width = 0.025
centre = 0.0125
[encoding]
tmax = 0.2
folds = 3
alphas = { low = 1.0, high = 1e5, n = 6 }
"""
(folder / "study.toml").write_text(STUDY, encoding="utf-8")


def shell(command):
    """Type a command in the folder; print what it prints."""
    print("$", command)
    words = [sys.executable, "-m", *command.split()]
    environment = os.environ | {"COLUMNS": "110", "MPLBACKEND": "Agg"}
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, env=environment)
    print("\n".join(done.stdout.splitlines()[-12:]))
    assert done.returncode == 0, done.stderr


shell("heschl check study.toml")

# %%
shell("heschl run study.toml")

# %%
# What it writes; ``report.html`` is the place to begin.
print(*sorted(str(path.relative_to(folder)) for path in (folder / "results").glob("[!.]*")), sep="\n")

# %%
# One of its figures:
picture = plt.imread(next((folder / "results" / "figures").glob("*_models.png")))
figure, axis = plt.subplots(figsize=(7, 7 * picture.shape[0] / picture.shape[1]), layout="constrained")
axis.imshow(picture)
axis.set_axis_off()
