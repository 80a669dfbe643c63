"""The noise ceiling against planted signal and noise; what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

from heschl.checks import InputError
from heschl.ecog import Responses, ceiling_of_folds, noise_ceiling, normalised, shared_noise
from heschl.ecog.signal_power import METHODS

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
    found = noise_ceiling(responses, method=method)
    error = found["r2"].to_numpy() - truth
    for part in np.array_split(error, 4):
        assert abs(part.mean()) < 0.02
    assert np.abs(error).max() < 0.15
    inside = (found["low"] <= truth) & (truth <= found["high"])
    assert 0.9 < inside.mean() <= 1.0
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
        found = noise_ceiling(responses, method=method)
        assert found["reliable"].iloc[:40].mean() <= 0.15 and found["reliable"].iloc[40:].all()
        scores = normalised(np.full(44, 0.3), found)
        assert np.isnan(scores[~found["determined"].to_numpy()]).all()
        assert not found["determined"].iloc[:40].any() and found["determined"].iloc[40:].all()
        np.testing.assert_allclose(scores[40:], 0.3 / found["divisor"].iloc[40:])
        np.testing.assert_allclose(normalised(np.full(44, 0.3), found, kind="r") ** 2, 0.3 * scores)
    with pytest.raises(InputError, match="44"):
        normalised(np.zeros(3), found)
    with pytest.raises(InputError, match="level"):
        noise_ceiling(responses, level=1.0)


def test_unequal_repeats_and_missing_samples() -> None:
    repeats = [2, 3, 6, 4] * 20 + [1] * 20
    responses, truth = simulated(3, SNR[::10], repeats)
    rng = np.random.default_rng(4)
    trials = tuple(np.where(rng.random(trial.shape) < 0.1, np.nan, trial) for trial in responses.trials)
    holed = Responses("S1", responses.electrodes, 100.0, 0.0, responses.stimuli, trials)
    for method in METHODS:
        whole = noise_ceiling(responses, method=method)
        assert np.abs(whole["r2"] - truth).max() < 0.15 and (whole["n_stimuli"] == 80).all()
    found = noise_ceiling(holed)
    assert np.abs(found["r2"] - noise_ceiling(responses)["r2"]).max() < 0.05


@settings(max_examples=8)
@given(st.integers(0, 1000), st.floats(0.1, 10), st.floats(-5, 5))
def test_units_and_order_do_not_matter(seed: int, scale: float, offset: float) -> None:
    responses, _ = simulated(seed, np.array([0.2, 1.0]), [3] * 6, n=15)
    changed = Responses(
        "S1", responses.electrodes, 100.0, 0.0, responses.stimuli, tuple(scale * t + offset for t in responses.trials)
    )
    for method in METHODS:
        one, other = (noise_ceiling(each, method=method)["r2"] for each in (responses, changed))
        np.testing.assert_allclose(one, other, atol=1e-9)


def slow(rng: np.random.Generator, trials: int, n: int, c: int) -> np.ndarray:
    """AR(1) processes (0.9) of unit variance, (trials, n, c)."""
    x = rng.standard_normal((trials, n, c))
    x[:, 1:] *= np.sqrt(1 - 0.9**2)
    return np.asarray(lfilter([1.0], [1.0, -0.9], x, axis=1))


@pytest.mark.parametrize(("repeats", "snr"), [(2, 0.2), (2, 5.0), (5, 0.05), (5, 1.0)])
def test_intervals_hold_the_truth_with_ten_stimuli(repeats: int, snr: float) -> None:
    """Nominal 95 % from 10 repeated stimuli on; larger, and at more ratios, in bench/ceiling_calibration.py."""
    rng, c = np.random.default_rng(5), 400
    signal = np.sqrt(snr) * slow(rng, 10, 40, c)
    trials = [signal[i] + slow(rng, 1, 40, c)[0] for i in range(10) for _ in range(repeats)]
    names = tuple(f"s{i}" for i in range(10) for _ in range(repeats))
    found = noise_ceiling(Responses("S", tuple(map(str, range(c))), 100.0, 0.0, names, tuple(trials)))
    truth = snr / (snr + 1 / repeats)
    assert 0.9 < ((found["low"] <= truth) & (truth <= found["high"])).mean() < 0.98


def test_a_perfect_model_reaches_its_ceiling_where_one_is_given() -> None:
    """Also among the few electrodes that pass: about the training mean, and about the own means of small folds."""
    rng, c = np.random.default_rng(6), 400
    for repeats, snr in ((5, 0.5), (5, 1.0), (20, 0.2)):
        signal = np.sqrt(snr) * slow(rng, 10, 40, c)
        trials = signal[:, None] + slow(rng, 10 * repeats, 40, c).reshape(10, repeats, 40, c)
        names = tuple(f"s{i}" for i in range(10) for _ in range(repeats))
        labels = tuple(map(str, range(c)))
        found = noise_ceiling(Responses("S", labels, 100.0, 0.0, names, tuple(trials.reshape(-1, 40, c))))
        y, folds = trials.mean(axis=1), np.arange(10) % 5
        errors, own, train = np.zeros((3, 5, c))
        for k in range(5):
            part, rest = y[folds == k], y[folds != k]
            errors[k] = np.square(part - signal[folds == k]).sum(axis=(0, 1))
            own[k] = np.square(part - part.mean(axis=(0, 1))).sum(axis=(0, 1))
            train[k] = np.square(part - rest.mean(axis=(0, 1))).sum(axis=(0, 1))
        about_training = normalised(1 - errors.sum(axis=0) / train.sum(axis=0), found)
        ceiling = ceiling_of_folds(found["snr"].to_numpy(), np.full(5, 1 / repeats), np.full(5, 80), train, own)
        about_own = (1 - errors / own).mean(axis=0) / ceiling
        assert found["determined"].mean() > 0.1
        for ratio in (about_training, about_own):
            assert 0.95 < np.nanmedian(ratio) < 1.05
        naive = (1 - errors / own).mean(axis=0) / found["r2"]
        assert np.median(naive) < 0.95  # what folds' own means leave of it


def test_few_electrodes_get_a_ceiling_by_their_signal_not_by_chance() -> None:
    """Of many whose ceiling is not known to a tenth, none passes for having been lucky; a few good ones keep theirs."""
    rng, c, good = np.random.default_rng(8), 400, 8
    snr = np.where(np.arange(c) < good, 10.0, 0.5)
    signal = np.sqrt(snr) * slow(rng, 10, 60, c)
    trials = tuple(signal[i] + slow(rng, 1, 60, c)[0] for i in range(10) for _ in range(2))
    names = tuple(f"s{i}" for i in range(10) for _ in range(2))
    found = noise_ceiling(Responses("S", tuple(map(str, range(c))), 100.0, 0.0, names, trials))
    determined = found["determined"].to_numpy()
    assert determined[:good].mean() > 0.7 and not determined[good:].any()


def test_noise_shared_by_repeats_is_seen_where_it_can_be() -> None:
    rng = np.random.default_rng(7)
    stimuli = [i for i in range(12) for _ in range(2)] + list(range(12))  # twice in a row, once apart
    artefact = rng.standard_normal((12, 50, 3)) * (1.0, 0.0, 0.0)
    drift = np.repeat(rng.standard_normal((18, 50, 3)), 2, axis=0) * (0.0, 1.0, 0.0)  # of two presentations in a row
    trials = tuple(artefact[s] + drift[at] + rng.standard_normal((50, 3)) for at, s in enumerate(stimuli))
    names = tuple(f"s{s}" for s in stimuli)
    found = shared_noise(Responses("S", ("artefact", "drift", "none"), 100.0, -0.2, names, trials))
    assert found.loc["artefact", "before_p"] < 1e-3 and found.loc["artefact", "before"] == pytest.approx(0.5, abs=0.15)
    assert found.loc["drift", "near_p"] < 1e-3 and found.loc["drift", "near"] == pytest.approx(0.5, abs=0.15)
    assert (found.loc["none"][["before_p", "near_p"]] > 0.01).all() and found.loc["artefact", "near_p"] > 0.01
    late = shared_noise(Responses("S", ("artefact", "drift", "none"), 100.0, 0.0, names, trials))
    assert late["before"].isna().all() and late["before_p"].isna().all()


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
