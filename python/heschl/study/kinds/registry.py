"""The form of [features]: one class for each kind of space, one field for each key."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from heschl.study.kinds.given import FrameArrays, WordArrays
from heschl.study.kinds.labels import OnsetSpace, PhoneSpace
from heschl.study.kinds.language import LanguageSpace, SurprisalSpace
from heschl.study.kinds.sound import EnvelopeSpace, MelSpace
from heschl.study.kinds.speech import SpeechSpace
from heschl.study.kinds.words import WordSpace
from heschl.study.section import Section

Space = Annotated[
    MelSpace
    | EnvelopeSpace
    | SpeechSpace
    | LanguageSpace
    | SurprisalSpace
    | WordSpace
    | OnsetSpace
    | PhoneSpace
    | FrameArrays
    | WordArrays,
    Field(discriminator="kind"),
]

KINDS: dict[str, type[Section]] = {
    "mel": MelSpace,
    "envelope": EnvelopeSpace,
    "speech": SpeechSpace,
    "language": LanguageSpace,
    "surprisal": SurprisalSpace,
    "words": WordSpace,
    "onsets": OnsetSpace,
    "phones": PhoneSpace,
    "frame_arrays": FrameArrays,
    "word_arrays": WordArrays,
}
