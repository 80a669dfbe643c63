"""A whole study on a cohort of a few seconds: results, resuming, and what an interruption leaves."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from typer.testing import CliRunner

import heschl.study.analyses.fits.encoding as encoding
import heschl.study.extraction.extract as extract
import heschl.study.extraction.spaces as extraction
from heschl.checks import InputError
from heschl.cli import app
from heschl.study import open_results, run_study

PNG = b"\x89PNG\r\n"


def test_everything_is_there(whole_run: Path) -> None:
    results = open_results(whole_run)
    assert dict(results.sizes) == {
        "model": 8, "electrode": 6, "fold": 3, "space": 4, "stimulus": 8, "group": 1,
        "example_frame": results.sizes["example_frame"],
    }  # fmt: skip
    assert list(results["model"].values[:2]) == ["mel/0", "wav/0"]
    assert list(results["electrode"].values[:2]) == ["S1/loud1", "S1/noise1"]
    assert json.loads(results.attrs["config"])["seed"] == 3
    for name in ("best_layer_scores", "score_by_layer", "3a_example"):
        assert (whole_run / "figures" / f"{name}.png").read_bytes().startswith(PNG)
    summary = (whole_run / "summary.md").read_text()
    for words in ("noise, and random models", "| 8 heard", "50 Hz", "1 of 8 words without a vector: long", "torch"):
        assert words in summary


def test_the_driven_electrodes_are_found_and_the_shuffled_are_not(whole_run: Path) -> None:
    results = open_results(whole_run)
    driven = results["in_group"].sel(group="driven").values
    assert driven.sum() == 2
    r2 = results["best_r2"].mean("fold").sel(space="wav").values
    assert (r2[driven] > 0.1).all() and (r2[~driven] < 0.05).all()
    assert (results["p"].sel(space="wav").values[driven] < 0.05).all()
    assert (results["p_gain"].sel(space="wav").values[driven] < 0.05).all()
    assert (results["best_r2_shuffled"].mean("fold").values < 0.05).all()


def test_the_best_layer_is_chosen_by_inner_scores_alone(whole_run: Path) -> None:
    results = open_results(whole_run)
    for suffix in ("", "_shuffled"):
        for space in results["space"].values:
            own = results.isel(model=np.flatnonzero(results["model_space"].values == space))
            best = own["inner_r2" + suffix].argmax("model")
            one = results.sel(space=space)
            np.testing.assert_array_equal(one["best_layer" + suffix].values, own["layer"].values[best.values])
            for score in ("r2", "r", "alpha"):
                expected = own[score + suffix].isel(model=best).values
                np.testing.assert_array_equal(one[f"best_{score}{suffix}"].values, expected)


def test_errors_by_stimulus_add_up_to_the_pooled_score(whole_run: Path) -> None:
    results = open_results(whole_run)
    assert np.isfinite(results["sse"].values).all()
    single = results.sel(space="mel", model="mel/0")  # one layer: the best is the only one
    # float32 predictions and responses, summed in float64
    np.testing.assert_allclose(single["best_pooled_r2"].values, single["pooled_r2"].values, atol=1e-5)
    # about the training mean a response varies more than about its own: the mean model never beats R² = 0
    sst = single["sse"].sum("stimulus") / (1 - single["best_pooled_r2"])
    assert (single["mean_sse"].sum("stimulus").values >= sst.values * (1 - 1e-5)).all()


def test_tables(whole_run: Path) -> None:
    results = open_results(whole_run)
    scores = pd.read_csv(whole_run / "scores.csv", dtype={"layer": str})
    assert len(scores) == 6 * 8
    row = scores.query("subject == 'S2' and electrode == 'loud1' and space == 'wav' and layer == '1'").iloc[0]
    cell = results.sel(electrode="S2/loud1", model="wav/1")
    assert row["r2"] == pytest.approx(float(cell["r2"].mean()), rel=1e-4)
    assert row["alpha"] == pytest.approx(float(cell["alpha"].median()), rel=1e-4)
    chosen = scores.groupby(["subject", "electrode", "space"])["folds_chosen"].sum()
    assert (chosen == 3).all()
    best = pd.read_csv(whole_run / "best_layers.csv")
    assert len(best) == 6 * 4
    assert list(best.columns[:8]) == ["subject", "electrode", "space", "r2", "r", "pooled_r2", "p", "p_max"]


def count_calls(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, stop_at: int | None = None) -> list[int]:
    """Count the calls of a function; interrupt as from the keyboard at a given one."""
    original, calls = getattr(module, name), []

    def counted(*args: Any, **kwargs: Any) -> Any:
        if len(calls) == stop_at:
            raise KeyboardInterrupt
        calls.append(1)
        return original(*args, **kwargs)

    monkeypatch.setattr(module, name, counted)
    return calls


def assert_equal_results(one: Path, other: Path) -> None:
    xr.testing.assert_identical(open_results(one).load(), open_results(other).load())
    for name in ("scores.csv", "best_layers.csv", "summary.md"):
        assert (one / name).read_text() == (other / name).read_text()


def test_a_second_run_does_no_work_again(cohort: Path, whole_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fits = count_calls(monkeypatch, encoding, "fit_layer")
    opened = count_calls(monkeypatch, extraction, "open_space")
    assert run_study(cohort) == whole_run
    assert not fits and not opened


@pytest.mark.parametrize(("module", "name", "stop_at"), [(encoding, "fit_layer", 3), (extract, "_one_by_one", 2)])
def test_an_interrupted_run_goes_on(
    own_cohort: Path, whole_run: Path, monkeypatch: pytest.MonkeyPatch, module: Any, name: str, stop_at: int
) -> None:
    out = own_cohort.parent / "results"
    with monkeypatch.context() as patched:
        count_calls(patched, module, name, stop_at)
        stopped = CliRunner().invoke(app, ["run", str(own_cohort)])
    assert stopped.exit_code == 130 and "interrupted" in stopped.stderr
    assert not (out / "results.zarr").exists() and not (out / "scores.csv").exists()
    assert not [path for path in out.rglob("*") if path.name.startswith((".partial", ".old"))]
    fits = count_calls(monkeypatch, encoding, "fit_layer")
    assert CliRunner().invoke(app, ["run", str(own_cohort)]).exit_code == 0
    assert len(fits) == 8 - (stop_at if name == "fit_layer" else 0)
    assert_equal_results(out, whole_run)


def test_a_changed_setting_redoes_what_depends_on_it(own_cohort: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_study(own_cohort)
    text = own_cohort.read_text()
    fits = count_calls(monkeypatch, encoding, "fit_layer")
    opened = count_calls(monkeypatch, extraction, "open_space")
    own_cohort.write_text(text.replace("n_mels = 6", "n_mels = 7"))
    run_study(own_cohort)
    assert len(fits) == 1 and len(opened) == 1  # mel alone
    own_cohort.write_text(text.replace("alphas = [1.0,", "alphas = [2.0,"))
    run_study(own_cohort)
    assert len(fits) == 1 + 8 and len(opened) == 1


def test_words_changed_leave_sounds_alone(own_cohort: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_study(own_cohort)
    words = own_cohort.parent / "words.csv"
    words.write_text(words.read_text().replace("0.20,0.35", "0.20,0.33"))
    fits = count_calls(monkeypatch, encoding, "fit_layer")
    run_study(own_cohort)
    assert len(fits) == 4  # three layers of the language model and the word vectors


def test_subjects_with_other_stimuli_and_frames(own_cohort: Path) -> None:
    path = own_cohort.parent / "S2.npz"
    with np.load(path) as found:
        arrays = dict(found)
    kept = slice(1, 7)
    np.savez(path, responses=arrays["responses"][kept], lengths=arrays["lengths"][kept] - 5,
             stimuli=arrays["stimuli"][kept], electrodes=arrays["electrodes"], sfreq=arrays["sfreq"])  # fmt: skip
    own_cohort.write_text(
        own_cohort.read_text().replace('"average"', '"separate"').replace("[controls]", "")
        + "[controls]\nshuffle = false\n"
    )
    results = open_results(run_study(own_cohort))
    assert "r2_shuffled" not in results
    heard = np.isfinite(results["mean_sse"].values)
    assert heard[:3].all() and (heard[3:].sum(axis=1) == 6).all()
    r2 = results["best_r2"].mean("fold").sel(space="wav")
    assert (r2.sel(electrode=["S1/loud1", "S2/loud1"]).values > 0.05).all()


def test_the_control_has_no_say_in_a_joint_penalty(own_cohort: Path, tmp_path: Path) -> None:
    text = own_cohort.read_text().replace("folds = 3", "folds = 3\nalpha_per_target = false")
    own_cohort.write_text(text)
    with_control = open_results(run_study(own_cohort, tmp_path / "with"))
    own_cohort.write_text(text + "[controls]\nshuffle = false\n")
    without = open_results(run_study(own_cohort, tmp_path / "without"))
    np.testing.assert_array_equal(with_control["alpha"].values, without["alpha"].values)
    assert (without["alpha"].std("electrode") == 0).all()
    np.testing.assert_allclose(with_control["r2"].values, without["r2"].values, atol=1e-6)  # float32, other BLAS blocks


def test_results_of_another_schema(whole_run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no results"):
        open_results(tmp_path)
    xr.Dataset(attrs={"schema": 99}).to_zarr(tmp_path / "results.zarr", consolidated=False)
    with pytest.raises(InputError, match="schema version 99"):
        open_results(tmp_path)


def test_progress_is_one_line_per_stage_where_there_is_no_terminal(cohort: Path, whole_run: Path) -> None:
    result = CliRunner().invoke(app, ["run", str(cohort)])
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    expected = ["inputs", "features mel", "features wav", "features gpt", "features static",
                "encoding mel", "encoding wav", "encoding gpt", "encoding static", "exchange test",
                "over the common time course", "noise ceilings", "audit", "results",
                "results in"]  # fmt: skip
    audited = [line for line in lines if line.startswith("ok: ")]
    assert len(audited) > 3
    for line, start in itertools.zip_longest([line for line in lines if line not in audited], expected):
        assert line.startswith(start)


def test_killed_at_random_moments_the_results_are_the_same(cohort: Path, tmp_path: Path, whole_run: Path) -> None:
    """kill -9 at six moments, then to the end: every number as in a run that nothing stopped."""
    import random
    import shutil
    import subprocess
    import sys
    import time

    shutil.copytree(cohort.parent, tmp_path / "cohort", ignore=shutil.ignore_patterns("results"))
    study = tmp_path / "cohort" / "study.toml"
    chance = random.Random(0)
    for _ in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", "from heschl.__main__ import main; main()", "run", str(study)],
            stdout=subprocess.DEVNULL,
        )
        time.sleep(chance.uniform(1.5, 5))
        process.kill()
        process.wait()
    run_study(study)
    one, other = open_results(whole_run).load(), open_results(study.parent / "results").load()
    for name in one.data_vars:
        np.testing.assert_array_equal(one[name].values, other[name].values, err_msg=str(name))
