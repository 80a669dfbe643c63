"""Models on another device than the CPU: what is where, in which precision, how much at a time.

The other device is torch's "meta": its tensors have shapes and no numbers, and operations refuse those of the CPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from features.language_models import write
from heschl.checks import InputError
from heschl.features import device as devices
from heschl.features.device import MOST, Batches, exact, place
from heschl.features.language import LanguageModel
from heschl.features.speech import SpeechModel


def noise(n: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(n).astype(np.float32)


def move(model: torch.nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    """Move a model there. States have no numbers to bring, and autocast does not know the device."""
    model.to("meta")

    def no_numbers(states: tuple[torch.Tensor, ...], source: str) -> np.ndarray:
        assert all(state.device.type == "meta" and state.dtype == torch.float32 for state in states)
        return np.zeros((len(states), *states[0].shape), np.float32)

    for module in ("speech", "language"):
        monkeypatch.setattr(f"heschl.features.{module}.stack_layers", no_numbers)
    for module in ("speech", "passes"):
        monkeypatch.setattr(f"heschl.features.{module}.exact", lambda _: nullcontext())


@pytest.fixture
def coarse() -> Iterator[None]:
    """As somebody may have set torch."""
    places = torch.backends.cudnn.conv, torch.backends.cuda.matmul
    before = [place.fp32_precision for place in places]
    for place_ in places:
        place_.fp32_precision = "tf32"
    yield
    for place_, value in zip(places, before, strict=True):
        place_.fp32_precision = value


def test_sounds_go_to_where_the_model_is(speech_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = SpeechModel(speech_folder)
    move(model._model, monkeypatch)
    model._device = torch.device("meta")
    assert model._run(np.stack([noise(1200)] * 2), None).shape == (4, 2, 3, 12)
    model._device = torch.device("cpu")
    with pytest.raises(RuntimeError, match="meta"):
        model._run(noise(1200)[None], None)


def test_tokens_go_to_where_the_model_is(
    tokenizers: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [["nobody", "remembered", "rehearsing", "the", "symphony"], ["nevertheless"]]
    model = LanguageModel(write("gpt2", tmp_path / "gpt2", tokenizers["bytes"]))
    monkeypatch.setattr("heschl.features.language.CHUNK", 4)
    move(model._model, monkeypatch)
    assert [found.shape for found in model.extract_many(texts)] == [(3, 5, 16), (3, 1, 16)]


@pytest.mark.usefixtures("coarse")
def test_in_float32_whatever_torch_is_set_to(speech_folder: Path) -> None:
    """Neither 10 bits in convolutions, as cuDNN has it by itself, nor 16 bits because somebody around asks for them."""
    model, seen = SpeechModel(speech_folder), []
    conv, product = torch.backends.cudnn.conv, torch.backends.cuda.matmul
    model._model.register_forward_pre_hook(
        lambda *_: seen.append((conv.fp32_precision, product.fp32_precision, torch.is_autocast_enabled("cpu")))
    )
    expected = model.extract(noise(1200))
    with torch.autocast("cpu", torch.bfloat16):
        assert np.array_equal(model.extract(noise(1200)), expected)
    assert set(seen) == {("ieee", "ieee", False)}
    assert conv.fp32_precision == product.fp32_precision == "tf32"
    with pytest.raises(ZeroDivisionError), exact(torch.device("cpu")):
        raise ZeroDivisionError
    assert conv.fp32_precision == "tf32"


def test_devices_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    model = torch.nn.Linear(2, 2)
    moved: list[str] = []
    monkeypatch.setattr(model, "to", lambda where: moved.append(where) or model)
    for wrong in ("cuda1", "cuda:x", "gpu", "cuda:", ""):
        with pytest.raises(InputError, match="device: found"):
            place(model, wrong)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for given in ("auto", "cuda", "cuda:1", "cpu"):
        place(model, given)
    assert moved == ["cuda", "cuda", "cuda:1", "cpu"]
    with pytest.raises(InputError, match=r"device: found 'cuda:2'; expected a number below 2"):
        place(model, "cuda:2")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="torch finds no CUDA device"):
        place(model, "cuda:1")


class Memory:
    """A GPU's memory as torch tells of it: so much is free, and a pass takes so much for each unit."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, free: float, each: float) -> None:
        self.free, self.each, self.taken = free, each, 0.0
        told = {
            "reset_peak_memory_stats": lambda _: None, "memory_allocated": lambda _: 0, "memory_reserved": lambda _: 0,
            "max_memory_allocated": lambda _: self.taken, "mem_get_info": lambda _: (self.free, self.free),
            "is_initialized": lambda: False,
        }  # fmt: skip
        for name, answer in told.items():
            monkeypatch.setattr(torch.cuda, name, answer)

    def work(self, items: Any) -> list[float]:
        self.taken = self.each * sum(items)
        if self.taken > self.free:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB.\nmore")
        return [2.0 * item for item in items]


def test_batches_by_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    room = Memory(monkeypatch, free=1000.0, each=1.0)
    batches = Batches(torch.device("cuda"), 64.0)

    def run(items: list[float]) -> list[float]:
        return [value for _, some in batches.run(items, sum, room.work) for value in some]

    assert run([30.0, 30.0]) == [60.0, 60.0] and batches.amount == MOST * 64.0  # room for 500, which is more
    room.each = 10.0
    assert run([30.0, 30.0]) == [60.0, 60.0] and batches.amount == pytest.approx(50.0)
    assert run([40.0, 40.0, 40.0, 40.0, 40.0]) == [80.0] * 5 and batches.amount < 64.0  # five in one, then less
    room.each = 100.0
    with pytest.raises(MemoryError, match=r"GPU memory for one pass: CUDA out of memory.*device='cpu'"):
        run([40.0])
    assert run([]) == []
    on_cpu = Batches(torch.device("cpu"), 64.0)
    room.each = 1.0
    assert list(on_cpu.run([1.0], sum, room.work)) == [([1.0], [2.0])] and on_cpu.amount == 64.0


def test_passes_that_do_not_fit_are_halved(
    speech_folder: Path, tokenizers: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is added twice, and all comes in order."""
    monkeypatch.setattr(devices, "release", lambda: None)
    speech, sounds = SpeechModel(speech_folder), [noise(1200)] * 3
    expected = np.stack([speech.extract(sound) for sound in sounds])
    original = speech._run

    def run(inputs: np.ndarray, mask: Any) -> np.ndarray:
        if len(inputs) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return original(inputs, mask)

    monkeypatch.setattr(speech, "_run", run)
    assert np.array_equal(np.stack([next(iter(blocks)) for blocks in speech.extract_many(sounds)]), expected)
    language = LanguageModel(write("gpt2", tmp_path / "gpt2", tokenizers["bytes"]))
    texts = [["nobody", "remembered"], ["the", "symphony"], ["an", "unremembered", "musician"]]
    alone = [language.extract(text) for text in texts]
    forward = language._states

    def states(rows: Any) -> Any:
        found = forward(rows)
        if len(rows) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return found

    monkeypatch.setattr(language, "_states", states)
    for found, own in zip(language.extract_many(texts), alone, strict=True):
        np.testing.assert_allclose(found, own, atol=1e-5)
