"""Responses against their sounds: names, lengths, rates, places, electrodes that say nothing."""

from __future__ import annotations

import fnmatch
import itertools
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.ecog import Responses
from heschl.ecog.responses.joined import read_sessions
from heschl.names import name_hint
from heschl.study.config.study import Study
from heschl.study.inputs.choose import with_electrodes, with_stimuli
from heschl.study.kinds.problems import Problem, listed

FAR_OFF = 1.6
"""Times that responses and sounds may differ in length before a rate is doubted."""
SHORT, MUCH_TOO_SHORT = 0.8, 0.3
"""Share of a sound that its response covers."""
LARGEST_M = 0.25
"""No electrode lies further from the centre of a head, in m."""
ENOUGH_TRIALS = 4
BASELINE_S = 0.1
"""Time by which trials that hold a baseline are longer than their sounds, at least."""
ARTEFACT = 100.0
"""Standard deviations, told by quartiles, beyond which no response lies."""
SOME_SAMPLES = 20_000
"""Of a subject, from which quartiles are told."""
IQR_OF_NORMAL = 1.349
SUFFIXES = (".npz", ".zarr", ".nc")


def read_all(study: Study, folder: Path, without: set[str], problems: list[Problem]) -> dict[str, Responses]:
    """Read the responses of all subjects but those to some stimuli; what is wrong with a file becomes a problem."""
    found: dict[str, Responses] = {}
    files: dict[Path, str] = {}
    for name, own in study.responses.subjects.items():
        key = f"responses.subjects.{name}"
        wrong = [problem for file in own if (problem := _file_problem(key, folder / file, name, files)) is not None]
        if wrong:
            problems += wrong
            continue
        try:
            subject = read_sessions(folder, own, name, missing=study.responses.missing)
            found[name] = with_electrodes(with_stimuli(subject, without), study.responses.electrodes)
        except InputError as error:
            advice = error.advice
            if "NaN" in error.found:
                advice = 'responses.missing = "mask" takes NaN as missing.' + _empty_advice(folder, own, name)
            if any(Path(file).suffix.lower() not in SUFFIXES for file in own):
                advice = (
                    "numpy.savez(file, responses=…, lengths=…, stimuli=…, electrodes=…, sfreq=…) writes one; "
                    "scipy.io.loadmat reads a .mat file."
                )
            problems.append(Problem("error", f"{key}: {error.argument}", error.found, error.expected, advice))
    return found


def _empty(subject: Responses) -> list[str]:
    """Return the electrodes that have no response at all."""
    known = np.any([np.isfinite(trial).any(axis=0) for trial in subject.trials], axis=0)
    return [name for name, some in zip(subject.electrodes, known, strict=True) if not some]


def _empty_advice(folder: Path, files: Sequence[str], name: str) -> str:
    """Say, of files that were refused for their NaN, which electrodes hold nothing else."""
    try:
        empty = _empty(read_sessions(folder, files, name, missing="mask"))
    except InputError:
        return ""
    each = ", ".join(f'"{electrode}"' for electrode in empty)
    return f" Electrodes without any response: responses.electrodes.exclude = [{each}]." if empty else ""


def _file_problem(key: str, path: Path, name: str, files: dict[Path, str]) -> Problem | None:
    """Return what is wrong with a file before it is read: it is not there, or counts twice."""
    if not path.exists():
        others = [other.name for other in path.parent.glob("*") if other.suffix.lower() in SUFFIXES]
        hint = name_hint(path.name, others) if others else ""
        return Problem("error", key, f"no file {path}", "a .npz archive, or a .zarr or .nc dataset", hint)
    if path.resolve() in files:
        return Problem(
            "error", key, f"the file of subject {files[path.resolve()]}, {path.name}",
            "a file of its own for each subject and session", "What counts twice makes every test too sure.",
        )  # fmt: skip
    files[path.resolve()] = name
    return None


