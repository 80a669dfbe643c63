"""[joint.NAME] through a study: shares that are planted, tables, figure, report; names that are not there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

import heschl
from heschl import InputError
from heschl.study import run_study
from heschl.study.analyses.joint import joints_of, parts_table
from heschl.study.config.study import read_study
from heschl.study.report import figures
from heschl.study.report.figure_joint import JOINT

STUDY = """
name = "Planted"
note = "planted shares"
[stimuli]
sounds = "stimuli/*.wav"
[responses.subjects]
S1 = "S1.npz"
S2 = "S2.npz"
[grid]
rate = 20.0
[features.first]
kind = "frame_arrays"
folder = "first"
rate = 20.0
[features.second]
kind = "frame_arrays"
folder = "second"
rate = 20.0
pca = 3
[encoding]
tmax = 0.0
alphas = [1e-1, 1e2]
folds = 3
[controls]
shuffle = false
[joint.both]
spaces = ["first", "second"]
n_iter = 6
"""
SHARES = {"first": 0.2, "second": 0.15, "common": 0.3}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("planted"), np.random.default_rng(0)
    (folder / "stimuli").mkdir()
    n, n_stimuli = 40, 24
    latents = {name: rng.standard_normal((n_stimuli, n, 1)) for name in SHARES}
    for space in ("first", "second"):
        (folder / space).mkdir()
        values = np.concatenate([latents[space], latents["common"]], axis=2) @ rng.standard_normal((2, 3))
        for i in range(n_stimuli):
            np.save(folder / space / f"s{i:02d}.npy", values[i].astype(np.float32))
    names = [f"s{i:02d}" for i in range(n_stimuli)]
    for name in names:
        soundfile.write(folder / "stimuli" / f"{name}.wav", rng.normal(0, 0.1, n * 800), 16000)
    for subject in ("S1", "S2"):
        y = np.sqrt(1 - sum(SHARES.values())) * rng.standard_normal((n_stimuli, n, 3))
        y += sum(np.sqrt(share) * latents[name] for name, share in SHARES.items())
        times = 0.025 + np.arange(n) / 20.0
        np.savez(folder / f"{subject}.npz", responses=y, stimuli=names, electrodes=["a", "b", "c"], times=times)
    (folder / "study.toml").write_text(STUDY)
    return folder / "study.toml"


def test_planted_shares_in_tables_figure_and_report(planted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "FIGURES", JOINT)  # the others have tests of their own
    out = run_study(planted)
    results = heschl.open_results(out)
    (found,) = joints_of(results).values()
    table = parts_table(results).set_index("part")
    for part, share in (("only first", 0.2), ("only second", 0.15), ("common first and second", 0.3), ("all", 0.65)):
        row = table.loc[part]
        assert row["mean"] == pytest.approx(share, abs=0.05) and row["low"] < share < row["high"], part
        assert row["significant"] == row["electrodes"] == 6
    np.testing.assert_allclose(table.loc["second beyond first", "mean"], table.loc["only second", "mean"])
    np.testing.assert_allclose(found.shares.sum(axis=0), found.r2(["first", "second"]), atol=1e-6)
    electrodes = pd.read_csv(out / "joint.csv").query("part == 'only first'")
    assert (electrodes["p_flips"] <= electrodes["p_flips_max"]).all() and (electrodes["q_flips"] < 0.05).all()
    assert "sign flips over stimuli" in results.attrs["joint_test"]
    assert results["joint_layer"].values.tolist() == [[["0"] * 3]] * 2
    assert (out / "joint.csv").is_file() and (out / "figures" / "spaces_together.png").is_file()
    report = (out / "report.html").read_text()
    assert 'id="joint"' in report and "banded ridge" in report and 'id="figure-spaces_together"' in report
    assert report.index('id="findings"') < report.index('id="figures"') < report.index('id="spaces"')
    assert 'href="#spaces-0"' in report and 'id="spaces-0"' in report


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('spaces = ["first", "second"]', 'spaces = ["first", "third"]', r"joint\.both\.spaces.*third"),
        ('spaces = ["first", "second"]', 'spaces = ["first"]', r"joint\.both\.spaces"),
        ("n_iter = 6", "n_itre = 6", r"joint\.both\.n_itre.*n_iter"),
        ("n_iter = 6", 'layers = { third = "0" }', "third"),
    ],
)
def test_joints_that_cannot_be(planted: Path, tmp_path: Path, old: str, new: str, said: str) -> None:
    (tmp_path / "study.toml").write_text(STUDY.replace(old, new))
    with pytest.raises(InputError, match=said):
        read_study(tmp_path / "study.toml")


def test_a_named_layer_that_is_not_there(planted: Path, tmp_path: Path) -> None:
    planted.write_text(STUDY + 'layers = { first = "7" }\n')
    with pytest.raises(InputError, match=r"joint\.both\.layers\.first.*'7'"):
        run_study(planted, tmp_path)
