"""Where a study runs: addresses, files, what workers must be alike in; every mistake is a message."""

from __future__ import annotations

import pickle
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import heschl.study.cluster.worker as worker
from cluster_pieces import assert_same_pieces
from heschl.checks import InputError
from heschl.cli import app
from heschl.features.store import DamagedFeatures
from heschl.study import run_study
from heschl.study.cluster.config import SYSTEMS, read_cluster
from heschl.study.cluster.connect import _with_its_gpu, connected, n_local
from heschl.study.cluster.plugin import PIECE, has_gpu
from heschl.study.cluster.roster import register
from heschl.study.cluster.work import Work
from heschl.study.cluster.worker import NotShared, Site, check_versions, sees, versions
from heschl.study.extraction.extract import RefusedStimuli
from heschl.study.work.progress import Reporter


def test_processes_of_this_machine() -> None:
    assert (n_local("local:3"), n_local("tcp://host:8786")) == (3, None)
    assert n_local("local") >= 1  # type: ignore[operator]
    for wrong in ("local:0", "local:two", "local:"):
        if wrong != "local:":
            with pytest.raises(InputError, match="expected local:N with a number of processes"):
                n_local(wrong)


@pytest.mark.parametrize("where", ["tcp://127.0.0.1:9", "no-such-scheduler.json", "ftp://host"])
def test_nothing_answers(where: str, monkeypatch: pytest.MonkeyPatch, elsewhere: Path, tmp_path: Path) -> None:
    monkeypatch.setattr("heschl.study.cluster.connect.SECONDS", 0.5)
    with (
        pytest.raises(InputError, match="--dask: found no scheduler that answers at"),
        connected(where, Reporter(None)),
    ):
        pass


def test_the_command_says_it_plainly(elsewhere: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    for more, message in (
        (["--dask", "cluster.toml"], "cluster.toml: found no such file"),
        (["--dask", "local:0"], "local:N with a number of processes"),
        (["--dask", "local", "--jobs", "2"], "jobs: found 2; expected no --jobs with --dask"),
    ):
        done = CliRunner().invoke(app, ["run", str(elsewhere), "--out", out, *more])
        assert done.exit_code == 2 and message in done.stderr and "Traceback" not in done.stderr


def test_versions_that_differ() -> None:
    here = versions()
    assert {"heschl", "Python", "numpy", "distributed"} <= here.keys()
    check_versions(here, here, "tcp://node1:1")
    with pytest.raises(InputError, match=r"worker tcp://node1:1: found numpy 1.0; expected numpy .*, as on the client"):
        check_versions(here, here | {"numpy": "1.0"}, "tcp://node1:1")
    with pytest.raises(InputError, match="scipy missing"):
        check_versions(here, {name: value for name, value in here.items() if name != "scipy"}, "tcp://node1:1")


def test_workers_of_another_version_are_refused_before_any_work(work: Callable[..., Work]) -> None:
    one = work([])
    one.site = Site(versions() | {"heschl": "older"}, one.cache)
    with pytest.raises(InputError, match=r"worker tcp://.*: found heschl .*; expected heschl older, as on the client"):
        one.run()


def test_the_mark_of_a_shared_folder(tmp_path: Path) -> None:
    (tmp_path / "mark").write_text("here")
    assert sees(Site({}, str(tmp_path), "mark:here"))
    assert not sees(Site({}, str(tmp_path), "mark:there")) and not sees(Site({}, str(tmp_path / "no"), "mark:here"))
    assert not sees(Site({}, str(tmp_path), "mark:here", str(tmp_path / "study.toml")))  # results alone are shared


def test_features_alone_that_fail_are_an_error(work: Callable[..., Work]) -> None:
    one = work([])
    one.errors["features mel"] += [OSError("gone")] * 2
    (error,) = one.failed().values()
    assert str(error) == "features mel: found OSError: gone; expected features that can be extracted."


def test_what_waits_while_no_worker_is_left_is_done_by_the_next() -> None:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=0, threads_per_worker=1, processes=False, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        register(client)
        waits = client.submit(int, "3", resources={PIECE: 1.0})
        while not client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.unrunnable)):
            time.sleep(0.01)
        cluster.scale(1)
        assert waits.result(timeout=20) == 3


