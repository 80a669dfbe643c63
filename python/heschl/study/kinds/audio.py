"""What kinds that hear a sound have in common."""

from __future__ import annotations

import numpy as np

from heschl.files import digest, digest_files
from heschl.study.kinds.base import Floats, StudyFiles
from heschl.timing.audio import read_audio
from heschl.timing.stimulus import Stimulus


def padded_sound(stimulus: Stimulus, length: float, sfreq: int) -> Floats:
    """Read a sound, cut or padded with silence to ``length`` seconds."""
    sound = read_audio(stimulus.path, sfreq)
    n = round(length * sfreq)
    return np.pad(sound[:n], (0, max(0, n - len(sound))))


def sound_key(stimulus: Stimulus, files: StudyFiles) -> str:
    """Hash a sound and the silence after it."""
    return digest(digest_files([stimulus.path]), files.lengths[stimulus.name])
