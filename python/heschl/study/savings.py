"""Which settings of a study would save much of its time, and how much of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from heschl.features.store import Description
from heschl.study.analyses.analysis import StageCost
from heschl.study.analyses.encoding import encoding_title
from heschl.study.analyses.joint import joint_title
from heschl.study.config.encoding import AlphaRange
from heschl.study.config.study import Study

NAMED = 4
LEAST = 0.15
"""Share of the whole time that a setting must save to be named."""
FEW_COMPONENTS = 100
FEW_FOLDS = 3


@dataclass(frozen=True)
class _Saving:
    seconds: float
    text: str


def savings(study: Study, spaces: Mapping[str, Description], stages: Sequence[StageCost]) -> tuple[str, ...]:
    """Name the settings that would save most, one line each, the most first.

    Parameters
    ----------
    study : Study
    spaces : mapping of name to Description
        Of the features.
    stages : sequence of StageCost
        What each stage takes.

    Returns
    -------
    tuple of str
        Each with the whole time that is left.
    """
    took = {stage.name: stage.seconds for stage in stages}
    whole = sum(took.values())
    encoding = sum(seconds for name, seconds in took.items() if name.startswith(encoding_title("")))
    found = [
        *_of_spaces(study, spaces, took),
        *_of_encoding(study, encoding),
        *(
            _Saving(0.5 * took.get(joint_title(name), 0.0), f"joint.{name}.n_iter = {max(4, joint.n_iter // 2)}")
            for name, joint in study.joint.items()
        ),
    ]
    if study.shared is not None and study.shared.sweep:
        shared = sum(seconds for name, seconds in took.items() if name.startswith("shared by"))
        found.append(_Saving(shared * len(study.shared.sweep) / (len(study.shared.sweep) + 3), "shared.sweep = []"))
    large = sorted((one for one in found if one.seconds >= LEAST * whole > 0), key=lambda one: -one.seconds)
    return tuple(f"{one.text}: about {_minutes(whole - one.seconds)} in all" for one in large[:NAMED])


def _of_spaces(study: Study, spaces: Mapping[str, Description], took: Mapping[str, float]) -> list[_Saving]:
    out = []
    for name, about in spaces.items():
        seconds, space = took.get(encoding_title(name), 0.0), study.features[name]
        if len(about.layers) > 3 and space.layers == "all":
            out.append(_Saving(0.5 * seconds, f'features.{name}.layers = "every 2"'))
        if about.width > 2 * FEW_COMPONENTS and space.pca is None:
            share = 1 - (FEW_COMPONENTS / about.width) ** 2
            out.append(_Saving(share * seconds, f"features.{name}.pca = {FEW_COMPONENTS}"))
    return out


def _of_encoding(study: Study, seconds: float) -> list[_Saving]:
    encoding, out = study.encoding, []
    n = len(encoding.alpha_grid())
    if n > 5:
        half = f"n = {(n + 1) // 2}" if isinstance(encoding.alphas, AlphaRange) else "every second one"
        out.append(_Saving(0.4 * seconds, f"encoding.alphas: {half}"))
    if encoding.folds > FEW_FOLDS:
        k = encoding.folds
        out.append(_Saving((1 - 6 / (k * (k + 1) / 2)) * seconds, f"encoding.folds = {FEW_FOLDS}"))
    if encoding.tmax - encoding.tmin > 0.3:
        middle = encoding.tmin + (encoding.tmax - encoding.tmin) / 2
        out.append(_Saving(0.6 * seconds, f"encoding.tmax = {middle:.2g}"))
    return out


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
