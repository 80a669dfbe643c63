"""Which stimuli and electrodes of the files are analysed, as [stimuli] and [responses.electrodes] say."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from heschl.checks import InputError
from heschl.ecog import Responses, speech_responsive
from heschl.names import name_hint
from heschl.study.config.study import Electrodes, Stimuli


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Return whether a name fits one of some patterns; upper and lower case count."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def chosen_stimuli(names: Collection[str], stimuli: Stimuli) -> list[str]:
    """Return the names that ``stimuli.only`` and ``stimuli.exclude`` leave, in their order.

    Raises
    ------
    InputError
        For a pattern that fits no name, and where nothing is left.
    """
    for key in ("only", "exclude"):
        for pattern in getattr(stimuli, key):
            if not any(fnmatch.fnmatchcase(name, pattern) for name in names):
                raise InputError(
                    f"stimuli.{key}", f"{pattern!r}, which fits no sound", f"a pattern of names such as {_few(names)}",
                    name_hint(pattern, names),
                )  # fmt: skip
    kept = [
        name
        for name in names
        if (not stimuli.only or matches(name, stimuli.only)) and not matches(name, stimuli.exclude)
    ]
    if not kept:
        raise InputError("stimuli.only, stimuli.exclude", "patterns that leave no stimulus", "some that leave a few")
    return kept


def with_stimuli(subject: Responses, left_aside: Collection[str]) -> Responses:
    """Return a subject's responses without the trials of some stimuli."""
    keep = [i for i, name in enumerate(subject.stimuli) if name not in left_aside]
    if len(keep) == len(subject.stimuli):
        return subject
    return replace(
        subject, stimuli=tuple(subject.stimuli[i] for i in keep), trials=tuple(subject.trials[i] for i in keep),
        sessions=tuple(subject.sessions[i] for i in keep) if subject.sessions else (),
    )  # fmt: skip


def with_electrodes(subject: Responses, wanted: Electrodes | None) -> Responses:
    """Return a subject's responses at the electrodes that are wanted.

    Raises
    ------
    InputError
        Where none is left, for regions of a file that has none, and for trials that do not begin before their sounds
        where electrodes are chosen by how they respond.
    """
    if wanted is None:
        return subject
    where = f"responses.electrodes, subject {subject.subject}"
    keep = np.ones(len(subject.electrodes), dtype=bool)
    if wanted.names:
        keep &= [matches(name, wanted.names) for name in subject.electrodes]
    if wanted.exclude:
        keep &= [not matches(name, wanted.exclude) for name in subject.electrodes]
    if wanted.regions:
        if "region" not in subject.anatomy:
            raise InputError(f"{where}: regions", "a file without regions", "`regions`, a name for each electrode")
        keep &= [matches(str(region), wanted.regions) for region in subject.anatomy["region"]]
    if wanted.speech_responsive:
        keep &= speech_responsive(subject)["selected"].to_numpy()
    if keep.all():
        return subject
    if not keep.any():
        raise InputError(
            where, f"none of {len(keep)} electrodes ({_few(subject.electrodes)})", "one that is wanted, or more",
            "Leave this subject out, or ask for less.",
        )  # fmt: skip
    return replace(
        subject,
        electrodes=tuple(np.array(subject.electrodes, dtype=object)[keep]),
        trials=tuple(trial[:, keep] for trial in subject.trials),
        anatomy={key: values[keep] for key, values in subject.anatomy.items()},
    )


def _few(names: Collection[str]) -> str:
    return ", ".join(list(names)[:3])
