"""Extraction of what a feature set lacks; a stimulus that is refused harms no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from heschl.checks import InputError
from heschl.features.store import FeatureSet
from heschl.study.kinds.base import OpenSpace
from heschl.study.work.progress import Reporter
from heschl.timing.stimulus import Stimulus


class RefusedStimuli(InputError):
    """Stimuli that a space cannot be extracted of; all others are in the store.

    Attributes
    ----------
    stimuli : dict of str to str
        Why, by name.
    """

    def __init__(self, argument: str, found: str, expected: str, advice: str, stimuli: dict[str, str]) -> None:
        super().__init__(argument, found, expected, advice)
        self.stimuli = stimuli


def extract_missing(
    stored: FeatureSet,
    stimuli: Mapping[str, Stimulus],
    lengths: Mapping[str, float],
    open_space: Callable[[], OpenSpace],
    title: str,
    report: Reporter,
) -> None:
    """Add to a feature set the stimuli that it does not hold.

    Parameters
    ----------
    stored : FeatureSet
    stimuli : mapping of hash to Stimulus
        All that it should hold.
    lengths : mapping of stimulus to float
        s, silence included.
    open_space : callable
        Loads the model; called where something is missing.
    title : str
        Of the stage.
    report : Reporter
        Told of the progress.

    Raises
    ------
    RefusedStimuli
        Where stimuli cannot be read or are refused by the model; all others are in the set then.
    """
    name = stored.description.name
    refused: list[tuple[Stimulus, InputError]] = []
    if not set(stimuli) - set(stored.index()):
        with report.stage(title, 0):
            return
    with stored.writing(lambda: report.say(f"features {name}: waiting for another process")) as writer:
        hash_of = {stimulus.name: key for key, stimulus in stimuli.items()}
        todo = sorted((stimuli[key] for key in writer.missing(list(stimuli))), key=lambda s: lengths[s.name])
        seconds = 0.0
        with report.stage(title, sum(lengths[stimulus.name] for stimulus in todo)) as advance:
            for stimulus, blocks in _one_by_one(open_space(), todo, lengths) if todo else ():
                try:
                    if isinstance(blocks, InputError):
                        raise blocks
                    writer.add(hash_of[stimulus.name], blocks)
                except InputError as error:
                    refused.append((stimulus, error))
                seconds += lengths[stimulus.name]
                advance(seconds)
    if refused:
        stimulus, first = refused[0]
        others = ", ".join(repr(other.name) for other, _ in refused[1:])
        raise RefusedStimuli(
            f"features.{name}, stimulus {stimulus.name!r}: {first.argument}", first.found, first.expected,
            f"{first.advice} Refused as well: {others}.".strip() if others else first.advice,
            {stimulus.name: f"features.{name}: {error.found}" for stimulus, error in refused},
        )  # fmt: skip


def _one_by_one(
    space: OpenSpace, stimuli: Sequence[Stimulus], lengths: Mapping[str, float]
) -> Iterator[tuple[Stimulus, Any]]:
    """Yield each stimulus' features, or the error that it met; the model runs several together where it can."""
    at = 0
    while at < len(stimuli):
        try:
            for blocks in space.extract(stimuli[at:], lengths):
                yield stimuli[at], blocks
                at += 1
        except InputError:  # met by this one or by one read ahead
            try:
                yield stimuli[at], next(iter(space.extract([stimuli[at]], lengths)))
            except InputError as error:
                yield stimuli[at], error
            at += 1
