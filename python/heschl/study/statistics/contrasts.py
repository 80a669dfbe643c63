"""Are two models different over electrodes: as published, and with what depends on each other taken as that."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from heschl.study.statistics.mixed import mixed_model
from heschl.study.statistics.resampling import hierarchical_bootstrap, sign_flip_p_values
from heschl.study.statistics.tests import false_discovery_rate

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

Floats = NDArray[np.float64]


def contrast_table(results: xr.Dataset, *, variable: str = "best_r2", seed: int = 0) -> pd.DataFrame:
    """Compare the scores of each pair of spaces over electrodes.

    Parameters
    ----------
    results : xarray.Dataset
        From `heschl.open_results`.
    variable : str
        (space, electrode, fold).
    seed : int
        Of the bootstrap.

    Returns
    -------
    pandas.DataFrame
        A row per pair: ``first``, ``second``, ``n`` (electrodes with both scores), ``difference`` (mean of first −
        second), ``dz`` (mean over standard deviation of differences); ``t``, ``p`` and ``p_bonferroni`` of the paired t
        test over electrodes, as in the paper; ``low``, ``high`` and ``p_bootstrap`` of a hierarchical bootstrap of
        subjects and electrodes within them (95 %, two-sided), and ``subjects``; ``mixed``, ``mixed_low``,
        ``mixed_high`` and ``p_mixed`` of a linear mixed model with an offset for each subject, ``mixed_note`` why there
        is none or what to know of it (see `mixed.py`); ``q_mixed`` and ``q_bootstrap``, their p adjusted for the
        false discovery rate over pairs. Electrodes of one subject are not independent: the t test takes them to be.
    """
    import pandas as pd

    scores = results[variable].mean("fold", skipna=True).values
    spaces = [str(space) for space in results["space"].values]
    subjects = np.array([str(name) for name in results["subject"].values])
    pairs = list(itertools.combinations(range(len(spaces)), 2))
    rows = []
    for i, j in pairs:
        both = np.isfinite(scores[i]) & np.isfinite(scores[j])
        rows.append(
            {"first": spaces[i], "second": spaces[j]} | paired(scores[i][both], scores[j][both], subjects[both], seed)
        )
    table = pd.DataFrame(rows, columns=["first", "second", *PAIRED])
    table["p_bonferroni"] = np.minimum(1.0, table["p"].to_numpy() * max(1, len(pairs)))
    for name in ("bootstrap", "mixed"):
        table[f"q_{name}"] = false_discovery_rate(table[f"p_{name}"].to_numpy(dtype=np.float64))
    return table


MIXED = ("mixed", "mixed_low", "mixed_high", "p_mixed")
PAIRED = (
    "n",
    "subjects",
    "difference",
    "dz",
    "t",
    "p",
    "low",
    "high",
    "p_bootstrap",
    "p_bonferroni",
    *MIXED,
    "mixed_note",
)


def paired(a: Floats, b: Floats, subjects: NDArray[Any], seed: int = 0) -> dict[str, Any]:
    """Compare two scores of the same electrodes; keys as in `contrast_table`, NaN where there is too little."""
    from scipy.stats import ttest_rel

    difference = a - b
    n = len(difference)
    out: dict[str, Any] = dict.fromkeys(PAIRED, np.nan) | {"n": n, "subjects": len(np.unique(subjects))}
    found_mixed = mixed_model(difference, subjects)
    out |= dict(zip(MIXED, (found_mixed.estimate, found_mixed.low, found_mixed.high, found_mixed.p), strict=True))
    out["mixed_note"] = found_mixed.note
    if n:
        out["difference"] = float(difference.mean())
    if n < 2 or not np.ptp(difference) > 0:
        return out
    out["dz"] = float(difference.mean() / difference.std(ddof=1))
    found = ttest_rel(a, b)
    out["t"], out["p"] = float(found.statistic), float(found.pvalue)
    means = hierarchical_bootstrap(difference, subjects, seed=seed)
    out["low"], out["high"] = (float(q) for q in np.quantile(means, [0.025, 0.975]))
    beyond = min((means <= 0).mean(), (means >= 0).mean())
    out["p_bootstrap"] = float(min(1.0, 2 * max(beyond, 1 / (len(means) + 1))))
    return out


def with_statistics(results: xr.Dataset, seed: int = 0) -> xr.Dataset:
    """Return the results with ``p_familywise`` (space, electrode)."""
    return results.assign(p_familywise=(("space", "electrode"), familywise_p_values(results, seed=seed)))


def familywise_p_values(results: xr.Dataset, *, n_permutations: int = 2000, seed: int = 0) -> Floats:
    """Test each electrode's best layer against the training mean, corrected by the largest statistic over electrodes.

    Stimuli are flipped: each one's gain in squared error, all electrodes of a cohort together.

    Returns
    -------
    (space, electrode) array
        One-sided p values.
    """
    sse, mean_sse = results["sse"].values, results["mean_sse"].values
    p = np.full(sse.shape[:2], np.nan)
    heard = np.isfinite(mean_sse)
    patterns, cohort = np.unique(heard, axis=0, return_inverse=True)
    for k, pattern in enumerate(patterns):
        members = np.flatnonzero(cohort.reshape(-1) == k)
        if pattern.sum() < 2:
            continue
        for s in range(len(sse)):
            gain = (mean_sse[members] - sse[s, members])[:, pattern].T
            p[s, members] = sign_flip_p_values(gain, n_permutations=n_permutations, seed=seed)
    return p
