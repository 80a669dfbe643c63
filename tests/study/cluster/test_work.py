"""A study on worker processes: the same to the last bit, whatever is killed, lost, wrong or not shared."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import heschl.study.cluster.extraction as extraction
import heschl.study.cluster.roster as roster
import heschl.study.cluster.work as work_module
from cluster_pieces import KillerOfWorkers, Scripted, assert_same_pieces
from heschl.checks import InputError
from heschl.study.analyses.analysis import StageCost
from heschl.study.analyses.encoding import EncodingAnalysis
from heschl.study.cluster.cuts import Node
from heschl.study.cluster.work import Work
from heschl.study.cluster.worker import threads
from heschl.study.session import Session

MakeWork = Callable[..., Work]
SECONDS = 300


@pytest.fixture(autouse=True)
def _no_test_waits_for_ever() -> Iterator[None]:
    def leave(*_: object) -> None:
        pytest.fail(f"not over after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, leave)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def said(work: Work) -> str:
    return "\n".join(work.report.lines)  # type: ignore[attr-defined]


def test_all_analyses_as_by_one_process(work: MakeWork, alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extraction, "GROUP_SECONDS", 5.0)  # several groups of stimuli for each space
    cuts: list[int] = []
    cut = Node.cut
    monkeypatch.setattr(Node, "cut", lambda self, count: cuts.append(len(self.place)) or cut(self, count))
    # The first layer is made in shares of training sets; the first beyond the common time course, which comes after
    # seven layers, in shares of outer folds, and these in shares of theirs.
    asked = itertools.count()
    monkeypatch.setattr(work_module, "in_shares", lambda *_: next(asked) in (0, 7))
    done = work()
    session = done.run()
    assert set(cuts) == {0, 1}
    assert not done.failed()
    assert_same_pieces(session.cache.folder, alone)
    assert "do not see" not in said(done) and "no worker sees" not in said(done)
    assert {len(features.stored.index()) for features in session.features.values()} == {11}
    again = work()
    again.run()
    assert "encoding" not in said(again)  # nothing was left to do


def test_without_a_shared_folder(work: MakeWork, alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roster, "sees", _blind)
    done = work()
    session = done.run()
    assert not done.failed()
    assert_same_pieces(session.cache.folder, alone)
    assert f"no worker sees {session.cache.folder}" in said(done)
    assert not session.layout.features.exists()  # the stores are the workers'


def _blind(site: Any) -> bool:
    return False


def test_where_some_workers_lie_on_another_host(
    work: MakeWork, alone: Path, client: Any, tmp_path: Path, elsewhere: Path
) -> None:
    """A third worker, in a mount namespace in which study and results are hidden."""
    hide = " && ".join(f"mount -t tmpfs none {folder}" for folder in (elsewhere.parent, tmp_path))
    if subprocess.run(["unshare", "-rm", "sh", "-c", hide], capture_output=True).returncode:
        pytest.skip("this system lets nobody hide a folder")
    worker = f"{sys.executable} -m distributed.cli.dask_worker {client.scheduler.address} --nthreads 1 --no-dashboard"
    place = tmp_path.parent / f"{tmp_path.name}-worker"
    other = subprocess.Popen(
        ["unshare", "-rm", "sh", "-c", f"{hide} && exec {worker} --no-nanny --local-directory {place}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
    )  # fmt: skip
    try:
        client.wait_for_workers(3, timeout=60)
        done = work()
        session = done.run()
        assert not done.failed()
        assert_same_pieces(session.cache.folder, alone)
        assert "1 of 3 workers do not see" in said(done)
    finally:
        other.terminate()
        other.wait()


def test_a_piece_that_fails_is_named_and_the_rest_goes_on(work: MakeWork, tmp_path: Path) -> None:
    scripted = Scripted(tmp_path, "right1", "wrong", "once", "right2")
    done = work([scripted])
    session = done.run()
    assert [session.cache.has(piece) for piece in scripted.pieces] == [True, False, True, True]
    assert "scripted/wrong.txt failed twice, all else goes on: ValueError: wrong cannot be made" in said(done)
    (error,) = done.failed().values()
    assert str(error).startswith("1 piece of scripted: found scripted/wrong.txt: ValueError")
    assert len(list(tmp_path.glob("wrong-begun-*"))) == 2


def test_a_result_that_went_with_its_worker_is_made_again(
    work: MakeWork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from distributed import Future
    from distributed.client import FutureCancelledError

    result, gone = Future.result, []

    def first_gone(future: Any, timeout: Any = None) -> Any:
        if not gone:
            gone.append(future.key)
            raise FutureCancelledError(future.key, "lost")
        return result(future, timeout)

    monkeypatch.setattr(Future, "result", first_gone)
    scripted = Scripted(tmp_path, "right1", "right2")
    done = work([scripted])
    session = done.run()
    assert gone and all(map(session.cache.has, scripted.pieces)) and not done.failed()


def test_a_worker_that_dies_and_one_that_wants_too_much(work: MakeWork, tmp_path: Path) -> None:
    scripted = Scripted(tmp_path, *(f"slow{i}" for i in range(6)), "dies", *(f"right{i}" for i in range(3)))
    done = work([scripted])
    session = done.run()
    assert all(map(session.cache.has, scripted.pieces)), said(done)


def test_out_of_memory(work: MakeWork, tmp_path: Path) -> None:
    import dask
    from distributed import Client, LocalCluster

    quick = {"distributed.scheduler.allowed-failures": 0, "distributed.worker.memory.monitor-interval": "20ms"}
    scripted = Scripted(tmp_path, "right1", "hungry", "right2")
    with (
        dask.config.set(quick),
        LocalCluster(n_workers=1, threads_per_worker=1, memory_limit="700MB", silence_logs=50) as cluster,
        Client(cluster) as client,
    ):
        done = work([scripted], on=client)
        session = done.run()
        assert [session.cache.has(piece) for piece in scripted.pieces] == [True, False, True]
        assert "scripted/hungry.txt failed twice" in said(done)
        with pytest.raises(InputError, match=r"memory for scripted: found 0.7 GB; expected 0.\d GB, which"):
            work([scripted], on=client, costs={"scripted": StageCost("scripted", 3, 1.0, 7e8, 0.0, "")}).run()


def test_killed_again_and_again(work: MakeWork, alone: Path, client: Any) -> None:
    """kill -9 of one worker or the other while studies run: every piece equal to the last bit (ten kills: bench)."""
    with KillerOfWorkers(client, 3, random.Random(1)) as killer:
        while killer.is_alive():
            shutil.rmtree(work().cache, ignore_errors=True)
            failed = True
            while failed:  # a piece that was in hand at two kills is given up: the same command does the rest
                done = work()
                session = done.run()
                failed = bool(done.failed())
            assert_same_pieces(session.cache.folder, alone)
    assert len(killer.killed) == 3


@pytest.mark.parametrize("fetching", [False, True])
def test_scheduler_lost_and_the_study_started_again(
    fetching: bool, work: MakeWork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from distributed import Client

    monkeypatch.setattr(work_module, "SECONDS", 0.5)
    scripted = Scripted(tmp_path, *(f"slow{i}" for i in range(30)))
    at, importing = tmp_path / "scheduler.json", os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", "distributed.cli.dask_KIND", "--scheduler-file", str(at), "--no-dashboard"]
    processes = [
        subprocess.Popen(
            [word.replace("KIND", kind) for word in command] + more,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path, env=importing,
        )
        for kind, more in (("scheduler", ["--port", "0"]), ("worker", ["--nthreads", "1", "--no-nanny"]))
    ]  # fmt: skip
    try:
        while not at.exists():
            time.sleep(0.05)
        with Client(scheduler_file=str(at), timeout=1) as client:
            done = work([scripted], on=client)

            def lose() -> None:
                while len(list(tmp_path.glob("slow*-begun-*"))) < 5:
                    time.sleep(0.02)
                processes[0].kill()

            if fetching:
                fetch, asked = Client._gather_remote, itertools.count()

                async def lost(*arguments: Any) -> Any:
                    if next(asked) == 3:
                        processes[0].kill()
                        processes[0].wait()
                    return await fetch(*arguments)

                monkeypatch.setattr(Client, "_gather_remote", lost)
            else:
                threading.Thread(target=lose, daemon=True).start()
            with pytest.raises(InputError, match="--dask: found a scheduler that is gone; expected one that answers"):
                done.run()
    finally:
        for process in processes:
            process.kill()
            process.wait()
    kept = {path for path in done.session.cache.folder.rglob("*.txt")}
    assert 3 <= len(kept) < 30
    again = work([scripted])
    session = again.run()
    assert all(map(session.cache.has, scripted.pieces))
    assert all(len(list(tmp_path.glob(f"{path.stem.split('-')[0]}-begun-*"))) == 1 for path in kept)


def test_connection_lost_while_a_result_is_fetched(
    work: MakeWork, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from distributed import Client
    from distributed.comm import CommClosedError

    fetch, asked = Client._gather_remote, itertools.count()

    async def lost_once(self: Any, *arguments: Any) -> Any:
        found = await fetch(self, *arguments)  # what waits for the next is in order again
        if self is client and next(asked) == 1:
            raise CommClosedError("stream is closed")
        return found

    monkeypatch.setattr(Client, "_gather_remote", lost_once)
    scripted = Scripted(tmp_path, *(f"slow{i}" for i in range(6)))
    session = work([scripted]).run()
    assert next(asked) >= 2
    assert all(map(session.cache.has, scripted.pieces))


def test_a_stimulus_that_is_refused_is_left_out(work: MakeWork, own_study: Path, tmp_path: Path) -> None:
    np.save(own_study.parent / "rows" / "s3.npy", np.zeros((3, 4, 40), np.float32))  # of five words
    done = work(own=own_study)
    session = done.run()
    assert not done.failed()
    assert list(session.inputs.broken) == ["s3"]
    expected = Session(own_study, tmp_path / "expected")
    with threads(1):
        expected = expected.extracted()
        EncodingAnalysis().run(expected)
    # Fits that were done before the refusal was known were done with all stimuli; they are not those of the study.
    assert_same_pieces(session.cache.folder, expected.cache.folder, "encoding", beside=True)


def test_client_closed_and_started_again(work: MakeWork, client: Any, tmp_path: Path) -> None:
    from distributed import Client

    scripted = Scripted(tmp_path, *(f"slow{i}" for i in range(20)))
    with Client(client.scheduler.address) as other:
        done = work([scripted], on=other)

        def close() -> None:
            while len(list(tmp_path.glob("slow*-begun-*"))) < 4:
                time.sleep(0.02)
            other.close()

        threading.Thread(target=close, daemon=True).start()
        with pytest.raises(InputError, match="the same command goes on"):
            done.run()
    kept = list(done.session.cache.folder.rglob("*.txt"))
    again = work([scripted])
    session = again.run()
    assert all(map(session.cache.has, scripted.pieces))
    assert all(len(list(tmp_path.glob(f"{path.stem.split('-')[0]}-begun-*"))) == 1 for path in kept)


def test_damaged_features_are_extracted_again(work: MakeWork, alone: Path) -> None:
    done = work()
    session = done.run()
    chunk = next((session.layout.features / f"{session.sources['frames'].key}.zarr" / "1").rglob("c/0/0"))
    content = bytearray(chunk.read_bytes())
    content[100] ^= 255
    chunk.write_bytes(content)
    shutil.rmtree(session.cache.folder / "encoding")
    again = work()
    again.run()
    assert not again.failed()
    assert_same_pieces(session.cache.folder, alone)
    assert "extracted again" in said(again)
