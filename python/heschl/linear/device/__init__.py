"""Where arrays lie and kernels run: a row and a `Backend` for the host, and for each kind of GPU; threads."""

from heschl.linear.device.backend import Backend, DeviceKind
from heschl.linear.device.devices import DEVICES
from heschl.linear.device.host import HOST
from heschl.linear.device.place import backend_of, check_device
from heschl.linear.device.status import CudaStatus, cuda_status

__all__ = ["DEVICES", "HOST", "Backend", "CudaStatus", "DeviceKind", "backend_of", "check_device", "cuda_status"]
