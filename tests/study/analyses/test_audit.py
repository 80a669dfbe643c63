"""The audit measures: what leaks is seen to move, words out of place are seen to predict worse than others."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import heschl.study.analyses.fits.encoding as encoding
from heschl import CCA
from heschl.linear import NestedScores, Repeated, SharedParts, nested_cv
from heschl.study import open_results
from heschl.study.analyses.audit import MOVED
from heschl.study.analyses.fits.audit import (
    ELECTRODES,
    STIMULI,
    layers_by_test_scores,
    loss_by_moved_words,
    moved_by_test_rows,
    moved_words,
    part_of,
    worse,
    write_shared,
)
from heschl.study.analyses.fits.encoding import BestFit, LayerFit, best_layers, fit_layer
from heschl.study.config.analyses import Shared
from heschl.study.config.encoding import Encoding
from heschl.study.inputs.groups import FitGroup

SETTINGS = Encoding(tmax=0.08, alphas=[1.0, 1e2, 1e4], folds=5)
RATE, FRAMES, STIMULUS = 25.0, 40, [f"s{i:02d}" for i in range(25)]


def words(seed: int = 0) -> Repeated:
    """Ten words of four frames in each stimulus, the first of which is silence."""
    values = np.random.default_rng(seed).standard_normal((250, 6)).astype(np.float32)
    values[::10] = 0.0
    return Repeated(values, np.full(250, 4))


def responding(X: Any, electrodes: int = 8) -> FitGroup:
    """Electrodes that follow the features a frame later, with noise."""
    rng = np.random.default_rng(1)
    dense = X.expand() if isinstance(X, Repeated) else X
    y = np.roll(dense @ rng.standard_normal((dense.shape[1], electrodes)), 1, axis=0)
    y = (y + 3 * rng.standard_normal(y.shape)).astype(np.float32)
    names, folds = tuple((name, FRAMES) for name in STIMULUS), np.arange(25) % 5
    return FitGroup(("S",) * electrodes, tuple(map(str, range(electrodes))), names, y, y[:, :0], folds)


def frames() -> np.ndarray:
    return np.random.default_rng(2).standard_normal((1000, 6)).astype(np.float32)


@pytest.mark.parametrize("X", [words(), frames()], ids=["words", "frames"])
def test_nothing_moves_where_nothing_leaks(X: Any) -> None:
    group = responding(X)
    assert moved_by_test_rows(X, group, SETTINGS, RATE, fit_layer(X, group, SETTINGS, RATE)) < MOVED


def by_test_scores(X: Any, y: Any, **settings: Any) -> NestedScores:
    """Choose λ by the score on the outer test fold itself."""
    fits = [nested_cv(X, y, **{**settings, "alphas": [alpha]}) for alpha in settings["alphas"]]
    best = np.stack([fit.r2 for fit in fits]).argmax(axis=0)
    rows = np.repeat(settings["folds"], settings["segments"])

    def chosen(name: str, of: np.ndarray) -> Any:
        values = np.stack([getattr(fit, name) for fit in fits])
        return np.take_along_axis(values, of[None], axis=0)[0]

    kept = {name: chosen(name, best) for name in ("r2", "alpha", "inner_r2", "inner_score")}
    return replace(fits[0], **kept, predictions=chosen("predictions", best[rows]))


def by_all_rows(X: Any, y: Any, **settings: Any) -> NestedScores:
    """Scale features by all rows, those of the test fold among them."""
    return nested_cv((X - X.mean(axis=0)) / X.std(axis=0), y, **{**settings, "standardize": False})


@pytest.mark.parametrize("leak", [by_test_scores, by_all_rows])
def test_a_leak_moves(leak: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    X = frames()
    group = responding(X)
    monkeypatch.setattr(encoding, "nested_cv", leak)
    assert moved_by_test_rows(X, group, SETTINGS, RATE, fit_layer(X, group, SETTINGS, RATE)) > 5 * MOVED


def layer_fits(group: FitGroup) -> list[LayerFit]:
    rng = np.random.default_rng(3)
    return [fit_layer(rng.standard_normal((1000, 3)).astype(np.float32), group, SETTINGS, RATE) for _ in range(3)]


def test_a_layer_chosen_by_test_scores_moves() -> None:
    group = responding(frames())
    layers = layer_fits(group)
    assert layers_by_test_scores(layers, group) == 0

    def optimistic(fits: Any, group: FitGroup) -> BestFit:
        return best_layers([replace(fit, inner_score=fit.r2) for fit in fits], group)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("heschl.study.analyses.fits.audit.best_layers", optimistic)
        assert layers_by_test_scores(layers, group) > 0


def test_words_out_of_place_predict_worse() -> None:
    X = words()
    group = responding(X)
    fit = fit_layer(X, group, SETTINGS, RATE)
    losses = [loss_by_moved_words(X, group, SETTINGS, RATE, fit, by) for by in (1, -1)]
    assert min(losses) > 3 and not worse(min(losses), 25)
    late = moved_words(X, group, 1)  # a study whose words stand one place late
    fit = fit_layer(late, group, SETTINGS, RATE)
    losses = [loss_by_moved_words(late, group, SETTINGS, RATE, fit, by) for by in (1, -1)]
    assert worse(min(losses), 25)
    silent = FitGroup(group.subjects, group.electrodes, group.segments,
                      np.random.default_rng(4).standard_normal(group.y.shape).astype(np.float32), group.y_shuffled,
                      group.folds)  # fmt: skip
    fit = fit_layer(X, silent, SETTINGS, RATE)
    assert not any(worse(loss_by_moved_words(X, silent, SETTINGS, RATE, fit, by), 25) for by in (1, -1))


def test_moved_words_stay_in_their_stimulus_and_leave_silence_alone() -> None:
    X = words()
    group = responding(X)
    moved = moved_words(X, group, 1)
    np.testing.assert_array_equal(moved.values[2:10], X.values[1:9])
    np.testing.assert_array_equal(moved.values[1], X.values[9])
    assert not moved.values[::10].any()


def test_a_part_has_all_folds_and_whole_stimuli() -> None:
    names = [(f"s{i:03d}", 3 + i % 2) for i in range(100) for _ in range(2)]
    y = np.random.default_rng(0).standard_normal((sum(n for _, n in names), 90)).astype(np.float32)
    y[:, 0] = np.where(np.repeat(np.repeat(np.arange(100) % 5, 2), [n for _, n in names]) == 3, np.nan, y[:, 0])
    group = FitGroup(
        ("S",) * 90, tuple(map(str, range(90))), tuple(names), y, y[:, :0], np.repeat(np.arange(100) % 5, 2)
    )
    part = part_of(group)
    assert len(part.segments) == STIMULI and len(part.electrodes) == ELECTRODES and "0" not in part.electrodes
    assert np.bincount(part.folds).tolist() == [STIMULI // 5] * 5 and len(set(part.segments)) == STIMULI
    first = np.concatenate(
        [y[s : s + n] for s, (_, n) in zip(np.cumsum([0, *(n for _, n in names)]), names, strict=False)]
    )
    assert part.y.shape == (part.lengths.sum(), ELECTRODES) and np.isin(part.y[:, 0], first).all()


def test_a_study_says_what_was_measured(whole_run: Path) -> None:
    found = {each["what"]: each for each in json.loads(open_results(whole_run).attrs["audit"])}
    assert all(each["clean"] for each in found.values()), found
    assert {"mel: what a fold learned", "static: words moved by one", "the layer of a fold and electrode"} <= set(found)
    assert "moves by" in found["wav: what a fold learned"]["found"]


class Halves:
    """What an audit needs of a split: two models that share two latents, learned on the training rows or on all."""

    def __init__(self, *, all_rows: bool) -> None:
        rng = np.random.default_rng(5)
        self.row_fold, self.all_rows = np.repeat(np.arange(5), 60), all_rows
        shared = rng.standard_normal((300, 2))
        self.models = [np.hstack([shared, rng.standard_normal((300, 3))]) @ rng.standard_normal((5, 5)) for _ in "ab"]
        self.settings = Shared(speech="A", language="B", n_components=2)
        self.load: Any = lambda space, layer: self.models["AB".index(space)]

    def pair(self, k: int) -> tuple[Any, Any]:
        return self.load("A", 0), self.load("B", 0)

    def parts(self, k: int) -> SharedParts:
        train = np.ones(300, dtype=bool) if self.all_rows else self.row_fold != k
        return SharedParts.learn(CCA(2), *self.pair(k), train)


def test_weights_learned_on_all_rows_move(tmp_path: Path) -> None:
    moved = {}
    for all_rows in (False, True):
        split, other = (Halves(all_rows=all_rows) for _ in range(2))
        write_shared(split, other, tmp_path / "shared.npz", lambda *_: None)  # type: ignore[arg-type]
        with np.load(tmp_path / "shared.npz") as found:
            moved[all_rows] = float(found["moved"])
    assert moved[False] < MOVED and moved[True] > 10 * MOVED
