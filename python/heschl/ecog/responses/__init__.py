"""Responses of a subject: trials, and the files they are read from."""

from heschl.ecog.responses.dataset import read_dataset, to_dataset, write_dataset
from heschl.ecog.responses.read import read_responses
from heschl.ecog.responses.trials import Responses

__all__ = ["Responses", "read_dataset", "read_responses", "to_dataset", "write_dataset"]
