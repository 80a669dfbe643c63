"""Files of a study, read and checked: sounds, transcripts, responses, folds."""

from heschl.study.inputs.load import Inputs, load_inputs

__all__ = ["Inputs", "load_inputs"]
