"""Feature spaces: hidden states of speech and language models, word vectors, acoustics; and where they are kept.

Modules: `speech` and `language` (transformers models), `words` (static word vectors), `acoustic` (mel spectrum,
envelope), `store` (features on disk), `convert_whisper` (an OpenAI Whisper checkpoint as a transformers folder). Names
are imported from their modules when they are first used, so that torch and transformers load only where a model is.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from heschl.features.acoustic import envelope as envelope
    from heschl.features.acoustic import mel_spectrogram as mel_spectrogram
    from heschl.features.acoustic import onset_spectrogram as onset_spectrogram
    from heschl.features.context import Context as Context
    from heschl.features.language import LanguageModel as LanguageModel
    from heschl.features.speech import SpeechModel as SpeechModel
    from heschl.features.store import FeatureSet as FeatureSet
    from heschl.features.store import FeatureStore as FeatureStore
    from heschl.features.stored_rows import DamagedFeatures as DamagedFeatures
    from heschl.features.stored_rows import Description as Description
    from heschl.features.words import WordVectors as WordVectors

_MODULES = {
    "acoustic": (
        "envelope",
        "mel_spectrogram",
        "onset_spectrogram",
    ),
    "context": ("Context",),
    "language": ("LanguageModel",),
    "speech": ("SpeechModel",),
    "store": (
        "FeatureSet",
        "FeatureStore",
    ),
    "stored_rows": (
        "DamagedFeatures",
        "Description",
    ),
    "words": ("WordVectors",),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}
__all__ = [
    "Context",
    "DamagedFeatures",
    "Description",
    "FeatureSet",
    "FeatureStore",
    "LanguageModel",
    "SpeechModel",
    "WordVectors",
    "envelope",
    "mel_spectrogram",
    "onset_spectrogram",
]


def __getattr__(name: str) -> Any:
    """Import a name from its module when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'heschl.features' has no attribute {name!r}")
    return getattr(import_module(f"heschl.features.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """List the names that the package exports, besides those that it holds."""
    return sorted({*globals(), *__all__})
