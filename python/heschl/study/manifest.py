"""What of a study is done already: features by space, and the pieces of every analysis."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from heschl.study.analyses.registry import wanted
from heschl.study.session import Session


@dataclass(frozen=True)
class Item:
    """One stage of a run.

    Attributes
    ----------
    title : str
        As the run calls it.
    done, missing : tuple of str
        Names of its pieces: files in the cache, or stimuli.
    """

    title: str
    done: tuple[str, ...]
    missing: tuple[str, ...]

    def __str__(self) -> str:
        """Return it as a line."""
        total = len(self.done) + len(self.missing)
        return f"{self.title}: {len(self.done)} of {total} done"

    def listed(self) -> list[tuple[str, tuple[str, ...]]]:
        """Return the names of pieces under "done" and "left"."""
        return [("done", self.done), ("left", self.missing)]


def manifest(path: str | Path, out: str | Path | None = None) -> list[Item]:
    """List what a run would find done, and what it would do; nothing is done.

    Parameters
    ----------
    path : str or Path
        The study.toml.
    out : str or Path, optional
        Where results are written.

    Returns
    -------
    list of Item
        Every stage in the order of a run: the features of each space, then those of each analysis.

    Raises
    ------
    InputError
        As `run_study`.
    """
    session = Session(path, out)
    return _extraction(session) + _pieces(session)


def missing_pieces(session: Session) -> tuple[int, int]:
    """Count the pieces of all analyses that are missing, and all there are."""
    items = _pieces(session)
    missing = sum(len(item.missing) for item in items)
    return missing, missing + sum(len(item.done) for item in items)


def _extraction(session: Session) -> list[Item]:
    items = []
    for name, source in session.sources.items():
        stored, keys = session.store.find(source.key), session.features[name].keys
        index = stored.index() if stored is not None else {}
        done = {stimulus: key in index for stimulus, key in keys.items()}
        items.append(_item(source.title, list(done.items())))
    return items


def _pieces(session: Session) -> list[Item]:
    return [
        _item(stage.title, [(piece.name, session.cache.has(piece)) for piece in stage.pieces])
        for analysis in wanted(session.study)
        for stage in analysis.stages(session)
    ]


def _item(title: str, pieces: list[tuple[str, bool]]) -> Item:
    return Item(title, tuple(n for n, done in pieces if done), tuple(n for n, done in pieces if not done))
