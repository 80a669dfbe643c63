"""Feature spaces as the study sees them: layers, width, and the rows of each stimulus: frames, words or phones.

A new kind of space is one class here and its settings in ``config.py``.
"""

from __future__ import annotations

from heschl.features.store import Rows
from heschl.files import digest, digest_code, digest_files
from heschl.study.inputs.load import Inputs
from heschl.study.kinds.base import OpenSpace, model_source
from heschl.study.kinds.given import FrameArrays, GivenArrays, WordArrays, array_file, given_shape
from heschl.study.kinds.labels import OnsetSpace, OpenLabels, PhoneSpace
from heschl.study.kinds.language import LanguageSpace, OpenLanguage, OpenSurprisal, Reading, SurprisalSpace
from heschl.study.kinds.sound import EnvelopeSpace, MelSpace, open_envelope, open_mel
from heschl.study.kinds.speech import OpenSpeech, SpeechSpace
from heschl.study.kinds.words import OpenWords, WordSpace, vocabulary
from heschl.timing.stimulus import Stimulus


def open_space(name: str, inputs: Inputs) -> OpenSpace:
    """Load what a space of [features] needs (a model, word vectors).

    Parameters
    ----------
    name : str
        The space's name in the study.toml.
    inputs : Inputs
        The study.

    Returns
    -------
    OpenSpace
        Let go of it before opening the next: a model fills memory.

    Raises
    ------
    InputError
        For a model that cannot be used, named by its key.
    """
    space = inputs.study.features[name]
    match space:
        case MelSpace():
            return open_mel(space)
        case EnvelopeSpace():
            return open_envelope(space)
        case SpeechSpace():
            return OpenSpeech(model_source(inputs.folder, space.model), space)
        case LanguageSpace():
            return OpenLanguage(model_source(inputs.folder, space.model), space)
        case SurprisalSpace():
            return OpenSurprisal(model_source(inputs.folder, space.model), space)
        case WordSpace():
            return OpenWords(space, inputs.folder, inputs.stimuli.values())
        case OnsetSpace():
            return OpenLabels("phone" if space.of == "phones" else "word", None)
        case PhoneSpace():
            labels = {phone.text for stimulus in inputs.stimuli.values() for phone in stimulus.phones}
            return OpenLabels("phone", sorted(labels))
        case FrameArrays() | WordArrays():
            return GivenArrays(space, inputs.folder, next(iter(inputs.stimuli)))


def source_key(name: str, inputs: Inputs) -> str:
    """Hash a space's settings with the content of the files behind it (for a model on the Hub: its revision).

    What is done with the features after they are there (where words stand, what silence is) has no part in it.
    """
    space = inputs.study.features[name]
    aside = {"model", "file", "words", "folder", "device", "at", "silence"}
    settings = [
        space.model_dump(exclude=aside),
        inputs.study.store.dtype,
        digest_code("features", "study.extraction.spaces", "study.kinds", "timing.audio"),
    ]
    if isinstance(space, WordSpace):
        files = [inputs.folder / file for file in (space.file, space.words) if file is not None]
        return digest(settings, digest_files(files), sorted(vocabulary(inputs.stimuli.values())))
    if isinstance(space, PhoneSpace):
        return digest(settings, sorted({p.text for stimulus in inputs.stimuli.values() for p in stimulus.phones}))
    if isinstance(space, FrameArrays | WordArrays):
        return digest(settings, given_shape(space, inputs.folder, next(iter(inputs.stimuli))))
    if not isinstance(space, SpeechSpace | Reading):
        return digest(settings)
    source = model_source(inputs.folder, space.model)
    if isinstance(source, str):
        from heschl.features.loading import revision

        return digest(settings, source, revision(source))
    return digest(settings, digest_files(file for file in source.iterdir() if file.is_file()))


def stimulus_key(name: str, inputs: Inputs, rows: Rows, stimulus: Stimulus) -> str:
    """Hash what a stimulus' features come from: words and text, phones, sound and silence after it, or a given file."""
    space = inputs.study.features[name]
    if isinstance(space, FrameArrays | WordArrays):
        return digest(digest_files([array_file(inputs.folder, space, stimulus.name)]))
    if rows == "word":
        return digest([word.text for word in stimulus.words], stimulus.text)
    if rows == "phone":
        return digest([phone.text for phone in stimulus.phones])
    return digest(digest_files([stimulus.path]), inputs.lengths[stimulus.name])
