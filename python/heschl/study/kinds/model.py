"""What kinds that load a model have in common: where it is, whether it can be one, and a hash of it."""

from __future__ import annotations

from pathlib import Path

from heschl.checks import InputError
from heschl.files import digest_files
from heschl.study.kinds.facts import where_it_is


def model_source(folder: Path, model: str) -> Path | str:
    """Return where a model is: the folder beside the study.toml if there is one, else the name on the Hub."""
    path = folder / Path(model).expanduser()
    return path if path.is_dir() else model


def model_sources(folder: Path, model: str, revision: str | None, cache_dir: str | None) -> list[object]:
    """Return what identifies a model: a hash of its files, or its name and commit on the Hub."""
    source = model_source(folder, model)
    if isinstance(source, str):
        from heschl.features.hub import source_of
        from heschl.features.loading import commit_of

        return [source, commit_of(source_of(source, revision, cache_dir))]
    return [digest_files(file for file in source.iterdir() if file.is_file())]


def check_model(study_folder: Path, model: str, where: str) -> None:
    """Refuse a local folder that is no model, and a name that is neither a folder nor can be had from the Hub.

    Raises
    ------
    InputError
        Also for what looks like a folder of the study that is misspelt: the Hub is not asked for it.
    """
    problem = where_it_is(where, study_folder, model)
    if problem is not None and problem.severity == "error":
        raise InputError(problem.key, problem.found, problem.expected, problem.remedy)
