"""Word-lag encoding: windows against a loop, a planted lag found, what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import heschl
from heschl.checks import InputError
from heschl.study import run_study
from heschl.study.analyses.fits.word_lags import _components, lagged_responses
from heschl.study.config.analyses import WordLags
from heschl.study.config.study import read_study
from heschl.study.simulate import simulate_cohort


def test_windows_against_a_loop() -> None:
    rng = np.random.default_rng(0)
    lengths, settings = np.array([30, 20, 25]), WordLags(spaces=["a"], tmin=-0.1, tmax=0.2, step=0.1, window=0.06)
    y = rng.standard_normal((75, 2)).astype(np.float32)
    y[12, 0] = y[40:44, 1] = np.nan
    onsets = np.array([5, 12, 28, 31, 45, 60])
    found = lagged_responses(y, lengths, onsets, settings, 50.0).reshape(6, 4, 2)
    bounds = [(0, 30), (30, 50), (50, 75)]
    for w, onset in enumerate(onsets):
        first, last = next(b for b in bounds if b[0] <= onset < b[1])
        for i, lag in enumerate(settings.lags()):
            middle = onset + round(lag * 50)
            rows = np.arange(middle - 2, middle + 3)
            for e in range(2):
                expected = np.nan
                if rows[0] >= first and rows[-1] < last and np.isfinite(y[rows, e]).any():
                    expected = np.nanmean(y[rows, e])
                np.testing.assert_allclose(found[w, i, e], expected, rtol=1e-5)


def test_components_know_the_training_words_alone() -> None:
    rng = np.random.default_rng(1)
    X, train = rng.standard_normal((40, 6)).astype(np.float32), np.arange(40) < 30
    found = _components(X, train, 3)
    assert found.shape == (40, 3)
    np.testing.assert_allclose(found[train].T @ found[train], np.diag((found[train] ** 2).sum(axis=0)), atol=1e-3)
    changed = X.copy()
    changed[~train] += 5
    np.testing.assert_allclose(_components(changed, train, 3)[train], found[train], atol=1e-5)
    assert _components(X, train, None).shape == _components(X, train, 50).shape == (40, 6)


def test_the_planted_lag_is_found(tmp_path: Path) -> None:
    study = simulate_cohort(tmp_path / "cohort", n_sentences=40)
    text = study.read_text()
    text = text[: text.index("[shared]")] + '[word_lags]\nspaces = ["glove"]\ntmin = -0.4\ntmax = 0.6\nwindow = 0.1\n'
    for space in ("gpt2", "mel"):
        head = text.index(f"[features.{space}]")
        text = text[:head] + text[text.index("\n[", head + 1) + 1 :]
    text = text.replace("n_permutations = 39", "n_permutations = 0").replace("shuffle = true", "shuffle = false")
    study.write_text(text)
    results = heschl.open_results(run_study(study))
    assert results["word_lag_r"].dims == ("word_space", "electrode", "word_lag") and results.sizes["word_lag"] == 11
    word = np.array([str(name).split("/")[1].startswith("word") for name in results["electrode"].values])
    r = results["word_lag_r"].sel(word_space="glove").values
    course = np.nanmedian(r[word], axis=0)
    best = float(results["word_lag"].values[int(np.nanargmax(course))])
    assert 0.1 <= best <= 0.4 and np.nanmax(course) > 0.3  # within the word, after its latency
    assert course[0] < 0.15 and np.abs(np.nanmedian(r[~word], axis=0)).max() < 0.2
    assert (study.parent / "results" / "figures" / "score_by_lag.png").exists()


def test_what_cannot_be(own_cohort: Path) -> None:
    text = own_cohort.read_text()
    for extra, match in (
        ('[word_lags]\nspaces = ["nothing"]\n', r"word_lags\.spaces.*'nothing'"),
        ('[word_lags]\nspaces = ["gpt"]\ntmin = 1.0\ntmax = 0.5\n', "tmin at or before tmax"),
        ('[word_lags]\nspaces = ["gpt"]\nlag = 1\n', "word_lags.lag"),
    ):
        own_cohort.write_text(text + extra)
        with pytest.raises(InputError, match=match):
            read_study(own_cohort)
    own_cohort.write_text(text + '[word_lags]\nspaces = ["gpt"]\ntmin = 5.0\ntmax = 6.0\n')
    with pytest.raises(InputError, match="no lag at which 20 words are known"):
        run_study(own_cohort)
