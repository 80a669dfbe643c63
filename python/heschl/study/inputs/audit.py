"""The leakage audit: test data that a model could know from training, looked for on every run and printed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from heschl.study.inputs.groups import FitGroup
from heschl.study.inputs.identity import alike_in_sound, alike_in_words
from heschl.study.inputs.load import Inputs


@dataclass(frozen=True)
class Finding:
    """One way in which test data could have leaked, and what a check of it found.

    Attributes
    ----------
    what : str
    found : str
    clean : bool
    """

    what: str
    found: str
    clean: bool

    def __str__(self) -> str:
        """Return it as a line."""
        return f"{'ok' if self.clean else 'LEAK'}: {self.what}: {self.found}"


def audit(inputs: Inputs, groups: Sequence[FitGroup]) -> list[Finding]:
    """Look for stimuli, sounds and sentences on both sides of a fold.

    What is learned without test rows is measured apart, by `heschl.study.analyses.audit`.

    Parameters
    ----------
    inputs : Inputs
        The study.
    groups : sequence of FitGroup
        Its segments and folds.

    Returns
    -------
    list of Finding
        The same ones on every run, in the same order.
    """
    return audit_folds(inputs, [_folds_of(group) for group in groups])


def audit_folds(inputs: Inputs, groups: Sequence[Mapping[str, set[int]]]) -> list[Finding]:
    """Look for stimuli, sounds and sentences on both sides of a fold.

    Parameters
    ----------
    inputs : Inputs
        The study.
    groups : sequence of mappings of stimulus to set of int
        Of each group of subjects, the folds in which frames of each stimulus are tested.
    """
    return [
        _repeats(groups),
        _twins("sounds that are the same, or nearly, under two names", alike_in_sound(inputs.stimuli), groups),
        _twins("sentences of the same words", alike_in_words(inputs.stimuli), groups, sound=False),
    ]


def _folds_of(group: FitGroup) -> dict[str, set[int]]:
    folds: dict[str, set[int]] = defaultdict(set)
    for (name, _), fold in zip(group.segments, group.folds.tolist(), strict=True):
        folds[name].add(fold)
    return folds


def _repeats(groups: Sequence[Mapping[str, set[int]]]) -> Finding:
    split = sum(len(of_stimulus) > 1 for group in groups for of_stimulus in group.values())
    return Finding("frames of one stimulus in different folds", f"{split} stimuli" if split else "none", split == 0)


def _twins(
    what: str, alike: Sequence[tuple[str, ...]], groups: Sequence[Mapping[str, set[int]]], *, sound: bool = True
) -> Finding:
    """Count stimuli of different names and the same content that stand in different folds."""
    across: set[tuple[str, ...]] = set()
    for folds in groups:
        for names in alike:
            heard = [name for name in names if name in folds]
            if len(heard) > 1 and len(set().union(*(folds[name] for name in heard))) > 1:
                across.add(tuple(sorted(heard)))
    if not across:
        return Finding(what, "none in different folds", True)
    first = ", ".join(sorted(across)[0][:3])
    advice = "" if sound else " (other voices, the same words: what a language model says of them is the same)"
    return Finding(what, f"{len(across)} sets in different folds, such as {first}{advice}", False)
