"""What an HDF5 file must not hold before a library opens it: data in other files, and sizes that it cannot have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from heschl.checks import InputError

LARGEST_RATIO = 1100
"""Bytes that a byte of deflate can become (1032), and some."""


def check_hdf5(path: Path) -> None:
    """Refuse an HDF5 file that would read other files, or whose arrays are larger than it can hold.

    Raises
    ------
    InputError
        For external links, external or virtual storage, and an array that no compression could have made so large.
    """
    import h5py

    room = LARGEST_RATIO * path.stat().st_size
    with h5py.File(path, "r") as file:
        waiting, seen = ["/"], {h5py.h5o.get_info(file.id).addr}
        while waiting:
            group = waiting.pop()
            for name in file[group]:
                place = f"{group.rstrip('/')}/{name}"
                link: Any = file.get(place, getlink=True)
                if isinstance(link, h5py.ExternalLink):
                    raise InputError(
                        f"{path}: {place}", f"a link to another file, {str(link.filename)[:80]!r}",
                        "data in the file itself", "Copy the data into one file.",
                    )  # fmt: skip
                if isinstance(link, h5py.SoftLink):
                    continue
                item = file[place]
                if isinstance(item, h5py.Group):
                    address = h5py.h5o.get_info(item.id).addr  # a hard link may lead back up
                    if address not in seen:
                        seen.add(address)
                        waiting.append(place)
                elif isinstance(item, h5py.Dataset):
                    if item.external or item.is_virtual:
                        raise InputError(f"{path}: {place}", "data in another file", "data in the file itself")
                    if item.nbytes > room and item.id.get_storage_size() * LARGEST_RATIO < item.nbytes:
                        raise InputError(
                            f"{path}: {place}", f"an array of {item.nbytes} bytes in a file of {path.stat().st_size}",
                            "an array that the file can hold",
                        )  # fmt: skip