def response_problems(
    study: Study, subjects: Mapping[str, Responses], durations: Mapping[str, float], rate: float | None
) -> list[Problem]:
    """Check the responses of all subjects.

    Parameters
    ----------
    study : Study
    subjects : mapping of name to Responses
        Those that could be read.
    durations : mapping of stimulus to float
        Of the sounds, in s.
    rate : float or None
        Of the study's frames, Hz, where it is known.
    """
    found: list[Problem] = []
    for name, subject in subjects.items():
        key = f"responses.subjects.{name}"
        if durations:
            found += _names(key, subject, durations, study)
            found += _lengths(key, subject, durations)
        found += [*_places(key, subject), *_silent(key, subject), *_artefacts(key, subject)]
        if rate is not None and subject.sfreq < 0.75 * rate:
            found.append(
                Problem(
                    "warning", f"{key}: sfreq", f"{subject.sfreq:g} Hz, below the {rate:g} Hz of the grid",
                    "responses at the rate of the grid or above",
                    f"They are interpolated: grid.rate = {subject.sfreq:g} adds no rows that say nothing new.",
                )
            )  # fmt: skip
    found += _twins(subjects)
    electrodes = [electrode for subject in subjects.values() for electrode in subject.electrodes]
    for group, pattern in study.responses.groups.items():
        if electrodes and not any(fnmatch.fnmatchcase(electrode, pattern) for electrode in electrodes):
            found.append(
                Problem(
                    "error", f"responses.groups.{group}", f"{pattern!r}, which no electrode's name matches",
                    f"a pattern of names such as {listed(electrodes)}", name_hint(pattern.strip("*"), electrodes),
                )
            )  # fmt: skip
    return found


def _names(key: str, subject: Responses, durations: Mapping[str, float], study: Study) -> list[Problem]:
    unknown = list(dict.fromkeys(name for name in subject.stimuli if name not in durations))
    heard = set(subject.stimuli) - set(unknown)
    found = []
    if unknown:
        tails = {name.rpartition("/")[2]: name for name in durations}
        tail = tails.get(unknown[0].rpartition("/")[2])
        hint = f"The sound is named {tail!r}." if tail else name_hint(unknown[0], durations)
        if heard and not tail:
            hint = "Put the sound where the others are, or take its trials out of the responses."
        found.append(
            Problem(
                "error", f"{key}: stimuli",
                f"{len(unknown)} name{'s' * (len(unknown) > 1)} without a sound: {listed(map(repr, unknown))}",
                f"names of files of stimuli.sounds = {study.stimuli.sounds!r}, such as {listed(map(repr, durations))}",
                hint,
            )
        )  # fmt: skip
    if len(heard) < study.encoding.folds and not unknown:
        found.append(
            Problem(
                "error", f"{key}: stimuli", f"{len(heard)} different stimuli",
                f"at least as many as encoding.folds = {study.encoding.folds}",
                "Folds are made of whole stimuli: fewer folds, or a long sound cut into several.",
            )
        )  # fmt: skip
    return found


