"""Before high gamma: which channels are bad and why, line noise, the reference. Each step returns a recording again.

Nothing is computed until samples are read: a cleaned recording is the old one with another source, so that hours of it
take no memory. The steps are in `bad_channels`, `line_noise` and `reference`.
"""

from heschl.ecog.bad_channels import mark_bad_channels
from heschl.ecog.line_noise import remove_line_noise
from heschl.ecog.reference import rereference

__all__ = ["mark_bad_channels", "remove_line_noise", "rereference"]
