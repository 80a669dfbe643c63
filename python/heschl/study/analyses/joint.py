"""[joint.NAME]: several spaces in one model; what each explains alone, beyond others, and in common with them.

It adds to the results, for all joint models one after the other:

=============  ===================================  =========================================================
variable       dimensions                           what
=============  ===================================  =========================================================
joint_sse      (joint_model, electrode, stimulus)   squared errors of each subset's model; NaN where not heard
joint_shares   (joint_space, electrode)             R² of all spaces, shared out by the product measure
joint_alpha    (joint_space, electrode, fold)       penalties in the model of all spaces
joint_layer    (joint_space, cohort, fold)          layers
=============  ===================================  =========================================================

Coordinates: ``joint_model`` ("NAME: mel + gpt2"), ``joint_space`` ("NAME: mel").
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.linear import JointVariance
from heschl.linear.estimators.subsets import subsets_of
from heschl.study.analyses.analysis import Analysis, Section, Stage, StageCost
from heschl.study.analyses.encoding import EncodingAnalysis, encoding_done, group_fits
from heschl.study.analyses.fits.joint import joint_layers, write_joint
from heschl.study.config.analyses import Joint
from heschl.study.config.study import Study
from heschl.study.session import Session
from heschl.study.statistics.resampling import sign_flip_tests
from heschl.study.statistics.tests import false_discovery_rate, quartiles
from heschl.study.work.cache import Piece, load_arrays

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

TEST = (
    "sign flips over stimuli (one-sided, 2000 flips; the null hypothesis is that a part raises the error of a stimulus "
    "as often as it lowers it), not an exchange of stimuli: that would take away what the other spaces explain as well"
)
"""Of the parts in single electrodes."""
TRIAL_SIZE = 1200
"""Columns of the matrix whose factorisation is timed."""


class JointAnalysis(Analysis):
    """Every [joint.NAME]: a piece for each and each group of subjects."""

    name: ClassVar[str] = "joint"
    variable: ClassVar[str] = "joint_sse"
    needs: ClassVar[tuple[str, ...]] = (EncodingAnalysis.name,)

    def wanted(self, study: Study) -> bool:
        """Return whether there is a [joint.NAME]."""
        return bool(study.joint)

    def check(self, session: Session) -> None:
        """Check that named layers exist."""
        for name, joint in session.study.joint.items():
            for space, layer in joint.layers.items():
                layers = session.features[space].layers
                if str(layer) not in layers:
                    raise InputError(f"joint.{name}.layers.{space}", repr(layer), f"one of {', '.join(layers)}")

    def stages(self, session: Session) -> list[Stage]:
        """Return a stage for each joint model."""
        return [self._stage(session, name, joint) for name, joint in session.study.joint.items()]

    def without(self, session: Session, stages: Sequence[Stage]) -> Session | None:
        """Return the study without the joint models that could not be fitted."""
        titles = {stage.title for stage in stages}
        joints = [name for name in session.study.joint if joint_title(name) in titles]
        return session.without(joints=joints) if len(joints) < len(session.study.joint) else None

    def _stage(self, session: Session, name: str, joint: Joint) -> Stage:
        title, file = joint_title(name), f"{self.name}/{name}.npz"
        if not encoding_done(session):
            return Stage(title, tuple(Piece.unknown(file) for _ in session.groups))
        encoding, rate = session.study.encoding, session.grid.rate
        features = {space: session.features[space] for space in joint.spaces}
        pieces = []
        for fits in group_fits(session):
            layers, group = joint_layers(fits, features, joint), fits.group
            inputs = [
                joint.model_dump(), encoding.decides(), rate, [found.key for found in features.values()],
                [[features[space].chosen[i] for i in at] for space, at in layers.items()],
                [[found.space.pca, found.space.standardize] for found in features.values()],
                group.y, group.segments, group.folds,
            ]  # fmt: skip
            make = partial(write_joint, features, layers, group, joint, encoding, rate)
            pieces.append(Piece.of(file, make, *inputs))
        return Stage(title, tuple(pieces))

    def costs(self, session: Session, known: Mapping[str, StageCost]) -> list[StageCost]:
        """Time a factorisation, and count those of all subsets, weightings, penalties and training sets."""
        encoding, folds = session.study.encoding, session.study.encoding.folds
        n_lags = len(encoding.lags(session.grid.rate))
        per_operation = _seconds_per_operation()
        found = []
        for name, joint in session.study.joint.items():
            widths = [_width(session, space) * n_lags for space in joint.spaces]
            n_alphas, operations = len(joint.alpha_grid(encoding.alpha_grid())), 0.0
            targets = sum(group.y.shape[1] for group in session.groups)
            for subset in subsets_of(len(widths)):
                p = float(sum(widths[i] for i in subset))
                weightings = 1 if len(subset) == 1 else min(joint.n_iter, 5 ** len(subset) - 4 ** len(subset))
                sets = folds * (folds - 1) * weightings
                operations += sets * n_alphas * (p**3 / 3 + 2 * p**2 * targets)
            memory = 8.0 * 3 * sum(widths) ** 2
            pieces = len(session.groups)
            how = f"{2 ** len(widths) - 1} models of up to {sum(widths):,} columns, by a factorisation that was timed"
            found.append(
                StageCost(joint_title(name), pieces, pieces * operations * per_operation, memory, 1e6 * pieces, how)
            )
        return found

    def add(self, results: xr.Dataset, session: Session) -> xr.Dataset:
        """Return the results with the variables above."""
        stimuli, groups = list(session.inputs.stimuli), session.groups
        sse, shares, alphas, layers, models, spaces = [], [], [], [], [], []
        for (name, joint), stage in zip(session.study.joint.items(), self.stages(session), strict=True):
            found = [load_arrays(path) for path in session.cache.paths(stage.pieces, session.report)]
            errors = np.full((2 ** len(joint.spaces) - 1, results.sizes["electrode"], len(stimuli)), np.nan)
            first = 0
            for arrays, group in zip(found, groups, strict=True):
                last = first + len(group.electrodes)
                at = np.searchsorted(stimuli, group.stimuli)
                errors[:, first:last, at] = arrays["sse"].transpose(0, 2, 1)
                first = last
            sse.append(errors)
            shares.append(np.concatenate([arrays["shares"] for arrays in found], axis=1))
            alphas.append(np.concatenate([arrays["alphas"].transpose(1, 2, 0) for arrays in found], axis=1))
            chosen = [
                joint_layers(fits, session.features, joint) for fits in group_fits(session)
            ]  # fmt: skip
            layers += [
                [[session.features[space].layers[i] for i in each[space]] for each in chosen] for space in joint.spaces
            ]
            models += [model_name(name, [joint.spaces[i] for i in subset]) for subset in subsets_of(len(joint.spaces))]
            spaces += [f"{name}: {space}" for space in joint.spaces]
        return (
            results.assign(
                joint_sse=(("joint_model", "electrode", "stimulus"), np.concatenate(sse)),
                joint_shares=(("joint_space", "electrode"), np.concatenate(shares)),
                joint_alpha=(("joint_space", "electrode", "fold"), np.concatenate(alphas)),
                joint_layer=(("joint_space", "cohort", "fold"), np.array(layers, dtype=object)),
            )
            .assign_coords(joint_model=models, joint_space=spaces)
            .assign_attrs(joint_test=TEST)
        )

    def tables(self, results: xr.Dataset) -> dict[str, pd.DataFrame]:
        """Return joint.csv and joint_parts.csv."""
        return {"joint": electrode_table(results), "joint_parts": parts_table(results)}

    def sections(self, results: xr.Dataset) -> list[Section]:
        """Return the parts over electrodes."""
        text = (
            "Share of variance over electrodes, about the training mean and pooled over stimuli. mean, low, high and p "
            "are for new subjects and new stimuli, subjects counting alike; p_bonferroni over the rows of a model. "
            "'only' is lost without a space; 'common' is what each of several spaces could explain, and no other; "
            "'beyond' is what the second space adds to the first. significant: electrodes in which the errors of "
            "stimuli fall, p < 0.05 by sign flips of stimuli corrected for the largest over electrodes: a test over "
            "stimuli, no exchange test of whether an electrode follows the features."
        )
        return [Section("joint", "Spaces together", parts_table(results), text)]

    def methods(self, results: xr.Dataset, study: Study) -> str:
        """Return how the spaces were put together."""
        joints = "; ".join(f"{name}: {', '.join(joint.spaces)}" for name, joint in study.joint.items())
        return (
            f"Spaces together ({joints}): banded ridge, a penalty for each space and electrode chosen on inner folds, "
            "for every subset of the spaces. What a space alone explains is R² of all less R² of all others; what "
            "several have in common is their commonality (inclusion and exclusion over the subsets); R² is about the "
            "mean of the training folds, pooled over stimuli, so that parts add up. Penalties and layers are chosen in "
            "each outer fold's training set, which never held the stimuli that are scored. The p values of single "
            f"electrodes are {TEST}."
        )

    def summary(self, results: xr.Dataset, study: Study) -> str:
        """Return the parts, in Markdown."""
        lines = ["## Spaces together\n", "| model | part | mean | 95 % interval | p | electrodes, sign flips |",
                 "| --- | --- | --- | --- | --- | --- |"]  # fmt: skip
        for row in parts_table(results).itertuples(index=False):
            lines.append(
                f"| {row.joint} | {row.part} | {row.mean:.3f} | {row.low:.3f} to {row.high:.3f} | {row.p:.2g} | "
                f"{row.significant} of {row.electrodes} |"
            )
        return "\n".join(lines)


def joint_title(name: str) -> str:
    """Name the stage of a joint model."""
    return f"spaces together: {name}"


def model_name(joint: str, spaces: list[str]) -> str:
    """Name the model of some spaces."""
    return f"{joint}: {' + '.join(spaces)}"


def joints_of(results: xr.Dataset) -> dict[str, JointVariance]:
    """Return every joint model of some results, by name."""
    study = Study.model_validate_json(results.attrs["config"])
    models, spaces = ([str(name) for name in results[key].values] for key in ("joint_model", "joint_space"))
    sse, total = results["joint_sse"].values, results["mean_sse"].values.T
    out = {}
    for name, joint in study.joint.items():
        subsets = subsets_of(len(joint.spaces))
        at = [models.index(model_name(name, [joint.spaces[i] for i in subset])) for subset in subsets]
        own = [spaces.index(f"{name}: {space}") for space in joint.spaces]
        out[name] = JointVariance(
            tuple(joint.spaces), sse[at].transpose(0, 2, 1), total, total, results["joint_shares"].values[own],
            results["stimulus"].values, results["joint_alpha"].values[own].transpose(2, 0, 1),
        )  # fmt: skip
    return out


def parts_of(found: JointVariance) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Yield the parts of a joint model and what each stimulus adds to them, (T, c)."""
    names = found.names
    yield "all", found.gain(names)
    for space in names:
        yield space, found.gain([space])
    for space in names:
        yield f"only {space}", found.common_gain([space])
    for size in range(2, len(names) + 1):
        for some in itertools.combinations(names, size):
            yield f"common {' and '.join(some)}", found.common_gain(some)
    for first, second in itertools.permutations(names, 2):
        yield f"{second} beyond {first}", found.gain([first, second]) - found.gain([first])


