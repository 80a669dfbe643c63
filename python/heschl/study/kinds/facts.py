"""Models by their configurations alone: what they are, how wide, how far they read, at which rate they hear."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heschl.names import name_hint
from heschl.study.kinds.gguf import read_head
from heschl.study.kinds.problems import Problem

MASKED = ("bert", "roberta", "albert", "distilbert", "electra", "camembert", "xlm-roberta", "deberta", "deberta-v2",
          "mpnet", "modernbert")  # fmt: skip
WEIGHTS = ("*.safetensors", "*.gguf")
SOUND_HZ, WHISPER_HZ = 16_000.0, 50.0
"""Of the sound that speech models take, and of the frames of Whisper."""


@dataclass(frozen=True)
class ModelFacts:
    """What the configuration of a model says.

    Attributes
    ----------
    type : str
        Its architecture.
    hears : bool
        Whether it takes sound.
    width, layers, longest : int or None
        Features of a layer, layers with the input's, tokens that it reads at most; where it says.
    rate : float or None
        Frames per second, Hz, of a model that hears.
    """

    type: str
    hears: bool
    width: int | None
    layers: int | None
    longest: int | None
    rate: float | None


def model_facts(folder: Path, model: str) -> ModelFacts | None:
    """Return what is known of a model without loading it or asking the Hub."""
    source = folder / Path(model).expanduser()
    if source.is_dir():
        config = source / "config.json"
        if config.is_file():
            return _facts(_json(config))
        heads = sorted(source.glob("*.gguf"))
        return _gguf_facts(read_head(heads[0])) if heads else None
    cached = _cached(model)
    return _facts(_json(cached)) if cached is not None else None


def model_problems(folder: Path, model: str, where: str) -> tuple[list[Problem], ModelFacts | None]:
    """Say what is wrong with where a model is; return it with what is known of the model.

    Parameters
    ----------
    folder : Path
        Where the study.toml lies.
    model : str
        A folder, or a name on the Hub.
    where : str
        The table that names it.
    """
    problem = where_it_is(f"{where}.model", folder, model)
    if problem is not None and problem.severity == "error":
        return [problem], None
    return [problem] if problem is not None else [], model_facts(folder, model)


def where_it_is(key: str, folder: Path, model: str) -> Problem | None:
    """Say what is wrong with a model's folder, or with a name that is neither one nor on this machine."""
    source = folder / Path(model).expanduser()
    if source.is_dir():
        return _content(key, source)
    siblings = [other.name for other in source.parent.glob("*") if other.is_dir()] if source.parent.is_dir() else []
    hint = name_hint(source.name, siblings) if siblings else ""
    as_path = model.startswith((".", "/", "~")) or model.count("/") > 1 or source.is_file()
    if as_path or ("/" in model and source.parent.is_dir()):
        what = f"a file, {source}" if source.is_file() else f"no folder {source}"
        expected = (
            "the folder that the file lies in" if source.is_file() else "a model's folder, or its name on the Hub"
        )
        return Problem("error", key, what, expected, hint)
    if _cached(model) is not None:
        return None
    offline = os.environ.get("HF_HUB_OFFLINE", "") in ("1", "ON", "YES", "TRUE")
    text = f"{model!r}, which is no folder in {folder} and not among the models downloaded to this machine"
    if offline or hint:
        return Problem(
            "error" if offline else "warning", key, text, "a model's folder, or its name on the Hub",
            hint or "The Hub is not asked while HF_HUB_OFFLINE is set.",
        )  # fmt: skip
    return Problem("note", key, text, "", "A run asks the Hub for it.")


def _content(key: str, source: Path) -> Problem | None:
    weights = [file for pattern in WEIGHTS for file in source.glob(pattern)]
    has_config = (source / "config.json").is_file() or any(file.suffix == ".gguf" for file in weights)
    if has_config and weights:
        if (source / "config.json").is_file() and _json(source / "config.json") is None:
            return Problem(
                "error", key, f"a config.json that is no JSON object, in {source}", "a model's configuration"
            )
        return None
    below = sorted(file.parent for file in source.glob("*/**/config.json"))
    remedy = f"There is one in {below[0]}." if below else "`model.save_pretrained(folder)` of transformers writes both."
    lacking = "weights" if has_config else "a config.json"
    return Problem("error", key, f"a folder without {lacking}, {source}", "weights beside config.json, or a GGUF file",
                   remedy)  # fmt: skip


def _facts(config: dict[str, Any] | None) -> ModelFacts | None:
    if config is None:
        return None
    text = config.get("text_config")
    said = {**config, **(text if isinstance(text, dict) else {})}

    def number(*names: str) -> int | None:
        return next((int(said[name]) for name in names if isinstance(said.get(name), int)), None)

    kind = str(config.get("model_type", "of an unknown type"))
    hears = "conv_stride" in config or "num_mel_bins" in config
    layers = number("encoder_layers", "num_hidden_layers", "n_layer", "n_layers")
    rate = None
    if hears:
        stride = config.get("conv_stride")
        rate = SOUND_HZ / math.prod(stride) if isinstance(stride, list) and stride else WHISPER_HZ
    longest = number("max_position_embeddings", "n_positions", "n_ctx")
    width = number("d_model", "hidden_size", "n_embd", "dim")
    return ModelFacts(kind, hears, width, None if layers is None else layers + 1, longest, rate)


def _gguf_facts(head: dict[str, Any]) -> ModelFacts | None:
    kind = head.get("general.architecture")
    if not isinstance(kind, str):
        return None
    blocks = head.get(f"{kind}.block_count")
    return ModelFacts(
        kind, False, head.get(f"{kind}.embedding_length"), None if blocks is None else blocks + 1,
        head.get(f"{kind}.context_length"), None,
    )  # fmt: skip


def _json(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _cached(model: str) -> Path | None:
    """Return the configuration of a model of the Hub that was downloaded before."""
    try:
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(model, "config.json")
    except (ImportError, ValueError, OSError):  # a name that cannot be one on the Hub is a ValueError
        return None
    return Path(found) if isinstance(found, str) else None
