"""Where arrays lie and kernels run: a `Backend` for the host and one for a GPU; threads."""

from heschl.linear.device.backend import Backend
from heschl.linear.device.cuda import CudaStatus, cuda_status
from heschl.linear.device.host import HOST
from heschl.linear.device.place import backend_of, check_device

__all__ = ["HOST", "Backend", "CudaStatus", "backend_of", "check_device", "cuda_status"]
