"""preset = "chen2024" against another program of the published practice, which shares no code with it."""

from __future__ import annotations

import html
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from scipy.signal import resample
from sklearn.model_selection import KFold

from heschl import open_results
from heschl.study import run_study
from heschl.study.analyses.published import DIFFERENCES, ON_PURPOSE, folds_of_stimuli, published_groups
from heschl.study.session import Session
from tiny_cohort import SFREQ
from tolerances import PUBLISHED

RATE, FIRST = 50.0, 200 / 16000
"""Of the cohort's speech model: frames per second, and the middle of the first one in s."""


def scores(X: np.ndarray, y: np.ndarray, n_lags: int) -> np.ndarray:
    """Return the mean over folds of r² of each response."""
    delayed = np.hstack([np.pad(X, ((k, 0), (0, 0)))[: len(X)] for k in range(n_lags)])
    squares = []
    for train, held_out in KFold(5).split(delayed):
        half = round(len(held_out) / 2)
        values, vectors = np.linalg.eigh(delayed[train].T @ delayed[train])
        projected = vectors.T @ delayed[train].T @ y[train]
        by_alpha = np.empty((10, 2, y.shape[1]))
        for a, alpha in enumerate(np.logspace(2, 7, 10)):
            weights = vectors @ (projected / (values + alpha)[:, None])
            for part, rows in enumerate((held_out[:half], held_out[half:])):
                both = zip((delayed[rows] @ weights).T, y[rows].T, strict=True)
                by_alpha[a, part] = [np.corrcoef(fit, target)[0, 1] for fit, target in both]
        best = by_alpha[:, 0].argmax(axis=0)
        squares.append(by_alpha[best, 1, np.arange(y.shape[1])] ** 2)
    return np.mean(squares, axis=0)


@pytest.fixture
def preset(own_cohort: Path) -> Path:
    """A study with the preset, whose subjects heard the stimuli in two orders."""
    text = own_cohort.read_text().replace("[responses]", '[responses]\nrepeats = "separate"')
    own_cohort.write_text('preset = "chen2024"\n' + text)
    path = own_cohort.parent / "S2.npz"
    arrays = dict(np.load(path))
    order = np.random.default_rng(0).permutation(len(arrays["stimuli"]))
    for name in ("responses", "lengths", "stimuli"):
        arrays[name] = arrays[name][order]
    np.savez(path, **arrays)
    return own_cohort


def test_scores_are_those_of_another_program(preset: Path, tmp_path: Path) -> None:
    with open(tmp_path / "said.txt", "w") as said:
        results = open_results(run_study(preset, console=Console(file=said, width=1000)))
    session = Session(preset)
    for subject in ("S1", "S2"):
        held = np.load(preset.parent / f"{subject}.npz")
        names = [str(name).removesuffix(".wav") for name in held["stimuli"]]
        trials = []
        for trial, n in zip(held["responses"], held["lengths"], strict=True):
            n_frames = int(np.floor((n / SFREQ - 400 / 16000) * RATE + 1e-6)) + 1  # that the sound and silence hold
            begin = FIRST - 0.5 / RATE
            times = np.arange(n) / SFREQ
            inside = (times > begin - 1e-9) & (times < begin + n_frames / RATE - 1e-9)
            trials.append(resample(trial[:n][inside], n_frames, axis=0))
        y = np.concatenate(trials).astype(np.float32).astype(np.float64)
        for model in (f"mel/{session.features['mel'].layers[0]}", "wav/2"):
            space, layer = model.split("/")
            features = session.features[space]
            segments = [(name, len(trial)) for name, trial in zip(names, trials, strict=True)]
            X = features.layer(features.layers.index(layer), segments)
            electrodes = [f"{subject}/{name}" for name in ("loud1", "noise1", "noise2")]
            found = results["published_r2"].sel(model=f"{space}/{layer}", electrode=electrodes).values
            np.testing.assert_allclose(found, scores(np.asarray(X, np.float64), y, 5), atol=PUBLISHED)
    text = (tmp_path / "said.txt").read_text()
    assert "LEAK: as published: frames of one stimulus in different folds" in text
    assert "LEAK: as published: lags across the joints of sentences: 16 segments see" in text
    assert "ok: frames of one stimulus in different folds: none" in text  # of the sound folds
    report = (preset.parent / "results" / "report.html").read_text()
    for line in (*DIFFERENCES, *ON_PURPOSE):
        assert html.escape(line).replace("&#x27;", "&#39;") in report, line


def test_the_folds_that_the_audit_sees(preset: Path) -> None:
    session = Session(preset)
    groups = published_groups(session)
    assert len(groups) == 2 and len(session.groups) == 1  # one for each order
    names = [str(name).removesuffix(".wav") for name in np.load(preset.parent / "S2.npz")["stimuli"]]
    assert [name for name, _ in groups[1].segments] == names
    for group in groups:
        n = int(group.lengths.sum())
        of_row = np.empty(n, int)
        for fold, (_, rows) in enumerate(KFold(5).split(np.zeros(n))):
            of_row[rows] = fold
        expected: dict[str, set[int]] = {name: set() for name, _ in group.segments}
        starts = np.cumsum([0, *group.lengths])
        for (name, _), start, stop in zip(group.segments, starts[:-1], starts[1:], strict=True):
            expected[name] |= set(of_row[start:stop].tolist())
        assert folds_of_stimuli(group) == expected
        assert any(len(folds) > 1 for folds in expected.values())
