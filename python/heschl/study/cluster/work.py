"""A study's pieces as tasks of Dask: submitted with what they wait for, gathered, tried again, reported.

Work goes by rounds. A round submits all that is missing, and more as it becomes known what that depends on; Dask says
where each task runs and runs again what a lost worker had. What failed, and what was lost with a scheduler, is the
next round's. A piece that fails twice is given up, by name, and the rest goes on.
"""

from __future__ import annotations

import os
import secrets
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heschl.checks import InputError
from heschl.features.store import DamagedFeatures
from heschl.files import replacing
from heschl.study.analyses.analysis import Analysis, Stage, StageCost, explained
from heschl.study.analyses.failures import not_made, reason
from heschl.study.cluster.cuts import Node, Task, begun_first, in_shares
from heschl.study.cluster.extraction import Extractions
from heschl.study.cluster.parcels import Folder, Packer
from heschl.study.cluster.roster import check_memory, have_gpus, ready_workers
from heschl.study.cluster.shares import Reached
from heschl.study.cluster.worker import Done, NotShared, Site, extract, make, sent_folder, share, versions
from heschl.study.extraction.extract import RefusedStimuli
from heschl.study.inputs.load import leave_out
from heschl.study.session import Session
from heschl.study.work.cache import Piece

if TYPE_CHECKING:
    from distributed import Client, Future

ROUNDS = 100
"""That are begun: damaged features, lost workers and lost schedulers each cost one."""
TRIES = 2
"""Of a piece that fails."""
SECONDS = 20.0
"""That a scheduler has to come back."""


