"""Which part of a study a process does (``--only``), and several processes at one study (``--jobs``).

Neither needs a plan of who does what: every piece of work is claimed as it is begun (`heschl.study.work.cache`). A
worker of ``--jobs`` is a run of its own that writes no results, and so is each task of an array job on a cluster.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from threadpoolctl import threadpool_limits

from heschl.checks import InputError
from heschl.study.work.machine import VISIBLE
from heschl.study.work.progress import Reporter

THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
REASON = 160
"""Letters of why a worker ended early."""
FEATURES = "features"
"""The stage before all analyses: extraction."""
SPACE_BY_SPACE = (FEATURES, "encoding")
"""Stages that can be done for some spaces alone; every other needs all."""


@dataclass(frozen=True)
class Part:
    """What of a study is done.

    Attributes
    ----------
    stages : tuple of str
        "features" and the names of analyses.
    spaces : tuple of str
        Features are extracted and fitted of these; the later stages need all.
    whole : bool
        Whether that is everything: results are written then.
    """

    stages: tuple[str, ...]
    spaces: tuple[str, ...]
    whole: bool

    @classmethod
    def of(cls, stages: Sequence[str], spaces: Sequence[str], only: Sequence[str]) -> Part:
        """Choose by names of stages and spaces; spaces alone mean their features and fits.

        Parameters
        ----------
        stages, spaces : sequence of str
            All that the study has.
        only : sequence of str
            Those to do; everything where there is none.

        Raises
        ------
        InputError
            For a name that the study does not know.
        """
        unknown = [name for name in only if name not in (*stages, *spaces)]
        if unknown:
            raise InputError(
                "only", ", ".join(map(repr, unknown)), f"stages ({', '.join(stages)}) or spaces ({', '.join(spaces)})"
            )
        if not only:
            return cls(tuple(stages), tuple(spaces), True)
        chosen = tuple(name for name in stages if name in only) or SPACE_BY_SPACE
        needs_all = not set(chosen) <= set(SPACE_BY_SPACE) or not set(spaces) & set(only)
        return cls(chosen, tuple(name for name in spaces if needs_all or name in only), False)


@contextmanager
def workers(
    study: Path, out: Path, part: Part, jobs: int, report: Reporter, gpus: Sequence[str] = ()
) -> Iterator[None]:
    """Run a part of a study in ``jobs`` processes, this one among them; the machine's threads are divided among them.

    A worker that fails leaves its work to the others, and the report says so. An interruption ends all of them.

    Parameters
    ----------
    study, out : Path
    part : Part
    jobs : int
    report : Reporter
    gpus : sequence of str
        `heschl.study.work.machine.gpus`, where fits may run on one: each process sees one of them, in turn; this one,
        which sees them all, takes the first.

    Raises
    ------
    InputError
        For fewer than one job.
    """
    if jobs < 1:
        raise InputError("jobs", str(jobs), "1 or more")
    if jobs == 1:
        yield
        return
    threads = max(1, (os.cpu_count() or 1) // jobs)
    names = [word for name in (*part.stages, *(() if part.whole else part.spaces)) for word in ("--only", name)]
    command = [sys.executable, "-m", "heschl", "run", str(study), "--out", str(out), *names]
    environment = os.environ | dict.fromkeys(THREADS, str(threads))
    own = [{VISIBLE: gpus[i % len(gpus)]} if gpus else {} for i in range(1, jobs)]
    with tempfile.TemporaryFile("w+") as errors, threadpool_limits(threads):
        running = [
            subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors, env=environment | gpu) for gpu in own
        ]
        try:
            yield
            failed = sum(process.wait() != 0 for process in running)
        finally:
            for process in running:
                process.terminate()
                process.wait()
        if failed:
            errors.seek(0)
            why = errors.read().strip().splitlines()[-1:] or ["no message"]
            report.say(
                f"{failed} of {len(running)} workers ended early, what they left was for the others: "
                f"{textwrap.shorten(why[0], REASON, placeholder=' …')}"
            )
