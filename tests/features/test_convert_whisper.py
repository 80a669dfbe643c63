"""An OpenAI Whisper checkpoint becomes a transformers folder that computes the same; Whisper as a speech model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from torch.nn import functional

from heschl.checks import InputError
from heschl.features.convert_whisper import convert_whisper, main
from heschl.features.speech import SpeechModel
from heschl.timing.grid import FrameGrid
from tolerances import worst

DIMS = {
    "n_mels": 80, "n_vocab": 51864,
    "n_audio_ctx": 50, "n_audio_state": 8, "n_audio_head": 2, "n_audio_layer": 3,
    "n_text_ctx": 12, "n_text_state": 8, "n_text_head": 2, "n_text_layer": 2,
}  # fmt: skip
FLOAT32 = 1e-4  # float32 sums in another order, through the final layer norms


def tiny_checkpoint() -> dict[str, Any]:
    """Give random weights under OpenAI's names."""
    draw = torch.Generator().manual_seed(0)
    tensors: dict[str, torch.Tensor] = {}

    def linear(name: str, *shape: int, bias: bool = True) -> None:
        tensors[f"{name}.weight"] = torch.randn(*shape, generator=draw) / np.sqrt(np.prod(shape[1:]))
        if bias:
            tensors[f"{name}.bias"] = 0.1 * torch.randn(shape[0], generator=draw)

    def norm(name: str) -> None:
        tensors[f"{name}.weight"] = 1 + 0.1 * torch.randn(8, generator=draw)
        tensors[f"{name}.bias"] = 0.1 * torch.randn(8, generator=draw)

    linear("encoder.conv1", 8, 80, 3)
    linear("encoder.conv2", 8, 8, 3)
    tensors["encoder.positional_embedding"] = torch.randn(50, 8, generator=draw)
    tensors["decoder.positional_embedding"] = torch.randn(12, 8, generator=draw)
    linear("decoder.token_embedding", 51864, 8, bias=False)
    for side, n_blocks in (("encoder", 3), ("decoder", 2)):
        for block in range(n_blocks):
            for attention in ("attn", "cross_attn")[: 1 + (side == "decoder")]:
                for part in ("query", "key", "value", "out"):
                    linear(f"{side}.blocks.{block}.{attention}.{part}", 8, 8, bias=part != "key")
                norm(f"{side}.blocks.{block}.{attention}_ln")
            linear(f"{side}.blocks.{block}.mlp.0", 32, 8)
            linear(f"{side}.blocks.{block}.mlp.2", 8, 32)
            norm(f"{side}.blocks.{block}.mlp_ln")
    norm("encoder.ln_post")
    norm("decoder.ln")
    return {"dims": dict(DIMS), "model_state_dict": {name: tensor.half() for name, tensor in tensors.items()}}


class Direct:
    """Whisper written out from the checkpoint's own names, to check the conversion against."""

    def __init__(self, checkpoint: dict[str, Any]) -> None:
        self.held = {name: tensor.float() for name, tensor in checkpoint["model_state_dict"].items()}
        self.heads = checkpoint["dims"]["n_audio_head"]

    def linear(self, x: torch.Tensor, name: str) -> torch.Tensor:
        return functional.linear(x, self.held[f"{name}.weight"], self.held.get(f"{name}.bias"))

    def norm(self, x: torch.Tensor, name: str) -> torch.Tensor:
        return functional.layer_norm(x, x.shape[-1:], self.held[f"{name}.weight"], self.held[f"{name}.bias"])

    def attention(self, x: torch.Tensor, others: torch.Tensor, name: str, mask: Any = 0.0) -> torch.Tensor:
        query, key, value = (
            self.linear(of, f"{name}.{part}").unflatten(-1, (self.heads, -1)).transpose(0, 1)
            for of, part in ((x, "query"), (others, "key"), (others, "value"))
        )
        weights = (query @ key.transpose(1, 2) / query.shape[-1] ** 0.5 + mask).softmax(-1)
        return self.linear((weights @ value).transpose(0, 1).flatten(1), f"{name}.out")

    def mlp(self, x: torch.Tensor, name: str) -> torch.Tensor:
        return self.linear(
            functional.gelu(self.linear(self.norm(x, f"{name}.mlp_ln"), f"{name}.mlp.0")), f"{name}.mlp.2"
        )

    def encode(self, mel: torch.Tensor) -> torch.Tensor:
        """(n_mels, 2 n) -> (n_layers, n, width)."""
        x = mel[None]
        for name, stride in (("encoder.conv1", 1), ("encoder.conv2", 2)):
            weight, bias = self.held[f"{name}.weight"], self.held[f"{name}.bias"]
            x = functional.gelu(functional.conv1d(x, weight, bias, stride=stride, padding=1))
        x = x[0].T + self.held["encoder.positional_embedding"]
        layers = [x]
        for block in range(DIMS["n_audio_layer"]):
            name = f"encoder.blocks.{block}"
            normed = self.norm(x, f"{name}.attn_ln")
            x = x + self.attention(normed, normed, f"{name}.attn")
            x = x + self.mlp(x, name)
            layers.append(x)
        layers[-1] = self.norm(x, "encoder.ln_post")
        return torch.stack(layers)

    def decode(self, tokens: torch.Tensor, heard: torch.Tensor) -> torch.Tensor:
        x = self.held["decoder.token_embedding.weight"][tokens]
        x = x + self.held["decoder.positional_embedding"][: len(tokens)]
        mask = torch.full((len(tokens), len(tokens)), -torch.inf).triu(1)
        for block in range(DIMS["n_text_layer"]):
            name = f"decoder.blocks.{block}"
            normed = self.norm(x, f"{name}.attn_ln")
            x = x + self.attention(normed, normed, f"{name}.attn", mask)
            x = x + self.attention(self.norm(x, f"{name}.cross_attn_ln"), heard, f"{name}.cross_attn")
            x = x + self.mlp(x, name)
        return self.norm(x, "decoder.ln")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("openai") / "tiny.pt"
    torch.save(tiny_checkpoint(), path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path) -> Path:
    return convert_whisper(checkpoint, tmp_path_factory.mktemp("converted") / "whisper")


