"""Speech models: every layer of Wav2Vec2-base, against a bare loop over the same batches."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

DATA = Path(__file__).parents[2] / "shared" / "data" / "timit_sample"
SECONDS = 60.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, quick: bool) -> Path:
    """Write a Wav2Vec2 of the base architecture (12 blocks, 768 wide) with seeded random weights."""
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

    path = tmp_path_factory.mktemp("wav2vec2")
    torch.manual_seed(0)
    small = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    small |= {"conv_dim": (8,) * 7, "num_conv_pos_embedding_groups": 2}
    Wav2Vec2Model(Wav2Vec2Config(**(small if quick else {}))).save_pretrained(path)
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def sounds(quick: bool) -> list[np.ndarray]:
    """TIMIT where it is there, noise of such lengths where it is not; sorted by length, some of equal length."""
    from heschl.timing.audio import read_audio

    if DATA.exists() and not quick:
        found = [read_audio(path, 16000) for path in sorted(DATA.glob("*/*.wav"))]
    else:
        rng = np.random.default_rng(0)
        found = [rng.normal(0, 0.1, n).astype(np.float32) for n in rng.integers(2, 6, 5 if quick else 20) * 16000]
    total = np.cumsum([len(sound) for sound in found]) / 16000
    return sorted(found[: int(np.searchsorted(total, SECONDS))], key=len)


@pytest.mark.parametrize("rival", ["heschl", "transformers, a bare loop"])
def test_wav2vec2_base(measure: Any, folder: Path, sounds: list[np.ndarray], rival: str) -> None:
    """All layers of a minute of sentences."""
    from baselines.speech_loop import BareLoop

    from heschl.features.speech import SpeechModel

    ours, theirs = SpeechModel(folder), BareLoop(folder)
    batches = [list(group) for _, group in itertools.groupby(sounds, key=len)]

    def extract() -> list[np.ndarray]:
        return [np.concatenate(list(blocks), axis=1) for blocks in ours.extract_many(sounds)]

    run = {"heschl": extract, "transformers, a bare loop": lambda: theirs.extract(batches)}
    found = measure("Wav2Vec2-base, a minute of sentences", rival, run[rival], rounds=3, warmup=1)
    for one, other in zip(found, theirs.extract(batches[:3]), strict=False):
        assert np.abs(one - other).max() <= 1e-5 * np.abs(other).max()
