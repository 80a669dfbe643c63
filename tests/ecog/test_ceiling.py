"""The noise ceiling against planted signal and noise; what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heschl.checks import InputError
from heschl.ecog.ceiling import METHODS, noise_ceiling, normalised
from heschl.ecog.responses.trials import Responses

DATA = Path(__file__).parents[3] / "shared" / "data"
SNR = np.geomspace(0.05, 5, 200)


def smooth(rng: np.random.Generator, n: int, c: int) -> np.ndarray:
    """Noise of unit variance that, like responses, is not white."""
    white = rng.standard_normal((n + 4, c))
    return sum(white[k : n + k] for k in range(5)) / np.sqrt(5)


def simulated(seed: int, snr: np.ndarray, repeats: list[int], n: int = 60) -> tuple[Responses, np.ndarray]:
    """Responses whose signal variance over noise variance is `snr`; and the true R² of the mean over repeats."""
    rng = np.random.default_rng(seed)
    trials, names = [], []
    for stimulus, count in enumerate(repeats):
        signal = np.sqrt(snr) * smooth(rng, n, len(snr))
        trials += [3.0 * (signal + smooth(rng, n, len(snr))) + 7.0 for _ in range(count)]
        names += [f"s{stimulus}"] * count
    electrodes = tuple(f"e{i}" for i in range(len(snr)))
    share = np.mean([1 / count for count in repeats])
    return Responses("S1", electrodes, 100.0, 0.0, tuple(names), tuple(trials)), snr / (snr + share)


@pytest.mark.parametrize("method", METHODS)
def test_200_electrodes_from_poor_to_good(method: str) -> None:
    """Without bias over the range, and 95 % intervals that hold the truth about as often."""
    responses, truth = simulated(0, SNR, [5] * 80)
    found = noise_ceiling(responses, method=method, n_bootstrap=300)
    error = found["r2"].to_numpy() - truth
    for part in np.array_split(error, 4):
        assert abs(part.mean()) < 0.02
    assert np.abs(error).max() < 0.15
    inside = (found["low"] <= truth) & (truth <= found["high"])
    assert 0.87 < inside.mean() <= 1.0
    np.testing.assert_allclose(found["r"] ** 2, found["r2"])
    assert (found["low"] <= found["r2"]).mean() > 0.97 and (found["r2"] <= found["high"]).mean() > 0.97


def test_what_a_perfect_model_reaches() -> None:
    """The ceiling is the score of the signal itself."""
    rng = np.random.default_rng(1)
    signal, trials, names = [], [], []
    for stimulus in range(60):
        signal.append(smooth(rng, 60, 1))
        trials += [signal[-1] + smooth(rng, 60, 1) for _ in range(3)]
        names += [f"s{stimulus}"] * 3
    mean = np.concatenate([np.mean(trials[3 * i : 3 * i + 3], axis=0) for i in range(60)])
    f = np.concatenate(signal)
    r2 = 1 - ((mean - f) ** 2).sum() / ((mean - mean.mean()) ** 2).sum()
    r = np.corrcoef(mean[:, 0], f[:, 0])[0, 1]
    responses = Responses("S1", ("e",), 100.0, 0.0, tuple(names), tuple(trials))
    for method in METHODS:
        found = noise_ceiling(responses, method=method).loc["e"]
        assert abs(found["r2"] - r2) < 0.03 and abs(found["r"] - r) < 0.02
    single = noise_ceiling(responses, of="single").loc["e", "r2"]
    assert abs(single - 0.5) < 0.03


def test_no_signal_is_not_reliable() -> None:
    responses, _ = simulated(2, np.array([1e-9] * 40 + [2.0] * 4), [4] * 40)
    for method in METHODS:
        found = noise_ceiling(responses, method=method, n_bootstrap=300)
        assert found["reliable"].iloc[:40].mean() <= 0.15 and found["reliable"].iloc[40:].all()
        scores = normalised(np.full(44, 0.3), found)
        assert np.isnan(scores[~found["reliable"].to_numpy()]).all()
        np.testing.assert_allclose(scores[40:], 0.3 / found["r2"].iloc[40:])
    with pytest.raises(InputError, match="44"):
        normalised(np.zeros(3), found)


def test_unequal_repeats_and_missing_samples() -> None:
    repeats = [2, 3, 6, 4] * 20 + [1] * 20
    responses, truth = simulated(3, SNR[::10], repeats)
    rng = np.random.default_rng(4)
    trials = tuple(np.where(rng.random(trial.shape) < 0.1, np.nan, trial) for trial in responses.trials)
    holed = Responses("S1", responses.electrodes, 100.0, 0.0, responses.stimuli, trials)
    for method in METHODS:
        whole = noise_ceiling(responses, method=method, n_bootstrap=50)
        assert np.abs(whole["r2"] - truth).max() < 0.15 and (whole["n_stimuli"] == 80).all()
    found = noise_ceiling(holed, n_bootstrap=50)
    assert np.abs(found["r2"] - noise_ceiling(responses, n_bootstrap=50)["r2"]).max() < 0.05


@settings(max_examples=20)
@given(st.integers(0, 1000), st.floats(0.1, 10), st.floats(-5, 5))
def test_units_and_order_do_not_matter(seed: int, scale: float, offset: float) -> None:
    responses, _ = simulated(seed, np.array([0.2, 1.0]), [3] * 6, n=15)
    changed = Responses(
        "S1", responses.electrodes, 100.0, 0.0, responses.stimuli, tuple(scale * t + offset for t in responses.trials)
    )
    for method in METHODS:
        one, other = (noise_ceiling(each, method=method, n_bootstrap=5)["r2"] for each in (responses, changed))
        np.testing.assert_allclose(one, other, atol=1e-9)


@pytest.mark.parametrize("repeats", [[1] * 10, [2, 2] + [1] * 10])
def test_without_repeats_there_is_none(repeats: list[int]) -> None:
    responses, _ = simulated(0, np.ones(2), repeats)
    with pytest.raises(InputError, match=r"S1.*more than once.*without a ceiling"):
        noise_ceiling(responses)


@pytest.mark.skipif(not DATA.exists(), reason="the real data (../shared/data) are not here")
def test_real_averages_are_refused() -> None:
    with np.load(DATA / "song_ecog" / "responses.npz") as found:
        trials, stimuli = tuple(found["responses"]), tuple(str(name) for name in found["stimuli"])
        electrodes = tuple(str(name) for name in found["electrodes"])
    with pytest.raises(InputError, match="0 of 165 stimuli presented more than once"):
        noise_ceiling(Responses("S1", electrodes, 100.0, 0.0, stimuli, trials))