def sign_flips(
    gain: NDArray[np.float64], total: NDArray[np.float64], seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Test for each electrode whether errors fall, by sign flips of stimuli.

    p of each electrode alone, and against the largest over a cohort's electrodes. The null hypothesis is that a
    stimulus gains as often as it loses: no exchange of stimuli, which would leave no room for what the other spaces
    explain.
    """
    p = np.full((2, gain.shape[1]), np.nan)
    patterns, cohort = np.unique(np.isfinite(total).T, axis=0, return_inverse=True)
    for k, pattern in enumerate(patterns):
        members = np.flatnonzero(cohort.reshape(-1) == k)
        if pattern.sum() > 1:
            p[:, members] = sign_flip_tests(gain[np.ix_(pattern, members)], seed=seed)
    return p[0], p[1]


def parts_table(results: xr.Dataset) -> pd.DataFrame:
    """Return a row for each joint model and part: mean over subjects, its interval, and how many electrodes have it."""
    import pandas as pd

    subjects = np.array([str(name) for name in results["subject"].values])
    rows = []
    for name, found in joints_of(results).items():
        own: list[dict[str, Any]] = []
        for part, gain in parts_of(found):
            mean = found.over_subjects(gain, subjects)
            share = gain_share(gain, found.total)
            median, low, high = quartiles(share)
            _, p = sign_flips(gain, found.total)
            own.append(
                {
                    "joint": name, "part": part,
                    "mean": mean.estimate, "low": mean.low, "high": mean.high,
                    "p": mean.p, "median": median, "lower": low, "upper": high,
                    "significant": int((p < 0.05).sum()), "electrodes": int(np.isfinite(share).sum()),
                    "note": mean.note,
                }
            )  # fmt: skip
        for row in own:
            row["p_bonferroni"] = min(1.0, row["p"] * len(own))
        rows += own
    return pd.DataFrame(rows)


def gain_share(gain: NDArray[np.float64], total: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a part of each electrode's variance, (c,)."""
    known = np.isfinite(total)
    part, whole = (np.where(known, values, 0.0).sum(axis=0) for values in (gain, total))
    return np.asarray(np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0))


