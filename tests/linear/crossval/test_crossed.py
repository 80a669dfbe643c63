"""Means over stimuli and subjects against their variance components, and how often they find nothing for something."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm, ttest_1samp

from heschl import InputError
from heschl.linear import crossed_mean, subject_mean


def world(
    rng: np.random.Generator, n_subjects: int, icc: float, shared: float, n_stimuli: int = 30, effect: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gains, totals (stimuli, electrodes) and subjects of a mean share of `effect`."""
    subjects = np.repeat(np.arange(n_subjects), rng.integers(4, 13, n_subjects))
    n = len(subjects)
    own = np.sqrt(icc) * rng.standard_normal(n_subjects)[subjects] + np.sqrt(1 - icc) * rng.standard_normal(n)
    stimulus = np.sqrt(shared * n_stimuli) * rng.standard_normal((n_stimuli, 1))
    cell = 0.5 * np.sqrt(n_stimuli) * rng.standard_normal((n_stimuli, n))
    total = rng.uniform(40, 100, (n_stimuli, 1)) * np.ones((1, n))
    return total * (effect + own + stimulus + cell), total, subjects


@pytest.mark.parametrize(("n_subjects", "icc"), [(2, 0.1), (3, 0.0), (3, 0.1), (3, 0.4), (8, 0.1), (16, 0.4)])
@pytest.mark.parametrize("shared", [0.0, 0.5])
def test_equal_models_are_told_apart_as_often_as_said(n_subjects: int, icc: float, shared: float) -> None:
    """Whether electrodes of a subject agree or not, and whether all share what the drawn stimuli do to them."""
    rng, m = np.random.default_rng(1), 250
    found = [crossed_mean(*world(rng, n_subjects, icc, shared)) for _ in range(m)]
    hits = sum(each.p < 0.05 for each in found)
    assert hits <= 27  # of 250, 5 % each: more in one of 5,000
    assert sum((each.low > 0) or (each.high < 0) for each in found) == hits
    if shared == 0.0 and n_subjects > 2:
        assert hits >= 3


def test_one_subject_speaks_for_new_stimuli_alone() -> None:
    rng = np.random.default_rng(2)
    hits = 0
    for _ in range(250):
        _, total, subjects = world(rng, 1, 0.0, 0.0)
        gain = total * (rng.standard_normal((30, 1)) + rng.standard_normal((30, len(subjects))))
        found = crossed_mean(gain, total, subjects)
        hits += found.p < 0.05
    assert 3 <= hits <= 27 and found.note.startswith("one subject: holds for new stimuli")
    alone = subject_mean(np.ones(5), np.zeros(5))
    assert np.isnan(alone.p) and alone.estimate == 1.0


def test_stimuli_of_very_different_lengths() -> None:
    """A few long stimuli decide: their spread is known as if from so few, 5 % is 5 %."""
    rng, lengths = np.random.default_rng(4), np.geomspace(10, 2000, 60)[:, None]
    total, hits = lengths * np.ones((1, 12)), 0
    for _ in range(400):
        gain = lengths * (rng.standard_normal((60, 1)) + rng.standard_normal((60, 12)))
        hits += crossed_mean(gain, total, np.zeros(12)).p < 0.05
    assert 8 <= hits <= 24  # of 400; 27 where all stimuli are taken to weigh alike


def test_components_of_variance() -> None:
    """The squared standard error is right on average: of subjects, of stimuli, and of both."""
    rng = np.random.default_rng(3)
    for icc, shared in ((0.0, 0.0), (0.5, 0.0), (0.0, 1.0), (0.5, 1.0)):
        found = [crossed_mean(*world(rng, 12, icc, shared)) for _ in range(300)]
        ratio = np.mean([each.standard_error**2 for each in found]) / np.var([each.estimate for each in found])
        assert ratio == pytest.approx(1.0, abs=0.3), (icc, shared)


def test_estimates_missing_stimuli_and_an_effect() -> None:
    rng = np.random.default_rng(4)
    gain, total, subjects = world(rng, 5, 0.1, 0.1, effect=3.0)
    gain[:10, subjects == 0] = np.nan
    found = crossed_mean(gain, total, subjects)
    known = np.isfinite(gain)
    each = np.where(known, gain, 0).sum(0) / np.where(known, total, 0).sum(0)
    assert found.estimate == pytest.approx(np.mean([each[subjects == i].mean() for i in range(5)]))
    assert found.low > 0 and found.p < 0.05 and (found.n_subjects, found.n_stimuli) == (5, 30) and found.note == ""
    exact = subject_mean(each, subjects)
    means = [each[subjects == i].mean() for i in range(5)]
    assert exact.p == pytest.approx(ttest_1samp(means, 0.0).pvalue) and exact.estimate == pytest.approx(np.mean(means))
    many = crossed_mean(np.ones((50, 1)) + 1e-9 * rng.standard_normal((50, 40)), np.ones((50, 40)), np.arange(40) % 9)
    assert 0 < many.p < norm.sf(6)
    nothing = crossed_mean(np.full((4, 2), np.nan), np.ones((4, 2)), [0, 1])
    assert np.isnan(nothing.estimate) and nothing.note == "no electrode has data"
    assert subject_mean([np.nan], ["a"]).note == "no electrode has data"
    assert crossed_mean(np.ones((4, 2)), np.ones((4, 2)), [0, 1]).note.startswith("two subjects")


def test_bad_input_is_named() -> None:
    with pytest.raises(InputError, match=r"^total: found"):
        crossed_mean(np.ones((3, 2)), np.ones((2, 2)), [0, 1])
    with pytest.raises(InputError, match=r"^subjects: found"):
        crossed_mean(np.ones((3, 2)), np.ones((3, 2)), [0])
    with pytest.raises(InputError, match=r"^subjects: found"):
        subject_mean(np.ones(3), [0])
