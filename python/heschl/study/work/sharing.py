"""Which part of a study a process does (``--only``), and several processes at one study (``--jobs``).

Neither needs a plan of who does what: every piece of work is claimed as it is begun (`heschl.study.work.cache`). A
worker of ``--jobs`` is a run of its own that writes no results, as is each task of an array job on a cluster.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from threadpoolctl import threadpool_limits

from heschl.checks import InputError
from heschl.study.config.study import Study
from heschl.study.work.progress import Reporter

THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Part:
    """What of a study is done.

    Attributes
    ----------
    stages : tuple of str
        "features", "encoding", and of "shared", "published" and "words" those that the study asks for.
    spaces : tuple of str
        Features are extracted and fitted of these; the later stages need all.
    whole : bool
        Whether that is everything: results are written then.
    """

    stages: tuple[str, ...]
    spaces: tuple[str, ...]
    whole: bool

    @classmethod
    def of(cls, study: Study, only: Sequence[str]) -> Part:
        """Read names of stages and spaces; spaces alone mean their features and fits.

        Raises
        ------
        InputError
            For a name that the study does not know.
        """
        beside = {"shared": study.shared, "published": study.preset, "words": study.word_lags}
        stages = ("features", "encoding", *(name for name, settings in beside.items() if settings is not None))
        spaces = tuple(study.features)
        unknown = [name for name in only if name not in (*stages, *spaces)]
        if unknown:
            raise InputError(
                "only", ", ".join(map(repr, unknown)), f"stages ({', '.join(stages)}) or spaces ({', '.join(spaces)})"
            )
        if not only:
            return cls(stages, spaces, True)
        asked = tuple(name for name in stages if name in only) or ("features", "encoding")
        later = set(asked) - {"features", "encoding"}
        return cls(asked, spaces if later else tuple(name for name in spaces if name in only) or spaces, False)


@contextmanager
def workers(study: Path, out: Path, part: Part, jobs: int, report: Reporter) -> Iterator[None]:
    """Have ``jobs`` processes, this one among them, at a part of a study; the threads of the machine are shared out.

    A worker that fails leaves its work to the others, which is said. An interruption ends all of them.

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
    with tempfile.TemporaryFile("w+") as said, threadpool_limits(threads):
        running = [
            subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said, env=environment) for _ in range(jobs - 1)
        ]
        try:
            yield
            failed = sum(process.wait() != 0 for process in running)
        finally:
            for process in running:
                process.terminate()
                process.wait()
        if failed:
            said.seek(0)
            why = said.read().strip().splitlines()[-1:] or ["nothing said"]
            report.say(f"{failed} of {len(running)} workers ended early, their work was done by others: {why[0]}")
