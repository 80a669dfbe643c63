"""What every command does alike: it prints messages, not tracebacks, and says how it ended by its exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import typer
from rich.console import Console
from rich.markup import escape

from heschl.checks import InputError
from heschl.files import as_one_line

BAD_INPUT, INTERRUPTED = 2, 130


@dataclass
class Shell:
    """What holds for every command."""

    traceback: bool = False
    quiet: bool = False


SHELL = Shell()


@contextmanager
def plainly() -> Iterator[Console]:
    """Yield a console; what goes wrong is printed as a message, not a traceback, unless that was asked for."""
    try:
        yield Console(quiet=SHELL.quiet)
    except KeyboardInterrupt:
        Console(stderr=True).print("interrupted; what was finished is kept, and the same command goes on from there")
        raise typer.Exit(INTERRUPTED) from None
    except (InputError, OSError, MemoryError, ArithmeticError, np.linalg.LinAlgError, ModuleNotFoundError) as error:
        if SHELL.traceback:
            raise
        Console(stderr=True).print(f"[bold red]error:[/] {escape(as_one_line(error))}", highlight=False, soft_wrap=True)
        raise typer.Exit(BAD_INPUT) from None
