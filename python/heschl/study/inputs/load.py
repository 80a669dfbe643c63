"""Everything that a study.toml names, loaded and checked before any work: sounds, words, responses, models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sized
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from heschl.checks import InputError
from heschl.ecog import Responses
from heschl.ecog.responses.joined import read_sessions
from heschl.names import name_hint
from heschl.study.config.study import TIERS, Study, read_study
from heschl.study.inputs.choose import chosen_stimuli, with_electrodes, with_stimuli
from heschl.study.inputs.identity import identities
from heschl.study.inputs.transcripts import named_files, read_texts, read_transcripts
from heschl.study.kinds.base import Tier
from heschl.timing.audio import duration
from heschl.timing.stimulus import Stimulus
from heschl.timing.validate import refuse, validate
from heschl.timing.words import Word

FEW = 0.1
"""Share of the stimuli that may be broken: they are left out and reported. More are an error."""


@dataclass(frozen=True)
class Inputs:
    """A study as loaded.

    Attributes
    ----------
    study : Study
        The settings.
    folder : Path
        Where the study.toml lies; paths in it are relative to this.
    stimuli : dict of name to Stimulus
        Those that some subject heard, by name in sorted order.
    subjects : tuple of Responses
        In the file's order.
    unheard : int
        Sounds that match the glob but belong to no response; they are left alone.
    broken : dict of name to str
        Stimuli that could not be used, and why: left out with their trials, where they are few.
    """

    study: Study
    folder: Path
    stimuli: dict[str, Stimulus]
    subjects: tuple[Responses, ...]
    unheard: int
    broken: dict[str, str] = field(default_factory=dict)

    @cached_property
    def durations(self) -> dict[str, float]:
        """How long each sound is, in s."""
        return {name: stimulus.duration for name, stimulus in self.stimuli.items()}

    @cached_property
    def identities(self) -> dict[str, str]:
        """For each stimulus the one that stands for all that must share its fold."""
        return identities(self.stimuli, self.study.encoding.folds_by)

    @cached_property
    def lengths(self) -> dict[str, float]:
        """How much of each stimulus to extract, in s: the sound, and silence after it if so asked."""
        return heard_lengths(self.durations, self.subjects, self.study.responses.tail)


def load_inputs(path: str | Path) -> Inputs:
    """Read a study.toml and all that it names.

    Parameters
    ----------
    path : str or Path
        The study.toml.

    Returns
    -------
    Inputs
        Complete and consistent. Models are looked at (a folder must hold weights), not loaded.

    Raises
    ------
    InputError
        For anything missing or at odds, named by file, line, key, subject, electrode or stimulus.
    """
    path = Path(path)
    study = read_study(path)
    folder = path.resolve().parent
    sounds, errors, aside = read_sounds(named_files(folder, study.stimuli.sounds, f"{path}: stimuli.sounds"), study)
    if too_many_broken(errors, sounds):
        raise next(iter(errors.values()))
    broken = {name: error.found for name, error in errors.items()}
    subjects = tuple(
        with_electrodes(
            with_stimuli(read_sessions(folder, files, name, missing=study.responses.missing), {*broken, *aside}),
            study.responses.electrodes,
        )
        for name, files in study.responses.subjects.items()
    )
    for subject in subjects:
        _check_stimuli(subject, sounds, study)
    texts = read_texts(folder, study.stimuli)
    words, phones = (_read_words(folder, study, sounds, tier, {*broken, *aside}) for tier in TIERS)
    heard = sorted({name for subject in subjects for name in subject.stimuli})
    stimuli = {
        name: Stimulus(name, *sounds[name], words.get(name, ()), phones.get(name, ()), texts.get(name))
        for name in heard
    }
    for tier in TIERS:
        needing = study.needing(tier)
        if needing and not any(getattr(stimulus, tier) for stimulus in stimuli.values()):
            raise InputError(
                f"{path}: stimuli.{tier}",
                f"no {tier} in any stimulus that was heard",
                f"{tier} and their times, which features.{needing[0]} needs",
            )
    inputs = Inputs(study, folder, stimuli, subjects, unheard=len(sounds) - len(heard), broken=broken)
    for name, space in study.features.items():
        space.check(inputs, f"{path}: features.{name}")
    return inputs


def leave_out(inputs: Inputs, broken: Mapping[str, str]) -> Inputs | None:
    """Return the study without some stimuli and their trials, and why; None where they are too many to do without."""
    every = {**inputs.broken, **broken}
    if len(every) > FEW * (len(inputs.stimuli) + len(inputs.broken)):
        return None
    kept = {name: stimulus for name, stimulus in inputs.stimuli.items() if name not in broken}
    subjects = tuple(with_stimuli(subject, broken) for subject in inputs.subjects)
    return Inputs(inputs.study, inputs.folder, kept, subjects, inputs.unheard, every)


def read_sounds(
    every: Mapping[str, Path], study: Study
) -> tuple[dict[str, tuple[Path, float]], dict[str, InputError], set[str]]:
    """Look at the sounds of a study.

    Parameters
    ----------
    every : mapping of name to Path
        The files of ``stimuli.sounds``.
    study : Study

    Returns
    -------
    dict of name to (Path, s)
        Those that can be read, and how long they are.
    dict of name to InputError
        Those that cannot.
    set of str
        Those that the study leaves aside.
    """
    files = {name: every[name] for name in chosen_stimuli(every, study.stimuli)}
    sounds: dict[str, tuple[Path, float]] = {}
    errors: dict[str, InputError] = {}
    for name, file in files.items():
        try:
            seconds = duration(file)
            if seconds <= 0:
                raise InputError(str(file), "a sound without samples", "a sound")
            sounds[name] = file, seconds
        except InputError as error:
            errors[name] = error
    return sounds, errors, set(every) - set(files)


def too_many_broken(broken: Sized, of: Sized) -> bool:
    """Return whether so many sounds cannot be read that a study does not go on without them."""
    return len(broken) > FEW * (len(broken) + len(of))


def heard_lengths(durations: Mapping[str, float], subjects: Iterable[Responses], tail: str) -> dict[str, float]:
    """Return how much of each stimulus to extract, in s: the sound, and with ``tail`` = "silence" what follows it."""
    lengths = dict(durations)
    if tail == "silence":
        for subject in subjects:
            for trial, name in enumerate(subject.stimuli):
                if name in lengths:
                    lengths[name] = max(lengths[name], subject.covered(trial))
    return lengths


def _check_stimuli(subject: Responses, sounds: dict[str, tuple[Path, float]], study: Study) -> None:
    for trial, name in enumerate(subject.stimuli):
        if name not in sounds:
            raise InputError(
                f"subject {subject.subject}, trial {trial}: stimulus {name!r}",
                "no sound of that name",
                f"{name}.wav among the files of stimuli.sounds = {study.stimuli.sounds!r}",
                name_hint(name, sounds),
            )
    heard, folds = len(set(subject.stimuli)), study.encoding.folds
    if heard < folds:
        raise InputError(
            f"subject {subject.subject}: stimuli",
            f"{heard} different stimuli",
            f"at least as many as encoding.folds = {folds}",
            "Folds are made of whole stimuli.",
        )


def _read_words(
    folder: Path,
    study: Study,
    sounds: dict[str, tuple[Path, float]],
    tier: Tier,
    without: set[str],
) -> dict[str, tuple[Word, ...]]:
    found = read_transcripts(folder, study.stimuli, tier)
    transcripts = {name: transcript for name, transcript in found.items() if name not in without}
    findings = validate(transcripts, {name: seconds for name, (_, seconds) in sounds.items()} if transcripts else None)
    try:
        refuse(findings)
    except InputError as error:
        cut = 'stimuli.overlaps = "cut" ends each word where the next begins.' if "overlap" in error.expected else ""
        advice = " ".join(filter(None, (error.advice, cut)))
        raise InputError(error.argument, error.found, error.expected, advice) from None
    return {name: transcript.words for name, transcript in transcripts.items()}
