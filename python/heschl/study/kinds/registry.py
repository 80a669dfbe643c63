"""The one table of kinds of feature spaces; a new kind is a file beside this one and a row here."""

from __future__ import annotations

from typing import Annotated, get_args

from pydantic import Field

from heschl.study.kinds.base import FeatureSpace, Role
from heschl.study.kinds.given import FrameArrays, WordArrays
from heschl.study.kinds.labels import OnsetSpace, PhoneSpace
from heschl.study.kinds.language import LanguageSpace, SurprisalSpace
from heschl.study.kinds.sound import EnvelopeSpace, MelSpace
from heschl.study.kinds.speech import SpeechSpace
from heschl.study.kinds.words import WordSpace

AnyKind = (
    MelSpace
    | EnvelopeSpace
    | SpeechSpace
    | LanguageSpace
    | SurprisalSpace
    | WordSpace
    | OnsetSpace
    | PhoneSpace
    | FrameArrays
    | WordArrays
)

Space = Annotated[AnyKind, Field(discriminator="kind")]
"""A table of [features], told apart by its ``kind``."""

KINDS: dict[str, type[FeatureSpace]] = {
    get_args(kind.model_fields["kind"].annotation)[0]: kind for kind in get_args(AnyKind)
}
"""The classes by the name that study.toml gives them, in the order of the template."""


def kinds_that_may_be(role: Role) -> list[str]:
    """Return the kinds that may be something to [shared]."""
    return [name for name, kind in KINDS.items() if role in kind.roles]
