"""Pretrained models and their companions, loaded whole or refused; all ``from_pretrained`` is here.

Code that comes with a model never runs, whatever its configuration asks for, and nothing is asked on the terminal.
Weights are safetensors, or one GGUF file: pickled ones (``pytorch_model.bin``), which may run code when they are read,
are never opened.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.features.hub import Source

Loaded = TypeVar("Loaded")

_UNUSED_WEIGHTS = ("masked_spec_embed", "pooler.dense.weight", "pooler.dense.bias")
"""Tensors that checkpoints may lack, as no hidden state depends on them (outside of training)."""
_NO_CODE: dict[str, Any] = {"trust_remote_code": False}
"""Passed to every ``from_pretrained``: left open, transformers asks on the terminal whether to run a model's code."""
LARGEST = {"num_hidden_layers": 1_000, "hidden_size": 1_000_000, "vocab_size": 100_000_000}
"""Of a configuration; what says more is damaged, and would ask for memory before any weight is looked at."""
_CONVERT = (
    "Pickled weights (pytorch_model.bin) may run code when they are read, and are not. Where you trust them, load them "
    "with transformers and write them again: `model.save_pretrained(folder)` makes model.safetensors."
)
_TOKENIZER_FILES = ("tokenizer.json", "vocab*", "*.model", "*.tiktoken")


def _hub(source: str) -> dict[str, Any]:
    """Return what every ``from_pretrained`` is told beside the name."""
    return (source.hub if isinstance(source, Source) else {}) | _NO_CODE


def load_config(source: str) -> Any:
    """Load a model's configuration.

    Parameters
    ----------
    source : str
        A folder or Hub name.

    Returns
    -------
    transformers.PreTrainedConfig
        Of a known architecture.

    Raises
    ------
    InputError
        Where there is none, or none that transformers knows.
    """
    config = _load(
        source,
        "a config.json of an architecture that transformers knows",
        lambda: transformers.AutoConfig.from_pretrained(source, **_gguf(source), **_hub(source)),
    )
    if getattr(config, "_commit_hash", None) is None:
        config._commit_hash = _cached_commit(source)
    for name, most in LARGEST.items():
        size = getattr(config, name, None)
        if isinstance(size, int) and not 0 <= size <= most:
            raise InputError(
                f"model {source!r}: {name}", str(size), f"at most {most}", "Its config.json may be damaged."
            )
    return config


def _cached_commit(source: str) -> str | None:
    """Return the commit of the copy of a model of the Hub that was just read; None for a folder."""
    if Path(source).is_dir():
        return None
    from huggingface_hub import try_to_load_from_cache

    how = source.hub if isinstance(source, Source) else {}
    found = try_to_load_from_cache(str(source), "config.json", **how)
    return Path(found).parent.name if isinstance(found, str) else None


def commit_of(source: str) -> str | None:
    """Return the commit of a model on the Hub; None for a folder.

    Raises
    ------
    InputError
        See `load_config`.
    """
    found = getattr(load_config(source), "_commit_hash", None)
    return None if found is None else str(found)


def load_weights(source: str, config: Any, *, head: bool = False) -> Any:
    """Load a model with every one of its weights, in float32, for inference.

    Tensors are converted one by one as they are read, so that memory holds the model once.

    Parameters
    ----------
    source : str
        A folder or Hub name.
    config : transformers.PreTrainedConfig
        Its configuration.
    head : bool
        With the head that foretells the next token; by default the base model alone.

    Returns
    -------
    torch.nn.Module
        In eval mode, on the CPU.

    Raises
    ------
    InputError
        For absent, unreadable, missing or misshapen weights.
    """
    kind = transformers.AutoModelForCausalLM if head else transformers.AutoModel
    if getattr(config, "word_embed_proj_dim", None) not in (None, config.hidden_size):
        config.tie_last_hidden_states = False  # OPT-350m: the last block's output, not its projection to fewer features
    model, info = _load(
        source,
        "weights (model.safetensors) that fit config.json",
        lambda: kind.from_pretrained(
            source, config=config, dtype=torch.float32, output_loading_info=True, **_safe(source), **_hub(source)
        ),
    )
    missing = sorted(key for key in info["missing_keys"] if not key.endswith(_UNUSED_WEIGHTS))
    if missing:
        raise InputError(
            f"model {source!r}",
            f"{len(missing)} missing tensors, {missing[0]!r} first",
            "a checkpoint with every weight of its model",
            "What is missing would be filled with random numbers.",
        )
    return model.eval()


def load_tokenizer(source: str) -> Any:
    """Load a tokenizer that tells where in the text its tokens lie.

    Parameters
    ----------
    source : str
        A folder or Hub name.

    Returns
    -------
    transformers.PreTrainedTokenizerFast
        Built on the ``tokenizers`` library.

    Raises
    ------
    InputError
        Where there is none, or one without character offsets.
    """
    folder, gguf = Path(source), _gguf(source)
    if folder.is_dir() and not gguf and not any(file for pattern in _TOKENIZER_FILES for file in folder.glob(pattern)):
        # transformers would make an empty tokenizer of the model's family
        raise InputError(f"model {source!r}", "a folder without a tokenizer", "tokenizer.json beside the weights")
    tokenizer = _load(
        source,
        "a tokenizer (tokenizer.json)",
        lambda: transformers.AutoTokenizer.from_pretrained(source, **gguf, **_hub(source)),
    )
    if not tokenizer.is_fast:
        raise InputError(
            f"model {source!r}",
            f"a tokenizer without character offsets, {type(tokenizer).__name__}",
            "a fast tokenizer (tokenizer.json)",
        )
    return tokenizer


