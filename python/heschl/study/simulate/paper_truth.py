"""What a study of the cohort at the paper's size found, compared with what was planted, figure by figure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from heschl.study.analyses.shared import part_scores
from heschl.study.results.tables import mean_over_folds
from heschl.study.simulate.paper_latents import KNOWN
from heschl.study.simulate.paper_responses import REGIONS
from heschl.study.simulate.truth import Check
from heschl.study.statistics.contrasts import contrast_table, paired

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

SPACES = {"mel": "mel", "speech": "wav2vec2", "language": "gpt2", "glove": "glove"}
"""Names of the spaces in the cohort's study.toml, by what they are."""
ORDER = (("speech", "language"), ("speech", "mel"), ("language", "mel"), ("language", "glove"))
SIGNIFICANCE = 0.05
MISSED, FALSE = 0.1, 0.02  # of the electrodes that respond, and of all others
BY_PLACE = 0.5  # least correlation over electrodes of score and planted share of variance
ALIKE = 0.5  # least correlation over electrodes of two models' scores
ABOVE = 0.8  # least share of electrodes that the speech model predicts better than the language model
MOST = 0.6  # least share of what all of a model predicts that the shared part predicts
LEFT = 0.5  # greatest share that the rest predicts
HELD_OUT = 0.4  # least mean canonical correlation on test folds
NEAR_ZERO = 0.05  # |R²| with the stimuli shuffled


def judge_paper(cohort: Path, results: xr.Dataset) -> list[Check]:
    """Check for each finding of the paper whether the study of a cohort of `simulate_paper` made it.

    Parameters
    ----------
    cohort : Path
        The folder with truth/electrodes.csv and selection.csv.
    results : xarray.Dataset
        From `heschl.open_results`, of its study.

    Returns
    -------
    list of Check
        Each begins with the paper's figure that shows it ("2a: …"), and has its threshold beside it.
    """
    import pandas as pd

    truth = pd.read_csv(cohort / "truth" / "electrodes.csv")
    selection = pd.read_csv(cohort / "selection.csv").merge(truth, validate="one_to_one")
    names = pd.DataFrame({"subject": results["subject"].values, "electrode": results["name"].values}).astype(str)
    planted = names.merge(truth, how="left")
    scores = mean_over_folds(results, "best_r2")
    spaces = [str(space) for space in results["space"].values]
    r2 = {role: scores[spaces.index(space)] for role, space in SPACES.items()}
    return [
        *_responsive(selection, names),
        *_models(results),
        *_places(planted, r2),
        *_electrodes(r2),
        *_predictions(results),
        *_parts(results),
        *_probes(results),
        *_layers(results),
        *_shuffled(results),
    ]


def _responsive(selection: pd.DataFrame, names: pd.DataFrame) -> list[Check]:
    """Check electrodes: those that respond were chosen, no others, and they are the study's."""
    chosen, responds = (selection[column].to_numpy(bool) for column in ("selected", "responds"))
    missed, false = (responds & ~chosen).sum(), (chosen & ~responds).sum()
    studied = set(map(tuple, names.to_numpy())) == set(
        map(tuple, selection.loc[chosen, ["subject", "electrode"]].to_numpy())
    )
    most_missed, most_false = int(MISSED * responds.sum()), max(1, int(FALSE * (~responds).sum()))
    return [
        Check("1: responding electrodes missed", f"{missed} of {responds.sum()}", f"≤ {most_missed}",
              bool(missed <= most_missed)),
        Check("1: others taken to respond", f"{false} of {(~responds).sum()}", f"≤ {most_false}",
              bool(false <= most_false)),
        Check("1: electrodes of the study", f"{len(names)}", f"the {chosen.sum()} chosen", studied),
    ]  # fmt: skip


def _models(results: xr.Dataset) -> list[Check]:
    """Check Fig. 2a: the order of the models, by paired t tests with Bonferroni's correction."""
    table = contrast_table(results)
    checks = []
    for first, second in ORDER:
        pair = {SPACES[first], SPACES[second]}
        row = table[[{a, b} == pair for a, b in zip(table["first"], table["second"], strict=True)]].iloc[0]
        difference = row["difference"] if row["first"] == SPACES[first] else -row["difference"]
        checks.append(
            _greater(f"2a: R² of {SPACES[first]} − {SPACES[second]}", float(difference), float(row["p_bonferroni"]))
        )
    return checks


