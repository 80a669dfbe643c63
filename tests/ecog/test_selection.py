"""Electrodes that respond are found, others are not, and the statistics say why."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from heschl.checks import InputError
from heschl.ecog.responses.trials import Responses
from heschl.ecog.selection import METHODS, reliable_across_repeats, speech_responsive

DRIVEN, SILENT = 10, 40


def simulated(seed: int, *, n: int = 40, repeats: int = 1, effect: float = 0.5) -> Responses:
    """Driven electrodes rise at 100 ms, by an amount that each stimulus has for itself; noise is common in part."""
    rng = np.random.default_rng(seed)
    trials, names = [], []
    for stimulus in range(n):
        course = np.zeros((150, DRIVEN + SILENT))
        course[60:, :DRIVEN] = effect * (1 + rng.standard_normal((90, DRIVEN)))
        for _ in range(repeats):
            noise = rng.standard_normal((150, DRIVEN + SILENT)) + 0.5 * rng.standard_normal((150, 1))
            trials.append(course + noise + 3.0)
            names.append(f"s{stimulus}")
    electrodes = tuple(f"e{i}" for i in range(DRIVEN + SILENT))
    return Responses("S1", electrodes, 100.0, -0.5, tuple(names), tuple(trials))


@pytest.mark.parametrize("method", METHODS)
def test_driven_electrodes_are_chosen_and_no_others(method: str) -> None:
    false = 0
    for seed in range(10):
        found = speech_responsive(simulated(seed), method=method, n_permutations=500)
        assert found["selected"].iloc[:DRIVEN].mean() >= 0.9
        false += int(found["selected"].iloc[DRIVEN:].sum())
    assert false <= 1  # one in a hundred studies is expected to have any


def test_the_published_test() -> None:
    responses = simulated(0, repeats=2)
    found = speech_responsive(responses)
    times = responses.times(0)
    trials = np.stack(responses.trials).reshape(40, 2, 150, -1).mean(axis=1)
    after = trials[:, (times >= 0.15 - 1e-9) & (times < 1 - 1e-9)].mean(axis=1)
    before = trials[:, (times >= -0.2 - 1e-9) & (times < 0.1 - 1e-9)].mean(axis=1)
    expected = stats.ttest_rel(after, before)
    np.testing.assert_allclose(found["t"], expected.statistic, rtol=1e-10)
    np.testing.assert_array_equal(found["selected"], expected.pvalue < 0.01 / 50)
    assert found["difference"].iloc[0] == pytest.approx((after - before)[:, 0].mean())


def test_permutation_p_values_are_uniform_without_an_effect() -> None:
    p = [
        speech_responsive(simulated(seed, n=15, effect=0.0), method="permutation", n_permutations=99)["p"].min()
        for seed in range(60)
    ]
    assert stats.kstest(p, "uniform").pvalue > 1e-3


def test_missing_samples_and_silent_channels() -> None:
    responses = simulated(1)
    rng = np.random.default_rng(0)
    trials = [np.where(rng.random(trial.shape) < 0.2, np.nan, trial) for trial in responses.trials]
    for trial in trials:
        trial[:, 20] = 3.0
    holed = Responses("S1", responses.electrodes, 100.0, -0.5, responses.stimuli, tuple(trials))
    for method in METHODS:
        found = speech_responsive(holed, method=method, n_permutations=500)
        assert found["selected"].iloc[:DRIVEN].mean() >= 0.9 and not found["selected"].iloc[20]
        assert np.isfinite(found[["t", "p"]].to_numpy()).all()
    trials[0][:] = np.nan
    for trial in trials[1:]:
        trial[:, 5] = np.nan
    none = Responses("S1", responses.electrodes, 100.0, -0.5, responses.stimuli, tuple(trials))
    with pytest.raises(InputError, match=r"electrode e5.*0 stimuli"):
        speech_responsive(none)


def test_windows_that_were_not_recorded() -> None:
    responses = simulated(0, n=3)
    late = Responses("S1", responses.electrodes, 100.0, 0.0, responses.stimuli, responses.trials)
    with pytest.raises(InputError, match=r"trial 0.*-0.2 to 0.1 s.*margin"):
        speech_responsive(late)
    with pytest.raises(InputError, match=r"1\.5 to 2 s"):
        speech_responsive(responses, after=(1.5, 2.0))


def test_reliability() -> None:
    found = reliable_across_repeats(simulated(0, repeats=4), n_permutations=200)
    assert found["selected"].iloc[:DRIVEN].all() and not found["selected"].iloc[DRIVEN:].any()
    # signal: effect² in the second part of the trial, and its mean's step; noise of a half: (1 + 0.25) / 2
    assert 0.2 < found["r"].iloc[0] < 0.8
    with pytest.raises(InputError, match="presented once"):
        reliable_across_repeats(simulated(0))
