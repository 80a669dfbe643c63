"""A cohort of the paper's own size in which the paper's findings are true: what `heschl simulate --paper` writes.

**Latents.** A sentence is words of Zipf's law (word i of type τᵢ) on frames t at 50 Hz; i(t) is the word being said.
Six groups of latents, each of variance 1 in speech and 0 in silence (ε, ζ: independent standard normal numbers):

============  =========================================  ==========================  =================================
latent        law                                        dimensions (at scale 1)     known to
============  =========================================  ==========================  =================================
accent        a(t) = ε[i(t)], of each word said          10                          mel, speech, language
meaning       s(t) = S[τ of i(t)], of the type alone     15                          GloVe, speech, language
context       c[i] = .7 c[i−1] + √.51 ε[i], held         25                          speech, language
timbre        f(t) = ζ smoothed by 40 ms                 15                          mel, speech
articulation  u(t) = ζ smoothed by 40 ms                 15                          speech
syntax        v[i] = .7 v[i−1] + √.51 ε[i], held         15                          language
============  =========================================  ==========================  =================================

What both models know, accent, meaning and context, has 10 + 15 + 25 = 50 dimensions: the shared part.

**Features.** Layer l of a model knows latent z of group g as ẑ = r z + √(1 − r²) z′, with z′ another draw of the
same law and r = r(g, l) its fidelity (`paper_latents.fidelity`: best past the middle for context and meaning, falling
with depth for sound; the language model's first layer, its input embedding, knows no context). Its units are

    H_l = [ẑ of all groups it knows] M_l + 1[speech] b_l + η

with a Gaussian M_l that makes units of variance 1, an offset b_l, and noise η of each row (in the input embedding: of
each type), of variance ∝ 1/j in unit j and ¼ on average. GloVe's vectors are S[τ] M + b + η[τ]. Both models' layers
are files of arrays (kinds "frame_arrays" and "word_arrays"). Mel is what the study itself finds in the sounds: noise
whose spectrum in dB is linear in accent and timbre, 30 dB down in silence.

**Responses.** Responding electrode e of a region has shares π(g) of variance (the region's, times a random factor),
weights w and a filter k of peak 60 … 200 ms:

    drive(t)  = Σ_g √π(g) · unit variance[(z_g w_g) ∗ k] + 1.5 (1[speech] ∗ k)
    trial     = √q · drive / sd(drive) + √(1 − q) · noise of 30 ms memory            q: ceiling of single trials

All other electrodes hold the noise alone. Ten sentences are heard ten times. ``recorded/`` holds all electrodes, from
0.5 s before the sound; of these `choose_electrodes` keeps the responsive ones with the statistics of
`heschl ecog prepare` (paired t test over sentences, Bonferroni), for the study to fit.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from heschl.checks import InputError
from heschl.study.simulate.cohort import check_folder
from heschl.study.simulate.paper_latents import (
    KNOWN,
    RATE,
    SFREQ,
    Floats,
    Layers,
    PaperSize,
    Utterance,
    Voice,
    noise_of_units,
    sentence_lengths,
    spell,
    utter,
)
from heschl.study.simulate.paper_responses import choose_electrodes, electrode_counts, write_recording

STUDY = """\
# A simulated cohort of the paper's size, times {scale}: made by `heschl simulate --paper`, with a known truth (truth/).
name = "The paper at its own size, simulated"
note = "simulated responses to planted latents, at {scale} of the paper's size"
seed = {seed}

[stimuli]
sounds = "stimuli/*.wav"
words = "words.csv"

[responses]
tail = "crop"
repeats = "average"

[responses.subjects]
{subjects}

[grid]
rate = {rate}.0

[features.mel]
kind = "mel"
n_mels = {size.n_mels}

[features.wav2vec2]
kind = "frame_arrays"
folder = "features/wav2vec2"
rate = {rate}.0

[features.gpt2]
kind = "word_arrays"
folder = "features/gpt2"

[features.glove]
kind = "words"
file = "vectors.npy"
words = "vectors.txt"

[encoding]
tmin = 0.0
tmax = 0.38
alphas = {{ low = 1e1, high = 1e6, n = 10 }}
folds = 5
n_permutations = 39

[controls]
shuffle = false                # as in the paper; true asks for twice the targets

