"""Recordings: from raw ECoG to responses, trial by trial.

Modules, in the order of work: `readers`, `recording` (continuous, read a piece at a time), `clean` (bad channels, line
noise, reference), `artefacts`, `high_gamma`, `onsets` (when stimuli really began) and `triggers`, `epochs` (trials),
`selection` (which electrodes respond), `ceiling` (how well they could be predicted), `responses` and `dataset` (trials
on disk); `simulate` and `writers` make recordings of known truth.
"""

from heschl.ecog.responses.read import read_responses
from heschl.ecog.responses.trials import Responses

__all__ = ["Responses", "read_responses"]
