"""The cluster that a study runs on: one that is there, processes of this machine, or jobs of a batch system."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heschl.checks import InputError
from heschl.study.cluster.config import read_cluster
from heschl.study.work.machine import VISIBLE, gpus
from heschl.study.work.progress import Reporter

if TYPE_CHECKING:
    from distributed import Client

SECONDS = 10
"""That a scheduler has to answer."""
CONNECT = "distributed.comm.timeouts.connect"
QUICKLY = "5s"
"""For a connection, in clusters that are started here. By default Dask goes on for 30 s to knock at a worker that has
just died, each time that it wants something of it."""


@contextmanager
def connected(where: str, report: Reporter) -> Iterator[Client]:
    """Connect to a cluster, or start one that ends with the work.

    Parameters
    ----------
    where : str
        The address of a scheduler ("tcp://host:8786"), its scheduler file (.json); "local" or "local:N", N processes
        on this machine, the first of them with a GPU each where there are any; or a .toml file that describes jobs of a
        batch system.
    report : Reporter
        Told where the dashboard is.

    Raises
    ------
    InputError
        Where Dask is not installed, nothing answers at the address, or the file is not right.
    """
    check_installed()
    import dask

    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is said in the words of this package
    quickly = {CONNECT: QUICKLY} if dask.config.get(CONNECT) == "30s" else {}  # who has set another time knows why
    with dask.config.set(quickly), _cluster(where) as cluster, _client(where, cluster) as client:
        if client.scheduler_info()["services"].get("dashboard"):
            report.say(f"dashboard: {client.dashboard_link}")
        yield client


def check_installed() -> None:
    """Refuse where the extra is missing.

    Raises
    ------
    InputError
    """
    try:
        import distributed  # noqa: F401
    except ImportError:
        raise InputError("--dask", "no dask.distributed here", "it installed", "pip install 'heschl[dask]'") from None


def n_local(where: str) -> int | None:
    """Return the processes that "local:N" asks for, by default one for each core; None for anything else.

    Raises
    ------
    InputError
        For no number of processes.
    """
    if where != "local" and not where.startswith("local:"):
        return None
    cores = len(os.sched_getaffinity(0))
    count = where.partition(":")[2] or str(cores)
    if not re.fullmatch(r"[1-9]\d{0,3}", count):
        raise InputError("--dask", repr(where), "local:N with a number of processes, such as local:4")
    return int(count)


@contextmanager
def _cluster(where: str) -> Iterator[Any]:
    """Start the processes or jobs that are asked for; nothing for an address."""
    count = n_local(where)
    if count is not None:
        from distributed import LocalCluster

        threads = max(1, len(os.sched_getaffinity(0)) // count)
        with LocalCluster(
            n_workers=count, threads_per_worker=threads, silence_logs=logging.CRITICAL, processes=True,
            worker_class=partial(_with_its_gpu, gpus()),
        ) as cluster:  # fmt: skip
            yield cluster
    elif where.endswith(".toml"):
        with read_cluster(Path(where)).start() as cluster:
            yield cluster
    else:
        yield None


def _with_its_gpu(gpus: Sequence[str], *scheduler: Any, name: int, **options: Any) -> Any:
    """Start a worker of this machine that sees one GPU, as dask-cuda's do, or none: one piece at a time on each."""
    from distributed import Nanny

    visible = {VISIBLE: gpus[name] if name < len(gpus) else ""}
    return Nanny(*scheduler, name=name, env=visible, **options)


@contextmanager
def _client(where: str, cluster: Any) -> Iterator[Client]:
    from distributed import Client

    try:
        if cluster is None and where.endswith(".json"):
            if not Path(where).is_file():  # which Dask would wait for
                raise FileNotFoundError(f"no file {where}")
            client = Client(scheduler_file=where, timeout=SECONDS)
        else:
            client = Client(cluster if cluster is not None else where, timeout=SECONDS)
    except (OSError, ValueError, ImportError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            "--dask", f"no scheduler that answers at {where} ({reason})",
            "the address of one (tcp://host:8786), local[:N], or a .toml file",
            "`dask scheduler` prints its address; a firewall may stand between.",
        ) from None  # fmt: skip
    with client:
        yield client
