"""How a study would spread over workers: its makespan for any number of them, and what bounds it.

The tasks are those that a run submits, with the times of the plan. They are gone through as Dask would: each worker
takes the next task, by priority, whose inputs are there. That is a model, not a schedule: where tasks run is Dask's.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from heschl.study.analyses.analysis import StageCost
from heschl.study.analyses.registry import wanted
from heschl.study.cluster.extraction import Extractions
from heschl.study.cluster.parcels import Packer
from heschl.study.session import Session

STARTING = 5.0
"""s that a worker takes to import and to read its first inputs."""
SUBMITTING = 0.01
"""s that the client and the scheduler spend on a task."""
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
    """

    stage: str
    seconds: float
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class Makespan:
    """How long a number of workers take.

    Attributes
    ----------
    n_workers : int
    seconds : float
    efficiency : float
        Of the time of all workers, the share that is work.
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
    jobs = jobs_of(Session(path, out), {cost.name: cost for cost in costs})
    found = [makespan(jobs, n) for n in NUMBERS]
    least = next(i for i, each in enumerate(found) if each.seconds <= 1.02 * found[-1].seconds)
    return found[: least + 2]


def jobs_of(session: Session, costs: Mapping[str, StageCost]) -> list[Job]:
    """Return the tasks of a whole run of a study, nothing of which is done yet.

    Parameters
    ----------
    session : Session
        Checked.
    costs : mapping of title to StageCost
        As planned.
    """
    jobs: list[Job] = []
    titles: dict[str, tuple[str, ...]] = {}
    extractions = Extractions(session, Packer(lambda name, value: None), shared=True)

    def add(title: str, count: int, after: tuple[str, ...]) -> None:
        each = costs[title].seconds / max(1, count) if title in costs else 0.0
        jobs.extend([Job(title, each, after)] * count)

    for name, source in session.sources.items():
        add(source.title, len(extractions.missing(name)), ())
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
            add(stage.title, len(stage.pieces), own + needs)
        titles[analysis.name] = tuple(stage.title for stage in stages)
    return jobs


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
    ready = [starting] * n_workers
    heapq.heapify(ready)
    over: dict[str, float] = {}  # of each stage, the end of its last task
    held: dict[str, int] = {}
    for job in jobs:
        held[job.stage] = held.get(job.stage, 0) + 1
    waiting, now, submitted = list(jobs), 0.0, 0.0
    left = dict(held)
    while waiting:
        free = heapq.heappop(ready)
        at, start = _next(waiting, left, over, free)
        job = waiting.pop(at)
        submitted += submitting
        end = max(start, submitted) + job.seconds
        heapq.heappush(ready, end)
        left[job.stage] -= 1
        over[job.stage] = max(over.get(job.stage, 0.0), end)
        now = max(now, end)
    work = sum(job.seconds for job in jobs)
    return Makespan(n_workers, now, work / (now * n_workers) if now else 1.0, _bound(jobs, n_workers, now, submitting))


def _next(waiting: Sequence[Job], left: Mapping[str, int], over: Mapping[str, float], free: float) -> tuple[int, float]:
    """Return the first task that could start when a worker is free, else the one that could start first."""
    best: tuple[float, int] | None = None
    seen: set[tuple[str, ...]] = set()
    for at, job in enumerate(waiting):
        if job.after in seen:
            continue
        seen.add(job.after)
        if any(left.get(stage, 0) for stage in job.after):
            continue
        start = max([free, *(over.get(stage, 0.0) for stage in job.after)])
        if best is None or start < best[0]:
            best = start, at
        if start <= free:
            break
    assert best is not None, "what a task comes after stands before it"
    return best[1], best[0]


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
