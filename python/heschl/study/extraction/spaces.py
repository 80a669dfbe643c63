"""Feature spaces of a study: opened, described, and known by the hash of all that they depend on."""

from __future__ import annotations

from heschl.files import digest
from heschl.study.inputs.load import Inputs
from heschl.study.kinds.base import OpenSpace
from heschl.timing.stimulus import Stimulus


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
    """Hash a space's settings with the content of the files behind it (for a model on the Hub: its revision).

    What is done with the features after they are there (where words stand, what silence is) has no part in it.
    """
    space = inputs.study.features[name]
    return digest(space.decisive(), inputs.study.store.dtype, list(space.sources(inputs)))


def stimulus_key(name: str, inputs: Inputs, stimulus: Stimulus) -> str:
    """Hash what a stimulus' features come from: words and text, phones, sound and silence after it, or a given file."""
    return inputs.study.features[name].stimulus_key(stimulus, inputs)
