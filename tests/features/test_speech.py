"""Speech encoders: every layer as transformers gives it, on frames at the exact times; refusals."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from features.tiny_models import tiny_wav2vec2
from heschl.checks import InputError
from heschl.features.speech import SpeechModel
from heschl.timing.audio import read_audio
from heschl.timing.grid import FrameGrid
from tolerances import worst

DATA = Path(__file__).parents[3] / "shared" / "data"
FLOAT32 = 1e-5  # the same float32 operations, summed in another order


def noise(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.02, 0.1, n).astype(np.float32)


def save(model: object, folder: Path, extractor: object | None = None) -> Path:
    model.save_pretrained(folder)  # type: ignore[attr-defined]
    (extractor or transformers.Wav2Vec2FeatureExtractor(do_normalize=True)).save_pretrained(folder)
    return folder


def test_layers_are_those_of_a_direct_call(speech_folder: Path) -> None:
    found = SpeechModel(speech_folder)
    assert (found.layers, found.width, found.sfreq) == (["0", "1", "2", "3"], 12, 16000)
    assert found.grid == FrameGrid(unit_hz=16000.0, stride=320, centre=200, width=400)
    sound = noise(9000)
    direct = transformers.Wav2Vec2Model.from_pretrained(speech_folder).eval()
    normed = (sound - sound.mean()) / np.sqrt(sound.var() + 1e-7)
    with torch.inference_mode():
        states = direct(torch.from_numpy(normed)[None], output_hidden_states=True)
    layers = found.extract(sound)
    assert layers.dtype == np.float32
    assert worst(layers, torch.cat(states.hidden_states).numpy()) < FLOAT32
    assert worst(layers[-1], states.last_hidden_state[0].numpy()) < FLOAT32


def test_layer_0_is_the_input_of_the_first_block(speech_folder: Path) -> None:
    direct = transformers.Wav2Vec2Model.from_pretrained(speech_folder).eval()
    sound = noise(4000)
    with torch.inference_mode():
        normed = torch.from_numpy((sound - sound.mean()) / np.sqrt(sound.var() + 1e-7))[None]
        projected, _ = direct.feature_projection(direct.feature_extractor(normed).transpose(1, 2))
        entered = direct.encoder.layer_norm(projected + direct.encoder.pos_conv_embed(projected))
    assert worst(SpeechModel(speech_folder).extract(sound)[0], entered[0].numpy()) < FLOAT32


@pytest.mark.parametrize("n", [400, 719, 720, 1041, 16000, 16321])
def test_frames_are_those_of_the_grid(speech_folder: Path, n: int) -> None:
    found = SpeechModel(speech_folder)
    assert found.extract(noise(n)).shape == (4, (n - 400) // 320 + 1, 12)


def test_frames_move_with_the_sound(speech_folder: Path) -> None:
    """What enters frame i enters frame i + 1 one stride later: the front end's output shifts by one."""
    direct = transformers.Wav2Vec2Model.from_pretrained(speech_folder).eval()
    direct.config.feat_extract_norm = "layer"
    found = SpeechModel(speech_folder)
    sound = torch.from_numpy(noise(4000))[None]
    with torch.inference_mode():
        # without the first layer's norm over all time, frames depend on their receptive field alone
        direct.feature_extractor.conv_layers[0].layer_norm = torch.nn.Identity()
        before = direct.feature_extractor(sound)
        at = 5
        first = found.grid.centre + at * found.grid.stride - found.grid.width // 2
        changed = sound.clone()
        changed[:, :first] = 0
        changed[:, first + found.grid.width :] = 0
        after = direct.feature_extractor(changed)
    assert torch.equal(before[..., at], after[..., at])  # all that frame 5 sees is the width about its centre


