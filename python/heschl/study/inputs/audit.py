"""The leakage audit: test data that a model could know from training, looked for on every run and printed."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from heschl.study.inputs.groups import FitGroup
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

    What holds by construction (lags end at a segment's edge, λ and layer are chosen on inner folds, means and
    deviations come from training rows) is method, not finding, and stands in the report's methods.

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
    return [
        _repeats(groups),
        _twins("sounds that are the same file under two names", _by_sound(inputs), groups),
        _twins("sentences of the same words", _by_words(inputs), groups, sound=False),
    ]


def _repeats(groups: Sequence[FitGroup]) -> Finding:
    split = 0
    for group in groups:
        folds: dict[str, set[int]] = defaultdict(set)
        for (name, _), fold in zip(group.segments, group.folds.tolist(), strict=True):
            folds[name].add(fold)
        split += sum(len(of_stimulus) > 1 for of_stimulus in folds.values())
    return Finding("repeats of a stimulus in different folds", f"{split} stimuli" if split else "none", split == 0)


def _by_sound(inputs: Inputs) -> dict[str, str]:
    return {
        name: hashlib.blake2b(stimulus.path.read_bytes(), digest_size=8).hexdigest()
        for name, stimulus in inputs.stimuli.items()
    }


def _by_words(inputs: Inputs) -> dict[str, str]:
    return {
        name: " ".join(word.text.lower() for word in stimulus.words)
        for name, stimulus in inputs.stimuli.items()
        if stimulus.words
    }


def _twins(what: str, content: Mapping[str, str], groups: Sequence[FitGroup], *, sound: bool = True) -> Finding:
    """Count stimuli of different names and the same content that stand in different folds."""
    across: set[tuple[str, ...]] = set()
    alike: dict[str, list[str]] = defaultdict(list)
    for name, key in content.items():
        alike[key].append(name)
    for group in groups:
        fold = dict(zip((name for name, _ in group.segments), group.folds.tolist(), strict=True))
        for names in alike.values():
            heard = [name for name in names if name in fold]
            if len({fold[name] for name in heard}) > 1:
                across.add(tuple(sorted(heard)))
    if not across:
        return Finding(what, "none in different folds", True)
    first = ", ".join(sorted(across)[0][:3])
    advice = "" if sound else " (other voices, the same words: what a language model says of them is the same)"
    return Finding(what, f"{len(across)} sets in different folds, such as {first}{advice}", False)