class Work:
    """A study on a cluster.

    Parameters
    ----------
    session : Session
        Checked.
    analyses : sequence of Analysis
        To be done, each after those it needs.
    spaces : sequence of str
        Whose features are extracted.
    stages_of : sequence of str or None
        Do only the stages of these spaces.
    costs : mapping of title to StageCost
        As planned: the memory of each piece, and how much of the work it is.
    client : distributed.Client
    """

    def __init__(
        self, session: Session, analyses: Sequence[Analysis], spaces: Sequence[str], stages_of: Sequence[str] | None,
        costs: Mapping[str, StageCost], client: Client,
    ) -> None:  # fmt: skip
        self.session, self.analyses, self.spaces, self.stages_of = session, analyses, spaces, stages_of
        self.costs, self.client, self.report = costs, client, session.report
        self.cache = os.path.abspath(session.cache.folder)
        self.site = Site(versions(), self.cache)
        self.errors: dict[str, list[BaseException]] = defaultdict(list)
        self.again = False  # whether another round may do what this one did not
        self.shared = True  # until a worker turns out not to see the folder
        self.refused: RefusedStimuli | None = None

    def run(self) -> Session:
        """Do all that can be done.

        Returns
        -------
        Session
            The study; without the few stimuli that a model refused, where it did.

        Raises
        ------
        InputError
            For workers that are of another version, a scheduler that is gone, and too many stimuli refused.
        """
        from distributed.client import ClosedClientError
        from distributed.comm import CommClosedError

        mark = Path(self.cache, f".mark-{secrets.token_hex(8)}")
        try:
            with replacing(mark) as temporary:
                temporary.write_text(mark.name)
            for _ in range(ROUNDS):
                try:
                    self._round(f"{mark.name}:{mark.name}")
                except (OSError, CancelledError, ClosedClientError) as error:
                    if not isinstance(error, CommClosedError) and self.client.status == "running":
                        raise
                    self.again = True  # the scheduler was lost while something was asked of it
                    time.sleep(0.1)  # until the client knows
                if not self.again:
                    break
        finally:
            mark.unlink(missing_ok=True)
        return self.session

    def failed(self) -> dict[str, Exception]:
        """Return the analyses of which pieces are missing, and why; features, where nothing else was to be done."""
        if not self.analyses:
            return {
                name: InputError(name, reason(errors[-1]), "features that can be extracted")
                for name, errors in self.errors.items()
                if len(errors) >= TRIES
            }
        found = {a.name: not_made(self.session, a.name, self._stages(a), self.reasons()) for a in self.analyses}
        return {name: error for name, error in found.items() if error is not None}

    def reasons(self) -> dict[str, BaseException]:
        """Return why pieces, and features, could not be made, by name."""
        return {name: errors[-1] for name, errors in self.errors.items() if errors}

    def _stages(self, analysis: Analysis) -> list[Stage]:
        stages = analysis.stages(self.session)
        return [stage for stage in stages if self.stages_of is None or stage.space in (None, *self.stages_of)]

    def _prepare(self, mark: str) -> int:
        """Wait for workers, check them, and see whether they share the folder; return how many there are."""
        shared = Site(self.site.versions, self.cache, mark, os.path.abspath(self.session.path))
        n_workers, blind = ready_workers(self.client, shared, self.report)
        if blind and self.shared:
            n = "no worker sees" if len(blind) == n_workers else f"{len(blind)} of {n_workers} workers do not see"
            self.report.say(
                f"{n} {self.cache}, or not the study ({', '.join(blind[:3])}): what they need is sent to them, "
                "features are extracted on each worker, and pieces come back"
            )
            self.shared = False
        self.site = shared if self.shared else Site(self.site.versions, self.cache)
        return n_workers

    def _round(self, mark: str) -> None:
        """Submit all that is missing, and gather it."""
        from distributed import as_completed

        self._wait_for_scheduler()
        self.n_workers = self._prepare(mark)
        check_memory(self.client, self.costs)
        self.gpus = have_gpus(self.client)
        self.again, self.refused = False, None
        self.tasks: dict[Any, Task] = {}
        self.open: dict[str, int] = defaultdict(int)  # tasks of each stage that are not over
        self.values: dict[str, Any] = {}
        self.carried: dict[str, Future] = {}
        folder = Folder(sent_folder(self.cache))
        self.packer = Packer(folder.keep if self.shared else self.values.__setitem__)
        self.extractions = Extractions(self.session, self.packer, self.shared)
        self.features: dict[str, list[Future]] = {}
        self.left = self._to_come(set())
        self.futures = as_completed()
        started: set[str] = set()
        if self.shared:
            for name in self.spaces:
                self._features_of(name)
        elif not self.analyses:
            raise InputError(
                "--only features", "workers without the results folder", "workers that share it",
                "Their feature stores end with them.",
            )  # fmt: skip
        self._submit_pieces(started)
        total, done = sum(task.seconds for task in self.tasks.values()) + self._to_come(started), 0.0
        with self.report.stage(f"on {self.n_workers} workers", total) as advance:
            for future in self.futures:
                task = self.tasks.pop(future.key)
                done += self._gather(future, task)
                self._submit_pieces(started)
                advance(done)
        self.futures = None
        if self.refused is not None:
            self._leave_out(self.refused)

    def _wait_for_scheduler(self) -> None:
        deadline = time.monotonic() + SECONDS
        while self.client.status == "connecting" and time.monotonic() < deadline:
            time.sleep(0.1)
        if self.client.status != "running":
            raise InputError(
                "--dask", "a scheduler that is gone", "one that answers",
                "All that was finished is kept: start the scheduler, and the same command goes on.",
            )  # fmt: skip

    def _features_of(self, name: str) -> list[Future]:
        """Submit the extraction of what is missing of a space, group of stimuli by group; once a round."""
        if name not in self.features:
            self.features[name] = []
            title = self.session.sources[name].title
            groups = [] if len(self.errors[title]) >= TRIES else self.extractions.missing(name)
            gpu = getattr(self.session.study.features[name], "device", "cpu") == "cuda"
            at = list(self.session.sources).index(name)
            for i, names in enumerate(groups):
                task = Task(title, title, self._seconds(title, 1 / len(groups)))
                parcel = self.extractions.parcel(name)
                arguments = parcel, names, self.site, self._carried(parcel.apart)
                self.features[name].append(
                    self._submit(task, f"{i + 1} of {len(groups)}", -at, gpu, extract, *arguments)
                )
        return self.features[name]

    def _submit_pieces(self, started: set[str]) -> None:
        """Submit the pieces of every analysis of which it is known what they depend on."""
        for analysis in self.analyses:
            if analysis.name in started or not all(self._over(name) for name in analysis.needs):
                continue
            started.add(analysis.name)
            stages = self._stages(analysis)
            for stage in stages:
                for piece, part in stage.by_length():
                    if piece.key is None or self.session.cache.has(piece) or len(self.errors[piece.name]) >= TRIES:
                        continue
                    self._submit_piece(stage, piece, part, analysis.in_shares)

    def _to_come(self, started: set[str]) -> float:
        """Return the seconds of what is not submitted yet."""
        later = (analysis for analysis in self.analyses if analysis.name not in started)
        return sum(
            self._seconds(stage.title, part)
            for analysis in later
            for stage in self._stages(analysis)
            for piece, part in stage.by_length()
            if not self.session.cache.has(piece)
        )

    def _over(self, name: str) -> bool:
        analysis = next(a for a in self.analyses if a.name == name)
        return not any(task.piece and task.piece.name.startswith(f"{name}/") for task in self.tasks.values()) and (
            analysis.done(self.session)
        )

    def _submit_piece(self, stage: Stage, piece: Piece, part: float, can_be_shared: bool) -> None:
        assert piece.key is not None, "it is known what it depends on"
        parcel, session, seconds = self.packer.pack(piece.make), self.session, self._seconds(stage.title, part)
        spaces = sorted(parcel.spaces)
        if any(len(self.errors[session.sources[name].title]) >= TRIES for name in spaces):
            return
        waits = [future for name in spaces for future in self._features_of(name)]
        features = {} if self.shared else {name: self.extractions.parcel(name) for name in spaces}
        apart = parcel.apart.union(*(extraction.apart for extraction in features.values()))
        order = list(session.sources)
        priority = -order.index(stage.space) if stage.space in order else -len(order)
        gpu, carried = session.study.encoding.device == "cuda", self._carried(apart)
        of = len(stage.pieces)

        def submit(node: Node | None) -> None:
            counts, shares = (None, []) if node is None else node.known()
            same = parcel, self.site, carried, features, counts, shares, waits
            task = Task(piece.name, stage.title, node.seconds if node else seconds, piece, [*waits, *shares], node)
            if node is None or node.above is None:
                self._submit(task, of, priority, gpu, make, piece.name, piece.key, *same)
            else:
                self._submit(task, f"{of}, in shares", priority, gpu, share, node.place, *same)

        # Moments on a GPU do not travel; and what comes to a CPU here and to a GPU there is not the same fit.
        on_cpus = session.study.encoding.device == "cpu" or not self.gpus
        cut = can_be_shared and on_cpus and in_shares(seconds, self.left, self.n_workers)
        if not cut and begun_first(seconds, self.left, self.n_workers):
            priority = 1
        submit(Node((), None, submit, seconds) if cut else None)

    def _submit(self, task: Task, of: object, priority: int, gpu: bool, function: Any, *arguments: Any) -> Future:
        from heschl.study.cluster.plugin import GPU, MEMORY, PIECE

        cost = self.costs.get(task.title)
        resources = {PIECE: 1.0, MEMORY: cost.memory if cost else 0.0} | ({GPU: 1.0} if gpu else {})
        future = self.client.submit(
            function, *arguments, key=(task.title, task.name, f"{of} {secrets.token_hex(4)}"), priority=priority,
            resources=resources, pure=False,
        )  # fmt: skip
        self.tasks[future.key] = task
        self.open[task.title] += 1
        self.futures.add(future)
        return future

    def _seconds(self, title: str, part: float) -> float:
        """Return what a part of a stage will take."""
        cost = self.costs.get(title)
        return part * cost.seconds if cost else 1.0

    def _carried(self, apart: frozenset[str]) -> dict[str, Future]:
        """Send to the workers what is needed apart, each once."""
        if self.shared:
            return {}
        for name in sorted(apart - self.carried.keys()):
            self.carried[name] = self.client.scatter(self.values[name], broadcast=True, hash=False)
        return {name: self.carried[name] for name in sorted(apart)}

    def _gather(self, future: Future, task: Task) -> float:
        """Take what came back: a piece, a part of it, an error, or nothing, where the scheduler lost it.

        Returns
        -------
        float
            Seconds of work, as expected, that are over.
        """
        over, node = task.seconds, task.node
        if future.status == "finished" and node is not None and future.type is not Reached and node.above is not None:
            node.found(future)  # stays where it is: the seconds that it took are told by what it is a part of
        elif future.status == "finished":
            try:
                result: Reached | Done = future.result()
            except CancelledError:  # the only worker that had it went before it could be fetched
                self.again = True
            else:
                self._count(task, result.seconds)
                if isinstance(result, Reached):
                    over = 0.0
                    assert node is not None  # only parts of pieces reach a step
                    node.cut(result.count)
                elif task.piece is not None and result.content is not None:
                    _write(self.session.cache.path(task.piece.name, str(task.piece.key)), result.content)
        elif future.status == "error":
            self._note(future.exception(), task)
        else:
            self.again = True
        self.open[task.title] -= 1
        if self.open[task.title] == 0 and task.title in self.report.seconds:
            self.report.say(f"{task.title}: {self.report.seconds[task.title]:.1f} s of work")
        return over

    def _count(self, task: Task, seconds: float) -> None:
        self.report.seconds[task.title] = self.report.seconds.get(task.title, 0.0) + seconds

    def _note(self, error: BaseException | None, task: Task) -> None:
        if task.node is not None and task.node.whole.failed:
            return  # another part of the same piece has failed, and is told
        if task.node is not None:
            task.node.whole.failed = True
        if isinstance(error, RefusedStimuli):
            self.refused = error
        elif any(future.status in ("error", "cancelled", "lost") for future in task.waits):
            self.again = self.again or len(self.errors[task.name]) < TRIES  # what it waited for has failed, and is told
        elif isinstance(error, NotShared):
            self.report.say(str(error))
            self.shared, self.again = False, True
        elif isinstance(error, DamagedFeatures):
            self.report.say(f"{error.argument}: {error.found}; they are extracted again")
            self.again = True
        else:
            assert error is not None
            self.errors[task.name].append(explained(error))
            if len(self.errors[task.name]) < TRIES:
                self.again = True
            else:
                self.report.say(f"{task.name} failed twice, all else goes on: {reason(explained(error))}")

    def _leave_out(self, error: RefusedStimuli) -> None:
        """Go on without a few stimuli that a model refuses."""
        without = leave_out(self.session.inputs, error.stimuli)
        if without is None:
            raise error
        self.session = Session(self.session.path, self.session.layout.out, self.report, inputs=without)
        self.again = True


def _write(path: Path, content: bytes) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(content)
