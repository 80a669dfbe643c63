"""Long calls into compiled code that an interruption from the keyboard does not have to wait for.

Python notices Ctrl-C between two steps of its own, and a factorisation may be one step of minutes. In the main thread,
the only one that is interrupted, long calls therefore run in a thread of their own, for which the main thread waits as
Python waits: it goes on at once when interrupted, while the call comes to its end behind it and is forgotten. Where the
process ends before the call does, it ends as its last step in Python: libraries that clean up behind it would wait for
the call, or take its memory away.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from heschl.linear.device.forks import forks_wait_for_this, no_fork

# Of all arrays of a call together. Less takes no time worth waiting for a thread.
LONG_BYTES = 1 << 23


INTERRUPTED = 130
"""What a process returns that was ended by Ctrl-C: 128 and the number of the signal."""


class _End:
    """Ends the process when Python takes itself apart, after all that is done at exit, if a call is still running.

    It hangs on `sys`, which goes last: what this module holds lives as long as the thread of the call.
    """

    def __init__(self) -> None:
        self.left: list[threading.Event] = []
        self._exit = os._exit  # modules are gone by then

    def __del__(self) -> None:
        if not all(done.is_set() for done in self.left):
            self._exit(INTERRUPTED)


_end = _End()
sys._heschl_end = _end  # type: ignore[attr-defined]
del _end


def interruptible(call: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that does the same and does not hold up an interruption; no thread forks meanwhile.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.linear.device.interrupt import interruptible
    >>> interruptible(np.add)(1, 2)
    np.int64(3)
    """

    @functools.wraps(call)
    def run(*arguments: Any, **options: Any) -> Any:
        elsewhere = threading.current_thread() is not threading.main_thread()
        if elsewhere or forks_wait_for_this() or _n_bytes(arguments) < LONG_BYTES:
            with no_fork():
                return call(*arguments, **options)
        found: list[Any] = []
        error: list[BaseException] = []
        done = threading.Event()

        def work() -> None:
            try:
                with no_fork():
                    found.append(call(*arguments, **options))
            except BaseException as raised:  # handed to the thread that waits
                error.append(raised)
            finally:
                done.set()

        try:
            threading.Thread(target=work, name="heschl kernel", daemon=True).start()
        except RuntimeError:  # the system has no thread left to give
            with no_fork():
                return call(*arguments, **options)
        try:
            done.wait()
        except BaseException:
            sys._heschl_end.left.append(done)  # type: ignore[attr-defined]
            raise
        if error:
            raise error[0]
        return found[0]

    return run


def _n_bytes(arguments: tuple[Any, ...]) -> int:
    return sum(argument.nbytes for argument in arguments if isinstance(argument, np.ndarray))


class Interruptible:
    """A module of compiled functions, each of them `interruptible`.

    Parameters
    ----------
    module : module
    """

    def __init__(self, module: Any) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        """Return a function of the module, wrapped once."""
        value = getattr(self._module, name)
        wrapped = interruptible(value) if callable(value) else value
        setattr(self, name, wrapped)
        return wrapped
