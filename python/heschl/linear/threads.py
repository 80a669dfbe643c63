"""How many threads the element loops of the core may use: as many as SciPy's BLAS, which threadpoolctl governs."""

from __future__ import annotations

import functools
import os
from typing import Any

from threadpoolctl import ThreadpoolController


@functools.cache
def _blas() -> Any:
    # A new controller takes about a millisecond, so one is kept. NumPy's BLAS is another pool than SciPy's.
    pools = [lib for lib in ThreadpoolController().lib_controllers if lib.user_api == "blas"]
    return next((lib for lib in pools if "scipy" in lib.filepath), pools[0] if pools else None)


def n_threads() -> int:
    """Threads to use now; a surrounding ``threadpoolctl.threadpool_limits`` is kept to."""
    blas = _blas()
    return int(blas.num_threads) if blas is not None else os.cpu_count() or 1
