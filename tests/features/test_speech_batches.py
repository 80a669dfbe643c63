"""Sounds together and sounds in windows: the same features as alone and whole, at the same times."""

from __future__ import annotations

import itertools
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st

from features.tiny_models import tiny_wav2vec2
from heschl.checks import InputError
from heschl.features.speech import SpeechModel
from heschl.features.windows import windows
from heschl.timing.audio import read_audio
from tolerances import worst

DATA = Path(__file__).parents[3] / "shared" / "data"
MODELS = Path(os.environ.get("HESCHL_TEST_MODELS", "absent"))
FLOAT32 = 1e-5  # the same float32 operations, summed in another order


def noise(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.02, 0.1, n).astype(np.float32)


def layer_norm_model(folder: Path, **changes: object) -> Path:
    """A model of the kind of Wav2Vec2-large-lv60: layer norm in the front end, masks."""
    torch.manual_seed(0)
    config = tiny_wav2vec2(feat_extract_norm="layer", do_stable_layer_norm=True, conv_bias=True, **changes)
    transformers.Wav2Vec2Model(config).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=True).save_pretrained(folder)
    return folder


def together(model: SpeechModel, sounds: list[np.ndarray], **settings: float) -> list[np.ndarray]:
    return [np.concatenate(list(blocks), axis=1) for blocks in model.extract_many(sounds, **settings)]


