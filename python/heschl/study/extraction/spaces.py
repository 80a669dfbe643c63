"""Feature spaces of a study: opened once, described, and known by the hash of all that they depend on."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from heschl.features.store import Description, FeatureStore
from heschl.files import digest
from heschl.sources import code_key
from heschl.study.extraction.extract import extract_missing
from heschl.study.inputs.load import Inputs
from heschl.study.kinds.base import OpenSpace
from heschl.study.work.machine import free_memory, total_memory

KEPT_OPEN = 0.5
"""A model stays in memory between its description and its extraction while this share of the memory is free, but on a
GPU, which has less."""


@dataclass(frozen=True)
class Source:
    """What features come from.

    Attributes
    ----------
    key : str
        Hash of the settings, of the files behind them, and of the code that extracts.
    description : Description
        What the space says of itself.
    """

    key: str
    description: Description

    @property
    def title(self) -> str:
        """What the stage that extracts them is called."""
        about = self.description
        n = len(about.layers)
        return f"features {about.name} ({n} layer{'s' * (n > 1)} × {about.width})"


class OpenSpaces:
    """The spaces of a study in memory: each is opened once, to be described and then to be extracted.

    Parameters
    ----------
    inputs : Inputs
        The study.
    """

    def __init__(self, inputs: Inputs) -> None:
        self.inputs = inputs
        self._open: dict[str, OpenSpace] = {}

    def sources(self, store: FeatureStore) -> dict[str, Source]:
        """Describe every space, so that what is wrong with a model is said before any work.

        What the store knows of a space is not looked up in its model again. Nothing is written.
        """
        found = {}
        for name in self.inputs.study.features:
            key = source_key(name, self.inputs)
            known = store.find(key)
            found[name] = Source(key, known.description if known else self._describe(name))
        return found

    def take(self, name: str) -> OpenSpace:
        """Return a space, which is opened unless it still is; it is the caller's to let go of."""
        return self._open.pop(name, None) or open_space(name, self.inputs)

    def release(self) -> None:
        """Let go of every model that is still in memory."""
        self._open.clear()
        if "heschl.features.device" in sys.modules:  # a model was loaded
            from heschl.features.device import release

            release()

    def _describe(self, name: str) -> Description:
        space = open_space(name, self.inputs)
        on_host = getattr(self.inputs.study.features[name], "device", "cpu") == "cpu"
        if on_host and free_memory() > KEPT_OPEN * total_memory():
            self._open[name] = space
        return Description(
            name, space.rows, tuple(space.layers), space.width, space.own_grid, dict(space.settings), space.note,
            tuple(space.left_out), self.inputs.study.store.dtype,
        )  # fmt: skip


def open_space(name: str, inputs: Inputs) -> OpenSpace:
    """Load what a space of [features] needs (a model, word vectors).

    Parameters
    ----------
    name : str
        The space's name in the study.toml.
    inputs : Inputs
        The study.

    Returns
    -------
    OpenSpace
        A model fills memory: let go of it as soon as possible.

    Raises
    ------
    InputError
        For a model that cannot be used, named by its key.
    """
    return inputs.study.features[name].open(inputs)


def source_key(name: str, inputs: Inputs) -> str:
    """Hash a space's settings, the content of the files behind it (of a model on the Hub: its revision), and the code.

    What is done with the features once they are stored (where words stand, what silence is) has no part in it.
    """
    space = inputs.study.features[name]
    code = code_key(type(space).__module__, extract_missing.__module__)
    return digest(space.decisive(), inputs.study.store.dtype, list(space.sources(inputs)), code)
