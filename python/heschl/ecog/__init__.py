"""Recordings: what the electrodes measured, trial by trial."""

from heschl.ecog.responses import Responses, read_responses

__all__ = ["Responses", "read_responses"]