def test_a_worker_that_joins_later_and_does_not_share_the_folder(
    work: Callable[..., Work], alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so; the next round sends it what it needs."""
    original, first = Work._prepare, []

    def blind_later(self: Work, mark: str) -> int:
        count = original(self, mark)
        if not first:
            first.append(1)
            self.site = Site(self.site.versions, self.site.cache, "mark:which no worker sees")
        return count

    monkeypatch.setattr(Work, "_prepare", blind_later)
    done = work()
    session = done.run()
    assert not done.failed()
    assert all(
        session.cache.has(piece) for analysis in done.analyses for s in analysis.stages(session) for piece in s.pieces
    )
    assert any("the folders that the client sees" in line for line in done.report.lines)  # type: ignore[attr-defined]


@pytest.mark.parametrize("system", SYSTEMS)
def test_examples_are_clusters(system: str, tmp_path: Path) -> None:
    path = tmp_path / "cluster.toml"
    done = CliRunner().invoke(app, ["cluster", "--example", system, "--out", str(path)])
    assert done.exit_code == 0, done.output
    assert read_cluster(path).options()["cores"] == 8
    commented = [line[2:] for line in path.read_text().splitlines() if line.startswith("# ") and " = " in line]
    text = "\n".join(line for line in path.read_text().splitlines() if not line.startswith("jobs"))
    path.write_text(text + "\n" + "\n".join(line for line in commented if not line.startswith("workers")))
    assert set(tomllib.loads(path.read_text())) >= {"adapt", "gpu", "queue", "account", "directives"}
    options = read_cluster(path).options()  # what stands in comments is right, too
    assert options["worker_extra_args"] == ["--resources", "GPU=1"] and len(options["job_extra_directives"]) == 2
    again = CliRunner().invoke(app, ["cluster", "--example", system, "--out", str(path)])
    assert again.exit_code == 2 and "expected a new one" in again.stderr


GOOD = 'system = "slurm"\njobs = 2\ncores = 4\nmemory = "8GB"\nwalltime = "01:00:00"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD + "queu = 'long'", "queu: found 'long'; expected Extra inputs are not permitted"),
        (GOOD + "adapt = [0, 4]", "expected either jobs or adapt, one of them"),
        (GOOD.replace("jobs = 2", "adapt = [4, 2]"), "adapt = .least, most., in this order"),
        (GOOD.replace("slurm", "condor"), "system: found 'condor'; expected Input should be 'slurm'"),
        (GOOD.replace("cores = 4", ""), "cores: found nothing; expected Field required"),
        (GOOD + "gpu = true\nworkers = 2", "workers = 1 where gpu = true"),
        ("system =", "expected TOML. `heschl cluster --example slurm` writes one"),
    ],
)
def test_mistakes_in_the_file(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "cluster.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_cluster(path)


def test_what_is_submitted_to_slurm(tmp_path: Path) -> None:
    """The script of a job, as dask-jobqueue writes it of the file."""
    jobqueue = pytest.importorskip("dask_jobqueue")
    path = tmp_path / "cluster.toml"
    path.write_text(GOOD + 'gpu = true\nqueue = "long"\naccount = "mylab"\nprologue = ["module load python"]\n')
    job = jobqueue.slurm.SLURMJob(scheduler="tcp://login:8786", name="job", **read_cluster(path).options())
    script = job.job_script()
    for words in ("#SBATCH -p long", "#SBATCH -A mylab", "#SBATCH --cpus-per-task=4", "#SBATCH --gres=gpu:1",
                  "module load python", "--nthreads 4", "--resources GPU=1", "#SBATCH -t 01:00:00"):  # fmt: skip
        assert words in script, script


@pytest.mark.parametrize(
    "error",
    [RefusedStimuli("a", "b", "c", "d", {"s1": "why"}), DamagedFeatures(Path("x.zarr"), ["k"], "damaged rows"),
     NotShared("a", "b", "c")],
)  # fmt: skip
def test_errors_come_back_whole(error: InputError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error) and str(again) == str(error) and vars(again) == vars(error)


def test_a_gpu_is_there_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "exists", lambda self: True)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2")
    assert has_gpu()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert not has_gpu()


def test_processes_of_this_machine_see_a_gpu_each(monkeypatch: pytest.MonkeyPatch) -> None:
    import distributed

    monkeypatch.setattr(distributed, "Nanny", lambda address, **options: options)
    seen = [_with_its_gpu(["3", "GPU-7"], "tcp://", name=name, nthreads=1)["env"] for name in range(3)]
    assert [env["CUDA_VISIBLE_DEVICES"] for env in seen] == ["3", "GPU-7", ""]


def test_blas_has_the_threads_of_its_worker(client: Any) -> None:
    assert set(client.run(_threads).values()) == {3}


def test_torch_has_its_own_threads_again() -> None:
    import torch

    before = torch.get_num_threads()
    with worker.threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


def _threads() -> int:
    from heschl.linear.device.threads import n_threads

    with worker.threads(3):
        return int(n_threads())


def test_a_whole_study(
    elsewhere: Path, client: Any, alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("heschl.study.run._write", lambda *_: {})  # which Dask has no part in
    out = run_study(elsewhere, tmp_path / "out", dask=client.scheduler.address)
    assert_same_pieces(out / "cache", alone)
    assert not list((out / "cache").glob(".mark*"))
