"""What kinds that load a model have in common: where it is, whether it can be one, and a hash of it."""

from __future__ import annotations

from pathlib import Path

from heschl.checks import InputError
from heschl.files import digest_files


def model_source(folder: Path, model: str) -> Path | str:
    """Return where a model is: the folder beside the study.toml if there is one, else the name on the Hub."""
    path = folder / Path(model).expanduser()
    return path if path.is_dir() else model


def model_sources(folder: Path, model: str) -> list[object]:
    """Return what identifies a model: a hash of its files, or its name and revision on the Hub."""
    source = model_source(folder, model)
    if isinstance(source, str):
        from heschl.features.loading import revision

        return [source, revision(source)]
    return [digest_files(file for file in source.iterdir() if file.is_file())]


def check_model(study_folder: Path, model: str, where: str) -> None:
    """Refuse a local folder that holds no weights; what is no folder may be a name on the Hub ("owner/model").

    Raises
    ------
    InputError
        Also for what can be neither a folder nor such a name.
    """
    folder = study_folder / Path(model).expanduser()
    if not folder.is_dir() and (folder.is_file() or model.startswith((".", "/", "~")) or model.count("/") > 1):
        raise InputError(where, f"no folder {folder}", "a model's folder, or its name on the Hub")
    if folder.is_dir() and not [*folder.glob("*.safetensors"), *folder.glob("*.bin"), *folder.glob("*.gguf")]:
        raise InputError(
            where,
            f"a folder without weights, {folder}",
            "*.safetensors or *.bin beside config.json, or a GGUF file",
            "`model.save_pretrained(folder)` of transformers writes them.",
        )
