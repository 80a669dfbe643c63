"""The form of a cluster.toml: which batch system, how large each of its jobs is, and how many there are."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from heschl.checks import InputError
from heschl.files import replacing
from heschl.study.section import Section

SYSTEMS = {
    "slurm": ("SLURMCluster", "account"),
    "pbs": ("PBSCluster", "account"),
    "sge": ("SGECluster", "project"),
    "lsf": ("LSFCluster", "project"),
}
"""Batch systems: the class of dask-jobqueue, and what it calls whom the time is charged to."""
GPU_DIRECTIVES = {"slurm": "--gres=gpu:1", "pbs": "-l ngpus=1", "sge": "-l gpu=1", "lsf": '-gpu "num=1"'}

EXAMPLE = """\
# Jobs for `heschl run study.toml --dask cluster.toml`: dask-jobqueue submits them, the study runs in them.
# Nothing here changes a result: the science is in the study.toml.

system = "{system}"             # slurm, pbs, sge or lsf
jobs = 8                     # so many, as soon as the batch system gives them; or, as work comes and goes:
# adapt = [0, 20]            # the least and the most

# each job
cores = 8                    # all of them for BLAS, in one piece of work at a time
memory = "32GB"              # `heschl plan` says what a piece takes; 2 GB more for Python and its libraries
walltime = "04:00:00"        # what a job that ends has finished is kept, and its piece in hand is made by another
# workers = 1                # processes that share a job's cores and memory
# gpu = true                 # one GPU for each job; the study's [encoding] device = "cuda" then asks for it
# queue = "{queue}"
# account = "mylab"
# directives = ["{directive}"]
# prologue = ["source ~/venvs/heschl/bin/activate"]   # the same environment as here, if its python is not found there
# interface = "ib0"          # the network that the nodes and this machine share
# local_directory = "/scratch"  # a disk of the node's own; without a shared folder the feature stores lie there
"""
EXAMPLE_DETAILS = {
    "slurm": ("normal", "--exclude=node13"), "pbs": ("workq", "-m n"), "sge": ("all.q", "-l h=node1*"),
    "lsf": ("normal", "-R span[hosts=1]"),
}  # fmt: skip


class ClusterFile(Section):
    """A cluster.toml; dask-jobqueue does what it says."""

    system: Literal["slurm", "pbs", "sge", "lsf"]
    jobs: Annotated[int, Field(ge=1)] | None = None
    adapt: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2, max_length=2)] | None = None
    cores: Annotated[int, Field(ge=1)]
    memory: str
    walltime: str
    workers: Annotated[int, Field(ge=1)] = 1
    gpu: bool = False
    queue: str | None = None
    account: str | None = None
    directives: Annotated[list[str], Field(default_factory=list)]
    prologue: Annotated[list[str], Field(default_factory=list)]
    interface: str | None = None
    local_directory: str | None = None

    @model_validator(mode="after")
    def _one_way_to_scale(self) -> ClusterFile:
        if (self.jobs is None) == (self.adapt is None):
            raise ValueError("either jobs or adapt, one of them")
        if self.adapt is not None and not 0 <= self.adapt[0] <= self.adapt[1] > 0:
            raise ValueError("adapt = [least, most], in this order")
        if self.gpu and self.workers > 1:
            raise ValueError("workers = 1 where gpu = true: one piece a GPU")
        return self

    def options(self) -> dict[str, Any]:
        """Return the arguments of the class of dask-jobqueue."""
        directives = (*((GPU_DIRECTIVES[self.system],) if self.gpu else ()), *self.directives)
        found = {
            "queue": self.queue, SYSTEMS[self.system][1]: self.account, "interface": self.interface,
            "local_directory": self.local_directory,
        }  # fmt: skip
        return {name: value for name, value in found.items() if value is not None} | {
            "cores": self.cores,
            "memory": self.memory,
            "processes": self.workers,
            "walltime": self.walltime,
            "job_extra_directives": list(directives),
            "job_script_prologue": self.prologue,
            "worker_extra_args": ["--resources", "GPU=1"] if self.gpu else [],
        }

    def start(self) -> Any:
        """Submit the jobs.

        Raises
        ------
        InputError
            Where dask-jobqueue is not installed, or the batch system is not here.
        """
        try:
            import dask_jobqueue
        except ImportError:
            raise InputError("--dask", "no dask-jobqueue here", "it installed", "pip install 'heschl[dask]'") from None
        try:
            cluster = getattr(dask_jobqueue, SYSTEMS[self.system][0])(**self.options())
            if self.adapt is not None:
                cluster.adapt(minimum_jobs=self.adapt[0], maximum_jobs=self.adapt[1])
            else:
                cluster.scale(jobs=self.jobs)
        except (OSError, RuntimeError, ValueError, TypeError) as error:
            raise InputError(
                "--dask", f"jobs that {self.system} does not take ({error})", "the settings of this cluster",
                "Run it where jobs are submitted from.",
            ) from error  # fmt: skip
        return cluster


def read_cluster(path: Path) -> ClusterFile:
    """Read a cluster.toml.

    Raises
    ------
    InputError
        For a file that does not exist, is not TOML, or says what is not known.
    """
    advice = "`heschl cluster --example slurm` writes one, commented."
    try:
        return ClusterFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, IsADirectoryError):
        raise InputError(str(path), "no such file", "a cluster.toml", advice) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(str(path), str(error), "TOML", advice) from None
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(map(str, problem["loc"]))
        found = "nothing" if problem["type"] == "missing" else repr(problem.get("input"))[:60] if key else "settings"
        where = f"{path}: {key}" if key else str(path)
        raise InputError(where, found, problem["msg"].removeprefix("Value error, "), advice) from None


def write_example(system: str, path: Path) -> Path:
    """Write a commented cluster.toml to start from.

    Raises
    ------
    InputError
        For a system that is not known, and a file that exists.
    """
    if system not in SYSTEMS:
        raise InputError("--example", repr(system), f"one of {', '.join(SYSTEMS)}")
    if path.exists():
        raise InputError(str(path), "a file", "a new one", "Name another file.")
    queue, directive = EXAMPLE_DETAILS[system]
    with replacing(path) as temporary:
        temporary.write_text(EXAMPLE.format(system=system, queue=queue, directive=directive), encoding="utf-8")
    return path
