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

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import fftconvolve

from heschl.checks import InputError
from heschl.ecog import Responses, read_responses
from heschl.ecog.selection import speech_responsive
from heschl.study.simulate.cohort import check_folder
from heschl.study.simulate.paper_latents import (
    KNOWN,
    LATENTS,
    RATE,
    SFREQ,
    Floats,
    Latent,
    Layers,
    PaperSize,
    Utterance,
    Voice,
    noise_of_units,
    sentence_lengths,
    spell,
    utter,
)
from heschl.study.simulate.responses import SPREAD, temporal_filter

if TYPE_CHECKING:
    import pandas as pd

N_REPEATED, N_TIMES = 10, 10
BEFORE = 25  # frames of a recording before the sound
SPEECH_ON = 1.5  # rise during speech, over the standard deviation of what latents drive
NOISE_MEMORY = 1.5  # frames


@dataclass(frozen=True)
class Region:
    """Where electrodes lie (mm, MNI, left), how many of those that respond, their ceiling, and what drives them."""

    middle: tuple[float, float, float]
    part: float
    ceiling: float
    shares: Mapping[Latent, float]


def _shares(*values: float) -> dict[Latent, float]:
    return dict(zip(LATENTS, values, strict=True))


REGIONS = {
    "A1": Region((-50.0, -20.0, 8.0), 0.15, 0.65, _shares(0.16, 0.10, 0.26, 0.28, 0.16, 0.04)),
    "STG": Region((-66.0, -22.0, 3.0), 0.45, 0.60, _shares(0.11, 0.14, 0.44, 0.14, 0.12, 0.05)),
    "MTG": Region((-65.0, -42.0, -6.0), 0.20, 0.50, _shares(0.06, 0.19, 0.53, 0.05, 0.09, 0.08)),
    "SMC": Region((-58.0, -8.0, 34.0), 0.10, 0.42, _shares(0.12, 0.11, 0.42, 0.16, 0.14, 0.05)),
    "SMG": Region((-60.0, -40.0, 30.0), 0.10, 0.38, _shares(0.10, 0.16, 0.46, 0.12, 0.10, 0.06)),
}

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
        takes 6 GB of disk, minutes, and 1 GB of memory.

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
        _write_recording(out / "recorded" / f"{subject}.npz", subject, counts, names, sentences, rng)
        for subject, counts, rng in zip(
            _subjects(size), _electrode_counts(size, subjects), subjects.spawn(size.n_subjects), strict=True
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


def choose_electrodes(folder: Path) -> pd.DataFrame:
    """Keep of recorded/*.npz the electrodes that respond to speech: S01.npz …, from the sound's onset on.

    Parameters
    ----------
    folder : Path
        The cohort's.

    Returns
    -------
    pandas.DataFrame
        A row per electrode, as `heschl.ecog.selection.speech_responsive` gives it, with its subject; also written to
        selection.csv.

    Raises
    ------
    InputError
        Where no electrode of a subject responds.
    """
    import pandas as pd

    tables = []
    for path in sorted((folder / "recorded").glob("*.npz")):
        recorded = read_responses(path, path.stem)
        table = speech_responsive(recorded)
        keep = table["selected"].to_numpy(bool)
        if not keep.any():
            raise InputError(f"subject {path.stem}", "no responsive electrode", "at least one", "Take a larger scale.")
        names = [name for name, own in zip(recorded.electrodes, keep, strict=True) if own]
        _save(
            folder / path.name, recorded, names, [trial[BEFORE:, keep] for trial in recorded.trials],
            (np.arange(max(map(len, recorded.trials)) - BEFORE) + 0.5) / RATE,
            {key: values[keep] for key, values in recorded.anatomy.items()},
        )  # fmt: skip
        tables.append(table.reset_index().assign(subject=path.stem))
    selection = pd.concat(tables, ignore_index=True)
    selection.to_csv(folder / "selection.csv", index=False)
    return selection


def _subjects(size: PaperSize) -> list[str]:
    return [f"S{i + 1:02d}" for i in range(size.n_subjects)]


def _context_reg(size: PaperSize) -> float:
    """A tenth of the sum of squares of one latent's direction in the input embedding: keeps it, and leaves noise be."""
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
    for name, said, own in zip(names, sentences, rng.spawn(len(names)), strict=True):
        soundfile.write(out / "stimuli" / f"{name}.wav", voice.speak(said, own), SFREQ, subtype="PCM_16")
        for model, layers in models.items():
            np.save(out / "features" / model / f"{name}.npy", layers.features(said, own))
    rows = [(name, w.text, w.start, w.end) for name, said in zip(names, sentences, strict=True) for w in said.words]
    pd.DataFrame(rows, columns=["stimulus", "word", "start", "end"]).to_csv(out / "words.csv", index=False)


def _electrode_counts(size: PaperSize, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Share electrodes, and those that respond, out over the subjects, unevenly: (all, responding) of each."""
    least = min(4, size.n_responding // size.n_subjects)
    weights = rng.dirichlet(np.full(size.n_subjects, 4.0))
    spare = size.n_electrodes - 2 * least * size.n_subjects
    every = 2 * least + rng.multinomial(spare, weights)
    responding = least + rng.multivariate_hypergeometric(every - least, size.n_responding - least * size.n_subjects)
    return [(int(n), int(m)) for n, m in zip(every, responding, strict=True)]


def _write_recording(
    path: Path,
    subject: str,
    counts: tuple[int, int],
    names: list[str],
    sentences: list[Utterance],
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Write the responses of one subject at all electrodes; give the truth about them."""
    import pandas as pd

    n, n_responding = counts
    responds = np.zeros(n, dtype=bool)
    responds[rng.choice(n, n_responding, replace=False)] = True
    region = rng.choice(list(REGIONS), n, p=[place.part for place in REGIONS.values()])
    places = [REGIONS[name] for name in region]
    positions = np.array([place.middle for place in places]) + SPREAD * rng.standard_normal((n, 3)) * (0.2, 1.0, 1.0)
    positions[:, 0] *= rng.choice([-1.0, 1.0])
    truth = pd.DataFrame(
        {
            "subject": subject,
            "electrode": [f"e{e + 1:03d}" for e in range(n)],
            "responds": responds,
            "region": region,
            "latency": np.where(responds, rng.uniform(0.06, 0.20, n), np.nan),
            "ceiling": [place.ceiling for place in places] * responds * rng.uniform(0.9, 1.1, n),
        }
    )
    shares = np.array([[place.shares[name] for name in LATENTS] for place in places]) * rng.uniform(
        0.7, 1.3, (n, len(LATENTS))
    )
    shares = responds[:, None] * shares / shares.sum(axis=1, keepdims=True)
    truth[list(LATENTS)] = shares
    driven = np.zeros((sum(len(said.of_word) for said in sentences), n), dtype=np.float32)
    driven[:, responds] = drive(sentences, truth.loc[responds, "latency"].to_numpy(), shares[responds], rng)
    bounds = np.cumsum([0, *(len(said.of_word) for said in sentences)])
    repeats = np.where(np.arange(len(names)) < N_REPEATED, N_TIMES, 1)
    order = rng.permutation(np.repeat(np.arange(len(names)), repeats))
    ceiling = truth["ceiling"].to_numpy()
    trials = []
    for i in order:
        signal = np.pad(driven[bounds[i] : bounds[i + 1]], ((BEFORE, 0), (0, 0)))
        noise = gaussian_filter1d(
            rng.standard_normal(signal.shape, dtype=np.float32), NOISE_MEMORY, axis=0, mode="wrap"
        )
        noise *= np.sqrt(2 * NOISE_MEMORY * np.sqrt(np.pi))
        trials.append(np.asarray(np.sqrt(ceiling) * signal + np.sqrt(1 - ceiling) * noise, dtype=np.float32))
    times = (np.arange(max(map(len, trials))) - BEFORE + 0.5) / RATE
    anatomy = {"region": region, **dict(zip("xyz", (positions / 1e3).T, strict=True))}
    heard = Responses(subject, tuple(truth["electrode"]), RATE, times[0], tuple(names[i] for i in order), tuple(trials))
    _save(path, heard, truth["electrode"].tolist(), trials, times, anatomy)
    return truth


def drive(
    sentences: list[Utterance], latencies: NDArray[np.float64], shares: NDArray[np.float64], rng: np.random.Generator
) -> Floats:
    """Give the noiseless responses of some electrodes to all sentences, joined: (n_frames, n), of unit variance.

    Parameters
    ----------
    sentences : list of Utterance
    latencies : (n,) array
        Peaks of the filters, s.
    shares : (n, latents) array
        Of variance, in the order of `LATENTS`.
    rng : Generator
        Of the weights.
    """
    kernels = np.stack([temporal_filter(latency, RATE) for latency in latencies], axis=1).astype(np.float32)

    def filtered(parts: list[Floats]) -> Floats:
        return np.concatenate([fftconvolve(part, kernels, axes=0)[: len(part)] for part in parts]).astype(np.float32)

    on = [np.repeat((said.of_word >= 0)[:, None], len(latencies), axis=1).astype(np.float32) for said in sentences]
    total = SPEECH_ON * filtered(on)
    for name, share in zip(LATENTS, shares.T, strict=True):
        weights = rng.standard_normal((sentences[0].latents[name].shape[1], len(latencies))).astype(np.float32)
        part = filtered([said.latents[name] @ weights for said in sentences])
        total += np.asarray(np.sqrt(share) * part / part.std(axis=0), dtype=np.float32)
    return np.asarray(total / total.std(axis=0), dtype=np.float32)


def _save(
    path: Path,
    heard: Responses,
    electrodes: list[str],
    trials: list[Floats],
    times: NDArray[np.float64],
    anatomy: Mapping[str, NDArray[np.generic]],
) -> None:
    np.savez(
        path,
        responses=np.concatenate(trials),
        lengths=[len(trial) for trial in trials],
        stimuli=list(heard.stimuli),
        electrodes=electrodes,
        times=times,
        regions=anatomy["region"].astype(str),
        positions=np.stack([anatomy[axis] for axis in "xyz"], axis=1),
    )