def noise(n: int) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, n).astype(np.float32)


def mel(sound: np.ndarray) -> torch.Tensor:
    extractor = transformers.WhisperFeatureExtractor(chunk_length=1)
    return extractor(sound, sampling_rate=16000, return_tensors="pt").input_features[0]


def test_every_tensor_has_its_place(folder: Path, checkpoint: Path) -> None:
    model, info = transformers.WhisperModel.from_pretrained(folder, output_loading_info=True)
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    held = torch.load(checkpoint, weights_only=True)["model_state_dict"]
    assert len(model.state_dict()) == len(held)
    total = sum(tensor.double().sum() for tensor in held.values())
    assert sum(tensor.double().sum() for tensor in model.state_dict().values()) == pytest.approx(float(total))


def test_the_encoder_computes_the_same(folder: Path, checkpoint: Path) -> None:
    sound = noise(16000)
    direct = Direct(torch.load(checkpoint, weights_only=True)).encode(mel(sound)).numpy()
    layers = SpeechModel(folder).extract(sound)
    assert layers.shape == (4, 50, 8)
    for found, expected in zip(layers, direct, strict=True):
        assert worst(found, expected) < FLOAT32


def test_the_decoder_computes_the_same(folder: Path, checkpoint: Path) -> None:
    direct = Direct(torch.load(checkpoint, weights_only=True))
    model, tokens = (
        transformers.WhisperModel.from_pretrained(folder).eval(),
        torch.tensor([5, 17, 50257, 4, 9]),
    )
    features = mel(noise(16000))
    with torch.inference_mode():
        found = model(input_features=features[None], decoder_input_ids=tokens[None]).last_hidden_state[0]
    expected = direct.decode(tokens, direct.encode(features)[-1])
    assert worst(found.numpy(), expected.numpy()) < FLOAT32


def test_frames_are_those_of_the_sound_not_of_the_fixed_length(folder: Path) -> None:
    found = SpeechModel(folder)
    assert found.grid == FrameGrid(unit_hz=16000.0, stride=320, centre=0, width=1)
    assert (found.layers, found.width) == (["0", "1", "2", "3"], 8)
    for n, frames in ((1, 1), (320, 1), (321, 2), (8000, 25), (16000, 50)):
        assert found.extract(noise(n)).shape == (4, frames, 8)
    with pytest.raises(InputError, match="at least one frame"):
        found.extract(noise(0))
    long = noise(16000 + 320 * 7 + 1)  # longer than the model's fixed length, here 1 s: in windows
    assert found.extract(long).shape == (4, 58, 8)
    np.testing.assert_allclose(found.extract(long)[:, :20], found.extract(long[:16000])[:, :20], atol=1e-5)
    assert np.isfinite(found.extract(np.zeros(16000, dtype=np.float32))).all()


def test_an_impulse_is_seen_at_its_frame(folder: Path) -> None:
    """Layer 0 differs from silence about the frame whose time is the impulse's."""
    found = SpeechModel(folder)
    sound = np.zeros(16000, dtype=np.float32)
    sound[::1600] = 1e-3  # holds the level that Whisper's mel spectrum is scaled by
    clicked = sound.copy()
    at = round(found.grid.times(26)[25] * 16000)
    clicked[at + 80] = 1e-3
    changed = np.abs(found.extract(clicked) - found.extract(sound))[0].max(axis=1)
    assert set(np.flatnonzero(changed > 0.05 * changed.max())) <= {24, 25, 26}


def test_the_usual_feature_extractor(tmp_path: Path, folder: Path) -> None:
    expected = SpeechModel(folder).extract(noise(8000))
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    with pytest.warns(UserWarning, match="WhisperFeatureExtractor"):
        found = SpeechModel(tmp_path)
    np.testing.assert_array_equal(found.extract(noise(8000)), expected)
    transformers.WhisperFeatureExtractor(feature_size=128).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="128"):
        SpeechModel(tmp_path)


def test_the_command_line(tmp_path: Path, checkpoint: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(checkpoint), str(tmp_path / "deep" / "whisper")])
    assert capsys.readouterr().out == f"wrote {tmp_path / 'deep' / 'whisper'}\n"
    assert sorted(p.name for p in (tmp_path / "deep").iterdir()) == ["whisper"]  # nothing left beside it
    with pytest.raises(SystemExit) as caught:
        main([str(checkpoint), str(folder)])
    assert caught.value.code == 2
    assert "new or empty folder" in capsys.readouterr().err


@pytest.mark.parametrize("change", ["missing", "unknown", "misshapen", "no-dims", "text", "absent"])
def test_checkpoints_that_are_none(tmp_path: Path, change: str) -> None:
    held = tiny_checkpoint()
    tensors = held["model_state_dict"]
    if change == "missing":
        del tensors["decoder.blocks.1.cross_attn.key.weight"]
    elif change == "unknown":
        tensors["encoder.extra"] = torch.zeros(1)
    elif change == "misshapen":
        tensors["encoder.conv1.bias"] = torch.zeros(7)
    elif change == "no-dims":
        del held["dims"]
    path = tmp_path / "tiny.pt"
    if change == "text":
        path.write_text("not a checkpoint")
    elif change != "absent":
        torch.save(held, path)
    with pytest.raises(InputError, match=r"tiny\.pt"):
        convert_whisper(path, tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ([] if change == "absent" else ["tiny.pt"])
