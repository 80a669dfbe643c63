"""Stands for torch or CuPy with arrays on the device: DLPack in both directions, and little else."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.linear.device.cuda import CUDA, cuda_backend

STREAMS: list[Any] = []  # that consumers asked the producer to be ready on


class Tensor:
    def __init__(self, array: Any, shape: tuple[int, ...] | None = None) -> None:
        self.array = array
        self.shape = tuple(array.shape) if shape is None else shape
        self.dtype = f"elsewhere.{np.dtype(array.dtype).name}"

    def __dlpack_device__(self) -> tuple[int, int]:
        return CUDA.dlpack[0], 0

    def __dlpack__(self, stream: Any = None) -> Any:
        STREAMS.append(stream)
        return self.array.__dlpack__()

    def __len__(self) -> int:
        return self.shape[0]

    def reshape(self, shape: tuple[int, ...]) -> Tensor:
        return Tensor(self.array, shape)

    def __deepcopy__(self, _: Any) -> Tensor:
        return Tensor(cuda_backend().copy(self.array), self.shape)

    def numpy(self) -> NDArray[Any]:
        return np.asarray(self.array.numpy().reshape(self.shape))


class Foreign:
    """A tensor of torch that says that it lies on a GPU; the emulation's GPU is host memory."""

    def __init__(self, tensor: Any, number: int = CUDA.dlpack[0]) -> None:
        self.tensor, self.number, self.shape, self.dtype = tensor, number, tuple(tensor.shape), tensor.dtype
        self.requires_grad = tensor.requires_grad

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.number, 0

    def __dlpack__(self, stream: Any = None) -> Any:
        return self.tensor.__dlpack__(stream=stream) if self.tensor.is_cuda else self.tensor.__dlpack__()

    def __len__(self) -> int:
        return len(self.tensor)

    def detach(self) -> Foreign:
        return Foreign(self.tensor.detach(), self.number)


def on_gpu(tensor: Any) -> Any:
    """Bring a tensor of torch to the GPU, if it is one that torch knows."""
    return tensor if cuda_backend().module.emulated else tensor.cuda()


def tensor(values: NDArray[Any]) -> Tensor:
    return Tensor(cuda_backend().put(values))


def from_dlpack(array: Any) -> Tensor:
    backend, shape = cuda_backend(), tuple(array.shape)
    flat = array.reshape((shape[0], int(np.prod(shape[1:])))) if len(shape) == 3 else array
    return Tensor(backend.module.from_dlpack(backend.context, flat.__dlpack__()), shape)
