"""Latents of the cohort at the paper's size, and what carries them: sound, layers of models, word vectors.

The generative model is written out at the head of `heschl.study.simulate.paper`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import istft, stft

from heschl.study.simulate.text import CONSONANTS, VOWELS
from heschl.timing.align import word_of_frames
from heschl.timing.words import Word

Floats = NDArray[np.float32]
Latent = Literal["accent", "meaning", "context", "timbre", "articulation", "syntax"]
LATENTS: tuple[Latent, ...] = get_args(Latent)
SHARED: tuple[Latent, ...] = ("accent", "meaning", "context")
KNOWN: dict[str, tuple[Latent, ...]] = {
    "mel": ("accent", "timbre"),
    "speech": (*SHARED, "timbre", "articulation"),
    "language": (*SHARED, "syntax"),
    "glove": ("meaning",),
}
"""What each space knows anything of."""
OF_FRAMES = ("timbre", "articulation")

RATE, SFREQ = 50, 16_000
WORD = 0.22  # s, on average
LEAD, TRAIL = (0.1, 0.3), 0.1  # s of silence before and after the words
MEMORY = {"context": 0.7, "syntax": 0.7}  # correlation of a word's latent with the word before
SMOOTH = 2.0  # frames: of what changes within words
FEATURE_NOISE = 0.5  # standard deviation of what units carry besides, over that of the latents in them; on average
SPEECH_DB, LATENT_DB = 30.0, 5.0  # of words over silence; of one standard deviation of a latent


@dataclass(frozen=True)
class PaperSize:
    """How much there is of everything; by default as much as in the paper.

    Attributes
    ----------
    n_subjects, n_electrodes, n_responding, n_sentences, n_frames : int
        In all; frames at 50 Hz, every sentence once.
    speech, language : (layers, width)
    word_vectors, n_mels, n_types : int
        Widths; different words.
    dims : mapping of latent to int
        Dimensions of each; 50 are shared by both models.
    """

    n_subjects: int = 16
    n_electrodes: int = 4388
    n_responding: int = 822
    n_sentences: int = 599
    n_frames: int = 58_943
    speech: tuple[int, int] = (12, 768)
    language: tuple[int, int] = (48, 1600)
    word_vectors: int = 300
    n_mels: int = 80
    n_types: int = 1800
    dims: Mapping[Latent, int] = field(
        default_factory=lambda: dict(zip(LATENTS, (10, 15, 25, 15, 15, 15), strict=True))
    )

    @property
    def n_shared(self) -> int:
        """Dimensions that the speech and the language model share."""
        return sum(self.dims[name] for name in SHARED)

    def scaled(self, scale: Fraction | float) -> PaperSize:
        """Return a smaller size; all subjects stay, and at least as many layers and dimensions as the truth needs."""

        def part(number: int, least: int) -> int:
            return min(number, max(least, round(number * scale)))

        return replace(
            self,
            n_electrodes=part(self.n_electrodes, 8 * self.n_subjects),
            n_responding=part(self.n_responding, 2 * self.n_subjects),
            n_sentences=part(self.n_sentences, 20),
            n_frames=part(self.n_frames, 20 * 98),
            speech=(part(self.speech[0], 4), part(self.speech[1], 16)),
            language=(part(self.language[0], 5), part(self.language[1], 32)),
            word_vectors=part(self.word_vectors, 8),
            n_mels=part(self.n_mels, 16),
            n_types=part(self.n_types, 60),
            dims={name: part(dim, 2 if name == "context" else 1) for name, dim in self.dims.items()},
        )


@dataclass(frozen=True)
class Utterance:
    """One sentence: its words and what is latent in it.

    Attributes
    ----------
    words : list of Word
    types : (n_words,) array of int
        Which word of the lexicon each is.
    of_word : (n_frames,) array of int
        Index of the word being said; −1 in silence.
    latents : mapping of latent to (n_frames, dim) array
        0 in silence.
    """

    words: list[Word]
    types: NDArray[np.intp]
    of_word: NDArray[np.intp]
    latents: Mapping[Latent, Floats]


def sentence_lengths(size: PaperSize, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw lengths in frames, lognormal as TIMIT's are; their sum is exact."""
    weights = np.clip(rng.lognormal(0.0, 0.32, size.n_sentences), 0.5, 2.2)
    exact = weights * size.n_frames / weights.sum()
    lengths = np.floor(exact).astype(np.int64)
    most = np.argsort(lengths - exact)[: size.n_frames - int(lengths.sum())]
    lengths[most] += 1
    return np.asarray(lengths, dtype=np.int64)


