"""What pairs of layers cost, and where they are worth computing."""

from __future__ import annotations

from heschl.linear.device.place import place


def map_operations(a: tuple[int, int], b: tuple[int, int], n_rows: int) -> float:
    """Count for two models' (layers, width): whitening each layer, then the product of each pair and its values."""
    whitened = sum(n * (4.0 * n_rows * width**2 + 10.0 * width**3) for n, width in (a, b))
    return whitened + a[0] * b[0] * (2.0 * n_rows * a[1] * b[1] + 4.0 * a[1] ** 2 * b[1])


def device_of_pairs(device: str, a: tuple[int, int], b: tuple[int, int], n_rows: int) -> str:
    """Return the name of the device for canonical correlations of two models' (layers, width); see `place`."""
    return place(device, lambda _: map_operations(a, b, n_rows))