[shared]
speech = "wav2vec2"
language = "gpt2"
n_components = {size.n_shared}
semantic = "glove"
acoustic = "mel"
pca = 0.95
context_reg = {context_reg:.4g}
"""


def simulate_paper(out: Path, *, seed: int = 0, scale: Fraction | float = 1) -> Path:
    """Write the cohort above, and its study.toml.

    Parameters
    ----------
    out : Path
        A folder that does not exist yet, or is empty or an earlier cohort's.
    seed : int
        Everything follows from it. From 0 to 2⁶³ − 1.
    scale : float
        Share of the paper's sentences, frames, electrodes, layers, widths and latents, above 0 and up to 1. At 1 it
        takes 5 GB of disk, two minutes, and 1 GB of memory.

    Returns
    -------
    Path
        The study.toml. Beside it: stimuli/*.wav, words.csv, vectors.npy and .txt, features/, recorded/S01.npz … (all
        electrodes), S01.npz … (the responsive ones), selection.csv, and truth/electrodes.csv (subject, electrode,
        responds, region, latency in s, ceiling of single trials, and the share of each latent).

    Raises
    ------
    InputError
        Where seed or scale is out of range, or the folder is a file or holds something else.
    """
    import pandas as pd

    out = Path(out)
    if not 0 < scale <= 1:
        raise InputError("--scale", f"{scale}", "a number above 0, up to 1, such as 0.05 or 1/20")
    check_folder(out, seed)
    size = PaperSize().scaled(scale)
    for folder in ("stimuli", "features/wav2vec2", "features/gpt2", "recorded", "truth"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    names = [f"s{i:03d}" for i in range(size.n_sentences)]
    drawn, features, subjects = np.random.default_rng(seed).spawn(3)
    sentences, lexicon, vectors = _draw(size, drawn)
    np.save(out / "vectors.npy", vectors)
    (out / "vectors.txt").write_text("\n".join(lexicon) + "\n", encoding="utf-8")
    _write_stimuli(out, names, sentences, size, features)
    tables = [
        write_recording(out / "recorded" / f"{subject}.npz", subject, counts, names, sentences, rng)
        for subject, counts, rng in zip(
            _subjects(size), electrode_counts(size, subjects), subjects.spawn(size.n_subjects), strict=True
        )
    ]
    pd.concat(tables).to_csv(out / "truth" / "electrodes.csv", index=False, float_format="%.4f")
    choose_electrodes(out)
    study = out / "study.toml"
    files = "\n".join(f'{name} = "{name}.npz"' for name in _subjects(size))
    text = STUDY.format(
        seed=seed, subjects=files, size=size, rate=RATE, scale=f"{float(scale):g}", context_reg=_context_reg(size)
    )
    study.write_text(text, encoding="utf-8")
    return study


def _subjects(size: PaperSize) -> list[str]:
    return [f"S{i + 1:02d}" for i in range(size.n_subjects)]


def _context_reg(size: PaperSize) -> float:
    """Return a tenth of the sum of squares of one latent's direction in the input embedding: enough to keep it."""
    known = sum(size.dims[name] for name in KNOWN["language"])
    return 0.1 * size.n_frames * size.language[1] / known


def _draw(size: PaperSize, rng: np.random.Generator) -> tuple[list[Utterance], list[str], Floats]:
    """Draw all sentences, the words they are made of, and the words' vectors."""
    lexicon = spell(size.n_types, rng)
    meanings = rng.standard_normal((size.n_types, size.dims["meaning"])).astype(np.float32)
    mixing = rng.standard_normal((meanings.shape[1], size.word_vectors)) / np.sqrt(meanings.shape[1])
    vectors = meanings @ mixing + rng.standard_normal(size.word_vectors)
    vectors += noise_of_units(size.word_vectors) * rng.standard_normal(vectors.shape)
    sentences = [utter(int(n), lexicon, meanings, size.dims, rng) for n in sentence_lengths(size, rng)]
    return sentences, lexicon, vectors.astype(np.float32)


def _write_stimuli(
    out: Path, names: list[str], sentences: list[Utterance], size: PaperSize, rng: np.random.Generator
) -> None:
    """Write each sentence's sound, words and layers; one sentence at a time is in memory."""
    import pandas as pd
    import soundfile

    voice = Voice(size.dims, rng)
    models = {
        "wav2vec2": Layers("speech", size.speech, size.dims, size.n_types, rng),
        "gpt2": Layers("language", size.language, size.dims, size.n_types, rng),
    }
    for name, utterance, noise in zip(names, sentences, rng.spawn(len(names)), strict=True):
        soundfile.write(out / "stimuli" / f"{name}.wav", voice.speak(utterance, noise), SFREQ, subtype="PCM_16")
        for model, layers in models.items():
            np.save(out / "features" / model / f"{name}.npy", layers.features(utterance, noise))
    rows = [
        (name, w.text, w.start, w.end)
        for name, utterance in zip(names, sentences, strict=True)
        for w in utterance.words
    ]
    pd.DataFrame(rows, columns=["stimulus", "word", "start", "end"]).to_csv(out / "words.csv", index=False)