def count_passes(monkeypatch: pytest.MonkeyPatch, model: SpeechModel) -> list[int]:
    original, sizes = model._run, []

    def counted(inputs: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
        sizes.append(len(inputs))
        return original(inputs, mask)

    monkeypatch.setattr(model, "_run", counted)
    return sizes


@given(st.integers(1, 400), st.integers(3, 90), st.data())
def test_windows_cover_every_frame_once(n: int, size: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(0, size // 3))
    found = windows(n, size, overlap)
    assert [frame for window in found for frame in range(window.first, window.last)] == list(range(n))
    for window in found:
        assert 0 <= window.start <= window.first < window.last <= window.stop <= n
        assert window.stop - window.start == min(size, n)
        # whatever is kept has half the overlap on either side, or the end of the sound
        assert window.first - window.start >= overlap // 2 or window.start == 0
        assert window.stop - window.last >= overlap // 2 or window.stop == n


@pytest.mark.parametrize("lengths", [[5000, 9000, 400, 8000], [4000] * 3])
def test_padded_sounds_where_padding_is_exact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lengths: list[int]
) -> None:
    model = SpeechModel(layer_norm_model(tmp_path))
    assert model.pads
    sounds = [noise(n, seed) for seed, n in enumerate(lengths)]
    alone = [model.extract(sound) for sound in sounds]
    sizes = count_passes(monkeypatch, model)
    for one, other in zip(together(model, sounds), alone, strict=True):
        assert one.shape == other.shape and worst(one, other) < FLOAT32
    assert sizes == [len(lengths)]


def test_where_padding_would_change_features_only_equal_lengths_share(
    speech_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wav2Vec2-base's front end normalises over time: padding shows, whatever the mask says."""
    model = SpeechModel(speech_folder)
    assert not model.pads
    short, long = noise(4000), noise(9000, 1)
    padded = np.stack([np.pad(model._prepared(short)[0], (0, 5000)), model._prepared(long)[0]])
    mask = np.ones(padded.shape, dtype=np.int64)
    mask[0, 4000:] = 0
    alone = model.extract(short)
    assert worst(model._run(padded, mask)[:, 0, : alone.shape[1]], alone) > 1e-2
    sounds = [noise(n, seed) for seed, n in enumerate((4000, 4000, 9000, 4000))]
    expected = [model.extract(sound) for sound in sounds]
    sizes = count_passes(monkeypatch, model)
    for one, other in zip(together(model, sounds), expected, strict=True):
        assert worst(one, other) < FLOAT32
    assert sizes == [2, 1, 1]


@pytest.mark.parametrize("family", ["HubertModel", "WavLMModel", "Data2VecAudioModel", "UniSpeechSatModel"])
@pytest.mark.parametrize("norm", ["group", "layer"])
def test_every_relative_finds_out_whether_it_pads(tmp_path: Path, family: str, norm: str) -> None:
    kind = getattr(transformers, family)
    names = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "conv_dim")
    settings = {name: tiny_wav2vec2().to_dict()[name] for name in names}
    if family != "Data2VecAudioModel":
        settings |= {"feat_extract_norm": norm, "do_stable_layer_norm": norm == "layer"}
    config = kind.config_class(
        **settings, num_conv_pos_embeddings=4 if "Data2Vec" in family else 8, num_conv_pos_embedding_groups=2,
        conv_pos_kernel_size=3,
    )  # fmt: skip
    torch.manual_seed(0)
    kind(config).save_pretrained(tmp_path)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
    model = SpeechModel(tmp_path)
    sounds = [noise(n, seed) for seed, n in enumerate((5000, 6000, 700))]
    for one, sound in zip(together(model, sounds), sounds, strict=True):
        assert worst(one, model.extract(sound)) < FLOAT32


def test_a_pass_is_no_longer_than_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = SpeechModel(layer_norm_model(tmp_path))
    sounds = [noise(8000, seed) for seed in range(7)]
    sizes = count_passes(monkeypatch, model)
    together(model, sounds, batch=1.5)
    assert sizes == [3, 3, 1]


def test_a_bad_sound_comes_after_those_before_it(tmp_path: Path) -> None:
    model = SpeechModel(layer_norm_model(tmp_path))
    found = model.extract_many([noise(4000), noise(5000), np.zeros(3, np.float32), noise(4000)])
    assert next(found)[0].shape[1] == 12 and next(found)[0].shape[1] == 15  # type: ignore[index]
    with pytest.raises(InputError, match="at least one frame"):
        next(found)


def attention_free(model: SpeechModel) -> None:
    """Leave the front end and the position embedding, which see 0.2 s around a frame."""
    for block in model._model.encoder.layers:
        torch.nn.init.zeros_(block.attention.out_proj.weight)
        torch.nn.init.zeros_(block.attention.out_proj.bias)


def test_windows_of_a_local_model_are_seamless(tmp_path: Path) -> None:
    """Where a frame depends on its neighbourhood alone, windows give what one pass gives, at the same frames."""
    layer_norm_model(tmp_path)
    whole, cut = SpeechModel(tmp_path), SpeechModel(tmp_path, window=2.0)
    attention_free(whole), attention_free(cut)
    for n in (16000 * 9, 16000 * 9 + 319, 16000 * 9 + 321, 2 * 16000 + 1, 2 * 16000):
        sound = noise(n)
        assert worst(cut.extract(sound), whole.extract(sound)) < FLOAT32
        assert cut.extract(sound).shape[1] == cut.grid.n_frames(n / 16000)


def test_windows_of_a_model_with_attention_differ_little(tmp_path: Path) -> None:
    layer_norm_model(tmp_path)
    sound = noise(16000 * 12)
    whole, cut = SpeechModel(tmp_path).extract(sound), SpeechModel(tmp_path, window=6.0).extract(sound)
    assert worst(cut[0], whole[0]) < FLOAT32  # in front of attention nothing is cut
    assert np.corrcoef(cut[-1].ravel(), whole[-1].ravel())[0, 1] > 0.999


def test_loudness_is_that_of_the_whole_sound(tmp_path: Path) -> None:
    """A window is not normalised by itself: its level against the rest of the sound stays."""
    layer_norm_model(tmp_path)
    cut, whole = SpeechModel(tmp_path, window=2.0), SpeechModel(tmp_path)
    attention_free(whole), attention_free(cut)
    sound = noise(16000 * 6)
    sound[: 16000 * 3] *= 0.01
    assert worst(cut.extract(sound), whole.extract(sound)) < FLOAT32


def test_twenty_minutes_in_bounded_memory(speech_folder: Path) -> None:
    model = SpeechModel(speech_folder, window=20.0)
    sound = np.tile(noise(16000 * 60), 20)
    (blocks,) = model.extract_many([sound])
    n_frames, largest = 0, 0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for block in blocks:
        n_frames += block.shape[1]
        largest = max(largest, block.shape[1])
    assert n_frames == model.grid.n_frames(1200) and largest <= 20 * 50
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < 2 * sound.nbytes + 200e6  # the input, normalised, and a window's work


def test_sounds_are_taken_one_pass_ahead(tmp_path: Path) -> None:
    taken = 0

    def sounds() -> Iterator[np.ndarray]:
        nonlocal taken
        for seed in itertools.count():
            taken += 1
            yield noise(16000, seed)

    found = SpeechModel(layer_norm_model(tmp_path)).extract_many(sounds(), batch=4.0)
    next(found)
    assert taken == 5


def test_settings_say_every_choice(speech_folder: Path) -> None:
    settings = SpeechModel(speech_folder, window=30.0).settings
    assert settings["architecture"] == "wav2vec2" and settings["sampling rate, Hz"] == 16000
    assert settings["input"] == "mean 0, variance 1 over the sound" and settings["window, s"] == 30.0
    with pytest.raises(InputError, match="window"):
        SpeechModel(speech_folder, window=0.1)


@pytest.mark.skipif(not (MODELS / "whisper-tiny.en").is_dir(), reason="HESCHL_TEST_MODELS names no folder with models")
@pytest.mark.skipif(not DATA.exists(), reason="the real data (../shared/data) are not here")
def test_real_whisper() -> None:
    folder = MODELS / "whisper-tiny.en"
    model = SpeechModel(folder)
    sounds = [read_audio(path, 16000) for path in sorted((DATA / "librivox").glob("*.wav"))[:2]]
    encoder = transformers.WhisperModel.from_pretrained(folder).get_encoder().eval()
    extractor = transformers.WhisperFeatureExtractor.from_pretrained(folder)
    for sound, found in zip(sounds, together(model, sounds), strict=True):
        inputs = extractor(sound, sampling_rate=16000, return_tensors="pt").input_features
        with torch.inference_mode():
            states = torch.cat(encoder(inputs, output_hidden_states=True).hidden_states).numpy()
        assert worst(found, states[:, : found.shape[1]]) < FLOAT32
    long = np.concatenate(sounds * 4)
    assert len(long) > 30 * 16000
    found = model.extract(long)
    assert found.shape[1] == model.grid.n_frames(len(long) / 16000)
    seam = windows(found.shape[1], 1500, 500)[0].last
    assert worst(found[:, :seam], model.extract(long[: 30 * 16000])[:, :seam]) < FLOAT32