def spell(n_types: int, rng: np.random.Generator) -> list[str]:
    """Draw different words, the frequent ones (first) short."""
    words: dict[str, None] = {}
    while len(words) < n_types:
        n_syllables = 1 + int(np.log10(1 + len(words)) + rng.uniform(0, 1))
        words["".join(rng.choice(list(CONSONANTS)) + rng.choice(list(VOWELS)) for _ in range(n_syllables))] = None
    return list(words)


def utter(
    n_frames: int, lexicon: list[str], meanings: Floats, dims: Mapping[Latent, int], rng: np.random.Generator
) -> Utterance:
    """Draw a sentence that fills its frames: words by Zipf's law, and all latents."""
    seconds, lead = n_frames / RATE, rng.uniform(*LEAD)
    n_words = max(2, round((seconds - lead - TRAIL) / WORD))
    share = np.clip(rng.lognormal(0.0, 0.35, n_words), 0.4, 2.5)  # no word falls between two frames
    ends = lead + np.cumsum(share) * (seconds - lead - TRAIL) / share.sum()
    frequency = 1 / (2.7 + np.arange(len(lexicon)))
    types = rng.choice(len(lexicon), n_words, p=frequency / frequency.sum())
    times = np.round([lead, *ends], 4)
    words = [Word(lexicon[t], float(a), float(b)) for t, a, b in zip(types, times[:-1], times[1:], strict=True)]
    of_word = np.asarray(word_of_frames(words, (np.arange(n_frames) + 0.5) / RATE), dtype=np.intp)
    latents: dict[Latent, Floats] = {"meaning": spread(meanings[types], of_word)}
    latents |= {name: draw(name, dims[name], of_word, n_words, rng) for name in LATENTS if name != "meaning"}
    return Utterance(words, types, of_word, latents)


def draw(
    name: Latent, dim: int, of_word: NDArray[np.intp], n_words: int, rng: np.random.Generator, *, at_words: bool = False
) -> Floats:
    """Draw a latent of one sentence by its law: (n_frames, dim), or (n_words, dim); of variance 1 in speech."""
    if name in OF_FRAMES:
        smooth = gaussian_filter1d(rng.standard_normal((len(of_word), dim)), SMOOTH, axis=0, mode="wrap")
        gain = np.sqrt(2 * SMOOTH * np.sqrt(np.pi))
        return np.asarray(gain * smooth * (of_word >= 0)[:, None], dtype=np.float32)
    values = rng.standard_normal((n_words, dim))
    memory = MEMORY.get(name, 0.0)
    for i in range(1, n_words if memory else 1):
        values[i] = memory * values[i - 1] + np.sqrt(1 - memory**2) * values[i]
    return values.astype(np.float32) if at_words else spread(values, of_word)


def spread(values: NDArray[np.floating], of_word: NDArray[np.intp]) -> Floats:
    """Hold each word's values through its frames; silence is 0."""
    return np.asarray(np.where((of_word >= 0)[:, None], values[of_word], 0.0), dtype=np.float32)


def fidelity(model: str, n_layers: int) -> dict[Latent, NDArray[np.float64]]:
    """Return how well each layer knows each latent: the correlation of what it carries with the latent itself.

    Sound fades with depth; context comes and goes, and is best known past the middle. A language model's first layer
    is its input embedding: words and their accents, nothing of other words.
    """
    depth = np.linspace(0.0, 1.0, n_layers)
    middle = np.exp(-(((depth - 0.6) / 0.3) ** 2) / 2)
    if model == "speech":
        return {
            "accent": 0.95 - 0.15 * depth, "meaning": 0.3 + 0.55 * middle, "context": 0.2 + 0.72 * middle,
            "timbre": 0.95 - 0.3 * depth, "articulation": 0.6 + 0.3 * middle,
        }  # fmt: skip
    read = np.where(depth > 0, 0.25 + 0.67 * middle, 0.0)
    return {"accent": 0.9 + 0.0 * depth, "meaning": 1.0 - 0.2 * depth, "context": read, "syntax": read}


def noise_of_units(width: int) -> Floats:
    """Return the standard deviation of each unit's noise: variance falls as 1 / j, as in real hidden states."""
    variance = 1.0 / np.arange(1, width + 1)
    return np.asarray(FEATURE_NOISE * np.sqrt(variance / variance.mean()), dtype=np.float32)


