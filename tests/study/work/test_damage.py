"""Whatever happens to a file that a study keeps, the next run gives the results of whole ones, or says what to do."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import xarray as xr
from rich.console import Console

from heschl.checks import InputError
from heschl.study import open_results, run_study
from test_seals import DAMAGE


@pytest.fixture
def finished(own_cohort: Path, whole_run: Path) -> Path:
    """The study.toml of a copy of the tiny cohort that has been run."""
    shutil.copytree(whole_run, own_cohort.parent / "results")
    return own_cohort


def test_every_kept_file_damaged_at_once(finished: Path, whole_run: Path, tmp_path: Path) -> None:
    out, kinds = finished.parent / "results", list(DAMAGE.values())
    kept = [path for folder in ("cache", "features") for path in sorted((out / folder).rglob("*")) if path.is_file()]
    kept = [path for path in (*kept, out / "plan.json", out / "timing.json") if path.name != ".lock" and path.exists()]
    assert {path.suffix for path in kept} >= {".npz", ".json", ""} and len(kept) > 20
    for i, path in enumerate(kept):
        if ".locks" not in path.parts:
            kinds[i % len(kinds)](path)
    (out / "plan.json").write_text("{")
    with open(tmp_path / "said.txt", "w") as said, pytest.warns(UserWarning, match="made again"):
        run_study(finished, console=Console(file=said, width=400))
    text = (tmp_path / "said.txt").read_text()
    assert text.count("is not what was written there: it is set aside as .damaged-") >= 5
    xr.testing.assert_equal(open_results(out).load(), open_results(whole_run).load())


@pytest.mark.parametrize("damage", ["flip", "delete", "cut"])
def test_damaged_results_are_refused_until_they_are_written_again(finished: Path, damage: str) -> None:
    out = finished.parent / "results"
    files = sorted(path for path in (out / "results.zarr").rglob("*") if path.is_file())
    for file in (out / "results.zarr" / "zarr.json", *files[:: len(files) // 9]):
        whole = file.read_bytes()
        DAMAGE[damage](file)
        with pytest.raises(InputError, match=r"results.zarr: found .*[Rr]un the study again"):
            open_results(out)
        file.write_bytes(whole)
    open_results(out)
