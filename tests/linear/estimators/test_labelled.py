"""Tables in, labelled results out: names, segments of rows, scikit-learn's cross-validations, notebooks."""

from __future__ import annotations

import io
import sys
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
import xarray as xr
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, cross_val_predict, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from heschl import BandedRidgeCV, InputError, LaggedRidge, LaggedRidgeCV, lagged_design, segment_labels
from heschl.notices import Progress, followed, reporting
from linear.problems import make
from tolerances import COEFFICIENTS, R2, worst

PROBLEM = make(11, [40, 25, 31, 60, 44, 38, 52, 30], 3, 2, range(-1, 4))
LABELS = segment_labels(PROBLEM.lengths)


def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    index = pd.MultiIndex.from_arrays([LABELS["segment"], LABELS["frame"] / 50.0], names=["segment", "time"])
    return pd.DataFrame(PROBLEM.H, index, ["low", "mid", "high"]), pd.DataFrame(PROBLEM.Y, index, ["e1", "e2"])


def expected_predictions(splitter: Any) -> NDArray[Any]:
    """Rows of the design of the whole, fitted and predicted by scikit-learn."""
    X = lagged_design(PROBLEM.H, PROBLEM.lags, segments=PROBLEM.lengths)
    out: NDArray[Any] = cross_val_predict(Ridge(10.0), X, PROBLEM.Y, cv=splitter, groups=LABELS["segment"])
    return out


def test_each_fold_gets_its_own_segments_by_routing() -> None:
    model, splitter = LaggedRidge(10.0, lags=PROBLEM.lags), GroupKFold(4)
    params = {"segments": LABELS, "groups": LABELS["segment"]}
    with sklearn.config_context(enable_metadata_routing=True), warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*segments")
        scores = cross_validate(model, PROBLEM.H, PROBLEM.Y, cv=splitter, params=params)["test_score"]
        piped = make_pipeline(StandardScaler(with_mean=False, with_std=False), model)
        same = cross_val_score(piped, PROBLEM.H, PROBLEM.Y, cv=splitter, params=params)
        inner = LaggedRidgeCV(lags=PROBLEM.lags, alphas=[1.0, 100.0], cv=3)
        search = GridSearchCV(inner, {"standardize": [False, True]}, cv=splitter)
        search.fit(PROBLEM.H, PROBLEM.Y, **params)
    X = lagged_design(PROBLEM.H, PROBLEM.lags, segments=PROBLEM.lengths)
    wanted = cross_val_score(Ridge(10.0), X, PROBLEM.Y, cv=splitter, groups=LABELS["segment"])
    np.testing.assert_allclose(scores, wanted, atol=R2["float64"])
    np.testing.assert_allclose(same, wanted, atol=R2["float64"])
    assert search.best_estimator_.alpha_.shape == (2,)


def test_tables_tell_segments_without_routing() -> None:
    X, Y = tables()
    splitter = GroupKFold(4)
    model = LaggedRidge(10.0, lags=PROBLEM.lags)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = cross_val_predict(model, X, Y, cv=splitter, groups=LABELS["segment"])
        array = xr.DataArray(X.values, dims=("time", "feature"), coords={"feature": list(X.columns)})
        array = array.assign_coords(segment=("time", LABELS["segment"]), time=LABELS["frame"])
        again = cross_val_predict(model, array, PROBLEM.Y, cv=splitter, groups=LABELS["segment"])
    assert worst(found, expected_predictions(splitter)) < COEFFICIENTS["float64"]
    assert worst(again, found) < COEFFICIENTS["float64"]
    whole = clone(model).fit(PROBLEM.H, PROBLEM.Y, segments=PROBLEM.lengths)
    assert worst(clone(model).fit(X, Y).coef_, whole.coef_) < COEFFICIENTS["float64"]
    assert worst(clone(model).fit(array, PROBLEM.Y).coef_, whole.coef_) < COEFFICIENTS["float64"]