class Layers:
    """The layers of one model: fixed random mixtures of what each knows of the latents, and noise.

    Parameters
    ----------
    model : {"speech", "language"}
    shape : (layers, width)
    dims : mapping of latent to int
    n_types : int
        Different words, of which the first layer of a language model has one row each.
    rng : Generator
    """

    def __init__(
        self, model: str, shape: tuple[int, int], dims: Mapping[Latent, int], n_types: int, rng: np.random.Generator
    ) -> None:
        self.known, self.dims, (n_layers, width) = KNOWN[model], dims, shape
        self.of_words = model == "language"
        self.fidelity = fidelity(model, n_layers)
        n = sum(dims[name] for name in self.known)
        self.mixing = rng.standard_normal((n_layers, n, width), dtype=np.float32) / np.float32(np.sqrt(n))
        self.offset = rng.standard_normal((n_layers, width), dtype=np.float32)
        self.noise = noise_of_units(width)
        self.types = rng.standard_normal((n_types if self.of_words else 0, width), dtype=np.float32)

    def features(self, utterance: Utterance, rng: np.random.Generator) -> Floats:
        """Return all layers of one sentence, (layers, frames or words, width)."""
        n_words = len(utterance.words)
        rows = np.arange(len(utterance.of_word))
        if self.of_words:  # the frame in which each word begins
            rows = np.unique(np.where(utterance.of_word < 0, n_words, utterance.of_word), return_index=True)[1][
                :n_words
            ]
        speaking = (utterance.of_word[rows] >= 0)[:, None]
        out = np.empty((len(self.mixing), len(rows), self.mixing.shape[2]), dtype=np.float32)
        for layer, mixing in enumerate(self.mixing):
            carried = []
            for name in self.known:
                r = self.fidelity[name][layer]
                other = draw(name, self.dims[name], utterance.of_word, n_words, rng, at_words=self.of_words)
                carried.append(r * utterance.latents[name][rows] + np.sqrt(1 - r**2) * other)
            noise = rng.standard_normal(out.shape[1:], dtype=np.float32)
            if self.of_words and layer == 0:
                noise = self.types[utterance.types]
            out[layer] = np.concatenate(carried, axis=1) @ mixing + speaking * self.offset[layer]
            out[layer] += self.noise * noise
        return out


class Voice:
    """Sound whose spectrum in dB is linear in accent and timbre: noise through a filter that moves.

    Parameters
    ----------
    dims : mapping of latent to int
    rng : Generator
    """

    WINDOW, HOP = 400, 160

    def __init__(self, dims: Mapping[Latent, int], rng: np.random.Generator) -> None:
        n_bins = self.WINDOW // 2 + 1
        mel = np.log1p(np.linspace(0, SFREQ / 2, n_bins) / 700)
        grid = np.linspace(0, mel[-1], 24)  # patterns are smooth over a twenty-fourth of the mel scale
        self.patterns = {
            name: np.stack([np.interp(mel, grid, row) for row in rng.standard_normal((dims[name], len(grid)))])
            for name in KNOWN["mel"]
        }

    def speak(self, utterance: Utterance, rng: np.random.Generator) -> Floats:
        """Return a sentence's sound, (n_frames · 320,) at 16 kHz, within ±1."""
        n_frames = len(utterance.of_word)
        level = np.where(utterance.of_word >= 0, SPEECH_DB, 0.0)[:, None]
        decibels = level + sum(
            LATENT_DB / np.sqrt(len(patterns)) * utterance.latents[name] @ patterns
            for name, patterns in self.patterns.items()
        )
        n = n_frames * SFREQ // RATE
        _, times, spectrum = stft(
            rng.standard_normal(n), SFREQ, nperseg=self.WINDOW, noverlap=self.WINDOW - self.HOP
        )  # fmt: skip
        frame = np.clip((times * RATE).astype(int), 0, n_frames - 1)
        spectrum *= 10 ** ((decibels[frame].T - SPEECH_DB) / 20)
        _, sound = istft(spectrum, SFREQ, nperseg=self.WINDOW, noverlap=self.WINDOW - self.HOP)
        sound = np.pad(sound[:n], (0, max(0, n - len(sound))))
        return np.asarray(0.5 * sound / np.abs(sound).max(), dtype=np.float32)
