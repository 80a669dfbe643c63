"""Presentations of one stimulus, put side by side: of any lengths, and none cut to the shortest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from heschl.ecog.responses.trials import Array, Responses
from heschl.notices import warn

LEAST = 0.9
"""Of the median length of a stimulus' presentations: a shorter one was broken off."""


def repeats_of(responses: Responses) -> dict[str, Array]:
    """Stack the presentations of each stimulus.

    Parameters
    ----------
    responses : Responses
        Trials; those of one stimulus are its repeats.

    Returns
    -------
    dict of str to (n_repeats, n_samples, n_electrodes) array
        By stimulus, in the order of their first presentations; as long as the longest presentation, NaN beyond the end
        of a shorter one.

    Warns
    -----
    UserWarning
        For presentations that are shorter than 90 % of the median of their stimulus: they were broken off, are left
        out, and are named.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.ecog import Responses, repeats_of
    >>> trials = tuple(np.ones((n, 1)) for n in (30, 31, 30))
    >>> repeats = repeats_of(Responses("S1", ("e1",), 100.0, 0.0, ("a", "a", "b"), trials))
    >>> {name: values.shape for name, values in repeats.items()}, bool(np.isnan(repeats["a"][0, 30, 0]))
    ({'a': (2, 31, 1), 'b': (1, 30, 1)}, True)
    """
    stacked, broken = {}, []
    for name, (given, whole) in whole_presentations(responses.stimuli, responses.trials).items():
        kept = [responses.trials[i] for i in whole]
        broken += [
            f"{name}, presentation {number} ({len(responses.trials[i]) / responses.sfreq:.3g} s)"
            for number, i in enumerate(given, 1) if i not in whole
        ]  # fmt: skip
        if len({len(trial) for trial in kept}) == 1:
            stacked[name] = np.stack(kept)
            continue
        dtype = np.result_type(*(trial.dtype for trial in kept), np.float32)
        values = np.full((len(kept), max(map(len, kept)), kept[0].shape[1]), np.nan, dtype=dtype)
        for i, trial in enumerate(kept):
            values[i, : len(trial)] = trial
        stacked[name] = values
    if broken:
        more = f" and {len(broken) - 8} more" if len(broken) > 8 else ""
        warn(
            f"subject {responses.subject}: {len(broken)} of {len(responses.trials)} presentations were broken off and "
            f"have no part in means over repeats: {'; '.join(broken[:8])}{more}"
        )
    return stacked


def whole_presentations(stimuli: Sequence[str], trials: Sequence[Array]) -> dict[str, tuple[list[int], list[int]]]:
    """Return for each stimulus its trials, and those of them that were not broken off, by number."""
    given: dict[str, list[int]] = defaultdict(list)
    for i, name in enumerate(stimuli):
        given[name].append(i)
    found = {}
    for name, own in given.items():
        shortest = LEAST * float(np.median([len(trials[i]) for i in own]))
        found[name] = own, [i for i in own if len(trials[i]) >= shortest]
    return found