def electrode_table(results: xr.Dataset) -> pd.DataFrame:
    """Return a row for each joint model, electrode and part: its share of variance, and its test by sign flips.

    ``p_flips`` of the electrode alone, ``p_flips_max`` against the largest over electrodes, ``q_flips`` their false
    discovery rate; ``product_measure`` is the space's share of R² of all by the product measure, in the rows of "only
    SPACE".
    """
    import pandas as pd

    rows = []
    for name, found in joints_of(results).items():
        for part, gain in parts_of(found):
            p, p_max = sign_flips(gain, found.total)
            space = part.removeprefix("only ")
            shares = found.shares[found.names.index(space)] if part.startswith("only ") else np.full(p.shape, np.nan)
            rows.append(
                pd.DataFrame(
                    {
                        "joint": name, "subject": results["subject"].values, "electrode": results["name"].values,
                        "part": part, "r2": gain_share(gain, found.total), "p_flips": p, "p_flips_max": p_max,
                        "q_flips": false_discovery_rate(p), "product_measure": shares,
                    }
                )
            )  # fmt: skip
    return pd.concat(rows, ignore_index=True)


def _width(session: Session, space: str) -> int:
    """Return the features of a space in a model, as far as that is known before its components are."""
    about, keep = session.sources[space].description, session.study.features[space].pca
    return about.width if keep is None or keep <= 1 else min(about.width, int(keep))


def _seconds_per_operation() -> float:
    """Time a factorisation."""
    from scipy.linalg import cholesky

    matrix: Any = np.eye(TRIAL_SIZE) * TRIAL_SIZE + np.ones((TRIAL_SIZE, TRIAL_SIZE))
    times = []
    for _ in range(2):
        begin = time.perf_counter()
        cholesky(matrix, lower=True, check_finite=False)
        times.append(time.perf_counter() - begin)
    return min(times) / (TRIAL_SIZE**3 / 3)
