"""What a study of a simulated cohort found, compared with what was planted."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from heschl import LaggedRidgeCV, lagged_design
from heschl.ecog import read_responses
from heschl.study.analyses.shared import shared_table
from heschl.study.inputs.groups import FitGroup
from heschl.study.inputs.targets import fit_groups
from heschl.study.results.dataset import open_results
from heschl.study.results.tables import best_table, layer_table
from heschl.study.session import Session

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

# Where each kind of electrode should be found, and how much of its ceiling at least. Context is carried by a network
# with random weights, so less of it is linear in the features; and it is context only if the network's input embedding
# (layer 0: the word and its place, nothing of other words) falls well behind the best layer.
EXPECTED = {
    "envelope": (("mel", "wav2vec2"), 0.6),
    "word": (("glove",), 0.6),
    "context": (("gpt2",), 0.3),
    "accent": (("mel", "wav2vec2", "gpt2"), 0.6),
    "timbre": (("mel", "wav2vec2"), 0.4),
}
# Where the canonical split should put each kind: model, part that carries it, part that does not; and how much of what
# the whole layer says (in the same coordinates) is at least in the one, at most in the other.
SPLIT = (
    ("accent", "speech", "top", "rest"),
    ("accent", "language", "top", "rest"),
    ("context", "language", "rest", "top"),
    ("timbre", "speech", "rest", "top"),
)
CARRIED, LEFT = 0.8, 0.6
WITHOUT_CONTEXT = 0.6  # R² of layer 0 over that of the best layer, at most
NOTHING = ("unmodelled", "silent")
NEAR_ZERO = 0.01  # R²
SIGNIFICANCE = 0.05
FOLLOWS = 0.75  # of the electrodes that follow something, by the exchange test
# More significant tests than this among those on silent electrodes would come by chance once in a thousand cohorts.
CHANCE = 1e-3
MARGIN = 3  # lags beyond each end of the window


@dataclass(frozen=True)
class Agreement:
    """One electrode fitted again by scikit-learn on the materialised design.

    Attributes
    ----------
    electrode : str
    coefficients : float
        Largest difference of a coefficient over the largest coefficient.
    same_alpha : bool
        Whether a fold × λ loop chose the same λ.
    seconds, seconds_scikit_learn : float
    """

    electrode: str
    coefficients: float
    same_alpha: bool
    seconds: float
    seconds_scikit_learn: float


@dataclass(frozen=True)
class Findings:
    """Planted and found.

    Attributes
    ----------
    scores : DataFrame
        A row per electrode and space: subject, electrode, kind, ceiling (of the response as analysed), space, r2,
        r2_layer0 (of the space's first layer), r2_shuffled, p and p_max of the exchange test.
    parts : dict of (kind, part) to float
        Median R² of each kind of electrode by each part of what the models share, and what the shared part and a probe
        have in common ("common acoustic").
    held_out : float
        First canonical correlation on test folds, mean over folds.
    latencies : DataFrame
        A row per envelope electrode: planted and found peak of the temporal filter, s.
    frame : float
        Length of a frame, s.
    agreement : Agreement
    """

    scores: pd.DataFrame
    parts: dict[tuple[str, str], float]
    held_out: float
    latencies: pd.DataFrame
    frame: float
    agreement: Agreement


@dataclass(frozen=True)
class Check:
    """One thing that should hold, and what was found."""

    what: str
    found: str
    wanted: str
    passed: bool


def compare_with_truth(cohort: Path, results: Path) -> Findings:
    """Read a cohort of `simulate_cohort`, its truth, and the results of `run_study` on it.

    Parameters
    ----------
    cohort : Path
        The folder with study.toml and truth/.
    results : Path
        The results folder of the run.

    Returns
    -------
    Findings
    """
    import pandas as pd

    session = Session(cohort / "study.toml", results).extracted(["mel"])
    inputs, grid = session.inputs, session.grid
    planted = replace(
        inputs,
        subjects=tuple(
            read_responses(cohort / "truth" / f"{subject.subject}.npz", subject.subject) for subject in inputs.subjects
        ),
    )
    (group,), (noiseless,) = session.groups, fit_groups(planted, grid)
    mel = session.features["mel"].layer(0, group.segments)
    assert isinstance(mel, np.ndarray), "mel has frames"
    truth = pd.read_csv(cohort / "truth" / "electrodes.csv")
    ceilings = pd.DataFrame(
        {"subject": group.subjects, "electrode": group.electrodes, "ceiling": _shared_variance(noiseless.y, group.y)}
    )
    found = open_results(results)
    layers = layer_table(found)
    first = layers.loc[layers["layer"] == "0", ["subject", "electrode", "space", "r2"]]
    scores = best_table(found).merge(truth.drop(columns="ceiling")).merge(ceilings)
    scores = scores.merge(first.rename(columns={"r2": "r2_layer0"}), validate="one_to_one")

    parts = shared_table(found).merge(truth[["subject", "electrode", "kind"]])
    table = parts.groupby(["kind", "part"], as_index=False)["r2"].median()
    medians = dict(zip(zip(table["kind"], table["part"], strict=True), table["r2"], strict=True))
    kinds = names_of_kinds(found, truth)
    for probe, values in zip(found["probe"].values, found["common_r2"].values, strict=True):
        medians |= {(kind, f"common {probe}"): float(np.median(values[kinds == kind])) for kind in set(kinds)}
    held_out = float(found["held_out_correlation"].isel(component=0).mean())
    lags, alphas = inputs.study.encoding.lags(grid.rate), inputs.study.encoding.alpha_grid()
    agreement = _refit(mel, group, scores, lags, alphas)
    return Findings(
        scores, medians, held_out, _latencies(mel, group, truth, lags, grid.rate), 1.0 / grid.rate, agreement
    )


def names_of_kinds(results: xr.Dataset, truth: pd.DataFrame) -> NDArray[Any]:
    """Return the kind of each electrode of the results."""
    kind = {(s, e): k for s, e, k in truth[["subject", "electrode", "kind"]].itertuples(index=False)}
    electrodes = zip(results["subject"].values, results["name"].values, strict=True)
    return np.array([kind[str(s), str(e)] for s, e in electrodes])


def _latencies(
    mel: NDArray[np.float32],
    group: FitGroup,
    truth: pd.DataFrame,
    lags: range,
    rate: float,
) -> pd.DataFrame:
    """Find the peak of the excitatory part of each envelope electrode's temporal response to the mel spectrum.

    The filter is fitted a few lags beyond both ends, where what the window cuts off collects, and read within; with
    λ = n frames, smoother than what predicts best, because neighbouring mel channels share their weight in rough ways.
    """
    import pandas as pd

    driven = np.array([name.startswith("envelope-") for name in group.electrodes])
    wide = range(lags[0] - MARGIN, lags[-1] + 1 + MARGIN)
    model = LaggedRidgeCV(lags=wide, alphas=[len(mel)], standardize=True)
    model.fit(mel, group.y[:, driven], segments=group.lengths, groups=np.repeat(*_names(group)))
    excitation = np.maximum(model.coef_ * mel.std(axis=0)[:, None], 0.0).sum(axis=1)[:, MARGIN:-MARGIN]
    found = pd.DataFrame(
        {
            "subject": np.array(group.subjects)[driven],
            "electrode": np.array(group.electrodes)[driven],
            "found": np.asarray(lags)[excitation.argmax(axis=1)] / rate,
        }
    )
    return found.merge(truth[["subject", "electrode", "latency"]].rename(columns={"latency": "planted"}))


def _names(group: FitGroup) -> tuple[list[str], NDArray[np.int64]]:
    return [name for name, _ in group.segments], group.lengths


def _shared_variance(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """Return the squared correlation of each column; 0 where one is constant."""
    a, b = a - a.mean(axis=0, dtype=np.float64), b - b.mean(axis=0, dtype=np.float64)
    size = (a**2).sum(axis=0) * (b**2).sum(axis=0)
    return np.asarray(np.divide((a * b).sum(axis=0) ** 2, size, out=np.zeros(len(size)), where=size > 0))


def _refit(
    mel: NDArray[np.float32],
    group: FitGroup,
    scores: pd.DataFrame,
    lags: range,
    alphas: NDArray[np.float64],
) -> Agreement:
    """Choose λ and fit the best mel electrode, by heschl and by scikit-learn, both in float64."""
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import GroupKFold

    best = scores[scores["space"] == "mel"].sort_values("r2").iloc[-1]
    at = list(zip(group.subjects, group.electrodes, strict=True)).index((best["subject"], best["electrode"]))
    H, y = mel.astype(np.float64), group.y[:, at].astype(np.float64)
    rows, alphas = np.repeat(*_names(group)), alphas[1::2]  # every other λ is enough to compare

    start = time.perf_counter()
    ours = LaggedRidgeCV(lags=lags, alphas=alphas, cv=3).fit(H, y, segments=group.lengths, groups=rows)
    middle = time.perf_counter()
    X = lagged_design(H, lags, segments=group.lengths)
    r2 = [
        [Ridge(alpha=alpha).fit(X[train], y[train]).score(X[test], y[test]) for alpha in alphas]
        for train, test in GroupKFold(3).split(X, groups=rows)
    ]
    alpha = alphas[int(np.mean(r2, axis=0).argmax())]
    theirs = Ridge(alpha=alpha).fit(X, y).coef_.reshape(len(lags), -1).T
    return Agreement(
        electrode=f"{best['subject']}/{best['electrode']}",
        coefficients=float(np.abs(ours.coef_ - theirs).max() / np.abs(theirs).max()),
        same_alpha=bool(ours.alpha_[0] == alpha),
        seconds=middle - start,
        seconds_scikit_learn=time.perf_counter() - middle,
    )


def _split_checks(findings: Findings) -> list[Check]:
    """Check that each latent was found in the part of the models that it was planted in."""
    parts, checks = findings.parts, []
    for kind, model, carries, lacks in SPLIT:
        whole = parts[kind, f"{model} all"]
        for part, bound, above in ((carries, CARRIED, True), (lacks, LEFT, False)):
            share = parts[kind, f"{model} {part}"] / whole
            passed = share >= bound if above else share <= bound
            wanted = f"{'≥' if above else '≤'} {bound}"
            checks.append(Check(f"{kind} electrodes: {model}, {part} over all", f"{share:.2f}", wanted, passed))
    probes = ("semantic", "acoustic", "context")
    probed = max(probes, key=lambda name: parts["accent", f"common {name}"])
    checks.append(
        Check("accent electrodes: the shared part has most in common with", probed, "acoustic", probed == "acoustic")
    )
    r = findings.held_out
    checks.append(Check("first canonical correlation on test folds", f"{r:.2f}", "≥ 0.3", r >= 0.3))
    return checks


def judge(findings: Findings) -> list[Check]:
    """Compare what was found with what was planted; every check has its threshold written beside it."""
    from scipy.stats import binom

    scores = findings.scores
    median = scores.groupby(["kind", "space"])["r2"].median()
    shuffled = scores.groupby(["kind", "space"])["r2_shuffled"].median()
    checks = []
    for kind, (spaces, share) in EXPECTED.items():
        found = str(median[kind].idxmax())
        checks.append(Check(f"{kind} electrodes: best space", found, " or ".join(spaces), found in spaces))
        best = scores[(scores["kind"] == kind) & (scores["space"] == found)]
        part = float((best["r2"] / best["ceiling"]).median())
        checks.append(Check(f"{kind} electrodes: R² over ceiling", f"{part:.2f}", f"≥ {share}", part >= share))
        if kind == "accent":
            continue  # it follows the place in the sentence, which is the same in all
        # Sentences have a common time course, which shuffling leaves: it may explain some, not most.
        left = float(shuffled[kind][found] / median[kind][found])
        checks.append(Check(f"{kind} electrodes: share left when shuffled", f"{left:.2f}", "≤ 0.3", left <= 0.3))
    context = scores[(scores["kind"] == "context") & (scores["space"] == "gpt2")]
    static = float((context["r2_layer0"] / context["r2"]).median())
    checks.append(
        Check(
            "context electrodes: gpt2's layer 0 over its best", f"{static:.2f}", f"≤ {WITHOUT_CONTEXT}",
            static <= WITHOUT_CONTEXT,
        )
    )  # fmt: skip
    checks += _split_checks(findings)
    for kind in NOTHING:
        most = max(median[kind].abs().max(), shuffled[kind].abs().max())
        checks.append(Check(f"{kind} electrodes: |R²|, any space", f"{most:.4f}", f"< {NEAR_ZERO}", most < NEAR_ZERO))
    p = scores.loc[scores["kind"] == "silent", "p"].to_numpy()
    false, bound = int((p < SIGNIFICANCE).sum()), int(binom.isf(CHANCE, len(p), SIGNIFICANCE))
    checks.append(Check("silent electrodes: p < 0.05", f"{false} of {len(p)}", f"≤ {bound}", false <= bound))
    for kind, (spaces, _) in EXPECTED.items():
        own = scores[(scores["kind"] == kind) & scores["space"].isin(spaces)]
        follow = float((own.groupby(["subject", "electrode"])["p_max"].min() < SIGNIFICANCE).mean())
        checks.append(
            Check(f"{kind} electrodes: share that follows, p max < 0.05", f"{follow:.2f}", f"≥ {FOLLOWS}",
                  follow >= FOLLOWS)
        )  # fmt: skip
    error = (findings.latencies["found"] - findings.latencies["planted"]).abs().median()
    correlation = findings.latencies["found"].corr(findings.latencies["planted"])
    checks += [
        Check(
            "envelope electrodes: median error of the peak latency", f"{1e3 * error:.0f} ms",
            f"≤ {1e3 * findings.frame:.0f} ms (a frame)", bool(error <= findings.frame),
        ),
        Check("planted against found latency: r", f"{correlation:.2f}", "≥ 0.8", bool(correlation >= 0.8)),
        Check(
            f"{findings.agreement.electrode} by scikit-learn: coefficients differ by",
            f"{findings.agreement.coefficients:.0e}", "≤ 1e-9, same λ",
            findings.agreement.coefficients <= 1e-9 and findings.agreement.same_alpha,
        ),
    ]  # fmt: skip
    return checks