def test_what_a_split_cut_out_of_a_segment_is_a_gap() -> None:
    """KFold takes rows out of the middle of a segment: no lag reaches over the gap."""
    train = np.r_[0:15, 22:60]
    labels = segment_labels([40, 20])[train]
    H, Y = PROBLEM.H[train], PROBLEM.Y[train]
    model = LaggedRidge(10.0, lags=PROBLEM.lags)
    found = clone(model).fit(H, Y, segments=labels)
    assert worst(found.coef_, model.fit(H, Y, segments=[15, 18, 20]).coef_) < COEFFICIENTS["float64"]
    joined = LaggedRidge(10.0, lags=PROBLEM.lags).fit(H, Y, segments=[33, 20])
    assert worst(found.coef_, joined.coef_) > 1e-3
    folds = LaggedRidgeCV(lags=PROBLEM.lags, cv=2, alphas=[1.0])
    with pytest.raises(InputError, match="3 folds for 2 different"):  # halves of a segment are never apart
        folds.set_params(cv=3).fit(H, Y, segments=labels)


def test_lags_never_cross_in_silence() -> None:
    model = LaggedRidgeCV(lags=PROBLEM.lags, alphas=[10.0], cv=2)
    labels = LABELS["segment"]
    with pytest.warns(UserWarning, match="rows without segments") as caught:
        cross_val_predict(model, PROBLEM.H, PROBLEM.Y, cv=GroupKFold(4), groups=labels)
    assert caught[0].filename == __file__  # the user's line, not scikit-learn's or heschl's
    with pytest.warns(UserWarning, match="predicted without segments") as caught:
        cross_val_predict(model, PROBLEM.H, PROBLEM.Y, cv=GroupKFold(4), groups=labels, params={"segments": labels})
    assert caught[0].filename == __file__
    with pytest.raises(InputError, match=r"segments: found lengths.*segment_labels"):
        lengths = {"segments": PROBLEM.lengths}
        cross_val_score(model, PROBLEM.H, PROBLEM.Y, cv=KFold(2), params=lengths, error_score="raise")
    fitted = clone(model).fit(PROBLEM.H, PROBLEM.Y, segments=PROBLEM.lengths)
    direct = LaggedRidge(10.0, lags=PROBLEM.lags).fit(PROBLEM.H, PROBLEM.Y, segments=PROBLEM.lengths)
    with pytest.warns(UserWarning, match="predicted without segments"):
        direct.predict(PROBLEM.H)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        direct.predict(PROBLEM.H[:40])  # one sentence
        direct.predict(PROBLEM.H, segments=[len(PROBLEM.H)])
        LaggedRidge(10.0, lags=PROBLEM.lags).fit(PROBLEM.H, PROBLEM.Y)  # one recording
        clone(direct).set_params(lags=range(1)).fit(PROBLEM.H, PROBLEM.Y)
    assert fitted.coef_.shape == direct.coef_.shape


def test_frames_may_count_more_or_less_in_a_score() -> None:
    model = LaggedRidge(10.0, lags=PROBLEM.lags).fit(PROBLEM.H, PROBLEM.Y, segments=PROBLEM.lengths)
    twice = np.where(np.arange(len(LABELS)) < 40, 2.0, 1.0)
    predicted = model.predict(PROBLEM.H, segments=PROBLEM.lengths)
    wanted = r2_score(np.r_[PROBLEM.Y, PROBLEM.Y[:40]], np.r_[predicted, predicted[:40]])
    found = model.score(PROBLEM.H, PROBLEM.Y, segments=PROBLEM.lengths, sample_weight=twice)
    assert abs(found - wanted) < R2["float64"]
    with pytest.raises(InputError, match="sample_weight"):
        model.score(PROBLEM.H, PROBLEM.Y, segments=PROBLEM.lengths, sample_weight=-twice)


