"""What of a study is done: features by space and stimulus, fits by space, layer and group of subjects."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from heschl.study.analyses.encoding import fits_done
from heschl.study.extraction.features import look_at_spaces, stored_features, study_grid
from heschl.study.extraction.stored import store_of
from heschl.study.inputs.load import load_inputs
from heschl.study.inputs.targets import fit_groups
from heschl.study.work.cache import Cache


@dataclass(frozen=True)
class Item:
    """The work of one space.

    Attributes
    ----------
    space : str
    extracted, stimuli : int
        Stimuli whose features are in the store, and all that were heard.
    fitted, fits : int
        Fits that are done, and all: layers times groups of subjects.
    """

    space: str
    extracted: int
    stimuli: int
    fitted: int
    fits: int


def manifest(path: str | Path, out: str | Path | None = None) -> list[Item]:
    """Say what a run would find done, and what it would do; nothing is done.

    Parameters
    ----------
    path : str or Path
        The study.toml.
    out : str or Path, optional
        Where results are written.

    Returns
    -------
    list of Item
        One per space, in the order of the study.toml.

    Raises
    ------
    InputError
        As `run_study`.
    """
    inputs = load_inputs(path)
    out = Path(out) if out is not None else Path(path).resolve().parent / "results"
    store = store_of(inputs.study, inputs.folder, out)
    spaces = look_at_spaces(inputs, store)
    grid = study_grid(inputs, spaces)
    groups, items = fit_groups(inputs, grid), []
    for name, (key, about) in spaces.items():
        stored, fits = store.find(key), len(about.layers) * len(groups)
        extracted = fitted = 0
        if stored is not None:
            found, index = stored_features(name, inputs, stored, grid), stored.index()
            extracted = sum(found.keys[stimulus] in index for stimulus in inputs.stimuli)
            fitted = fits_done(groups, name, found, inputs.study.encoding, grid.rate, Cache(out / "cache"))
        items.append(Item(name, extracted, len(inputs.stimuli), fitted, fits))
    return items
