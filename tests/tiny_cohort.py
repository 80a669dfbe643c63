"""A cohort of a few seconds, with random models of a few units, for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

SFREQ = 100.0
VOCABULARY = ("we", "heard", "the", "river", "sing", "all", "night", "long")

STUDY = """
name = "Tiny"
note = "noise, and random models"
seed = 3
[stimuli]
sounds = "stimuli/*.wav"
words = "words.csv"
[responses]
tail = "silence"
[responses.subjects]
S1 = "S1.npz"
S2 = "S2.npz"
[responses.groups]
driven = "loud*"
[grid]
model = "wav"
[features.mel]
kind = "mel"
n_mels = 6
[features.wav]
kind = "speech"
model = "models/wav"
[features.gpt]
kind = "language"
model = "models/gpt"
[features.static]
kind = "words"
file = "vectors.txt"
[encoding]
tmax = 0.08
alphas = [1.0, 1e2, 1e4]
folds = 3
n_permutations = 20
"""


def write_cohort(folder: Path, n_stimuli: int = 8) -> Path:
    """Write sounds, words, responses, models and study.toml; give the study.toml."""
    rng = np.random.default_rng(0)
    (folder / "stimuli").mkdir(parents=True)
    lines, envelopes = ["stimulus,word,start,end"], {}
    for i in range(n_stimuli):
        seconds = 0.9 + 0.05 * i
        gain = np.repeat(rng.uniform(0.02, 1, 40), 800)[: int(seconds * 16000)]
        soundfile.write(folder / "stimuli" / f"s{i}.wav", gain * rng.normal(0, 0.1, gain.size), 16000)
        envelopes[f"s{i}"] = gain[::160]
        for j, word in enumerate(rng.choice(VOCABULARY, 4)):
            lines.append(f"s{i},{word},{0.2 * j:.2f},{0.2 * j + 0.15:.2f}")
    (folder / "words.csv").write_text("\n".join(lines) + "\n")
    (folder / "vectors.txt").write_text(
        "\n".join(f"{word} " + " ".join(f"{x:.3f}" for x in rng.normal(size=5)) for word in VOCABULARY[:-1]) + "\n"
    )
    write_responses(folder / "S1.npz", envelopes, rng)
    write_responses(folder / "S2.npz", envelopes, rng)
    write_models(folder / "models")
    (folder / "study.toml").write_text(STUDY)
    return folder / "study.toml"


def write_responses(path: Path, envelopes: dict[str, np.ndarray], rng: np.random.Generator) -> None:
    """Write the responses of one subject: "loud" follows the sound's level by 30 ms, the others are noise."""
    stimuli = [*envelopes, "s0.wav"]  # the first stimulus comes twice
    lengths = np.array([len(envelopes[name.removesuffix(".wav")]) + 10 for name in stimuli])
    responses = np.full((len(stimuli), lengths.max(), 3), np.nan, dtype=np.float32)
    for i, name in enumerate(stimuli):
        level = np.log(envelopes[name.removesuffix(".wav")])
        responses[i, : lengths[i]] = rng.normal(0, 0.5, (lengths[i], 3))
        responses[i, 3 : 3 + len(level), 0] += level - level.mean()
    np.savez(
        path,
        responses=responses,
        lengths=lengths,
        stimuli=np.array(stimuli),
        electrodes=np.array(["loud1", "noise1", "noise2"]),
        sfreq=SFREQ,
    )


def write_models(folder: Path) -> None:
    """Write a Wav2Vec2 and a GPT-2 of a few units, with seeded random weights."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import (
        GPT2Config,
        GPT2Model,
        PreTrainedTokenizerFast,
        Wav2Vec2Config,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2Model,
    )

    torch.manual_seed(0)
    speech = Wav2Vec2Config(
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        conv_dim=(8,) * 7,
        num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2,
    )
    Wav2Vec2Model(speech).save_pretrained(folder / "wav")
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder / "wav")
    words = {"[UNK]": 0, **{word: i + 1 for i, word in enumerate(VOCABULARY)}}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]").save_pretrained(folder / "gpt")
    language = GPT2Config(
        vocab_size=len(words), n_positions=32, n_embd=8, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0
    )
    GPT2Model(language).save_pretrained(folder / "gpt")
