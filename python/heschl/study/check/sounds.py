"""Sounds as they decode: silent ones, and such as hold less than what hears them is made for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from heschl.checks import InputError
from heschl.study.config.study import Study
from heschl.study.kinds.base import MEL_SFREQ
from heschl.study.kinds.problems import Problem, listed
from heschl.timing.decoding import opened

HEARING = ("mel", "speech")
"""Kinds of features that are computed from what lies up to 8 kHz in a sound."""


def sound_problems(study: Study, files: Mapping[str, Path]) -> list[Problem]:
    """Look for sounds of which every sample is 0, and for sounds of a low rate.

    Parameters
    ----------
    study : Study
    files : mapping of stimulus to Path
        The sounds that can be read; each is decoded up to its first sample that is not 0.
    """
    silent: list[str] = []
    low: dict[str, int] = {}
    for name, file in files.items():
        try:
            with opened(file) as (header, blocks):
                if not any(block.any() for block in blocks):
                    silent.append(name)
                if header.rate < MEL_SFREQ:
                    low[name] = header.rate
        except InputError:  # what cannot be read is said of the whole
            continue
    found = []
    if silent:
        found.append(
            Problem(
                "warning", "stimuli.sounds",
                f"{len(silent)} silent sound{'s' * (len(silent) > 1)}, every sample of which is 0: {listed(silent)}",
                "sounds", "stimuli.exclude leaves them out; or take the files from where they came from again.",
            )
        )  # fmt: skip
    hearing = [name for name, space in study.features.items() if getattr(space, "kind", "") in HEARING]
    if low and hearing:
        rates = listed(f"{rate} Hz" for rate in sorted(set(low.values())))
        found.append(
            Problem(
                "warning", "stimuli.sounds",
                f"{len(low)} of {len(files)} sounds at {rates}, with nothing above half of it",
                f"{MEL_SFREQ} Hz or more, which {listed(hearing)} hear",
                "Take the sounds as they were recorded; a mel spectrum of these wants fmax at half their rate.",
            )
        )  # fmt: skip
    return found
