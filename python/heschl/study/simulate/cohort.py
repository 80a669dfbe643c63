"""The cohort as files: what `heschl simulate` writes and `heschl demo` studies."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter1d

from heschl.checks import InputError
from heschl.features.loading import quiet
from heschl.study.simulate import models, responses, sound, text

N_SENTENCES = 120
N_REPEATED, N_TIMES = 10, 8
SUBJECTS = ("S1", "S2", "S3")
TAIL = 0.4  # s that a response goes on after its sound
MAX_SEED = 2**63 - 1  # what TOML's integers, and torch, can hold

STUDY = """\
# A simulated cohort: every file here was made by `heschl simulate`, with a known truth (truth/).
name = "Simulated cohort"
note = "simulated responses, random-weight models"
seed = {seed}

[stimuli]
sounds = "stimuli/*.wav"
words = "words.csv"

[responses]
tail = "silence"
repeats = "average"

[responses.subjects]
{subjects}

[responses.groups]
envelope = "envelope-*"
word = "word-*"
context = "context-*"
accent = "accent-*"
timbre = "timbre-*"
unmodelled = "unmodelled-*"
silent = "silent-*"

[grid]
model = "wav2vec2"

[features.mel]
kind = "mel"
n_mels = 32

[features.wav2vec2]
kind = "speech"
model = "models/wav2vec2"

[features.gpt2]
kind = "language"
model = "models/gpt2"

[features.glove]
kind = "words"
file = "vectors.txt"

[encoding]
tmin = 0.0
tmax = 0.38
alphas = {{ low = 1e1, high = 1e6, n = 6 }}
folds = 5
n_permutations = 39

[controls]
shuffle = true

[shared]
speech = "wav2vec2"
language = "gpt2"
n_components = 1
semantic = "glove"
acoustic = "mel"
sweep = [4]
"""


def simulate_cohort(out: Path, *, seed: int = 0, n_sentences: int = N_SENTENCES) -> Path:
    """Write a cohort of three subjects with 32 electrodes each, and its study.toml.

    Parameters
    ----------
    out : Path
        A folder that does not exist yet, or is empty or an earlier cohort's.
    seed : int
        Everything follows from it. From 0 to 2⁶³ − 1.
    n_sentences : int
        Different sentences; the first ten are heard eight times by each subject.

    Returns
    -------
    Path
        The study.toml. Beside it: stimuli/*.wav, words.csv, vectors.txt, models/, S1.npz ... and truth/, with the
        noiseless responses in the same form (S1.npz ...) and electrodes.csv (kind, latency in s, ceiling).

    Raises
    ------
    InputError
        Where the seed is out of range, or the folder is a file or holds something else.
    """
    import soundfile

    out = Path(out)
    check_folder(out, seed)
    for folder in ("stimuli", "models", "truth"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    # Separate streams: changing one part of the simulation leaves the others as they were.
    streams = iter(np.random.default_rng(seed).spawn(5 + len(SUBJECTS)))
    lexicon = text.make_lexicon(next(streams))
    sentences = text.make_sentences(lexicon, n_sentences, next(streams))
    voice, hidden = next(streams), next(streams)
    models.write_word_vectors(out / "vectors.txt", lexicon, next(streams))
    with quiet():
        models.write_speech_model(out / "models" / "wav2vec2", seed)
        models.write_language_model(out / "models" / "gpt2", lexicon, seed)

    names = [f"sentence{i:03d}" for i in range(len(sentences))]
    latents: dict[responses.Kind, list[responses.Floats]] = {
        "envelope": [],
        "word": [],
        "context": [],
        "accent": [],
        "timbre": [],
        "unmodelled": [],
    }
    n_electrodes = sum(responses.COUNTS.values())
    with (out / "words.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["stimulus", "word", "start", "end"])
        for name, sentence in zip(names, sentences, strict=True):
            stress = text.accents(len(sentence.words))
            audio, words = sound.speak([lexicon.words[index] for index in sentence.words], stress, voice)
            soundfile.write(out / "stimuli" / f"{name}.wav", audio, sound.SFREQ, subtype="PCM_16")
            table.writerows([name, word.text, word.start, word.end] for word in words)
            n = int((len(audio) / sound.SFREQ + TAIL) * responses.SFREQ)
            meaning, context, accent = responses.text_latents(sentence, words, lexicon, n)
            bands = responses.sound_latents(audio, n)
            latents["envelope"].append(bands)
            latents["timbre"].append(responses.timbre_latent(bands))
            latents["word"].append(meaning)
            latents["context"].append(context)
            latents["accent"].append(accent)
            process = hidden.standard_normal((n, n_electrodes))
            latents["unmodelled"].append(gaussian_filter1d(process, 0.05 * responses.SFREQ, axis=0))

    truth = []
    for subject, rng in zip(SUBJECTS, streams, strict=True):
        electrodes = responses.draw_electrodes(rng, text.N_MEANINGS)
        labels = [f"{electrode.kind}-{e + 1:02d}" for e, electrode in enumerate(electrodes)]
        signals = responses.planted_signals(latents, electrodes)
        order = rng.permutation(
            np.repeat(np.arange(len(names)), [N_TIMES if i < N_REPEATED else 1 for i in range(len(names))])
        )
        trials = [responses.trial(signals[i], electrodes, rng) for i in order]
        anatomy = responses.places(electrodes, rng)
        _save(out / f"{subject}.npz", trials, [names[i] for i in order], labels, **anatomy)
        _save(out / "truth" / f"{subject}.npz", signals, names, labels)
        truth += [
            [subject, label, electrode.kind, f"{electrode.latency:.4f}", f"{electrode.ceiling:.4f}"]
            for label, electrode in zip(labels, electrodes, strict=True)
        ]
    with (out / "truth" / "electrodes.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["subject", "electrode", "kind", "latency", "ceiling"], *truth])
    study = out / "study.toml"
    study.write_text(
        STUDY.format(seed=seed, subjects="\n".join(f'{name} = "{name}.npz"' for name in SUBJECTS)), encoding="utf-8"
    )
    return study


def check_folder(out: Path, seed: int) -> None:
    """Refuse a seed out of range, and a folder that holds something other than an earlier cohort."""
    if not 0 <= seed <= MAX_SEED:
        raise InputError("--seed", str(seed), f"a whole number from 0 to {MAX_SEED}")
    if out.exists() and not out.is_dir():
        raise InputError("--out", f"{out}, which is a file", "a new or an empty folder", "Choose another name.")
    if out.is_dir() and any(out.iterdir()) and not (out / "truth").is_dir():
        raise InputError("--out", f"{out}, which is not empty", "a new or an empty folder", "Choose another name.")


def _save(
    path: Path, trials: list[responses.Floats], stimuli: list[str], electrodes: list[str], **anatomy: Any
) -> None:
    np.savez(
        path,
        responses=np.concatenate(trials).astype(np.float32),
        lengths=[len(part) for part in trials],
        stimuli=stimuli,
        electrodes=electrodes,
        sfreq=responses.SFREQ,
        **anatomy,
    )
