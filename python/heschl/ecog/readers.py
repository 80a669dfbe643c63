"""Public path of `read_recording` before the module moved to `heschl.ecog.recording.readers`."""

from heschl.ecog.recording.readers import read_recording

__all__ = ["read_recording"]
