"""Contrasts, ceilings, audit, report and figures of a run: from the results, and traceable to them."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_rel
from typer.testing import CliRunner

import heschl
from heschl.cli import app
from heschl.ecog import Responses
from heschl.ecog.ceiling import noise_ceiling
from heschl.study.analyses.fits.published import fft_resampled
from heschl.study.inputs.audit import audit
from heschl.study.inputs.load import load_inputs
from heschl.study.inputs.targets import fit_groups
from heschl.study.inputs.trials import on_grid
from heschl.study.report.methods import methods_text
from heschl.study.run import run_study
from heschl.study.statistics.contrasts import contrast_table, familywise_p_values, paired
from heschl.timing.grid import FrameGrid


@pytest.fixture(autouse=True)
def one_figure() -> None:
    """Nothing: all of them are drawn here."""


def test_contrasts_are_paired_tests_over_electrodes(whole_run: Path) -> None:
    results = heschl.open_results(whole_run)
    table = contrast_table(results)
    assert len(table) == 6 and list(table.columns)[:2] == ["first", "second"]
    scores = results["best_r2"].mean("fold")
    row = table[(table["first"] == "mel") & (table["second"] == "wav")].iloc[0]
    a, b = scores.sel(space="mel").values, scores.sel(space="wav").values
    assert row["p"] == pytest.approx(ttest_rel(a, b).pvalue) and row["p_bonferroni"] == pytest.approx(
        min(1, 6 * row["p"])
    )
    assert row["difference"] == pytest.approx((a - b).mean()) and row["low"] <= row["crossed"] <= row["high"]
    assert np.isfinite(row["p_crossed"]) and row["crossed_note"] == "two subjects: little is known of others"
    assert (row["n"], row["subjects"]) == (6, 2)
    written = pd.read_csv(whole_run / "contrasts.csv")
    np.testing.assert_allclose(written["p"], table["p"], rtol=1e-4)


def test_paired_scores_of_too_few() -> None:
    found = paired(np.array([0.1]), np.array([0.2]), np.array(["S1"]))
    assert found["n"] == 1 and found["difference"] == pytest.approx(-0.1) and np.isnan(found["p"])
    assert np.isnan(paired(np.zeros(0), np.zeros(0), np.zeros(0))["difference"])
    same = paired(np.ones(4), np.zeros(4), np.arange(4))
    assert same["difference"] == 1.0 and np.isnan(same["t"])


def test_familywise_p_values_are_above_those_of_single_tests(whole_run: Path) -> None:
    results = heschl.open_results(whole_run)
    p = familywise_p_values(results, seed=3)
    np.testing.assert_array_equal(p, results["p_gain_max"].values)
    known = np.isfinite(p)
    assert known.any() and (p[known] >= results["p_gain"].values[known] - 0.05).all()
    driven = results["in_group"].sel(group="driven").values
    wav = list(results["space"].values).index("wav")
    assert (p[wav, driven] < 0.05).all() and (p[wav, ~driven] > 0.05).all()


def test_the_maximum_over_layers_is_optimistic(whole_run: Path) -> None:
    results = heschl.open_results(whole_run)
    best = results["best_r2"].mean("fold").values
    assert (results["max_r2"].values >= best - 1e-12).all()
    single = list(results["space"].values).index("mel")
    np.testing.assert_allclose(results["max_r2"].values[single], best[single])
    squared = (results["r"].sel(model="mel/0") ** 2).mean("fold").values
    np.testing.assert_allclose(results["max_mean_squared_r"].values[single], squared)


def test_without_enough_repeats_there_is_no_ceiling(whole_run: Path) -> None:
    results = heschl.open_results(whole_run)
    assert "ceiling_r2" not in results and results.attrs["ceilings"].startswith("S1: ")
    assert "No noise ceiling: S1" in " ".join(methods_text(results))
    assert set(results["region"].values.tolist()) == {""} and np.isnan(results["x"].values).all()


def test_ceilings_regions_and_positions(own_cohort: Path) -> None:
    for name in ("S1", "S2"):
        path = own_cohort.parent / f"{name}.npz"
        with np.load(path) as found:
            arrays = dict(found)
        again = 4
        arrays["responses"] = np.concatenate([arrays["responses"]] * again)
        noise = 0.3 * np.random.default_rng(0).standard_normal(arrays["responses"].shape)
        arrays["responses"] = (arrays["responses"] + noise).astype(np.float32)
        arrays["lengths"], arrays["stimuli"] = (np.concatenate([arrays[key]] * again) for key in ("lengths", "stimuli"))
        positions = np.array([[-0.066, -0.02, 0.0], [-0.06, 0.01, 0.01], [0.066, -0.02, 0.0]])
        np.savez(path, **arrays, regions=np.array(["STG", "STG", "MTG"]), positions=positions)
    results = heschl.open_results(run_study(own_cohort))
    assert results["region"].values.tolist() == ["STG", "STG", "MTG"] * 2
    np.testing.assert_allclose(results["x"].values[:3], [-0.066, -0.06, 0.066])
    ceiling = results["ceiling_r2"].values
    assert ((ceiling > 0.5) & (ceiling <= 1)).all() and results["ceiling_reliable"].values.all()
    given = results["ceiling_determined"].values
    assert given.any() and (np.isfinite(results["normalised_r2"].values).all(axis=0) == given).all()
    about_training = results["best_r2_training"].values / results["ceiling_divisor"].values
    np.testing.assert_allclose(results["normalised_r2_training"].values, about_training)
    errors = results["sse"].sum("stimulus") / results["mean_sse"].sum("stimulus")
    np.testing.assert_allclose(results["best_r2_training"].values, 1 - errors)
    table = pd.read_csv(own_cohort.parent / "results" / "ceilings.csv")
    np.testing.assert_allclose(table["r2_training_over_ceiling"], about_training.T.ravel(), rtol=1e-5)
    figures = own_cohort.parent / "results" / "figures"
    assert {"2a_brain.png", "2a_brain.pdf", "ceilings.png"} <= {path.name for path in figures.iterdir()}
    assert "Noise ceilings come from repeats" in " ".join(methods_text(results))
    text = (own_cohort.parent / "results" / "report.html").read_text()
    assert 'id="regions"' in text and "MTG" in text


def test_the_report_stands_alone_and_its_numbers_are_the_results(whole_run: Path) -> None:
    text = (whole_run / "report.html").read_text()
    assert not re.search(r"(src|href)=\"(?!data:|#)", text) and "http" not in text.split("<script>")[1]
    results = heschl.open_results(whole_run)
    for name in ("2b_models", "3a_example", "models_by_electrode", "score_by_layer", "alphas"):
        assert f'id="figure-{name}"' in text and (whole_run / "figures" / f"{name}.pdf").read_bytes().startswith(
            b"%PDF"
        )
    median = float(np.nanmedian(results["best_r2"].mean("fold").sel(space="wav").values))
    assert f'data-value="{median}"' in text
    for words in ("noise, and random models", "nested cross-validation", "Leakage audit", "none in different folds"):
        assert words in text


def test_figures_and_report_again_from_the_results_alone(whole_run: Path, tmp_path: Path) -> None:
    shutil.copytree(whole_run / "results.zarr", tmp_path / "results.zarr")
    said = CliRunner().invoke(app, ["figures", str(tmp_path)])
    assert said.exit_code == 0, said.output
    assert (tmp_path / "report.html").stat().st_size > 50_000 and len(list((tmp_path / "figures").glob("*.png"))) >= 6
    assert CliRunner().invoke(app, ["figures", str(tmp_path / "nowhere")]).exit_code == 2


def test_the_audit_finds_what_leaks(cohort: Path) -> None:
    inputs = load_inputs(cohort)
    groups = fit_groups(inputs, FrameGrid.from_rate(50.0))
    assert all(finding.clean for finding in audit(inputs, groups) if "same words" not in finding.what)
    names = list(inputs.stimuli)
    folds = dict(zip((n for n, _ in groups[0].segments), groups[0].folds.tolist(), strict=True))
    other = next(name for name in names if folds[name] != folds["s0"])
    twin = replace(inputs.stimuli[other], path=inputs.stimuli["s0"].path, words=inputs.stimuli["s0"].words)
    leaky = replace(inputs, stimuli=inputs.stimuli | {other: twin})
    found = {finding.what: finding for finding in audit(leaky, groups) if not finding.clean}
    assert any("sounds that are the same" in what for what in found) and any("same words" in what for what in found)
    assert all(str(finding).startswith("LEAK: ") and other in finding.found for finding in found.values())
    moved = groups[0].folds.copy()
    repeat = [i for i, (name, _) in enumerate(groups[0].segments) if name == groups[0].segments[0][0]]
    if len(repeat) > 1:
        moved[repeat[0]] = (moved[repeat[1]] + 1) % 3
        split = audit(inputs, [replace(groups[0], folds=moved)])
        assert not split[0].clean


def test_the_audit_is_kept_with_the_results(whole_run: Path) -> None:
    findings = json.loads(heschl.open_results(whole_run).attrs["audit"])
    assert len(findings) >= 8 and {"what", "found", "clean"} == set(findings[0])


def test_results_come_by_the_first_name() -> None:
    with pytest.raises(AttributeError, match="no attribute 'close_results'"):
        _ = heschl.close_results
    with pytest.raises(heschl.InputError, match="no results"):
        heschl.open_results("nowhere")


def test_responses_are_resampled_by_fft_as_published() -> None:
    rng = np.random.default_rng(0)
    grid, times = FrameGrid.from_rate(50.0), -0.2 + np.arange(160) / 100  # to 1.4 s
    values = rng.standard_normal((160, 2))
    found = fft_resampled(values, times, grid.times(60))  # 1.2 s
    expected = np.fft.irfft(np.fft.rfft(values[20:140], axis=0)[:31], 60, axis=0) / 2  # half of the frequencies
    assert found.shape == (60, 2)
    # The highest frequency, which both rates share out differently, aside.
    a, b = (np.fft.rfft(each, axis=0)[:30] for each in (found, expected))
    np.testing.assert_allclose(a, b, atol=1e-9)
    slow = np.sin(2 * np.pi * 5 * times[:, None])
    known = np.sin(2 * np.pi * 5 * (grid.times(60) - 0.01))  # frames get the value at their begin
    assert np.abs(fft_resampled(slow, times, grid.times(60))[:, 0] - known).max() < 0.05


def test_the_ceiling_is_that_of_the_responses_as_analysed(own_cohort: Path) -> None:
    inputs = load_inputs(own_cohort)
    grid, rng = FrameGrid.from_rate(50.0), np.random.default_rng(0)
    names = tuple(sorted(inputs.stimuli)) * 4
    sizes = [int(200 * inputs.stimuli[name].duration) for name in names]
    drive = {name: rng.standard_normal(400).cumsum() for name in inputs.stimuli}
    signals = [drive[name][:size, None] - drive[name][:size].mean() for name, size in zip(names, sizes, strict=True)]
    noises = [8.0 * rng.standard_normal((size, 1)) for size in sizes]

    def subject(trials: list[np.ndarray]) -> Responses:
        return Responses("S1", ("e1",), 200.0, 0.0, names, tuple(trials))

    def variance(trials: list[np.ndarray]) -> float:
        return float(np.concatenate(on_grid(subject(trials), grid, inputs.durations, "silence").trials).var())

    whole = subject([signal + noise for signal, noise in zip(signals, noises, strict=True)])
    found = noise_ceiling(on_grid(whole, grid, inputs.durations, "silence")).loc["e1", "r2"]
    truth = 1 / (1 + variance(noises) / variance(signals) / 4)
    raw = noise_ceiling(whole).loc["e1", "r2"]
    assert abs(found - truth) < 0.08 and found > raw + 0.05  # most of the noise is above the grid's frequencies


def test_the_published_way_beside_the_sound_one(own_cohort: Path) -> None:
    own_cohort.write_text('preset = "chen2024"\n' + own_cohort.read_text())
    from rich.console import Console

    console = Console(record=True, width=200)
    results = heschl.open_results(run_study(own_cohort, console=console))
    assert results["published_r2"].shape == (8, 6) and (results["published_r2"].values >= 0).all()
    own = results["published_r2"].sel(model=["wav/0", "wav/1", "wav/2"]).values.max(axis=0)
    np.testing.assert_array_equal(results["published_max"].sel(space="wav").values, own)
    assert "as published (maximum over layers," in console.export_text()
    text = (own_cohort.parent / "results" / "report.html").read_text()
    assert "As published, and by default" in text and "contiguous fifths" in text
    noise = np.array(["noise" in str(name) for name in results["electrode"].values])
    sound = results["best_r2"].mean("fold").values
    assert np.median(results["published_max"].values[:, noise] - sound[:, noise]) > 0
