"""The check of a whole study: each part by itself, so that one mistake hides no other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from heschl.checks import InputError
from heschl.ecog import Responses
from heschl.study.check.counts import lag_problems, layer_problems, rate_of, shared_problems
from heschl.study.check.problems import in_order
from heschl.study.check.responses import read_all, response_problems
from heschl.study.check.settings import settings_problems
from heschl.study.check.sounds import sound_problems
from heschl.study.check.transcripts import transcript_problems
from heschl.study.config.study import Study, study_or_errors
from heschl.study.inputs.load import heard_lengths, load_inputs, read_sounds, too_many_broken
from heschl.study.inputs.transcripts import named_files
from heschl.study.kinds.base import Tier
from heschl.study.kinds.problems import Material, Problem, listed
from heschl.timing.words import Transcript

NO_SOUND = "a sound for each stimulus"
"""What words lack where no sound was found, which has been said then."""
ALL: dict[str, list[str]] = {"only": [], "exclude": []}


@dataclass(frozen=True)
class Checked:
    """What ``heschl check`` found.

    Attributes
    ----------
    problems : tuple of Problem
        Errors first, then warnings and notes.
    stimuli, words, subjects, electrodes : int
        What could be read.
    """

    problems: tuple[Problem, ...]
    stimuli: int
    words: int
    subjects: int
    electrodes: int

    def count(self, severity: str) -> int:
        """Return how many problems are of a severity."""
        return sum(problem.severity == severity for problem in self.problems)

    @property
    def verdict(self) -> str:
        """A line for the end of the list."""
        counts = [(self.count(kind), kind) for kind in ("error", "warning", "note")]
        said = ", ".join(f"{n} {kind}{'s' * (n > 1)}" for n, kind in counts if n)
        read = (
            f"{self.stimuli} stimuli, {self.words} words, {self.subjects} subject{'s' * (self.subjects != 1)}, "
            f"{self.electrodes} electrodes read"
        )
        if not self.count("error"):
            return f"{read}: nothing stands in the way of a run" + (f" ({said})" if said else "")
        return f"{read}; {said}"


def check_study(path: str | Path) -> Checked:
    """Check all that a study.toml names, without any work, without loading a model, without asking the Hub.

    Parameters
    ----------
    path : str or Path
        The study.toml.

    Returns
    -------
    Checked
        Everything that is wrong, each with the key or file to change.
    """
    path = Path(path)
    study, errors = study_or_errors(path)
    if study is None:
        return Checked(tuple(Problem.of(error) for error in errors), 0, 0, 0, 0)
    folder = path.resolve().parent
    problems = settings_problems(study, folder, path)
    durations, without = _durations(study, folder, problems)
    subjects = read_all(study, folder, without, problems)
    heard = {name for subject in subjects.values() for name in subject.stimuli if name in durations}
    rate = rate_of(study, folder)
    problems += response_problems(study, subjects, durations, rate)
    found, read = transcript_problems(study, folder, durations, heard, without)
    problems += [problem for problem in found if durations or problem.expected != NO_SOUND]
    words = read.get("words")
    lengths: dict[str, float] = {}
    if len(subjects) == len(study.responses.subjects) and durations:
        lengths = _lengths(study, subjects, durations)
        covered = [subject.covered(i) for subject in subjects.values() for i in range(len(subject.trials))]
        problems += lag_problems(study, rate, max(covered, default=0.0))
    counts = {name: len(words[name].words) if name in words else 0 for name in lengths} if words else None
    longest = max((len(each.words) for each in (words or {}).values()), default=0)
    material = Material(folder, lengths, counts, longest, _spoken(words or {}, lengths))
    for name, space in study.features.items():
        problems += space.problems(material, f"features.{name}")
    problems += layer_problems(study, folder)
    problems += shared_problems(study, folder, subjects, read, rate, _widths(study, folder))
    if not any(problem.severity == "error" for problem in problems):
        problems += _as_a_run_reads_it(path)
    return Checked(
        tuple(in_order(problems)), len(durations), _n_words(read), len(subjects),
        sum(len(subject.electrodes) for subject in subjects.values()),
    )  # fmt: skip


def _durations(study: Study, folder: Path, problems: list[Problem]) -> tuple[dict[str, float], set[str]]:
    """Return the length of each sound that can be read, and the names of those left aside or broken."""
    try:
        every = named_files(folder, study.stimuli.sounds, "stimuli.sounds")
    except InputError as error:
        others = sorted({file.suffix for file in folder.rglob("*") if file.suffix.lower() in (".wav", ".flac", ".mp3")})
        advice = f"There are {listed(f'*{suffix}' for suffix in others)} files below." if others else error.advice
        problems.append(Problem("error", error.argument, error.found, error.expected, advice))
        return {}, set()
    try:
        sounds, broken, aside = read_sounds(every, study)
    except InputError as error:
        problems.append(Problem.of(error))
        sounds, broken, aside = read_sounds(
            every, study.model_copy(update={"stimuli": study.stimuli.model_copy(update=ALL)})
        )
    if broken:
        few = not too_many_broken(broken, sounds)
        each = listed(f"{name} ({why.found})" for name, why in broken.items())
        problems.append(
            Problem(
                "warning" if few else "error", "stimuli.sounds",
                f"{len(broken)} sound{'s' * (len(broken) > 1)} that cannot be read: {each}",
                "sounds", "They are left out with their trials." if few else "Mend them, or leave out their trials.",
            )
        )  # fmt: skip
    problems += sound_problems(study, {name: file for name, (file, _) in sounds.items()})
    return {name: seconds for name, (_, seconds) in sounds.items()}, {*aside, *broken}


def _lengths(study: Study, subjects: Mapping[str, Responses], durations: Mapping[str, float]) -> dict[str, float]:
    """Return how much of each stimulus a run extracts, as `Inputs.lengths` does."""
    heard = sorted({name for subject in subjects.values() for name in subject.stimuli if name in durations})
    return heard_lengths({name: durations[name] for name in heard}, subjects.values(), study.responses.tail)


def _widths(study: Study, folder: Path) -> dict[str, int]:
    """Return the features of a layer of each space that says so without being loaded."""
    found = {name: space.width_of_layer(folder) for name, space in study.features.items()}
    return {name: width for name, width in found.items() if width}


def _as_a_run_reads_it(path: Path) -> list[Problem]:
    """Read the study as a run does, for whatever else stands in its way."""
    try:
        load_inputs(path)
    except InputError as error:
        return [Problem.of(error)]
    return []


def _spoken(words: Mapping[str, Transcript], lengths: Mapping[str, float]) -> Counter[str]:
    """Count the words of what was heard, or of all there is where that is not known."""
    heard = [each for name, each in words.items() if name in lengths or not lengths]
    return Counter(word.text for each in heard for word in each.words)


def _n_words(read: Mapping[Tier, Mapping[str, Transcript]]) -> int:
    return sum(len(transcript.words) for transcript in read.get("words", {}).values())
