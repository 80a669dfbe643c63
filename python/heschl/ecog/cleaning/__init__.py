"""Before high gamma: bad channels and artefacts, line noise, the reference. Each step returns a recording again.

Nothing is computed until samples are read: a cleaned recording is the old one with another source, so that hours of it
take no memory.
"""

from heschl.ecog.cleaning.artefacts import mark_artefacts
from heschl.ecog.cleaning.bad_channels import mark_bad_channels
from heschl.ecog.cleaning.line_noise import remove_line_noise
from heschl.ecog.cleaning.reference import rereference

__all__ = ["mark_artefacts", "mark_bad_channels", "remove_line_noise", "rereference"]
