"""An OpenAI Whisper checkpoint (``tiny.en.pt``) as a transformers folder.

Run as ``python -m heschl.features.convert_whisper tiny.en.pt OUT_FOLDER``.
"""

from __future__ import annotations

import argparse
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers

from heschl.checks import InputError
from heschl.features.loading import quiet

_NAMES = (
    # in this order: a pattern of the checkpoint's names, what transformers calls it
    (r"\.blocks\.", ".layers."),
    (r"\.cross_attn_ln\.", ".encoder_attn_layer_norm."),
    (r"\.attn_ln\.", ".self_attn_layer_norm."),
    (r"\.cross_attn\.", ".encoder_attn."),
    (r"\.attn\.", ".self_attn."),
    (r"\.(query|key|value)\.", lambda found: f".{found[1][0]}_proj."),
    (r"_attn\.out\.", "_attn.out_proj."),
    (r"\.mlp_ln\.", ".final_layer_norm."),
    (r"\.mlp\.0\.", ".fc1."),
    (r"\.mlp\.2\.", ".fc2."),
    (r"\.positional_embedding$", ".embed_positions.weight"),
    (r"\.token_embedding\.", ".embed_tokens."),
    (r"^encoder\.ln_post\.", "encoder.layer_norm."),
    (r"^decoder\.ln\.", "decoder.layer_norm."),
)
_MULTILINGUAL_VOCABULARY = 51865
"""Smallest vocabulary of checkpoints for several languages; their special tokens lie one further on."""
_POSITIONS_PER_SECOND = 50
_DIMS = (
    "n_mels", "n_vocab", "n_audio_ctx", "n_audio_state", "n_audio_head", "n_audio_layer", "n_text_ctx", "n_text_state",
    "n_text_head", "n_text_layer",
)  # fmt: skip
_LARGEST = 1_000_000
"""Of all of them: a checkpoint that says more would ask for memory that no weights of it fill."""


def convert_whisper(checkpoint: str | Path, folder: str | Path) -> Path:
    """Write an OpenAI Whisper checkpoint as a transformers folder (`WhisperModel` and its feature extractor).

    Parameters
    ----------
    checkpoint : str or Path
        The ``.pt`` file: a dictionary of ``dims`` and ``model_state_dict``. Loaded as weights only, no code
        in it runs.
    folder : str or Path
        What to write; must not be there yet, or be empty. Weights are written in float32.

    Returns
    -------
    Path
        The folder, complete: `heschl.features.speech.SpeechModel` opens it.

    Raises
    ------
    InputError
        For a file that is no such checkpoint, tensors that are missing, unknown or of another shape, a folder
        that holds files. Nothing is written then.
    """
    checkpoint, folder = Path(checkpoint), Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(str(folder), "files in it" if folder.is_dir() else "a file", "a new or empty folder")
    dims, tensors = _read(checkpoint)
    model = transformers.WhisperModel(_config(dims))
    try:
        model.load_state_dict({rename(name): tensor.float() for name, tensor in tensors.items()}, strict=True)
    except RuntimeError as error:
        raise InputError(str(checkpoint), str(error), "every tensor of a Whisper model and no other") from None
    extractor = transformers.WhisperFeatureExtractor(
        feature_size=dims["n_mels"], chunk_length=dims["n_audio_ctx"] // _POSITIONS_PER_SECOND
    )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
        written = Path(scratch, "model")
        with quiet():
            model.save_pretrained(written)
        extractor.save_pretrained(written)
        if folder.is_dir():
            folder.rmdir()
        shutil.move(written, folder)
    return folder


def rename(name: str) -> str:
    """Return transformers' name of one of the checkpoint's tensors.

    Parameters
    ----------
    name : str
        As in ``model_state_dict``.

    Returns
    -------
    str
        As in ``WhisperModel.state_dict()``.

    Examples
    --------
    >>> rename("decoder.blocks.3.cross_attn.query.weight")
    'decoder.layers.3.encoder_attn.q_proj.weight'
    """
    for pattern, replacement in _NAMES:
        name = re.sub(pattern, replacement, name)
    return name


def main(arguments: Sequence[str] | None = None) -> None:
    """Convert from the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        Checkpoint and folder; by default those of the process.
    """
    parser = argparse.ArgumentParser(prog="python -m heschl.features.convert_whisper", description=__doc__)
    parser.add_argument("checkpoint", help="OpenAI Whisper checkpoint, such as tiny.en.pt")
    parser.add_argument("folder", help="transformers folder to write")
    given = parser.parse_args(arguments)
    try:
        print(f"wrote {convert_whisper(given.checkpoint, given.folder)}")
    except InputError as error:
        parser.exit(2, f"{error}\n")


def _read(checkpoint: Path) -> tuple[Mapping[str, int], Mapping[str, torch.Tensor]]:
    if not checkpoint.is_file():
        raise InputError(str(checkpoint), "no such file", "an OpenAI Whisper checkpoint")
    try:
        held: Any = torch.load(checkpoint, map_location="cpu", weights_only=True)
        dims, tensors = dict(held["dims"]), dict(held["model_state_dict"])
        wrong = [name for name in _DIMS if type(dims[name]) is not int or not 0 < dims[name] <= _LARGEST]
        if wrong or not all(isinstance(tensor, torch.Tensor) for tensor in tensors.values()):
            raise ValueError(f"{wrong[0]} = {dims[wrong[0]]!r}" if wrong else "entries that are no tensors")
        return dims, tensors
    except Exception as error:  # a damaged pickle raises nearly anything
        raise InputError(
            str(checkpoint),
            f"{type(error).__name__} on loading it ({str(error)[:60]})",
            "an OpenAI Whisper checkpoint, with 'dims' and 'model_state_dict'",
        ) from error


def _config(dims: Mapping[str, int]) -> Any:
    several = int(dims["n_vocab"] >= _MULTILINGUAL_VOCABULARY)
    end = 50256 + several
    return transformers.WhisperConfig(
        vocab_size=dims["n_vocab"],
        num_mel_bins=dims["n_mels"],
        d_model=dims["n_audio_state"],
        max_source_positions=dims["n_audio_ctx"],
        max_target_positions=dims["n_text_ctx"],
        encoder_layers=dims["n_audio_layer"],
        encoder_attention_heads=dims["n_audio_head"],
        encoder_ffn_dim=4 * dims["n_audio_state"],
        decoder_layers=dims["n_text_layer"],
        decoder_attention_heads=dims["n_text_head"],
        decoder_ffn_dim=4 * dims["n_text_state"],
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        decoder_start_token_id=end + 1,
    )


if __name__ == "__main__":
    main()
