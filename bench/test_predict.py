"""Prediction with given weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import ours
import pytest
from baselines import lagged, receptive_field
from problems import BY_SIZE, PREDICT, PredictCase
from truth import LaggedOperator

Run = Callable[[Any, Any, Any, Any], Any]  # of features, lengths of segments, weights, intercept


def as_given(W: Any) -> Any:
    return W


# What predicts, and how it wants its weights: brought into that form before the clock starts.
RIVALS: dict[str, tuple[Run, Callable[[Any], Any]]] = {
    "heschl": (ours.predict, as_given),
    "NumPy, XW of the design": (lagged.numpy_design_predict, as_given),
    "NumPy, products in place": (lagged.numpy_predict, as_given),
    "numba, products in place": (lagged.numba_predict, as_given),
    "MNE, segment by segment": (receptive_field.mne_segments, receptive_field.design_field),
}
WHOLE: dict[str, tuple[Run, Callable[[Any], Any]]] = {
    "heschl": (ours.predict, as_given),
    "MNE": (receptive_field.mne_whole, receptive_field.design_field),
    "MNE, its default estimator": (receptive_field.mne_whole, receptive_field.fft_field),
}
FFT_TARGETS = 12  # MNE's default takes minutes for all: its time is proportional to the targets


def measure_predict(
    measure: Any, group: str, rival: str, how: tuple[Run, Callable[[Any], Any]], case: PredictCase, rounds: int
) -> tuple[Any, tuple[Any, ...], tuple[Any, ...]]:
    """The prediction, asserted; the arguments of the call, and those of a small one."""
    run, form = how

    def arguments(case: PredictCase) -> tuple[Any, ...]:
        W, intercept = case.weights()
        return case.features(), case.lengths, form(W), intercept

    given = arguments(case)
    found = measure(group, rival, lambda: run(*given), rounds=rounds)
    W, intercept = case.weights()  # some targets, in float64
    truth = LaggedOperator(given[0], case.lengths, case.w).apply(W[:, :, :4].astype(np.float64)) + intercept[:4]
    assert np.abs(found[:, : truth.shape[1]] - truth).max() < 1e-4 * np.abs(truth).max()
    return found, given, arguments(case.quick())


@pytest.mark.parametrize("size", BY_SIZE["predict"])
@pytest.mark.parametrize("rival", RIVALS)
def test_predict(measure: Any, against_limit: Any, note_memory: Any, sized: Any, size: str, rival: str) -> None:
    case, how = sized(BY_SIZE["predict"][size]), RIVALS[rival]
    rounds = {"small": 30, "middle": 9, "large": 3}[size]
    found, given, tiny = measure_predict(measure, f"predict, {size}", rival, how, case, rounds)
    against_limit(2.0 * case.n_frames * case.p * case.c)
    if size == "large":
        note_memory(how[0], given, tiny, found.nbytes)


@pytest.mark.parametrize("rival", ["heschl", "MNE"])
def test_predict_whole(measure: Any, note_memory: Any, sized: Any, rival: str) -> None:
    """The recording as one segment, as MNE would have it."""
    case = sized(replace(PREDICT, n_segments=1, ragged=False))
    found, given, tiny = measure_predict(measure, "predict, one segment", rival, WHOLE[rival], case, 3)
    note_memory(WHOLE[rival][0], given, tiny, found.nbytes)


@pytest.mark.parametrize("rival", ["heschl", "MNE, its default estimator"])
def test_predict_default(measure: Any, sized: Any, rival: str) -> None:
    case = sized(replace(PREDICT, n_segments=1, ragged=False, c=FFT_TARGETS))
    measure_predict(measure, f"predict, one segment, {FFT_TARGETS} targets", rival, WHOLE[rival], case, 3)
