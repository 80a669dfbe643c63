"""A study on a cluster that is treated badly; its pieces are those of one process, byte for byte.

    python bench/cluster_faults.py kills [N]     kill -9 of workers, N times (10), while a study runs on two of them
    python bench/cluster_faults.py hosts         three hosts, each in a network namespace of its own (Linux, as root):
                                                 the scheduler's; a worker that shares the study's folder; and one that
                                                 does not see it and has half the memory. Then one of them is cut off.
    python bench/cluster_faults.py demo OUT      the cohort of `heschl demo` by --dask local:2 and by one process

The study of `kills` and `hosts` is that of the tests: features computed elsewhere, every analysis that takes them.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from cluster_pieces import KillerOfWorkers, assert_same_pieces, write_arrays_cohort

BRIDGE, NETWORK, PORT = "heschl0", "10.77.0", 8786
HOSTS = ("heschl1", "heschl2")
MEMORY = ("2GB", "1GB")


def kills(count: int, folder: Path) -> None:
    import heschl.study.cluster.work as cluster_work
    from heschl.study.analyses.registry import wanted
    from heschl.study.cluster.connect import connected
    from heschl.study.session import Session
    from heschl.study.work.progress import Reporter

    chance = random.Random(1)
    cluster_work.in_shares = lambda *_: chance.random() < 0.2  # one long fit in five is made by both workers
    study = write_arrays_cohort(folder / "study")
    expected = alone(study, folder / "alone")
    begin, runs = time.perf_counter(), 0
    with connected("local:2", Reporter(None)) as client, KillerOfWorkers(client, count, random.Random(1)) as killer:
        while killer.is_alive():
            shutil.rmtree(folder / "results" / "cache", ignore_errors=True)
            failed = True
            while failed:  # a piece that was in hand at two kills is given up: the same command does the rest
                session = Session(study, folder / "results", Reporter(None))
                session.check()
                work = cluster_work.Work(session, wanted(session.study), list(session.study.features), None, {}, client)
                session, failed, runs = work.run(), bool(work.failed()), runs + 1
            assert_same_pieces(session.cache.folder, expected)
    seconds = time.perf_counter() - begin
    print(f"{len(killer.killed)} kills in {runs} runs, {seconds:.0f} s: all pieces as by one process")


def alone(study: Path, out: Path) -> Path:
    """Run a study by one process with one thread; return its cache."""
    heschl("run", str(study), "--out", str(out))
    return out / "cache"


def heschl(*arguments: str) -> str:
    """Run a command of heschl; return what it said, which is shown, too."""
    command = [sys.executable, "-m", "heschl", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=one_thread())
    print(f"$ heschl {' '.join(arguments)}\n{done.stdout}", flush=True)
    assert done.returncode == 0, done.returncode
    return done.stdout


def one_thread() -> dict[str, str]:
    path = os.pathsep.join(filter(None, sys.path))
    return os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": path}


def hosts(folder: Path) -> None:
    study = write_arrays_cohort(folder / "study")
    expected = alone(study, folder / "alone")
    out = folder / "results"
    out.mkdir()
    address = f"tcp://{NETWORK}.1:{PORT}"
    with namespaces(), contextlib.ExitStack() as stack:
        stack.enter_context(process("scheduler", "--host", f"{NETWORK}.1", "--port", str(PORT), cwd=folder))
        for i, (host, memory) in enumerate(zip(HOSTS, MEMORY, strict=True)):
            worker = f"{sys.executable} -m distributed.cli.dask_worker {address} --nthreads 1 --memory-limit {memory}"
            local = folder / host
            local.mkdir()
            hidden = [f"mount -t tmpfs none {hide}" for hide in (study.parent, out)] if i else ["true"]
            shell = " && ".join([*hidden, f"exec {worker} --no-dashboard --local-directory {local}"])
            command = ["ip", "netns", "exec", host, "unshare", "-m", "sh", "-c", shell]
            stack.enter_context(process(command=command, cwd=Path("/")))
        said = heschl("run", str(study), "--out", str(out), "--dask", address)
        assert "1 of 2 workers do not see" in said
        assert_same_pieces(out / "cache", expected)
        print("one host without the folder and with half the memory: all pieces as by one process\n", flush=True)

        shutil.rmtree(out / "cache")
        begin = time.perf_counter()
        command = [sys.executable, "-m", "heschl", "run", str(study), "--out", str(out), "--dask", address]
        running = subprocess.Popen(command, env=one_thread())
        while not list((out / "cache").glob("encoding/**/*.npz")):
            time.sleep(0.1)
        subprocess.run(["ip", "-n", HOSTS[0], "link", "set", "eth0", "down"], check=True)
        assert running.wait() == 0
        assert_same_pieces(out / "cache", expected)
        print(f"a host cut off while it works: {time.perf_counter() - begin:.0f} s, all pieces as by one process")


@contextlib.contextmanager
def namespaces() -> Iterator[None]:
    """Make hosts, and a network between them and this one."""

    def ip(line: str, check: bool = True) -> None:
        subprocess.run(["ip", *line.split()], check=check, stderr=None if check else subprocess.DEVNULL)

    try:
        ip(f"link add {BRIDGE} type bridge")
        ip(f"addr add {NETWORK}.1/24 dev {BRIDGE}")
        ip(f"link set {BRIDGE} up")
        for i, host in enumerate(HOSTS):
            ip(f"netns add {host}")
            ip(f"link add {host}v type veth peer name eth0 netns {host}")
            ip(f"link set {host}v master {BRIDGE} up")
            ip(f"-n {host} addr add {NETWORK}.{i + 2}/24 dev eth0")
            ip(f"-n {host} link set eth0 up")
            ip(f"-n {host} link set lo up")
        yield
    finally:
        for host in HOSTS:
            ip(f"netns del {host}", check=False)
        ip(f"link del {BRIDGE}", check=False)


@contextlib.contextmanager
def process(kind: str = "", *arguments: str, command: list[str] | None = None, cwd: Path) -> Iterator[None]:
    """Run a process of Dask as long as it is needed."""
    command = command or [sys.executable, "-m", f"distributed.cli.dask_{kind}", *arguments, "--no-dashboard"]
    quickly = one_thread() | {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "5s"}
    running = subprocess.Popen(command, cwd=cwd, env=quickly, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        running.terminate()
        running.wait()


def demo(out: Path) -> None:
    from heschl.study.simulate import simulate_cohort

    study = out / "study.toml"
    if not study.exists():
        simulate_cohort(out)
    expected = alone(study, out / "alone")
    begin = time.perf_counter()
    heschl("run", str(study), "--out", str(out / "by-dask"), "--dask", "local:2")
    print(f"by two workers: {time.perf_counter() - begin:.0f} s")
    assert_same_pieces(out / "by-dask" / "cache", expected)
    for name in ("scores.csv", "best_layers.csv", "contrasts.csv"):
        assert (out / "by-dask" / name).read_bytes() == (out / "alone" / name).read_bytes(), name
    print("all pieces, and tables, as by one process")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["kills", "hosts", "demo"])
    parser.add_argument("rest", nargs="?", help="number of kills; folder of the demo")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        if given.what == "kills":
            kills(int(given.rest or 10), place)
        elif given.what == "hosts":
            hosts(place)
        else:
            demo(Path(given.rest) if given.rest else place)
