"""The form of [features]: one class for each kind of space, one field for each key."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from heschl.study.section import Device, NotNegative, Positive, Section

MEL_SFREQ = 16000
"""Rate in Hz at which sounds are read for the mel spectrum."""


class MelSpace(Section):
    """A mel spectrum: ``window`` and ``hop`` in s, ``fmin`` and ``fmax`` in Hz; with ``onsets``, how fast it rises."""

    kind: Literal["mel"]
    n_mels: Annotated[int, Field(ge=1, le=1000)] = 80
    fmin: NotNegative = 0.0
    fmax: Annotated[float, Field(gt=0, le=MEL_SFREQ / 2)] | None = None
    window: Positive = 0.025
    hop: Positive = 0.010
    scale: Literal["db", "log", "power"] = "db"
    onsets: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> MelSpace:
        if self.fmax is not None and self.fmin >= self.fmax:
            raise ValueError(f"fmin below fmax, not fmin = {self.fmin:g} Hz and fmax = {self.fmax:g} Hz")
        return self


class EnvelopeSpace(Section):
    """The broadband amplitude envelope, below ``cutoff`` Hz."""

    kind: Literal["envelope"]
    rate: Annotated[float, Field(gt=0, le=MEL_SFREQ)] = 100.0
    cutoff: Positive = 25.0

    @model_validator(mode="after")
    def _carried(self) -> EnvelopeSpace:
        if self.cutoff > self.rate / 2:
            raise ValueError(f"a cutoff of at most half the rate, {self.rate / 2:g} Hz, not {self.cutoff:g} Hz")
        return self


class SpeechSpace(Section):
    """The hidden states of a speech encoder: a folder, or the model's name on the Hub.

    Sounds longer than ``window`` s go through it in windows that share 10 s.
    """

    kind: Literal["speech"]
    model: str
    window: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 60.0
    device: Device = "cpu"


class Spoken(Section):
    """What has a value for each word: it lasts as long as the word does, or stands at its onset.

    With ``silence`` = "hold" it lasts until the next word begins.
    """

    at: Literal["word", "onset"] = "word"
    silence: Literal["zero", "hold"] = "zero"

    @model_validator(mode="after")
    def _held(self) -> Spoken:
        if self.at == "onset" and self.silence == "hold":
            raise ValueError("silence = 'hold' with at = 'word', not with at = 'onset'")
        return self


class Reading(Spoken):
    """How a language model reads the words of a stimulus, and whether in its running text (stimuli.texts)."""

    model: str
    context: Literal["sentence", "story", "fixed"] = "sentence"
    window: Annotated[int, Field(ge=1)] | None = None
    stride: Annotated[int, Field(ge=1)] | None = None
    punctuation: bool = False
    device: Device = "cpu"

    def options(self) -> dict[str, Any]:
        """Give what `LanguageModel` takes."""
        return self.model_dump(exclude={"kind", "model", "at", "silence", "punctuation"})


class LanguageSpace(Reading):
    """The hidden states of a language model: a folder, or the model's name on the Hub.

    ``bidirectional`` allows a masked model, in which a word knows those that follow.
    """

    kind: Literal["language"]
    pooling: Literal["last", "mean", "first"] = "last"
    bidirectional: bool = False


class SurprisalSpace(Reading):
    """How little each word was expected, in bits, by a causal language model; by default at the word's onset."""

    kind: Literal["surprisal"]
    at: Literal["word", "onset"] = "onset"


class WordSpace(Spoken):
    """Static word vectors: GloVe's or word2vec's text, or a .npy table with its ``words``.

    A word without a vector is 0, the mean of the others, or left out as if it were not spoken.
    """

    kind: Literal["words"]
    file: str
    words: str | None = None
    oov: Literal["zero", "mean", "drop"] = "zero"
    fold: bool = True


class OnsetSpace(Spoken):
    """1 where a word, or a phone, begins (``at`` = "word": while it lasts)."""

    kind: Literal["onsets"]
    of: Literal["words", "phones"] = "words"
    at: Literal["word", "onset"] = "onset"


class PhoneSpace(Spoken):
    """Which phone is being said, or (``at`` = "onset") begins: a column for each."""

    kind: Literal["phones"]


class FrameArrays(Section):
    """Frames computed elsewhere: ``folder``/NAME.npy for each stimulus, (layers, frames, width) or (frames, width).

    Frame i is centred ``centre`` + i / ``rate`` s after the sound's onset, and is there where the sound reaches to
    ``width`` + i / ``rate`` s; by default frames tile time. Wav2Vec2's: rate = 50, centre = 0.0125, width = 0.025.
    """

    kind: Literal["frame_arrays"]
    folder: str
    rate: Annotated[float, Field(gt=0, le=MEL_SFREQ)]
    centre: Annotated[float, Field(ge=0, le=3600)] | None = None
    width: Annotated[float, Field(gt=0, le=3600)] | None = None


class WordArrays(Spoken):
    """A row for each word, computed elsewhere: ``folder``/NAME.npy, (layers, words, width) or (words, width)."""

    kind: Literal["word_arrays"]
    folder: str


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
