"""The paper at a twentieth of its size: simulated, studied whole, and found true behind every figure.

Two features of the data stand beside it: electrodes that do not respond, and sentences shuffled. What is true of the
cohort must not be found in either.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from typer.testing import CliRunner

from heschl.cli import app
from heschl.study import open_results, run_study
from heschl.study.inputs.load import load_inputs
from heschl.study.simulate import simulate_paper
from heschl.study.simulate.paper_latents import LATENTS, PaperSize
from heschl.study.simulate.paper_truth import judge_paper
from heschl.study.simulate.truth import Check

FIGURES = ("2a", "2b", "3a", "3b", "4a", "4b")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cohort, with shuffled sentences asked for, and every other λ."""
    study = simulate_paper(tmp_path_factory.mktemp("paper") / "cohort", scale=Fraction(1, 20))
    text = study.read_text()
    study.write_text(text.replace("shuffle = false", "shuffle = true").replace("n = 10 }", "n = 5 }"))
    return study.parent


@pytest.fixture(scope="module")
def results(cohort: Path) -> xr.Dataset:
    """What the whole study leaves behind."""
    return open_results(run_study(cohort / "study.toml")).load()


@pytest.fixture(scope="module")
def checks(cohort: Path, results: xr.Dataset) -> list[Check]:
    return judge_paper(cohort, results)


def of_figure(checks: list[Check], figure: str) -> list[Check]:
    found = [check for check in checks if check.what.startswith(f"{figure}:")]
    assert found, f"nothing is said of {figure}"
    return found


def failed(checks: list[Check]) -> set[str]:
    return {check.what.split(":")[0] for check in checks if not check.passed}


@pytest.mark.parametrize("what", ["1", *FIGURES, "layers", "control"])
def test_the_planted_truth_is_found(checks: list[Check], what: str) -> None:
    """1: the electrodes that respond; then the paper's figures; the score by layer; shuffled sentences."""
    for check in of_figure(checks, what):
        assert check.passed, f"{check.what}: {check.found}, wanted {check.wanted}"


@pytest.mark.parametrize("figure", FIGURES)
def test_every_figure_is_drawn(cohort: Path, results: xr.Dataset, figure: str) -> None:
    drawn = list((cohort / "results" / "figures").glob(f"{figure}_*"))
    assert {path.suffix for path in drawn} == {".png", ".pdf"}


def test_shuffled_sentences_have_no_such_truth(cohort: Path, results: xr.Dataset) -> None:
    """The same fits to the responses to other sentences: whatever is judged by scores is not found there."""
    other = results.assign(best_r2=results["best_r2_shuffled"], r2=results["r2_shuffled"])
    checks = judge_paper(cohort, other)
    assert {"2a", "2b", "3a", "layers"} <= failed(checks)
    assert not any(check.passed for check in of_figure(checks, "2a"))


def test_other_electrodes_have_no_such_truth(cohort: Path, results: xr.Dataset) -> None:
    """Scores at the wrong places, and one model's against those of other electrodes."""
    order = np.random.default_rng(0).permutation(results.sizes["electrode"])
    moved = results.assign(best_r2=results["best_r2"].copy(data=results["best_r2"].values[:, order]))
    assert failed(judge_paper(cohort, moved)) == {"2b"}
    values = results["best_r2"].values.copy()
    values[1] = values[1][order]
    assert {"2b", "3a"} <= failed(judge_paper(cohort, results.assign(best_r2=results["best_r2"].copy(data=values))))


@pytest.mark.parametrize(
    ("variable", "dim", "one", "other", "figures"),
    [
        ("best_r2", "space", "wav2vec2", "gpt2", {"2a", "2b", "3a"}),
        ("best_r2", "space", "mel", "gpt2", {"2a", "2b", "3a"}),
        ("prediction_similarity", "pair", "speech ~ language", "language ~ acoustic", {"3b"}),
        ("shared_r2", "part", "speech top", "speech rest", {"4a"}),
        ("shared_r2", "part", "language top", "language rest", {"4a"}),
        ("common_r2", "probe", "context", "semantic", {"4b"}),
        ("common_r2", "probe", "context", "acoustic", {"4b"}),
    ],
)
def test_the_judge_sees_what_is_exchanged(
    cohort: Path, results: xr.Dataset, variable: str, dim: str, one: str, other: str, figures: set[str]
) -> None:
    names = [{one: other, other: one}.get(str(name), str(name)) for name in results[dim].values]
    exchanged = results[variable].sel({dim: names}).assign_coords({dim: results[dim]})
    found = failed(judge_paper(cohort, results.assign({variable: exchanged})))
    assert found and found <= figures and min(figures) in found