def _lengths(key: str, subject: Responses, durations: Mapping[str, float]) -> list[Problem]:
    """Hold the lengths of trials against those of their sounds."""
    pairs = np.array(
        [(subject.covered(i), durations[name]) for i, name in enumerate(subject.stimuli) if name in durations]
    ).reshape(-1, 2)
    if not len(pairs):
        return []
    covered, sound = pairs.T
    ratio = float(np.median(covered / np.maximum(sound, 1e-9)))
    says = f"responses that last {ratio:.3g} times their sounds (median of {len(pairs)} trials, {subject.sfreq:g} Hz)"
    if len(pairs) >= ENOUGH_TRIALS and np.std(covered) > 0.02 * covered.mean() and np.std(sound) > 0.02 * sound.mean():
        r = float(np.corrcoef(covered, sound)[0, 1])
        slope = float(np.cov(covered, sound)[0, 1] / np.var(sound, ddof=1))
        if r > 0.9 and not 1 / FAR_OFF < slope < FAR_OFF:
            return [
                Problem(
                    "error", f"{key}: sfreq", says, "as long as their sounds",
                    f"Trials grow with their sounds at {subject.sfreq * slope:.4g} samples per s: sfreq = "
                    f"{_round(subject.sfreq * slope):g}?",
                )
            ]  # fmt: skip
        if len(pairs) >= 2 * ENOUGH_TRIALS and r < 0.2 and not _all_alike(covered):
            return [
                Problem(
                    "warning", f"{key}: stimuli", f"lengths of trials that have nothing to do with their sounds' "
                    f"(r = {r:.2f})", "trials in the order of `stimuli`",
                    "Is `stimuli` in another order than `responses`?",
                )
            ]  # fmt: skip
    if ratio < MUCH_TOO_SHORT:
        return [
            Problem(
                "error", f"{key}: responses", says, "about as long as their sounds",
                f"Is sfreq {_round(subject.sfreq * ratio):g} Hz? Or are the sounds longer than what was played?",
            )
        ]  # fmt: skip
    if ratio < SHORT:
        return [
            Problem(
                "warning", f"{key}: responses", says, "as long as their sounds",
                "What follows is cut from the sound: give the response to all of it.",
            )
        ]  # fmt: skip
    if ratio > 1 / MUCH_TOO_SHORT:
        return [
            Problem(
                "error", f"{key}: sfreq", says, "about as long as their sounds",
                f"Is sfreq {_round(subject.sfreq * ratio):g} Hz?",
            )
        ]  # fmt: skip
    return _padded(key, subject, durations) or _before(key, subject, covered - sound)


def _before(key: str, subject: Responses, more: NDArray[np.float64]) -> list[Problem]:
    """Say where all trials are longer than their sounds by the same time, which may lie before the onset."""
    if subject.onset < 0 or len(more) < ENOUGH_TRIALS or np.ptp(more) > 3 / subject.sfreq or more.min() < BASELINE_S:
        return []
    return [
        Problem(
            "note", f"{key}: responses", f"trials that all last {np.median(more):.3g} s longer than their sounds",
            "samples from the onset of the sound on",
            "If a baseline comes first, save `times` in s from the onset in place of sfreq: they then begin below 0.",
        )
    ]  # fmt: skip


def _padded(key: str, subject: Responses, durations: Mapping[str, float]) -> list[Problem]:
    """Look for trials that were filled up to the longest one."""
    if not _all_alike(np.array([len(trial) for trial in subject.trials])) or len(subject.trials) < 2:
        return []
    filled = 0
    for trial in subject.trials:
        still = (trial == trial[-1]) | ~np.isfinite(trial)
        changing = np.flatnonzero(~still.all(axis=1))
        filled += bool(len(changing)) and len(trial) - changing[-1] > 2 + 0.05 * len(trial)
    if filled < 0.3 * len(subject.trials):
        return []
    return [
        Problem(
            "error", f"{key}: lengths", f"{filled} of {len(subject.trials)} trials that are constant to their end",
            "`lengths`, the samples of each trial", "Without them the filling up is taken for a response.",
        )
    ]  # fmt: skip


def _places(key: str, subject: Responses) -> list[Problem]:
    axes = [np.asarray(subject.anatomy[axis], dtype=np.float64) for axis in "xyz" if axis in subject.anatomy]
    if len(axes) < 3:
        return []
    positions = np.stack(axes, axis=1)
    known = positions[np.isfinite(positions).all(axis=1)]
    if not len(known):
        return []
    largest = float(np.abs(known).max())
    if largest > LARGEST_M:
        unit, by = ("mm", 1000) if largest > 25 else ("cm", 100)
        return [
            Problem(
                "error", f"{key}: positions", f"values up to {largest:g}", "m, so at most 0.1 or so",
                f"They look like {unit}: divide them by {by}.",
            )
        ]  # fmt: skip
    if not known.any():
        return [
            Problem(
                "warning", f"{key}: positions", "0 for every electrode", "x, y, z in m",
                "Leave positions out, or give NaN, where they are not known.",
            )
        ]  # fmt: skip
    if not (np.abs(known[:, 0]) > 0.02).mean() > 0.1:
        return [
            Problem(
                "warning", f"{key}: positions", "electrodes that all lie within 2 cm of the midline",
                "x to the right, y to the front, z up, in MNI space", "Are the axes in another order?",
            )
        ]  # fmt: skip
    return []


