"""A model's folder is data: no code in it runs, nothing is asked, and what is damaged is named."""

from __future__ import annotations

import builtins
import contextlib
import json
import os
import pickle
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from heschl.checks import InputError

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from heschl.features import LanguageModel, loading  # noqa: E402

LOAD: dict[str, Callable[[Path], Any]] = {
    "config": lambda folder: loading.load_config(str(folder)),
    "weights": lambda folder: loading.load_weights(str(folder), loading.load_config(str(folder))),
    "head": lambda folder: loading.load_weights(str(folder), loading.load_config(str(folder)), head=True),
    "tokenizer": lambda folder: loading.load_tokenizer(str(folder)),
    "feature extractor": lambda folder: loading.load_feature_extractor(str(folder)),
}


@pytest.fixture
def folder(tmp_path: Path, language_folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a model's folder of our own, on a terminal whose user says yes to everything."""
    monkeypatch.setattr(builtins, "input", lambda *_: pytest.fail("something was asked on the terminal"))
    monkeypatch.setattr(sys, "stdin", None)
    return Path(shutil.copytree(language_folders["bytes"], tmp_path / "model"))


class Payload:
    """What runs when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps((json.loads(path.read_text()) if path.exists() else {}) | values))


@pytest.mark.parametrize("model_type", ["gpt2", "nobody_knows"])
@pytest.mark.parametrize("what", LOAD)
def test_code_in_a_folder_never_runs(folder: Path, tmp_path: Path, what: str, model_type: str) -> None:
    mark = tmp_path / "ran"
    (folder / "evil.py").write_text(f"import os\nos.mkdir({str(mark)!r})\nclass C: pass\n")
    classes = {name: "evil.C" for name in ("AutoConfig", "AutoModel", "AutoModelForCausalLM", "AutoFeatureExtractor")}
    classes["AutoTokenizer"] = ["evil.C", "evil.C"]  # type: ignore[assignment]
    for file in ("config.json", "tokenizer_config.json", "preprocessor_config.json", "processor_config.json"):
        change(folder / file, auto_map=classes)
    change(folder / "config.json", model_type=model_type)
    change(folder / "tokenizer_config.json", tokenizer_class="C")
    change(folder / "preprocessor_config.json", feature_extractor_type="C")
    with contextlib.suppress(InputError):
        LOAD[what](folder)
    assert not mark.exists()


@pytest.mark.parametrize("how", ["bare", "zip"])
def test_pickles_never_run(folder: Path, tmp_path: Path, how: str) -> None:
    mark = tmp_path / "ran"
    (folder / "model.safetensors").unlink()
    weights = {"transformer.wte.weight": Payload(mark)}
    if how == "bare":
        (folder / "pytorch_model.bin").write_bytes(pickle.dumps(weights))
    else:
        torch.save(weights, folder / "pytorch_model.bin")
    with pytest.raises(InputError, match="safetensors"):
        LOAD["weights"](folder)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("name", "size"), [("n_layer", 10**9), ("n_embd", 2**31), ("vocab_size", 10**12), ("n_layer", -1)]
)
def test_sizes_that_no_model_has(folder: Path, name: str, size: int) -> None:
    change(folder / "config.json", **{name: size})
    with pytest.raises(InputError, match=r"at most|config.json"):
        LOAD["weights"](folder)


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "tokenizer.json"])
@pytest.mark.parametrize("damage", ["empty", "half", "zeros", "flip"])
def test_damaged_files_are_named(folder: Path, file: str, damage: str) -> None:
    raw = (folder / file).read_bytes()
    damaged = {
        "empty": b"", "half": raw[: len(raw) // 2], "zeros": bytes(len(raw)), "flip": bytes([raw[0] ^ 0xFF]) + raw[1:],
    }[damage]  # fmt: skip
    (folder / file).write_bytes(damaged)
    with pytest.raises(InputError, match="model"):
        LOAD["tokenizer" if file.startswith("token") else "weights"](folder)


def test_pickled_weights_are_refused_also_where_they_are_harmless(folder: Path) -> None:
    whole = transformers.AutoModel.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    torch.save(whole.state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"found pickled weights alone.*save_pretrained"):
        LOAD["weights"](folder)


def in_cache(folder: Path, cache: Path, name: str, revisions: dict[str, str]) -> None:
    """Lay a model out as Hugging Face's cache does, one commit for each revision."""
    place = cache / f"models--{name.replace('/', '--')}"
    for revision, commit in revisions.items():
        shutil.copytree(folder, place / "snapshots" / commit)
        change(place / "snapshots" / commit / "config.json", layer_norm_epsilon=1e-5 if revision == "main" else 1e-2)
        (place / "refs").mkdir(exist_ok=True)
        (place / "refs" / revision).write_text(commit)


def test_revision_and_cache_dir_say_which_copy(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("transformers.utils.hub.is_offline_mode", lambda: True)
    commits = {"main": "a" * 40, "old": "b" * 40}
    in_cache(folder, tmp_path / "cache", "own/model", commits)
    found = {
        revision: LanguageModel("own/model", revision=revision, cache_dir=tmp_path / "cache")
        for revision in (None, "old", "b" * 40)
    }
    assert [model.settings["revision"] for model in found.values()] == ["a" * 40, "b" * 40, "b" * 40]
    states = [model.extract(["a", "bc"]) for model in found.values()]
    assert not (states[0] == states[1]).all() and (states[1] == states[2]).all()
    with pytest.raises(InputError, match="model 'own/model'"):
        LanguageModel("own/model", revision="no such", cache_dir=tmp_path / "cache")
    with pytest.raises(InputError, match="revision: found 'old'; expected None for a folder"):
        LanguageModel(folder, revision="old")


def test_a_model_with_its_head_is_loaded_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loads = []
    original = loading.load_weights

    def counted(*args: Any, **how: Any) -> Any:
        loads.append(args[0])
        return original(*args, **how)

    monkeypatch.setattr("heschl.features.language.load_weights", counted)
    bits = LanguageModel(folder, head=True).surprisal(["a", "bc"])
    assert len(loads) == 1
    twice = LanguageModel(folder)
    assert (twice.surprisal(["a", "bc"])[1:] == bits[1:]).all() and len(loads) == 3
    assert (twice.extract(["a"]) == LanguageModel(folder, head=True).extract(["a"])).all()
