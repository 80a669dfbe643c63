"""Progress of a run: a bar with the time left on a terminal, elsewhere lines now and then, and one per stage."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

EVERY_SECONDS = 30.0
"""Between two lines on how far a stage is, where no bar can be drawn."""
Advance = Callable[[float], None]
"""Says how much of a stage's total has been done in all."""


class Reporter:
    """Reports progress to a console, or to nobody.

    Parameters
    ----------
    console : rich.console.Console or None
        Where to; None keeps quiet.
    """

    def __init__(self, console: Console | None) -> None:
        self.console = console
        self.seconds: dict[str, float] = {}  # of each stage that has ended

    def say(self, text: str) -> None:
        """Print one line."""
        if self.console is not None:
            self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def stage(self, title: str, total: float) -> Iterator[Advance]:
        """Time one stage of ``total`` units of work; the function that is yielded takes the units done so far."""
        started = time.monotonic()
        if self.console is not None and self.console.is_terminal and total > 0:
            with _bar(self.console) as bar:
                task = bar.add_task(title, total=total)
                yield lambda done: bar.update(task, completed=done)
        else:
            yield self._lines(title, total, started)
        self.seconds[title] = time.monotonic() - started
        self.say(f"{title}: {_duration(self.seconds[title])}")

    def _lines(self, title: str, total: float, started: float) -> Advance:
        """Return what says, in a line now and then, how far a stage is; for pipes and logs."""
        said = started

        def advance(done: float) -> None:
            nonlocal said
            now = time.monotonic()
            if now - said < EVERY_SECONDS or not 0 < done < total:
                return
            said = now
            left = (now - started) * (total - done) / done
            self.say(f"{title}: {done / total:.0%}, about {_duration(left)} left")

        return advance


def _bar(console: Console):  # type: ignore[no-untyped-def]  # rich is imported only where a bar is drawn
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    return Progress(*columns, console=console, transient=True)


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"