def test_names_go_in_and_come_out() -> None:
    X, Y = tables()
    model = LaggedRidgeCV(tmin=-0.02, tmax=0.06, sfreq=50, alphas=[1.0, 100.0], cv=3, nested=True).fit(X, Y)
    found = model.to_xarray()
    assert found.attrs["solver"] == model.solver_ and found.attrs["n_segments"] == 8
    assert found["coef"].dims == ("target", "feature", "lag") and found["lag"].attrs["units"] == "s"
    np.testing.assert_array_equal(found["coef"].sel(target="e2", feature="mid"), model.coef_[1, 1])
    np.testing.assert_allclose(found["lag"], [-0.02, 0.0, 0.02, 0.04, 0.06])
    np.testing.assert_array_equal(found["cv_scores"].sel(candidate=100.0), model.cv_scores_[1])
    assert found["test_scores"].dims == ("fold", "target") and found["alpha"].sel(target="e1") == model.alpha_[0]
    single = LaggedRidge(lags=range(2)).fit(PROBLEM.H, PROBLEM.Y[:, 0]).to_xarray()
    assert single["coef"].shape == (1, 3, 2) and single["lag"].attrs["units"] == "frames"
    banded = BandedRidgeCV({"a": [0], "b": [1, 2]}, alphas=[1.0, 1e3], lags=range(2), cv=3).fit(X, Y).to_xarray()
    assert banded["alphas"].sel(space="b").shape == (2,) and banded["candidates"].shape == (4, 2)
    array = xr.DataArray(PROBLEM.H, dims=("time", "feature"), coords={"feature": ["low", "mid", "high"]})
    named = LaggedRidge(lags=range(2)).fit(array, pd.Series(PROBLEM.Y[:, 0], name="STG1"))
    assert named.feature_names_in_.tolist() == ["low", "mid", "high"] and named.target_names_.tolist() == ["STG1"]
    with pytest.raises(ValueError, match="feature names"):
        named.predict(array[:, ::-1])
    assert not hasattr(named.fit(PROBLEM.H, PROBLEM.Y), "target_names_")


def test_a_notebook_shows_what_was_chosen() -> None:
    model = LaggedRidgeCV(tmin=0, tmax=0.06, sfreq=50, alphas=[1e-9, 1e9], cv=3)
    assert "heschl-chosen" not in model._repr_html_()
    model.fit(*tables())
    html = model._repr_mimebundle_()["text/html"]
    assert "0 to 3 frames (0 to 0.06 s)" in html and "2 of 2 at an end of the grid" in html
    with sklearn.config_context(display="text"):
        assert "text/html" not in model._repr_mimebundle_()


def test_progress_is_said_of_long_work_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(np.arange(0.0, 100.0, 1.0))
    monkeypatch.setattr("heschl.notices.time.monotonic", lambda: float(next(clock)))
    monkeypatch.setattr("heschl.notices.EVERY", {True: 0.5, False: 2.0})
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    assert list(followed(range(6), 6, "sets")) == list(range(6)) and not stream.getvalue()
    with reporting(True):
        assert list(followed(range(6), 6, "sets")) == list(range(6))
    assert stream.getvalue().splitlines() == ["sets: 2 of 6, 4 s left", "sets: 4 of 6, 2 s left", "sets: 6 of 6, 6 s"]
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    line = Progress(terminal)
    line.step("sets", 1, 2)
    for done in (1, 2):
        line.step("sets", done, 2)
    line.close()
    assert terminal.getvalue().startswith("\rsets: ") and terminal.getvalue().endswith("\n")


def test_fits_report_what_they_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("heschl.notices.PATIENCE", 0.0)
    monkeypatch.setattr("heschl.notices.EVERY", {True: 0.0, False: 0.0})
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    how: dict[str, Any] = {"lags": range(2), "alphas": [1.0, 10.0], "cv": 4, "verbose": True}
    LaggedRidgeCV(**how, nested=True).fit(*tables())
    text = stream.getvalue()
    assert "parts of the data summed: 4 of 4" in text and "training sets" in text and "pairs of folds" in text
    BandedRidgeCV({"a": [0], "b": [1, 2]}, **how).fit(*tables())
    assert stream.getvalue().count("training sets") > text.count("training sets")


def test_labels_of_lengths_that_are_none() -> None:
    for lengths in ([], [3, 0], [1.5], 4):
        with pytest.raises(InputError, match="lengths"):
            segment_labels(lengths)
