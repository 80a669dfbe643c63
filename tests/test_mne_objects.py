"""To MNE and back: the same numbers, segments at joins and bad spans, positions and their frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mne
import numpy as np
import pandas as pd
import pytest

import heschl
from heschl import InputError, LaggedRidge
from heschl.ecog import HighGamma, Responses, read_recording, to_epochs, to_raw
from tolerances import COEFFICIENTS, worst

RNG = np.random.default_rng(0)
PLACES = {"G1": [0.05, 0.01, 0.02], "G2": [-0.04, 0.0, 0.03], "G3": [0.01, 0.02, 0.0]}


def recording(n: int = 600, kind: str = "ecog") -> Any:
    info = mne.create_info([*PLACES, "envelope"], 100.0, [kind] * 3 + ["misc"])
    raw = mne.io.RawArray(RNG.standard_normal((4, n)), info, verbose="error")
    with pytest.warns(RuntimeWarning, match="Fiducial"):
        raw.set_montage(mne.channels.make_dig_montage(PLACES, coord_frame="mni_tal"))
    return raw


def test_a_raw_is_cut_at_joins_and_bad_spans() -> None:
    raw = mne.concatenate_raws([recording(300), recording(300)], verbose="error")
    raw.set_annotations(raw.annotations + mne.Annotations([1.0], [0.5], "BAD_cough"))
    raw.info["bads"] = ["G2"]
    X, y, sfreq, info = heschl.from_mne(raw, "envelope")
    assert list(y.columns) == ["G1", "G3"] and list(X.columns) == ["envelope"] and sfreq == 100.0
    kept = np.r_[0:100, 150:600]
    np.testing.assert_array_equal(X["envelope"], raw.get_data(["envelope"])[0, kept])
    assert X.index.get_level_values("segment").value_counts(sort=False).tolist() == [100, 150, 300]
    model = LaggedRidge(1.0, tmin=0, tmax=0.1, sfreq=sfreq).fit(X, y)
    same = LaggedRidge(1.0, lags=range(11)).fit(X.to_numpy(), y.to_numpy(), segments=[100, 150, 300])
    assert worst(model.coef_, same.coef_) < COEFFICIENTS["float64"]
    trf = heschl.to_mne(model, info)["envelope"]
    assert trf.ch_names == ["G1", "G3"] and trf.get_montage().get_positions()["coord_frame"] == "mni_tal"
    np.testing.assert_allclose(trf.data, model.coef_[:, 0])
    np.testing.assert_allclose(trf.times, np.arange(11) / 100.0)


def test_epochs_are_segments_and_stimuli_are_events() -> None:
    raw = recording()
    events = np.array([[0, 0, 1], [150, 0, 2], [300, 0, 1]])
    epochs = mne.Epochs(raw, events, {"a": 1, "b": 2}, 0, 0.99, baseline=None, preload=True, verbose="error")
    sounds = {"a": RNG.standard_normal((100, 2)), "b": RNG.standard_normal((100, 2))}
    X, y, sfreq, _ = heschl.from_mne(epochs, sounds, picks="ecog", feature_names=["low", "high"])
    assert X.index.get_level_values("event").tolist() == ["a"] * 100 + ["b"] * 100 + ["a"] * 100
    np.testing.assert_array_equal(X.to_numpy(), np.concatenate([sounds[name] for name in "aba"]))
    np.testing.assert_array_equal(y.to_numpy()[100:200], epochs.get_data(picks="ecog")[1].T)
    model = LaggedRidge(1.0, lags=range(4), sfreq=None).fit(X, y)
    same = LaggedRidge(1.0, lags=range(4)).fit(X.to_numpy(), y.to_numpy(), segments=[100] * 3)
    assert worst(model.coef_, same.coef_) < COEFFICIENTS["float64"]
    with pytest.raises(InputError, match=r"model\.sfreq"):
        heschl.to_mne(model, epochs.info)
    with pytest.raises(InputError, match="nothing for the event 'b'"):
        heschl.from_mne(epochs, {"a": sounds["a"]})
    with pytest.raises(InputError, match=r"features: found an array of shape \(3, 99, 1\)"):
        heschl.from_mne(epochs, np.zeros((3, 99, 1)))
    assert sfreq == 100.0


def test_what_does_not_fit_is_refused() -> None:
    raw = recording()
    for features, picks, match in (
        ("sound", None, "features: found 'sound'"),
        (np.zeros((599, 1)), None, r"\(n_times, n_features\) = \(600, n_features\)"),
        ("envelope", ["G9"], "picks: found 'G9'"),
        ("envelope", "seeg", "no seeg channel"),
        ("envelope", "wire", "picks: found 'wire'"),
    ):
        with pytest.raises(InputError, match=match):
            heschl.from_mne(raw, features, picks=picks)
    with pytest.raises(InputError, match="inst"):
        heschl.from_mne(np.zeros((3, 3)), np.zeros((3, 3)))  # type: ignore[arg-type]
    model = LaggedRidge(1.0, tmin=0, tmax=0.1, sfreq=50).fit(np.zeros((20, 1)) + RNG.random((20, 1)), np.ones((20, 2)))
    for rate, names in ((100.0, ["G1", "G2"]), (50.0, ["G1"])):
        with pytest.raises(InputError, match="info"):
            heschl.to_mne(model, mne.create_info(names, rate, "ecog"))


def test_high_gamma_and_trials_keep_their_places(tmp_path: Path) -> None:
    raw = recording(2000)
    raw.save(tmp_path / "S1_raw.fif", verbose="error")
    open_object, from_file = read_recording(raw, subject="S1"), read_recording(tmp_path / "S1_raw.fif", subject="S1")
    np.testing.assert_allclose(open_object.read(0, 50, ["G2"]), from_file.read(0, 50, ["G2"]), rtol=1e-6)
    assert open_object.electrodes.attrs["coord_frame"] == "mni_tal" and open_object.good == list(PLACES)
    values = RNG.standard_normal((200, 3)).astype(np.float32)
    values[:7, 1] = np.nan
    back = to_raw(HighGamma(values, 100.0, open_object.electrodes, ()))
    placed = back.get_montage().get_positions()
    assert placed["coord_frame"] == "mni_tal" and np.allclose(placed["ch_pos"]["G2"], PLACES["G2"])
    np.testing.assert_allclose(back.get_data(reject_by_annotation="omit"), values[7:].T)
    trials = (RNG.standard_normal((60, 2)), RNG.standard_normal((50, 2)), RNG.standard_normal((55, 2)))
    anatomy = {axis: np.array([0.01, 0.02]) for axis in "xyz"}
    epochs = to_epochs(Responses("S1", ("G1", "G2"), 100.0, -0.1, ("b", "a", "b"), trials, anatomy))
    assert epochs["b"].get_data().shape == (2, 2, 60) and epochs.tmin == pytest.approx(-0.1)
    np.testing.assert_array_equal(epochs.get_data()[1, :, :50], trials[1].T)
    assert np.isnan(epochs.get_data()[1, :, 50:]).all() and epochs.get_montage() is not None
    with pytest.raises(InputError, match="in m"):
        to_raw(HighGamma(values, 100.0, pd.DataFrame({a: [50.0] * 3 for a in "xyz"}, index=list(PLACES)), ()))
