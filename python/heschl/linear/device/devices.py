"""The table of devices. A further one is a file like `cuda.py` and a row here."""

from __future__ import annotations

from collections.abc import Mapping

from heschl.linear.device.backend import DeviceKind
from heschl.linear.device.cuda import CUDA
from heschl.linear.device.host import CPU

DEVICES: Mapping[str, DeviceKind] = {kind.name: kind for kind in (CPU, CUDA)}
