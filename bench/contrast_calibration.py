"""How often contrasts of two equally good models come out significant at 5 %, over subjects, electrodes and stimuli.

The simulator shares no code with heschl: squared errors of two models for each stimulus and electrode, whose difference
has parts of the subject (intraclass correlation of electrodes' differences `icc`), of the electrode, of the stimulus
that all electrodes share (`shared`: its variance over that of the mean's other parts) and of the cell.

    python bench/contrast_calibration.py [--repetitions 400]
"""

from __future__ import annotations

import argparse
import warnings

import numpy as np

METHODS = ("crossed", "subject means", "mixed", "paired t", "bootstrap")


def world(rng, n_subjects, icc, shared, n_stimuli=60):
    """Gains and totals (stimuli, electrodes) and subjects; the true mean gain is 0."""
    count = rng.integers(5, 16, n_subjects)
    subjects = np.repeat(np.arange(n_subjects), count)
    n = len(subjects)
    own = np.sqrt(icc) * rng.standard_normal(n_subjects)[subjects] + np.sqrt(1 - icc) * rng.standard_normal(n)
    length = rng.uniform(40, 100, n_stimuli)[:, None]
    own *= n_subjects > 1  # of one subject, a test holds for new stimuli alone
    cell = np.sqrt(n_stimuli) * 0.5 * rng.standard_normal((n_stimuli, n))
    together = np.sqrt(n_stimuli * shared) * rng.standard_normal((n_stimuli, 1))
    return length * (own + cell + together), 50.0 * length * rng.uniform(0.5, 1.5, n), subjects


def bootstrap(values, subjects, n_resamples=500):
    """Two-sided p of a percentile bootstrap of subjects, and of electrodes within them."""
    rng, own = np.random.default_rng(0), [values[subjects == i] for i in np.unique(subjects)]
    means = np.empty(n_resamples)
    for k in range(n_resamples):
        drawn = [own[i] for i in rng.integers(0, len(own), len(own))]
        means[k] = np.concatenate([each[rng.integers(0, len(each), len(each))] for each in drawn]).mean()
    return 2 * min((means <= 0).mean(), (means >= 0).mean())


def p_values(gain, total, subjects):
    """p of `heschl.linear.crossed_mean` and `subject_mean`, of the mixed model, and of what they are better than."""
    from scipy.stats import ttest_1samp

    from heschl.linear import crossed_mean, subject_mean
    from heschl.study.statistics.mixed import mixed_model

    each = gain.sum(0) / total.sum(0)
    return (
        crossed_mean(gain, total, subjects).p, subject_mean(each, subjects).p, mixed_model(each, subjects).p,
        ttest_1samp(each, 0.0).pvalue, bootstrap(each, subjects),
    )  # fmt: skip


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser()
    parser.add_argument("--repetitions", type=int, default=400)
    m = parser.parse_args().repetitions
    print("| subjects | icc | shared | " + " | ".join(METHODS) + " | ± at .05 |")
    print("|" + "---|" * (4 + len(METHODS)))
    for n_subjects in (1, 2, 3, 8, 16):
        for icc in (0.0, 0.1, 0.4):
            for shared in (0.0, 0.5):
                rng = np.random.default_rng([n_subjects, int(10 * icc), int(10 * shared)])
                found = np.array([p_values(*world(rng, n_subjects, icc, shared)) for _ in range(m)])
                rates = [f"{(own < 0.05).mean():.3f}" if np.isfinite(own).any() else "none" for own in found.T]
                half = 1.96 * np.sqrt(0.05 * 0.95 / m)
                print(f"| {n_subjects} | {icc} | {shared} | " + " | ".join(rates) + f" | {half:.3f} |", flush=True)
