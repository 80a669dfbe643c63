"""When things happen: frame grids, words and their times, sound files, resampling.

Nothing here knows of models or electrodes. Modules: `grid` (frames as exact integers), `words` (words with start and
end), `transcripts` (read from tables, TIMIT, TextGrid, BIDS events), `validate` (all that is wrong with them), `align`
(words to frames and back), `audio` (sound files), `fingerprint` (which of them are the same), `resample` (between
uniform grids without delay or aliasing). Names are imported from their modules when they are first used; the functions
`validate.validate` and `resample.resample` are called by their modules' names.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from heschl.timing.align import check_frame_counts as check_frame_counts
    from heschl.timing.align import frames_to_words as frames_to_words
    from heschl.timing.align import onset_frames as onset_frames
    from heschl.timing.align import runs as runs
    from heschl.timing.align import word_of_frames as word_of_frames
    from heschl.timing.align import words_to_frames as words_to_frames
    from heschl.timing.align import words_to_onsets as words_to_onsets
    from heschl.timing.audio import duration as duration
    from heschl.timing.audio import read_audio as read_audio
    from heschl.timing.audio import sound_digest as sound_digest
    from heschl.timing.fingerprint import same_sounds as same_sounds
    from heschl.timing.grid import FrameGrid as FrameGrid
    from heschl.timing.resample import resample_known as resample_known
    from heschl.timing.stimulus import Stimulus as Stimulus
    from heschl.timing.transcripts import from_lists as from_lists
    from heschl.timing.transcripts import read_events as read_events
    from heschl.timing.transcripts import read_table as read_table
    from heschl.timing.transcripts import read_textgrid as read_textgrid
    from heschl.timing.transcripts import read_timit as read_timit
    from heschl.timing.validate import Finding as Finding
    from heschl.timing.validate import refuse as refuse
    from heschl.timing.words import Transcript as Transcript
    from heschl.timing.words import Word as Word
    from heschl.timing.words import plain_word as plain_word

_MODULES = {
    "align": (
        "check_frame_counts",
        "frames_to_words",
        "onset_frames",
        "runs",
        "word_of_frames",
        "words_to_frames",
        "words_to_onsets",
    ),
    "audio": (
        "duration",
        "read_audio",
        "sound_digest",
    ),
    "fingerprint": ("same_sounds",),
    "grid": ("FrameGrid",),
    "resample": ("resample_known",),
    "stimulus": ("Stimulus",),
    "transcripts": (
        "from_lists",
        "read_events",
        "read_table",
        "read_textgrid",
        "read_timit",
    ),
    "validate": (
        "Finding",
        "refuse",
    ),
    "words": (
        "Transcript",
        "Word",
        "plain_word",
    ),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}
__all__ = [
    "Finding",
    "FrameGrid",
    "Stimulus",
    "Transcript",
    "Word",
    "check_frame_counts",
    "duration",
    "frames_to_words",
    "from_lists",
    "onset_frames",
    "plain_word",
    "read_audio",
    "read_events",
    "read_table",
    "read_textgrid",
    "read_timit",
    "refuse",
    "resample_known",
    "runs",
    "same_sounds",
    "sound_digest",
    "word_of_frames",
    "words_to_frames",
    "words_to_onsets",
]


def __getattr__(name: str) -> Any:
    """Import a name from its module when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'heschl.timing' has no attribute {name!r}")
    return getattr(import_module(f"heschl.timing.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """List the names that the package exports, besides those that it holds."""
    return sorted({*globals(), *__all__})