@pytest.mark.parametrize(
    "kernels, strides",
    [((10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)), ((10, 4, 4), (5, 4, 4)), ((9, 3), (4, 2))],
)
def test_the_grid_comes_from_the_strides(tmp_path: Path, kernels: tuple[int], strides: tuple[int]) -> None:
    config = tiny_wav2vec2(conv_kernel=kernels, conv_stride=strides, conv_dim=[8] * len(kernels))
    found = SpeechModel(save(transformers.Wav2Vec2Model(config), tmp_path))
    stride = int(np.prod(strides))
    assert found.grid.rate == pytest.approx(16000 / stride)
    for n in (500, 501, 800, 1600):
        assert found.extract(noise(n)).shape[1] == found.grid.n_frames(n / 16000)
    width = round(found.grid.width / found.grid.unit_hz * 16000)
    assert found.grid.times(1)[0] == width / 2 / 16000
    assert found.extract(noise(width)).shape[1] == 1
    with pytest.raises(InputError, match="at least one frame"):
        found.extract(noise(width - 1))


@pytest.mark.parametrize("family", ["HubertModel", "WavLMModel", "Data2VecAudioModel", "UniSpeechSatModel"])
def test_relatives(tmp_path: Path, family: str) -> None:
    kind = getattr(transformers, family)
    settings = tiny_wav2vec2().to_dict()
    names = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "conv_dim")
    config = kind.config_class(
        **{name: settings[name] for name in names},
        num_conv_pos_embeddings=4 if "Data2Vec" in family else 8,
        num_conv_pos_embedding_groups=2,
        conv_pos_kernel_size=3,
    )
    torch.manual_seed(0)
    model = kind(config).eval()
    sound = noise(5000)
    normed = torch.from_numpy((sound - sound.mean()) / np.sqrt(sound.var() + 1e-7))[None]
    with torch.inference_mode():
        expected = torch.cat(model(normed, output_hidden_states=True).hidden_states).numpy()
    assert worst(SpeechModel(save(model, tmp_path)).extract(sound), expected) < FLOAT32


def test_a_checkpoint_with_a_head(tmp_path: Path, speech_folder: Path) -> None:
    """Published folders hold a head too, and lack a tensor that acts in training alone."""
    model = transformers.Wav2Vec2ForCTC(tiny_wav2vec2(vocab_size=32))
    model.wav2vec2.load_state_dict(transformers.Wav2Vec2Model.from_pretrained(speech_folder).state_dict())
    tensors = {k: v for k, v in model.state_dict().items() if not k.endswith("masked_spec_embed")}
    model.save_pretrained(tmp_path, state_dict=tensors)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
    expected = SpeechModel(speech_folder).extract(noise(4000))
    assert worst(SpeechModel(str(tmp_path)).extract(noise(4000)), expected) < FLOAT32


def test_loudness_matters_only_where_the_checkpoint_says(tmp_path: Path, speech_folder: Path) -> None:
    normalised = SpeechModel(speech_folder)
    assert worst(normalised.extract(3 * noise(4000)), normalised.extract(noise(4000))) < 1e-3
    model = transformers.Wav2Vec2Model.from_pretrained(speech_folder)
    raw = SpeechModel(save(model, tmp_path, transformers.Wav2Vec2FeatureExtractor(do_normalize=False)))
    with torch.inference_mode():
        expected = model.eval()(torch.from_numpy(noise(4000))[None]).last_hidden_state
    assert worst(raw.extract(noise(4000))[-1], expected[0].numpy()) < FLOAT32


def test_silence_is_finite(speech_folder: Path) -> None:
    found = SpeechModel(speech_folder)
    assert np.isfinite(found.extract(np.zeros(8000, dtype=np.float32))).all()
    half = np.concatenate([noise(4000), np.zeros(4000, dtype=np.float32)])
    assert np.isfinite(found.extract(half)).all()


