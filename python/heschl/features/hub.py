"""What names a model: a folder, or a name on the Hub with the revision that is meant and where copies are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from heschl.checks import InputError


class Source(str):
    """What names a model to transformers, and of the Hub's copies which one, kept where.

    Attributes
    ----------
    hub : dict
        ``revision`` and ``cache_dir``, as far as they were given.
    """

    hub: dict[str, Any]

    @classmethod
    def of(cls, name: str, revision: str | None, cache_dir: str | Path | None) -> Source:
        """Return a name with what was said about it."""
        out = cls(name)
        given = {"revision": revision, "cache_dir": None if cache_dir is None else str(cache_dir)}
        out.hub = {key: value for key, value in given.items() if value is not None}
        return out


def source_of(model: str | Path, revision: str | None = None, cache_dir: str | Path | None = None) -> Source:
    """Return what names a model to transformers: a folder, or a name on the Hub.

    Parameters
    ----------
    model : str or Path
        A folder (a `Path`, or a text that names one or is written as a path), or a Hub name such as
        "facebook/wav2vec2-base".
    revision : str, optional
        Of a model on the Hub: a branch, a tag, a commit.
    cache_dir : str or Path, optional
        Where models of the Hub are kept; by default where Hugging Face's libraries keep them (HF_HOME).

    Returns
    -------
    Source
        What ``from_pretrained`` takes.

    Raises
    ------
    InputError
        For a path that is no folder, and a revision of a folder.
    """
    folder = Path(model).expanduser()
    written_as_path = isinstance(model, Path) or model.startswith((".", "/", "~")) or model.count("/") > 1
    if folder.is_dir():
        if revision is not None:
            raise InputError("revision", repr(revision), "None for a folder", f"{folder} has one state alone.")
        return Source.of(str(folder), None, None)
    if written_as_path or not model:
        raise InputError(f"model {str(model)!r}", "no such folder", "a model's folder, or its name on the Hub")
    return Source.of(str(model), revision, cache_dir)
