"""Presentations of different lengths: none is cut to the shortest, and one that was broken off is named."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from heschl.ecog import Responses, noise_ceiling, reliable_across_repeats, repeats_of


def responses(lengths: dict[str, list[int]], seed: int = 0) -> Responses:
    rng = np.random.default_rng(seed)
    trials, names = [], []
    for name, own in lengths.items():
        signal = rng.standard_normal((max(own), 2))
        for n in own:
            trials.append((signal + 0.5 * rng.standard_normal(signal.shape))[:n])
            names.append(name)
    return Responses("S1", ("e1", "e2"), 100.0, 0.0, tuple(names), tuple(trials))


@pytest.mark.parametrize(
    ("lengths", "shape"),
    [([300, 300, 300], (3, 300)), ([300, 40, 300], (2, 300)), ([300, 40], (1, 300)), ([298, 300, 299], (3, 300)),
     ([40, 40, 40], (3, 40)), ([300], (1, 300))],
)  # fmt: skip
def test_lengths(lengths: list[int], shape: tuple[int, int]) -> None:
    given = responses({"a": lengths, "b": [100]})
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = repeats_of(given)
    assert found["a"].shape[:2] == shape and list(found) == ["a", "b"]
    broken = len(lengths) - shape[0]
    assert len(said) == (broken > 0)
    if broken:
        assert f"{broken} of {len(lengths) + 1} presentations" in str(said[0].message)
        assert "a, presentation 2 (0.4 s)" in str(said[0].message)
    kept = [trial for trial in given.trials[:-1] if len(trial) >= 0.9 * np.median(lengths)]
    for values, trial in zip(found["a"], kept, strict=True):
        np.testing.assert_array_equal(values[: len(trial)], trial)
        assert np.isnan(values[len(trial) :]).all()


def test_a_broken_presentation_moves_no_ceiling() -> None:
    lengths = {f"s{i}": [300] * 4 for i in range(10)}
    whole = noise_ceiling(responses(lengths))
    with pytest.warns(UserWarning, match="s3, presentation 5"):
        broken = noise_ceiling(responses(lengths | {"s3": [300] * 4 + [20]}))
    assert abs(whole["r2"] - broken["r2"]).max() < 0.02  # the seeds of the noise differ
    with pytest.warns(UserWarning, match="s3, presentation 5"):
        table = reliable_across_repeats(responses(lengths | {"s3": [300] * 4 + [20]}), n_permutations=20)
    assert (table["r"] > 0.8).all()