def test_nothing_but_the_warning_is_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    transformers.Wav2Vec2Model(tiny_wav2vec2()).save_pretrained(tmp_path)
    capfd.readouterr()
    with pytest.warns(UserWarning, match=r"no preprocessor_config.json.*Wav2Vec2FeatureExtractor"):
        found = SpeechModel(tmp_path)
    found.extract(noise(4000))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "sound, match",
    [
        (noise(399), "at least one frame, 0.025 s"),
        (np.zeros(0, dtype=np.float32), "at least one frame"),
        (np.zeros((2, 8000), dtype=np.float32), "shape"),
        (np.full(8000, np.nan, dtype=np.float32), "NaN"),
    ],
)
def test_sounds_that_cannot_be(speech_folder: Path, sound: np.ndarray, match: str) -> None:
    with pytest.raises(InputError, match=match):
        SpeechModel(speech_folder).extract(sound)


def test_folders_that_hold_no_model(tmp_path: Path, speech_folder: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        SpeechModel(tmp_path / "absent")
    with pytest.raises(InputError, match=str(tmp_path)):
        SpeechModel(tmp_path)  # no configuration
    shutil.copy(speech_folder / "config.json", tmp_path)
    shutil.copy(speech_folder / "preprocessor_config.json", tmp_path)
    with pytest.raises(InputError, match=rf"{tmp_path}.*weights"):
        SpeechModel(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(InputError, match=str(tmp_path)):
        SpeechModel(tmp_path)


def test_missing_and_misshapen_tensors(tmp_path: Path) -> None:
    model = transformers.Wav2Vec2Model(tiny_wav2vec2())
    tensors = {k: v for k, v in model.state_dict().items() if "layers.1.attention.q_proj" not in k}
    model.save_pretrained(tmp_path, state_dict=tensors)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
    with pytest.raises(InputError, match=rf"{tmp_path}.*2 missing tensors.*layers.1.attention.q_proj"):
        SpeechModel(tmp_path)
    transformers.Wav2Vec2Model(tiny_wav2vec2(intermediate_size=20)).save_pretrained(tmp_path)
    model.config.save_pretrained(tmp_path)
    with pytest.raises(InputError, match=str(tmp_path)):
        SpeechModel(tmp_path)


def test_other_architectures(tmp_path: Path, speech_folder: Path, language_folders: dict[str, Path]) -> None:
    with pytest.raises(InputError, match=r"gpt2.*speech encoder"):
        SpeechModel(language_folders["words"])
    shutil.copytree(speech_folder, tmp_path / "odd")
    config = json.loads((speech_folder / "config.json").read_text())
    (tmp_path / "odd" / "config.json").write_text(json.dumps(config | {"model_type": "no_such_model"}))
    with pytest.raises(InputError, match=r"odd.*config.json"):
        SpeechModel(tmp_path / "odd")


def test_a_feature_extractor_of_another_kind(tmp_path: Path, speech_folder: Path) -> None:
    shutil.copytree(speech_folder, tmp_path / "odd")
    transformers.WhisperFeatureExtractor().save_pretrained(tmp_path / "odd")
    with pytest.raises(InputError, match="WhisperFeatureExtractor"):
        SpeechModel(tmp_path / "odd")
    (tmp_path / "odd" / "preprocessor_config.json").write_text("{")
    with pytest.raises(InputError, match="preprocessor_config"):
        SpeechModel(tmp_path / "odd")


def test_devices(speech_folder: Path) -> None:
    with pytest.raises(InputError, match="device"):
        SpeechModel(speech_folder, device="abacus")
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="no CUDA"):
            SpeechModel(speech_folder, device="cuda")
        assert SpeechModel(speech_folder, device="auto").extract(noise(400)).shape == (4, 1, 12)


@pytest.mark.skipif(not DATA.exists(), reason="the real data (../shared/data) are not here")
def test_real_speech(speech_folder: Path) -> None:
    found = SpeechModel(speech_folder)
    for path in sorted((DATA / "timit_sample").glob("*/sa2.wav"))[:3]:
        sound = read_audio(path, found.sfreq)
        layers = found.extract(sound)
        assert layers.shape == (4, (len(sound) - 400) // 320 + 1, 12)
        assert np.isfinite(layers).all()
