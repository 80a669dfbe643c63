"""Which stimuli are the same to a model: the same sound under two names, the same sentence by two speakers.

A fold that tests one of them must not train on the other. What is alike stays together in folds, as `[encoding]
folds_by` asks: by text and by sound, by sound alone, or by the names of stimuli.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

from heschl.timing.fingerprint import same_sounds
from heschl.timing.stimulus import Stimulus
from heschl.timing.words import plain_word

Sets = tuple[tuple[str, ...], ...]
"""Names of stimuli that are alike, two or more in each set."""


def alike_in_sound(stimuli: Mapping[str, Stimulus]) -> Sets:
    """Return the stimuli whose sounds are the same, or copies: resampled, trimmed, louder, coded anew.

    Raises
    ------
    InputError
        For a sound that cannot be read.
    """
    files = [(name, stimulus.path, stimulus.path.stat()) for name, stimulus in stimuli.items()]
    return _alike_in_sound(tuple((name, path, about.st_size, about.st_mtime_ns) for name, path, about in files))


@lru_cache(maxsize=8)
def _alike_in_sound(files: tuple[tuple[str, Path, int, int], ...]) -> Sets:
    """Compare the sounds once for as long as the files stay as they are: a study asks several times."""
    return tuple(same_sounds({name: path for name, path, _, _ in files}))


def alike_in_words(stimuli: Mapping[str, Stimulus]) -> Sets:
    """Return the stimuli that say the same; case and punctuation do not count, and no words are not alike."""
    alike: dict[str, list[str]] = defaultdict(list)
    for name, stimulus in stimuli.items():
        words = " ".join(filter(None, (plain_word(word.text) for word in stimulus.words)))
        if words:
            alike[words].append(name)
    return tuple(tuple(names) for names in alike.values() if len(names) > 1)


def identities(stimuli: Mapping[str, Stimulus], by: str) -> dict[str, str]:
    """Return for each stimulus the one that stands for all that must share its fold.

    Parameters
    ----------
    stimuli : mapping of str to Stimulus
        By name.
    by : {"text", "sound", "stimulus"}
        What keeps stimuli together: the same words or the same sound, the same sound, or nothing but their name.

    Returns
    -------
    dict of str to str
        The first, in the order of `stimuli`, of those that are alike: directly, or through others.

    Raises
    ------
    InputError
        For a sound that cannot be read.
    """
    sets: list[Iterable[tuple[str, ...]]] = []
    if by != "stimulus":
        sets.append(alike_in_sound(stimuli))
    if by == "text":
        sets.append(alike_in_words(stimuli))
    first = {name: name for name in stimuli}

    def leader(name: str) -> str:
        while first[name] != name:
            first[name] = name = first[first[name]]
        return name

    order = {name: i for i, name in enumerate(stimuli)}
    for names in (names for found in sets for names in found):
        leaders = sorted({leader(name) for name in names}, key=order.__getitem__)
        first |= dict.fromkeys(leaders, leaders[0])
    return {name: leader(name) for name in stimuli}