def test_a_best_layer_at_the_end_is_seen(cohort: Path, results: xr.Dataset) -> None:
    r2 = results["r2"].copy()
    own = np.flatnonzero(results["model_space"].values == "wav2vec2")
    r2[own] = r2.values[own[np.argsort(r2.values[own].mean(axis=(1, 2)))]]
    assert failed(judge_paper(cohort, results.assign(r2=r2))) == {"layers"}


def test_electrodes_wrongly_chosen_are_seen(cohort: Path, results: xr.Dataset, tmp_path: Path) -> None:
    (tmp_path / "truth").mkdir()
    (tmp_path / "truth" / "electrodes.csv").write_bytes((cohort / "truth" / "electrodes.csv").read_bytes())
    selection = pd.read_csv(cohort / "selection.csv")
    selection.assign(selected=~selection["selected"]).to_csv(tmp_path / "selection.csv")
    assert not any(check.passed for check in of_figure(judge_paper(tmp_path, results), "1"))


def test_electrodes_that_do_not_respond_hold_noise(cohort: Path) -> None:
    """Repeats of a sentence do not agree where nothing was planted, and agree by the ceiling where something was."""
    truth = pd.read_csv(cohort / "truth" / "electrodes.csv")
    agreement = []
    for subject in dict.fromkeys(truth["subject"]):
        with np.load(cohort / "recorded" / f"{subject}.npz") as file:
            trials = np.split(file["responses"], np.cumsum(file["lengths"])[:-1])
            names = file["stimuli"]
        repeated = [name for name in dict.fromkeys(names) if (names == name).sum() > 1]
        assert len(repeated) == 10
        halves = [[trials[i][25:] for i in np.flatnonzero(names == name)] for name in repeated]
        first, second = (np.concatenate([np.mean(half[k::2], axis=0) for half in halves]) for k in (0, 1))
        agreement += [np.corrcoef(a, b)[0, 1] for a, b in zip(first.T, second.T, strict=True)]
    r, responds = np.array(agreement), truth["responds"].to_numpy()
    assert np.abs(r[~responds].mean()) < 0.02 and np.abs(r[~responds]).max() < 0.35
    q = truth.loc[responds, "ceiling"]
    assert np.abs(r[responds] - 5 * q / (1 + 4 * q)).mean() < 0.05  # Spearman and Brown, for five repeats


def test_the_sizes_are_the_papers() -> None:
    size = PaperSize()
    assert (size.n_subjects, size.n_electrodes, size.n_responding) == (16, 4388, 822)
    assert (size.n_sentences, size.n_frames, size.n_shared) == (599, 58_943, 50)
    assert size.speech == (12, 768) and size.language == (48, 1600)
    assert size.scaled(1) == size


def test_the_files_are_of_the_sizes_asked_for(cohort: Path) -> None:
    inputs, size = load_inputs(cohort / "study.toml"), PaperSize().scaled(Fraction(1, 20))
    truth = pd.read_csv(cohort / "truth" / "electrodes.csv")
    assert len(inputs.stimuli) == size.n_sentences == 30 and len(inputs.subjects) == 16
    assert sum(round(50 * stimulus.duration) for stimulus in inputs.stimuli.values()) == size.n_frames
    assert len(truth) == size.n_electrodes == 219 and truth["responds"].sum() == size.n_responding == 41
    assert truth.groupby("subject")["responds"].sum().nunique() > 2
    responding = truth[truth["responds"]]
    np.testing.assert_allclose(responding[list(LATENTS)].sum(axis=1), 1.0, atol=1e-3)
    layers = np.load(next((cohort / "features" / "gpt2").glob("*.npy")), mmap_mode="r")
    assert layers.dtype == np.float32 and (layers.shape[0], layers.shape[2]) == size.language


def test_the_seed_says_everything(cohort: Path, tmp_path: Path) -> None:
    again = CliRunner().invoke(app, ["simulate", "--paper", "--scale", "0.05", "--out", str(tmp_path / "again")])
    assert again.exit_code == 0, again.output
    simulate_paper(tmp_path / "other", seed=1, scale=0.05)
    for name in ("stimuli/s003.wav", "words.csv", "vectors.npy", "features/gpt2/s003.npy", "truth/electrodes.csv"):
        assert (tmp_path / "again" / name).read_bytes() == (cohort / name).read_bytes()
        assert (tmp_path / "other" / name).read_bytes() != (cohort / name).read_bytes()


@pytest.mark.parametrize(
    "options",
    [["--paper", "--scale", "half"], ["--paper", "--scale", "2"], ["--scale", "1/20"], ["--paper", "--seed", "-1"]],
)
def test_what_cannot_be_simulated(tmp_path: Path, options: list[str]) -> None:
    said = CliRunner().invoke(app, ["simulate", "--out", str(tmp_path / "new"), *options])
    assert said.exit_code == 2 and options[-2] in said.output
    assert not (tmp_path / "new").exists()
