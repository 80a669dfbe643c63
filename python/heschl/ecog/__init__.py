"""Recordings: from raw ECoG to responses, trial by trial.

All names below are at hand as ``heschl.ecog.NAME``, in the order of work. `read_recording` opens a file as a
`Recording`, of which samples are read a piece at a time. `mark_bad_channels`, `mark_artefacts`, `remove_line_noise` and
`rereference` clean it; `high_gamma` computes the amplitude of 70–150 Hz. `find_onsets` and `trigger_events` say when
stimuli really began, `epoch` cuts trials (`Responses`), `speech_responsive` and `reliable_across_repeats` choose
electrodes, `noise_ceiling` says how well they could be predicted, `shared_noise` what repeats may share beside the
signal. `to_dataset`, `write_dataset` and `read_responses` keep trials on disk; `to_raw` and `to_epochs` hand them to
MNE, `write_derivative` to BIDS and NWB. `simulate_recording` and `write_recording` make recordings of known truth.
"""

from heschl.ecog.ceiling import ceiling_of_folds, noise_ceiling, normalised
from heschl.ecog.cleaning.artefacts import mark_artefacts
from heschl.ecog.cleaning.bad_channels import mark_bad_channels
from heschl.ecog.cleaning.line_noise import remove_line_noise
from heschl.ecog.cleaning.reference import rereference
from heschl.ecog.derivatives import write_derivative
from heschl.ecog.epochs import epoch
from heschl.ecog.high_gamma import HighGamma, high_gamma
from heschl.ecog.onsets import Drift, corrected, find_onsets, fit_drift
from heschl.ecog.recording.readers import read_recording
from heschl.ecog.recording.recording import ArraySource, Recording
from heschl.ecog.recording.writers import write_recording
from heschl.ecog.responses.dataset import read_dataset, to_dataset, write_dataset
from heschl.ecog.responses.read import read_responses
from heschl.ecog.responses.repeats import repeats_of
from heschl.ecog.responses.trials import Responses
from heschl.ecog.selection import reliable_across_repeats, speech_responsive
from heschl.ecog.shared_noise import shared_noise
from heschl.ecog.simulate import Truth, simulate_recording
from heschl.ecog.to_mne import to_epochs, to_raw
from heschl.ecog.triggers import trigger_events

__all__ = [
    "ArraySource", "Drift", "HighGamma", "Recording", "Responses", "Truth", "ceiling_of_folds", "corrected", "epoch",
    "find_onsets", "fit_drift", "high_gamma", "mark_artefacts", "mark_bad_channels", "noise_ceiling", "normalised",
    "read_dataset", "read_recording", "read_responses", "reliable_across_repeats", "remove_line_noise", "repeats_of",
    "rereference", "shared_noise", "simulate_recording", "speech_responsive", "to_dataset", "to_epochs",
    "to_raw", "trigger_events",
    "write_dataset", "write_derivative", "write_recording",
]  # fmt: skip