def _silent(key: str, subject: Responses) -> list[Problem]:
    """Look for electrodes that never change."""
    varies = np.zeros(len(subject.electrodes), dtype=bool)
    for trial in subject.trials:
        with np.errstate(invalid="ignore"):
            varies |= np.nanmax(trial, axis=0, initial=-np.inf) > np.nanmin(trial, axis=0, initial=np.inf)
    empty = _empty(subject)
    if empty:
        each = ", ".join(f'"{name}"' for name in empty)
        return [
            Problem(
                "error", f"{key}: responses",
                f"{len(empty)} electrode{'s' * (len(empty) > 1)} without any response: {listed(empty)}",
                "responses of each electrode", f"responses.electrodes.exclude = [{each}] leaves them out.",
            )
        ]  # fmt: skip
    still = [name for name, moves in zip(subject.electrodes, varies, strict=True) if not moves]
    if not still:
        return []
    if len(still) == len(varies):
        return [Problem("error", f"{key}: responses", "no electrode that ever changes", "responses", "")]
    return [
        Problem(
            "warning", f"{key}: responses", f"{len(still)} electrodes that never change: {listed(still)}",
            "responses that vary", "They get no score: leave them out of the file.",
        )
    ]  # fmt: skip


def _artefacts(key: str, subject: Responses) -> list[Problem]:
    """Look for electrodes with values far outside of their own distribution."""
    if not subject.trials:
        return []
    step = max(1, sum(map(len, subject.trials)) // SOME_SAMPLES)
    some = np.concatenate([trial[::step] for trial in subject.trials])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # an electrode without a response has been told
        low, middle, high = np.nanpercentile(some, [25, 50, 75], axis=0)
        far = np.nanmax([np.nanmax(np.abs(trial - middle), axis=0) for trial in subject.trials], axis=0)
    spread = (high - low) / IQR_OF_NORMAL
    beyond = np.divide(far, spread, out=np.zeros_like(far), where=spread > 0)
    names = [
        f"{name} ({times:.3g})" for name, times in zip(subject.electrodes, beyond, strict=True) if times > ARTEFACT
    ]
    if not names:
        return []
    return [
        Problem(
            "warning", f"{key}: responses",
            f"{len(names)} electrode{'s' * (len(names) > 1)} with values more than {ARTEFACT:g} standard deviations "
            f"(by their quartiles) from the median: {listed(names)}", "responses without artefacts",
            'Write NaN in place of them, with responses.missing = "mask", or leave the trials out: squared errors of a '
            "few samples would decide the fit.",
        )
    ]  # fmt: skip


def _twins(subjects: Mapping[str, Responses]) -> list[Problem]:
    """Look for subjects whose responses are those of another one."""
    found = []
    for (first, a), (second, b) in itertools.combinations(subjects.items(), 2):
        if len(a.trials) == len(b.trials) > 0 and all(
            x.shape == y.shape and np.array_equal(x, y, equal_nan=True) for x, y in zip(a.trials, b.trials, strict=True)
        ):
            found.append(
                Problem(
                    "error", f"responses.subjects.{second}", f"the responses of {first}, number for number",
                    "those of another subject", "What counts twice makes every test too sure.",
                )
            )  # fmt: skip
    return found


def _all_alike(values: np.ndarray) -> bool:
    return bool(np.ptp(values) <= 1e-9 + 1e-6 * np.abs(values).max())


def _round(rate: float) -> float:
    """Return the usual rate that is within a tenth of one that was found, else this one in two digits."""
    usual = (10, 12.5, 20, 25, 40, 50, 64, 100, 125, 128, 200, 250, 256, 400, 500, 512, 600, 1000, 1024, 2000, 2048)
    near = min(usual, key=lambda one: abs(np.log(one / rate)))
    return float(near) if abs(np.log(near / rate)) < 0.1 else float(f"{rate:.2g}")
