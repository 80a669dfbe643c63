"""How a study would spread over workers: its makespan for any number of them, and what bounds it.

The tasks are those that a run submits, with the times of the plan; long pieces are made in shares where there are too
few of them. They are gone through as Dask would: each worker takes the next task, by priority, whose inputs are there.
That is a model, not a schedule: where tasks run is Dask's.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from heschl.study.analyses.analysis import StageCost
from heschl.study.analyses.registry import wanted
from heschl.study.cluster.cuts import begun_first, in_shares
from heschl.study.cluster.extraction import Extractions
from heschl.study.cluster.parcels import Packer
from heschl.study.session import Session

STARTING = 5.0
"""s that a worker takes to import and to read its first inputs."""
SUBMITTING = 0.01
"""s that the client and the scheduler spend on a task."""
SHARING = 2.0
"""s that each share of a piece takes to read the features, and to get what other shares have found."""
NUMBERS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


@dataclass(frozen=True)
class Job:
    """A task as a model of the cluster sees it.

    Attributes
    ----------
    stage : str
    seconds : float
    after : tuple of str
        Stages that must be over.
    extra : float
        Of the seconds, what would not be needed if one worker did all.
    """

    stage: str
    seconds: float
    after: tuple[str, ...] = ()
    extra: float = 0.0


@dataclass(frozen=True)
class Makespan:
    """How long a number of workers take.

    Attributes
    ----------
    n_workers : int
    seconds : float
    efficiency : float
        Of the time of all workers, the share that is work; what shares of pieces take beside it is none.
    bound : str
        What keeps it from being shorter.
    """

    n_workers: int
    seconds: float
    efficiency: float
    bound: str


def spread_study(path: str | Path, out: str | Path | None, costs: Sequence[StageCost]) -> list[Makespan]:
    """Return the makespan of a study, as planned, for 1, 2, 4 ... workers, until more of them are of no use.

    Examples
    --------
    >>> from heschl.study.cluster.spread import Job, makespan
    >>> fits = [Job("features", 60.0)] + [Job("encoding", 30.0, ("features",))] * 8
    >>> [round(makespan(fits, n).seconds) for n in (1, 2, 8)]
    [305, 185, 95]
    """
    session, by_title = Session(path, out), {cost.name: cost for cost in costs}
    found = [makespan(jobs_of(session, by_title, n), n) for n in NUMBERS]
    least = next(i for i, each in enumerate(found) if each.seconds <= 1.02 * found[-1].seconds)
    return found[: least + 2]


def jobs_of(session: Session, costs: Mapping[str, StageCost], n_workers: int) -> list[Job]:
    """Return the tasks of a whole run of a study, nothing of which is done yet.

    Parameters
    ----------
    session : Session
        Checked.
    costs : mapping of title to StageCost
        As planned.
    n_workers : int
        Which decides whether long pieces are made in shares.
    """
    jobs: list[Job] = []
    first: list[Job] = []
    titles: dict[str, tuple[str, ...]] = {}
    extractions = Extractions(session, Packer(lambda name, value: None), shared=True)

    folds, left = session.study.encoding.folds, sum(cost.seconds for cost in costs.values())

    def add(title: str, parts: Sequence[float], after: tuple[str, ...], can_be_shared: bool = False) -> None:
        later: list[Job] = []  # the first step of every piece is submitted before the second of any
        for at, part in enumerate(parts):
            seconds = part * costs[title].seconds if title in costs else 0.0
            if can_be_shared and in_shares(seconds, left, n_workers):
                shares = shares_of(title, f"{title}, piece {at}", seconds, folds, after)
                jobs.extend(shares[:-folds])
                later += shares[-folds:]
            else:
                early = after and begun_first(seconds, left, n_workers)
                (first if early else jobs).append(Job(title, seconds, after))
        jobs.extend(later)

    for name, source in session.sources.items():
        n = len(extractions.missing(name))
        add(source.title, [1 / n] * n, ())
    n_extractions = len(jobs)
    features = {name: source.title for name, source in session.sources.items()}
    for analysis in wanted(session.study):
        stages = analysis.stages(session)
        needs = tuple(title for name in analysis.needs for title in titles[name])
        for stage in stages:
            own = (
                (features[stage.space],)
                if stage.space
                else ()
                if analysis.name == "ceilings"
                else (*features.values(),)
            )
            add(stage.title, [part for _, part in stage.by_length()], own + needs, analysis.in_shares)
        titles[analysis.name] = tuple(stage.title for stage in stages)
    return [*jobs[:n_extractions], *first, *jobs[n_extractions:]]


def shares_of(
    title: str, piece: str, seconds: float, folds: int, after: tuple[str, ...], sharing: float = SHARING
) -> list[Job]:
    """Return the shares of one piece by nested cross-validation: all pairs of folds left out, then all folds.

    Parameters
    ----------
    title, piece : str
        Of the stage, and what tells this piece from its others.
    seconds : float
        Of the piece, if it were whole.
    folds : int
    after : tuple of str
        Stages that must be over.
    sharing : float
        s that each share takes beside the work.
    """
    n_pairs = folds * (folds - 1) // 2
    each = seconds / (n_pairs + folds) + sharing
    pairs = f"{piece}, pairs"
    return [Job(pairs, each, after, sharing)] * n_pairs + [Job(title, each, (pairs,), sharing)] * folds


def makespan(
    jobs: Sequence[Job], n_workers: int, submitting: float = SUBMITTING, starting: float = STARTING
) -> Makespan:
    """Go through the tasks with so many workers, each doing one at a time.

    Parameters
    ----------
    jobs : sequence of Job
        By priority; what they come after stands before them.
    n_workers : int
    submitting, starting : float
        s that each task takes of the client, and that each worker takes to begin.
    """
    free = [starting] * n_workers
    waiting = _Waiting(jobs)
    now = submitted = 0.0
    for _ in jobs:
        at = heapq.heappop(free)
        while (job := waiting.next(at)) is None:  # the worker waits until some task could start
            at = heapq.heappushpop(free, waiting.next_start())
        submitted += submitting
        end = max(at, submitted) + job.seconds
        heapq.heappush(free, end)
        waiting.over(job, end)
        now = max(now, end)
    work = sum(job.seconds - job.extra for job in jobs)
    return Makespan(n_workers, now, work / (now * n_workers) if now else 1.0, _bound(jobs, n_workers, now, submitting))


class _Waiting:
    """Tasks that are not begun, those together that come after the same stages."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = jobs
        self._left = Counter(job.stage for job in jobs)
        self._end: dict[str, float] = {}  # of each stage, of its tasks so far
        self._groups: dict[tuple[str, ...], deque[int]] = {}
        for at, job in enumerate(jobs):
            self._groups.setdefault(job.after, deque()).append(at)
        self._blocked = {after: {stage for stage in after if self._left[stage]} for after in self._groups}
        self._behind: dict[str, list[tuple[str, ...]]] = {}
        self._to_come: list[tuple[float, int, tuple[str, ...]]] = []  # when it may begin, its first task
        self._ready: list[tuple[int, tuple[str, ...]]] = []
        for after, stages in self._blocked.items():
            for stage in stages:
                self._behind.setdefault(stage, []).append(after)
            if not stages:
                self._open(after)

    def _open(self, after: tuple[str, ...]) -> None:
        begin = max((self._end.get(stage, 0.0) for stage in after), default=0.0)
        heapq.heappush(self._to_come, (begin, self._groups[after][0], after))

    def next(self, now: float) -> Job | None:
        """Take the first task that can start now, if there is one."""
        while self._to_come and self._to_come[0][0] <= now:
            _, at, after = heapq.heappop(self._to_come)
            heapq.heappush(self._ready, (at, after))
        if not self._ready:
            return None
        _, after = heapq.heappop(self._ready)
        group = self._groups[after]
        at = group.popleft()
        if group:
            heapq.heappush(self._ready, (group[0], after))
        return self._jobs[at]

    def next_start(self) -> float:
        """Return when the next task could start, where none can now."""
        return self._to_come[0][0]

    def over(self, job: Job, end: float) -> None:
        """Take note of a task's end, and open what waited for its stage."""
        self._end[job.stage] = max(self._end.get(job.stage, 0.0), end)
        self._left[job.stage] -= 1
        for after in self._behind.get(job.stage, ()) if not self._left[job.stage] else ():
            self._blocked[after].discard(job.stage)
            if not self._blocked[after]:
                self._open(after)


def _bound(jobs: Sequence[Job], n_workers: int, seconds: float, submitting: float) -> str:
    """Say what keeps a run from being shorter."""
    chain: dict[str, float] = {}
    for job in jobs:
        before = max((chain.get(stage, 0.0) for stage in job.after), default=0.0)
        chain[job.stage] = max(chain.get(job.stage, 0.0), before + job.seconds)
    last = max(chain, key=lambda stage: chain[stage], default="")
    bounds = {
        "the work itself": sum(job.seconds for job in jobs) / n_workers,
        f"one piece after the other, up to {last!r}": max(chain.values(), default=0.0),
        "submitting the tasks": submitting * len(jobs),
        "starting workers": STARTING,
    }
    return max(bounds, key=lambda name: bounds[name])
