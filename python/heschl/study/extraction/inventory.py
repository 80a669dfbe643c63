"""What a study's feature store holds, and what of it may be deleted."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

from heschl.checks import InputError
from heschl.features.store import FeatureSet, FeatureStore
from heschl.study.config.study import Study, read_study
from heschl.study.extraction.spaces import source_key
from heschl.study.inputs.load import load_inputs
from heschl.study.work.layout import Layout


def store_of(study: Study, folder: Path, layout: Layout) -> FeatureStore:
    """Return a study's feature store: the folder of its [store], else one in the folder of its results."""
    if study.store.folder is not None:
        return FeatureStore(folder / Path(study.store.folder).expanduser())
    return FeatureStore(layout.features)


def find_store(path: str | Path) -> FeatureStore:
    """Find the store that is meant by a study.toml, a folder of results, or the store's own folder.

    Raises
    ------
    InputError
        Where there is none of these.
    """
    path = Path(path)
    if path.is_file():
        return store_of(read_study(path), path.resolve().parent, Layout.of(path))
    for folder in (path, Layout(path).features):
        if FeatureStore(folder).sets():
            return FeatureStore(folder)
    raise InputError(
        str(path), "no features" if path.is_dir() else "no such file or folder",
        "a study.toml, a folder of results, or the folder of a feature store",
    )  # fmt: skip


def describe(features: FeatureSet) -> tuple[str, list[str]]:
    """Return a line on what a set is and how large, and further ones with every choice behind it."""
    about, index = features.description, features.index()
    n_rows = sum(n for _, n in index.values())
    rate = f" at {about.grid.rate:g} Hz" if about.grid is not None else ""
    line = (
        f"{features.key}  {about.name}: {len(about.layers)} layer{'s' * (len(about.layers) > 1)} × {about.width} per "
        f"{about.rows}{rate}, {len(index)} stimuli, {n_rows} {about.rows}s, {about.dtype}, "
        f"{features.n_bytes() / 1e6:.1f} MB, {features.created[:10]}"
    )
    choices = [f"{name}: {value}" for name, value in about.settings.items() if value is not None]
    return line, choices + ([about.note] if about.note else [])


def removable(
    store: FeatureStore, *, keys: Sequence[str] = (), keep: Sequence[Path] = (), older_than: float | None = None
) -> list[FeatureSet]:
    """List the sets that may be deleted.

    Parameters
    ----------
    store : FeatureStore
        Where to look.
    keys : sequence of str
        These sets, by their hashes or the first letters of them.
    keep : sequence of Path
        All sets that none of these study.toml files uses as it stands.
    older_than : float, optional
        Of them, the sets begun more than so many days ago.

    Raises
    ------
    InputError
        For a key that does not exist, or neither keys, nor studies, nor an age.
    """
    if not keys and not keep and older_than is None:
        raise InputError("prune", "nothing to choose by", "keys, --keep STUDY.toml, or --older-than DAYS")
    sets = store.sets()
    for key in keys:
        if not any(found.key.startswith(key) for found in sets):
            raise InputError("key", repr(key), "the first letters of one in `heschl features list`")
    used: set[str] = set()
    for path in keep:
        inputs = load_inputs(path)
        used |= {source_key(name, inputs) for name in inputs.study.features}
    now = datetime.datetime.now(datetime.UTC)
    found = [
        features
        for features in sets
        if (not keys or features.key.startswith(tuple(keys)))
        and features.key not in used
        and (older_than is None or (now - datetime.datetime.fromisoformat(features.created)).days >= older_than)
    ]
    return found