def load_feature_extractor(source: str) -> Any | None:
    """Load what a speech model's checkpoint says of its input.

    Parameters
    ----------
    source : str
        A folder or Hub name.

    Returns
    -------
    transformers.FeatureExtractionMixin or None
        None where the checkpoint does not say.

    Raises
    ------
    InputError
        For a folder whose preprocessor_config.json cannot be used.
    """
    has_one = any(Path(source, name).is_file() for name in ("preprocessor_config.json", "processor_config.json"))
    if Path(source).is_dir() and not has_one:
        return None
    try:
        return _load(
            source,
            "a preprocessor_config.json of a feature extractor that transformers knows",
            lambda: transformers.AutoFeatureExtractor.from_pretrained(source, **_hub(source)),
        )
    except InputError:
        if has_one:
            raise
        return None


def stack_layers(hidden_states: tuple[torch.Tensor, ...], source: str) -> NDArray[np.float32]:
    """Stack the hidden states of a batch.

    Parameters
    ----------
    hidden_states : tuple of (n_inputs, n, width) tensors
        As transformers gives them for ``output_hidden_states=True``.
    source : str
        Names the model in messages.

    Returns
    -------
    (n_layers, n_inputs, n, width) array of float32
        On the CPU.

    Raises
    ------
    InputError
        For layers of different widths, and values that are not finite.
    """
    widths = sorted({state.shape[-1] for state in hidden_states})
    if len(widths) != 1:
        raise InputError(f"model {source!r}", f"layers of widths {widths}", "layers of one width")
    layers = torch.stack([state.to("cpu", torch.float32) for state in hidden_states]).numpy()  # no copy on a GPU
    if not np.isfinite(layers).all():
        raise InputError(
            f"model {source!r}",
            "hidden states that are NaN or infinite",
            "finite hidden states",
            "The weights may be damaged.",
        )
    return layers


def _gguf(source: str) -> dict[str, str]:
    """Return what ``from_pretrained`` needs to know of a folder whose model and tokenizer are one GGUF file."""
    folder = Path(source)
    if not folder.is_dir() or (folder / "config.json").is_file():
        return {}
    files = sorted(file.name for file in folder.glob("*.gguf"))
    if not files:
        return {}
    if len(files) > 1:
        raise InputError(f"model {source!r}", f"{len(files)} GGUF files, {files[0]!r} first", "a folder with one")
    absent = [name for name in ("gguf", "accelerate") if importlib.util.find_spec(name) is None]
    if absent:
        raise InputError(
            f"model {source!r}",
            f"a GGUF file, and no package {absent[0]!r} to read it with",
            "the packages gguf and accelerate",
            "Install them: pip install gguf accelerate.",
        )
    return {"gguf_file": files[0]}


def _safe(source: str) -> dict[str, Any]:
    """Return what keeps ``from_pretrained`` from pickled weights."""
    gguf = _gguf(source)
    if gguf:
        return dict(gguf)
    folder = Path(source)
    if folder.is_dir() and not any(folder.glob("*.safetensors")) and any(folder.glob("*.bin")):
        raise InputError(f"model {source!r} (folder)", "pickled weights alone", "model.safetensors", _CONVERT)
    return {"use_safetensors": True}


def _load(source: str, expected: str, load: Callable[[], Loaded]) -> Loaded:
    try:
        with quiet():
            return load()
    except InputError:
        raise
    except Exception as error:  # transformers, safetensors and the Hub raise many types; each means: not loadable
        lines = str(error).strip().splitlines()
        reason = f"{type(error).__name__}: {lines[0] if lines else ''}"
        advice = ""
        if "trust_remote_code" in str(error):
            reason, advice = (
                "an architecture whose code comes with the model",
                "heschl runs no code of a model's folder.",
            )
        elif "safetensors" in str(error):
            advice = _CONVERT
        elif not os.path.isdir(source):
            advice = "Offline, give the folder of a model (save_pretrained), or fetch it once with a network."
        where = "folder" if os.path.isdir(source) else "no such folder here, and not loaded from the Hub"
        raise InputError(f"model {source!r} ({where})", reason, expected, advice) from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers and the Hub from reporting on their own; what matters is raised or warned of here."""
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
    from transformers import modeling_gguf_pytorch_utils as gguf

    log = transformers.utils.logging
    bar, hub_is_quiet = gguf.tqdm, are_progress_bars_disabled()
    gguf.tqdm = partial(bar, disable=True)  # it draws one whatever the settings are
    if not hub_is_quiet:
        disable_progress_bars()
    level, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        gguf.tqdm = bar
        if not hub_is_quiet:
            enable_progress_bars()
        log.set_verbosity(level)
        if bars:
            log.enable_progress_bar()
