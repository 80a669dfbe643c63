"""Several processes at one study, parts of it, and pieces that others hold."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

import heschl.study.analyses.fits.encoding as encoding
import heschl.study.run as run
from heschl.checks import InputError
from heschl.cli import app
from heschl.files import claimed
from heschl.linear import CudaStatus
from heschl.study import open_results, run_study
from heschl.study.manifest import manifest
from heschl.study.work import machine
from heschl.study.work.cache import Cache, Piece, Progress
from heschl.study.work.progress import Reporter
from heschl.study.work.workers import Part, workers
from tolerances import P_VALUES

COMMAND = [sys.executable, "-m", "heschl", "run"]


def assert_same(found: Path, expected: Path) -> None:
    a, b = open_results(found).load(), open_results(expected).load()
    assert set(a) == set(b)
    for name in a:
        if a[name].dtype.kind == "f":
            of_rounding = P_VALUES if str(name)[:2] in ("p_", "q_") else 1e-6  # blocks of BLAS are others there
            np.testing.assert_allclose(a[name], b[name], rtol=of_rounding, atol=1e-6, err_msg=str(name))
        else:
            xr.testing.assert_equal(a[name], b[name])


def test_pieces_that_others_hold_are_left_and_then_waited_for(tmp_path: Path) -> None:
    cache, made = Cache(tmp_path), []

    def piece(name: str) -> Piece:
        def make(path: Path, progress: Progress) -> None:
            made.append(name)
            path.write_text(name)

        return Piece(f"{name}.txt", "key", make)

    pieces, there = [piece(name) for name in "abc"], []
    with claimed(cache._lock(cache.path("b.txt", "key"))) as mine:
        assert mine
        cache.share(pieces, there.append)
    assert made == ["a", "c"] and there == [1, 1, 2]
    paths = cache.paths(pieces, Reporter(None))  # the other has ended without making it
    assert made == ["a", "c", "b"] and [path.read_text()[:1] for path in paths] == ["a", "b", "c"]
    cache.share(pieces, there.append)
    assert made == ["a", "c", "b"]


def test_two_runs_at_once_and_one_killed(own_cohort: Path, whole_run: Path) -> None:
    out = own_cohort.parent / "results"
    runs = [subprocess.Popen([*COMMAND, str(own_cohort)], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    deadline = time.monotonic() + 120
    while not list((out / "cache").rglob("*.npz")) and time.monotonic() < deadline:
        time.sleep(0.05)
    runs[0].kill()  # -9: what it had in hand is another's to do
    said = runs[1].communicate()[0]
    assert runs[1].returncode == 0, said
    assert_same(out, whole_run)


def test_jobs(own_cohort: Path, whole_run: Path) -> None:
    done = CliRunner().invoke(app, ["run", str(own_cohort), "--jobs", "2"])
    assert done.exit_code == 0, done.output
    assert "ended early" not in done.output
    assert_same(own_cohort.parent / "results", whole_run)
    with pytest.raises(InputError, match="jobs: found 0"):
        run_study(own_cohort, jobs=0)


def test_a_worker_that_fails_leaves_its_work_to_others(
    own_cohort: Path, whole_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(Reporter, "say", lambda self, text: lines.append(text))
    monkeypatch.setattr(sys, "executable", "/bin/false")
    run_study(own_cohort, jobs=3)
    assert any("2 of 2 workers ended early" in line for line in lines)
    assert_same(own_cohort.parent / "results", whole_run)


def test_only_some_of_it(own_cohort: Path, whole_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = CliRunner().invoke(app, ["run", str(own_cohort), "--only", "mel", "--only", "gpt"])
    assert done.exit_code == 0, done.output
    assert f"22 of 26 pieces are missing; heschl run {own_cohort} makes them" in done.output.replace("\n", "")
    assert [len(item.done) for item in manifest(own_cohort)] == [8, 0, 8, 0, 1, 0, 3, 0, *[0] * 4]
    assert not (own_cohort.parent / "results" / "results.zarr").exists()
    monkeypatch.setattr(encoding, "fit_layer", lambda *_, **__: pytest.fail("features alone were asked for"))
    run_study(own_cohort, only=["features"])
    assert [len(item.done) for item in manifest(own_cohort)][:4] == [8] * 4
    monkeypatch.undo()
    assert_same(run_study(own_cohort), whole_run)
    for unknown in ("mell", "shared"):  # this study has no [shared]
        with pytest.raises(InputError, match=f"only: found '{unknown}'; expected stages .features, encoding"):
            run_study(own_cohort, only=["mel", unknown])


def test_what_a_part_is() -> None:
    stages, spaces = ("features", "encoding", "shared"), ("mel", "wav")
    assert Part.of(stages, spaces, []) == Part(stages, spaces, True)
    assert Part.of(stages, spaces, ["wav", "encoding"]) == Part(("encoding",), ("wav",), False)
    assert Part.of(stages, spaces, ["wav"]) == Part(("features", "encoding"), ("wav",), False)
    assert Part.of(stages, spaces, ["features"]) == Part(("features",), spaces, False)
    assert Part.of(stages, spaces, ["shared", "wav"]) == Part(("shared",), spaces, False)


def test_gpus_by_the_names_that_show_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "cuda_status", lambda: CudaStatus(True, "", ("one", "another")))
    monkeypatch.delenv(machine.VISIBLE, raising=False)
    assert machine.gpus() == ["0", "1"]
    monkeypatch.setenv(machine.VISIBLE, "3, GPU-7,9")  # CUDA stops at the first that is not there
    assert machine.gpus() == ["3", "GPU-7"]
    monkeypatch.setattr(machine, "cuda_status", lambda: CudaStatus(False, "none"))
    assert machine.gpus() == []


@pytest.mark.parametrize(("gpus", "seen"), [(["3", "GPU-7"], ["GPU-7", "3", "GPU-7"]), ([], [None] * 3)])
def test_each_process_sees_one_gpu(gpus: list[str], seen: list[str | None], monkeypatch: pytest.MonkeyPatch) -> None:
    environments: list[dict[str, str]] = []

    def start(command: list[str], env: dict[str, str], **_: Any) -> Any:
        environments.append(env)
        return SimpleNamespace(wait=lambda: 0, terminate=lambda: None)

    monkeypatch.delenv(machine.VISIBLE, raising=False)
    monkeypatch.setattr(subprocess, "Popen", start)
    with workers(Path("study.toml"), Path("out"), Part(("encoding",), ("mel",), True), 4, Reporter(None), gpus):
        pass  # this one sees all, and takes the first
    assert [env.get(machine.VISIBLE) for env in environments] == seen


@pytest.mark.parametrize(
    ("device", "jobs", "expected"),
    [("cuda", None, (3, "012")), ("auto", None, (1, "")), ("cpu", None, (1, "")), ("auto", 2, (2, "012")),
     ("cuda", 1, (1, "")), ("cpu", 2, (2, ""))],
)  # fmt: skip
def test_a_process_for_each_gpu(
    device: str, jobs: int | None, expected: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "gpus", lambda: ["0", "1", "2"])
    monkeypatch.setattr(run, "workers", lambda study, out, part, jobs, report, gpus: (jobs, "".join(gpus)))
    session: Any = SimpleNamespace(
        study=SimpleNamespace(encoding=SimpleNamespace(device=device)), path=Path("study.toml"),
        layout=SimpleNamespace(out=Path("out")), report=Reporter(None),
    )  # fmt: skip
    assert run._workers(session, Part(("features", "encoding"), ("mel",), True), jobs) == expected
    if device == "cuda":
        assert run._workers(session, Part(("features",), ("mel",), False), jobs)[0] == 1  # type: ignore[index]


def test_the_device_of_a_study(own_cohort: Path) -> None:
    run_study(own_cohort)
    text = own_cohort.read_text()
    own_cohort.write_text(text.replace("[encoding]", '[encoding]\ndevice = "cpu"'))
    assert not any(item.missing for item in manifest(own_cohort))  # results do not depend on it
    own_cohort.write_text(text.replace("[encoding]", '[encoding]\ndevice = "cuda"'))
    if "HESCHL_EMULATE_CUDA" not in os.environ:
        with pytest.raises(InputError, match='device: found "cuda"'):
            run_study(own_cohort)