def _places(planted: pd.DataFrame, r2: dict[str, NDArray[np.float64]]) -> list[Check]:
    """Check Fig. 2b: scores on the brain follow what was planted there."""
    checks = []
    for role in ("mel", "speech", "language"):  # word vectors' share differs too little between electrodes
        score, share = r2[role], planted["ceiling"] * planted[list(KNOWN[role])].sum(axis=1)
        r = float(np.corrcoef(score, share)[0, 1])
        checks.append(
            Check(
                f"2b: {SPACES[role]}, found against planted by electrode: r", f"{r:.2f}", f"≥ {BY_PLACE}", r >= BY_PLACE
            )
        )
    region = planted["region"].to_numpy()
    regions = [name for name in REGIONS if (region == name).any()]
    sound = max(regions, key=lambda name: sum(REGIONS[name].shares[latent] for latent in KNOWN["mel"]))
    acoustic = {
        name: float(r2["mel"][region == name].mean() / r2["language"][region == name].mean()) for name in regions
    }
    found = max(acoustic, key=acoustic.__getitem__)
    checks.append(Check("2b: region where mel comes closest to the language model", found, sound, found == sound))
    return checks


def _electrodes(r2: dict[str, NDArray[np.float64]]) -> list[Check]:
    """Check Fig. 3a: electrodes that one model predicts well the other does, too, and the speech model better."""
    r = float(np.corrcoef(r2["speech"], r2["language"])[0, 1])
    above = float((r2["speech"] > r2["language"]).mean())
    return [
        Check("3a: scores of both models over electrodes: r", f"{r:.2f}", f"≥ {ALIKE}", r >= ALIKE),
        Check("3a: electrodes better predicted by the speech model", f"{above:.2f}", f"≥ {ABOVE}", above >= ABOVE),
    ]


def _predictions(results: xr.Dataset) -> list[Check]:
    """Check Fig. 3b: the two models' predictions share more than either shares with the acoustic ones."""
    shared = results["prediction_similarity"]
    both = shared.sel(pair="speech ~ language").values
    return [
        _compared(f"3b: r² of predictions, both models − {pair}", both, shared.sel(pair=pair).values, results)
        for pair in ("speech ~ acoustic", "language ~ acoustic")
    ]


def _parts(results: xr.Dataset) -> list[Check]:
    """Check Fig. 4a: the shared dimensions carry most of what each model predicts, the rest little."""
    part = _part_scores(results)
    checks = []
    for side in ("speech", "language"):
        whole, top, rest = (float(part[f"{side} {name}"].mean()) for name in ("all", "top", "rest"))
        checks += [
            Check(f"4a: {side}, shared over all", f"{top / whole:.2f}", f"≥ {MOST}", top >= MOST * whole > 0),
            Check(f"4a: {side}, rest over all", f"{rest / whole:.2f}", f"≤ {LEFT}", rest <= LEFT * whole),
            _compared(f"4a: {side}, R² of shared − rest", part[f"{side} top"], part[f"{side} rest"], results),
        ]
    held = float(results["held_out_correlation"].mean())
    checks.append(Check("4a: canonical correlations on test folds", f"{held:.2f}", f"≥ {HELD_OUT}", held >= HELD_OUT))
    return checks


def _probes(results: xr.Dataset) -> list[Check]:
    """Check Fig. 4b: the shared part has more in common with context than with static meaning, and than with sound."""
    common = results["common_r2"]
    context = common.sel(probe="context").values
    return [
        _compared(f"4b: common R² of context − {other}", context, common.sel(probe=other).values, results)
        for other in ("semantic", "acoustic")
    ]


def _layers(results: xr.Dataset) -> list[Check]:
    """Score by layer: best inside, neither at the first layer nor at the last."""
    mean = np.nanmean(mean_over_folds(results, "r2"), axis=1)
    checks = []
    for space in (SPACES["speech"], SPACES["language"]):
        of_space = mean[results["model_space"].values == space]
        best = int(of_space.argmax())
        inside = 0 < best < len(of_space) - 1
        checks.append(Check(f"layers: best of {space}", f"{best} of 0 to {len(of_space) - 1}", "inside", inside))
    return checks


def _shuffled(results: xr.Dataset) -> list[Check]:
    """Check the control, where it was asked for: nothing is predicted of the responses to other sentences."""
    if "best_r2_shuffled" not in results:
        return []
    most = float(np.abs(np.median(mean_over_folds(results, "best_r2_shuffled"), axis=1)).max())
    return [Check("control: |R²| of shuffled sentences", f"{most:.3f}", f"≤ {NEAR_ZERO}", most <= NEAR_ZERO)]


def _part_scores(results: xr.Dataset) -> dict[str, NDArray[np.float64]]:
    return dict(zip(map(str, results["part"].values), part_scores(results), strict=True))


def _compared(what: str, a: NDArray[np.float64], b: NDArray[np.float64], results: xr.Dataset) -> Check:
    found = paired(a, b, results["subject"].values)
    return _greater(what, found["difference"], found["p"])


def _greater(what: str, difference: float, p: float) -> Check:
    passed = bool(difference > 0 and p < SIGNIFICANCE)
    return Check(what, f"{difference:+.3f}, p = {p:.1g}", f"> 0, p < {SIGNIFICANCE}", passed)
