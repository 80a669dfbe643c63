"""Lags in frames, and whether what [shared] asks for can be had from so many rows."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from heschl.ecog import Responses
from heschl.study.check.problems import attempt
from heschl.study.config.encoding import WHOLE
from heschl.study.config.study import Study
from heschl.study.kinds.base import Tier, chosen_layers
from heschl.study.kinds.problems import Problem
from heschl.timing.words import Transcript


def rate_of(study: Study, folder: Path) -> float | None:
    """Return the rate of the study's frames in Hz, where configurations say it."""
    name = study.grid_model()
    if name is None:
        return study.grid.rate
    return study.features[name].frame_rate(folder)


def lag_problems(study: Study, rate: float | None, longest: float) -> list[Problem]:
    """Look at the lags in frames: whole numbers, and fewer than a trial has."""
    if rate is None:
        return []
    found = []
    for name in ("tmin", "tmax"):
        seconds = getattr(study.encoding, name)
        frames = seconds * rate
        if abs(frames - round(frames)) > WHOLE:
            at = study.encoding.lags(rate)
            taken = (at.start if name == "tmin" else at.stop - 1) / rate
            found.append(
                Problem(
                    "warning", f"encoding.{name}", f"{seconds:g} s, {frames:.4g} frames at {rate:g} Hz",
                    "a whole number of frames", f"{taken:.4g} s is taken: write {name} = {taken:.4g}.",
                )
            )  # fmt: skip
    if longest and max(abs(study.encoding.tmin), abs(study.encoding.tmax)) >= longest:
        found.append(
            Problem(
                "error", "encoding.tmin, encoding.tmax", f"lags to {study.encoding.tmax:g} s",
                f"lags shorter than the longest trial, {longest:.3g} s", "They are in seconds.",
            )
        )  # fmt: skip
    return found


def layer_problems(study: Study, folder: Path) -> list[Problem]:
    """Look for layers that a model does not have, and for more components than features."""
    found: list[Problem] = []
    analysed: dict[str, list[str]] = {}
    for name, space in study.features.items():
        n_layers, width = space.layer_count(folder), space.width_of_layer(folder)
        if n_layers:
            names = [str(layer) for layer in range(n_layers)]
            key = f"features.{name}.layers"
            if attempt(found, partial(chosen_layers, space.layers, names, key)):
                analysed[name] = [names[i] for i in chosen_layers(space.layers, names, key)]
        if width is not None and space.pca is not None and space.pca > width:
            found.append(
                Problem(
                    "warning", f"features.{name}.pca", f"{space.pca:g} components of {width} features",
                    f"fewer than {width}", "It changes nothing: leave it out, or write a smaller number.",
                )
            )  # fmt: skip
    named = [
        (f"joint.{name}.layers.{of}", of, str(layer))
        for name, joint in study.joint.items()
        for of, layer in joint.layers.items()
    ]
    if study.shared is not None and study.shared.layers != "best":
        spaces = (study.shared.speech, study.shared.language)
        named += [("shared.layers", of, layer) for of, layer in zip(spaces, study.shared.layers, strict=True)]
    for key, of, layer in named:
        if layer not in analysed.get(of, [layer]):
            text = f"one of the layers that are analysed of {of}: {', '.join(analysed[of])}"
            found.append(Problem("error", key, repr(layer), text))
    return found


def shared_problems(
    study: Study, folder: Path, subjects: Mapping[str, Responses], read: Mapping[Tier, Mapping[str, Transcript]],
    rate: float | None, widths: Mapping[str, int],
) -> list[Problem]:  # fmt: skip
    """Count, before any work, whether [shared] can find so many components in so many rows."""
    shared = study.shared
    if shared is None:
        return []
    widths = {
        side: widths[space] for side, space in (("speech", shared.speech), ("language", shared.language))
        if space in widths
    }  # fmt: skip
    heard = {name for subject in subjects.values() for name in subject.stimuli}
    words = [word for name in heard for word in getattr(read.get("words", {}).get(name), "words", ())]
    rows = len(words)
    if shared.level == "frames":
        rows = round(sum(word.end - word.start for word in words) * (rate or 0.0))
    rows = rows if shared.scope == "all" else rows * (study.encoding.folds - 1) // study.encoding.folds
    found: list[Problem] = []
    attempt(found, lambda: shared.check_counts(widths, rows))
    return found
