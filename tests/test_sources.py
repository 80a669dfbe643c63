"""Keys of code: every module that is imported is in them, and nothing else."""

from __future__ import annotations

import gc
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import heschl
from heschl import sources
from heschl.sources import code_key, imports_of, modules_behind

PACKAGE = Path(heschl.__file__).parent


def test_imports_are_followed_through_packages_and_into_functions() -> None:
    behind = modules_behind("heschl.study.kinds.speech")
    assert "heschl.features.speech" in behind  # imported where the model is opened
    assert "heschl.features.language" not in behind and "heschl.study.kinds.words" not in behind
    fits = modules_behind("heschl.linear.crossval.nested")
    assert {"heschl._core", "heschl.linear.ridge.primal", "heschl.checks"} <= fits
    assert "heschl.linear.nulls.shifted" not in fits
    assert "heschl._cuda_emulated" in modules_behind("heschl.linear.device.cuda") or not list(
        PACKAGE.glob("_cuda_emulated*")
    )
    with pytest.raises(ModuleNotFoundError, match=r"heschl\.nothing"):
        modules_behind("heschl.nothing")


def test_a_name_handed_on_by_a_package_counts_where_it_is_defined() -> None:
    assert imports_of("heschl.study.extraction.features") >= {"heschl.linear.design.spaces"}
    assert "heschl.linear" not in modules_behind("heschl.study.extraction.features")


def keys(package: Path, *modules: str) -> list[str]:
    """Keys of modules of a copy of the package, in a process of its own."""
    code = f"from heschl.sources import code_key; print(*map(code_key, {modules!r}))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=package.parent,
        env={"PYTHONPATH": str(package.parent)},
    )  # fmt: skip
    return done.stdout.split()


def test_every_import_at_run_time_is_in_the_key() -> None:
    """What a stage loads of heschl when it is imported is a part of its key, packages that only hand on aside."""
    stage = "heschl.study.extraction.features"
    code = f"import sys, {stage}; print(*(m for m in sys.modules if m.startswith('heschl.')))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    direct = {name for name in loaded if name in imports_of(stage)}
    assert direct and direct <= modules_behind(stage)


def test_a_helper_changes_the_keys_of_all_that_use_it_and_a_comment_elsewhere_none(tmp_path: Path) -> None:
    package = tmp_path / "heschl"
    shutil.copytree(PACKAGE, package)
    stages = [
        "heschl.study.analyses.encoding", "heschl.study.analyses.shared", "heschl.study.analyses.word_lags",
        "heschl.study.analyses.published", "heschl.study.kinds.speech",
    ]  # fmt: skip
    before = keys(package, *stages)
    assert len(set(before)) == len(stages)
    for path in (package / "study" / "report").glob("*.py"):
        path.write_text(path.read_text() + "\n# a comment\n")
    assert keys(package, *stages) == before
    align = package / "timing" / "align.py"
    align.write_text(align.read_text() + "\n# a change\n")
    after = keys(package, *stages)
    assert [a != b for a, b in zip(after, before, strict=True)] == [True, True, True, True, False]
    core = next(package.glob("_core*.so"))
    core.write_bytes(core.read_bytes() + b"\0")
    again = keys(package, *stages)
    assert [a != b for a, b in zip(again, after, strict=True)] == [True, True, True, True, False]


def test_keys_are_short_and_steady() -> None:
    assert len(code_key("heschl.files")) == 16 and code_key("heschl.files") == code_key("heschl.files")
    assert code_key("heschl.files", "heschl.checks") == code_key("heschl.checks", "heschl.files")


def test_threads_parse_one_after_the_other() -> None:
    """Where a collection of garbage lets another thread go on (Dask calls back at each), two may be parsing at once."""
    modules = ["heschl.linear.ridge.krylov", "heschl.linear.ridge.price", "heschl.study.session", "heschl.files"] * 10
    thresholds, callback = gc.get_threshold(), lambda *_: time.sleep(0)
    gc.callbacks.append(callback)
    gc.set_threshold(50)
    try:
        with ThreadPoolExecutor(6) as threads:
            found = list(threads.map(sources._tree.__wrapped__, modules))
    finally:
        gc.set_threshold(*thresholds)
        gc.callbacks.remove(callback)
    assert [len(tree.body) for tree in found] == [len(sources._tree(module).body) for module in modules]
