"""Several spaces in one model: planted shares, laws of the parts, and agreement with two spaces' own function."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from heschl import InputError
from heschl.linear import common_variance, joint_variance
from tolerances import R2

Array = np.ndarray
SHARES = {"mel": 0.2, "speech": 0.15, "language": 0.1, "common": 0.25}


@pytest.fixture(scope="module")
def world() -> dict[str, Any]:
    """60 stimuli, 3 spaces of several features, 12 electrodes; speech and language share a latent."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(30, 70, 60)
    n, c = int(lengths.sum()), 12
    latents = {name: rng.standard_normal((n, 2)) for name in SHARES}
    y = np.sqrt(1 - sum(SHARES.values())) * rng.standard_normal((n, c))
    for name, share in SHARES.items():
        signal = latents[name] @ rng.standard_normal((2, c))
        y += np.sqrt(share) * signal / signal.std(axis=0)
    inside = {"mel": ("mel",), "speech": ("speech", "common"), "language": ("language", "common")}
    X = {}
    for name, own in inside.items():
        values = np.hstack([latents[one] for one in own])
        X[name] = values @ rng.standard_normal((values.shape[1], 5))
    how = {"segments": lengths, "folds": rng.permutation(60) % 3, "lags": [0], "alphas": [1e-1, 1e2, 1e4]}
    return {"X": X, "y": y, "how": how, "found": joint_variance(X, y, n_iter=12, **how)}


def test_planted_shares_are_found(world: dict[str, Any]) -> None:
    found, subjects = world["found"], np.arange(12) // 3
    parts = {name: found.common_gain([name]) for name in ("mel", "speech", "language")}
    parts["common"] = found.common_gain(["speech", "language"])
    for name, gain in parts.items():
        mean = found.over_subjects(gain, subjects)
        assert mean.low < SHARES[name] < mean.high and mean.high - mean.low < 0.1, name
    assert found.r2(list(world["X"])).mean() == pytest.approx(sum(SHARES.values()), abs=0.03)
    for none in (["mel", "speech"], ["mel", "language"], ["mel", "speech", "language"]):
        assert abs(found.common(none).mean()) < 0.02


def test_parts_add_up(world: dict[str, Any]) -> None:
    found, names = world["found"], list(world["X"])
    whole = found.r2(names)
    parts = sum(found.common([names[i] for i in subset]) for subset in found.subsets)
    np.testing.assert_allclose(parts, whole, atol=R2["float64"])
    np.testing.assert_allclose(found.shares.sum(axis=0), whole, atol=R2["float64"])
    np.testing.assert_allclose(found.adds("mel", ["speech", "language"]), found.unique("mel"), atol=R2["float64"])


def test_two_spaces_agree_with_their_own_function(world: dict[str, Any]) -> None:
    """At one penalty both try one weighting of equal shares among others, and each space alone is the same model."""
    X = {name: world["X"][name] for name in ("speech", "language")}
    how = world["how"] | {"alphas": [1.0]}
    two, found = common_variance(X, world["y"], **how), joint_variance(X, world["y"], n_iter=1, **how)
    for at, name in enumerate(("first", "second")):
        np.testing.assert_allclose(found.r2([list(X)[at]]), two.part(name), atol=R2["float64"])
    assert (np.abs(found.r2(list(X)) - two.part("both")) < 0.01).all()


def test_over_the_time_course(world: dict[str, Any]) -> None:
    """What all stimuli evoke alike is in no part, and parts add up: as two spaces' own function has it."""
    X = {name: world["X"][name] for name in ("speech", "language")}
    how = world["how"] | {"alphas": [1.0], "over_time_course": True}
    since = np.concatenate([np.arange(n) for n in world["how"]["segments"]])
    course = 4 * np.exp(-since / 8)[:, None]
    X = {name: values + course for name, values in X.items()}
    y = world["y"][:, :4] + course
    two, found = common_variance(X, y, **how), joint_variance(X, y, n_iter=1, **how)
    for at, name in enumerate(("first", "second")):
        np.testing.assert_allclose(found.r2([list(X)[at]]), two.part(name), atol=R2["float64"])
    whole = found.r2(list(X))
    assert (np.abs(whole - two.part("both")) < 0.01).all()
    assert (np.abs(found.shares.sum(axis=0) - whole) < 1e-3).all()  # what is left has a mean near 0
    plain = joint_variance(X, y, n_iter=1, **how | {"over_time_course": False})
    assert (plain.r2(["speech"]) - found.r2(["speech"]) > 0.2).all() and (whole > 0.05).all()


def test_the_test_fold_has_no_part_in_what_is_learned(world: dict[str, Any]) -> None:
    """Errors of a fold stay as they are where the features of its rows are spoiled for those who learn."""
    seen = []

    def learn(k: int, train: Array) -> dict[str, Any]:
        seen.append((k, train))
        return {name: (lambda values=values: values) for name, values in world["X"].items()}

    found = joint_variance(learn, world["y"], n_iter=12, **world["how"])
    np.testing.assert_allclose(found.sse, world["found"].sse, rtol=1e-6)
    rows = np.repeat(world["how"]["folds"], world["how"]["segments"])
    assert [k for k, _ in seen] == [0, 1, 2]
    assert all(((rows == k) != train).all() for k, train in seen)


@pytest.mark.parametrize("names", [["mel"], ["mel", "speech", "language", "a", "b", "c"]])
def test_too_few_and_too_many_spaces_are_refused(world: dict[str, Any], names: list[str]) -> None:
    X = {name: world["X"].get(name, world["X"]["mel"]) for name in names}
    with pytest.raises(InputError, match="two to 5"):
        joint_variance(X, world["y"], **world["how"])
    with pytest.raises(InputError, match="some of mel"):
        world["found"].unique("nothing")
