"""Public path of `write_recording` before the module moved to `heschl.ecog.recording.writers`."""

from heschl.ecog.recording.writers import write_recording

__all__ = ["write_recording"]
