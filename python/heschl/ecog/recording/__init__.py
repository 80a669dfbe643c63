"""Recordings: continuous ECoG read a piece at a time, its readers and writers."""

from heschl.ecog.recording.readers import read_recording
from heschl.ecog.recording.recording import ArraySource, Recording, Source
from heschl.ecog.recording.writers import write_recording

__all__ = ["ArraySource", "Recording", "Source", "read_recording", "write_recording"]
