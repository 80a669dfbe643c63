"""Which electrodes follow which features: the exchange test of every layer and of the best layer of every space.

It adds to the results:

=========================  ======================================================================================
variable                   what
=========================  ======================================================================================
follows                    (space, electrode): r of prediction and response out of fold, mean over folds
p, p_low, p_high           (space, electrode): of the best layer, chosen anew in every permutation; limits of p
p_max                      (space, electrode): the same against the maximum over all electrodes and spaces
q                          (space, electrode): false discovery rate over all electrodes and spaces
layer_p, layer_p_max       (model, electrode): of each layer; maximum over all electrodes, layers and spaces
=========================  ======================================================================================

``p`` and ``p_max`` have their tails fitted (`heschl.linear.NullDistribution`); ``p_low`` and ``p_high`` are exact 95 %
limits of what infinitely many permutations would count.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.files import digest
from heschl.linear.crossval.scores import SCORES
from heschl.linear.nulls.distribution import NullDistribution
from heschl.linear.nulls.exchange import CHOSEN_BY
from heschl.study.analyses.analysis import Analysis, Stage, StageCost
from heschl.study.analyses.fits.exchange import Draws, best_statistic, exchanged, permuter_of, write_exchange
from heschl.study.analyses.fits.leading import MOST_COMPONENTS
from heschl.study.analyses.fits.reduced import reduction
from heschl.study.config.study import Study
from heschl.study.inputs.groups import FitGroup
from heschl.study.session import Session
from heschl.study.work.cache import Piece, load_arrays

if TYPE_CHECKING:
    import xarray as xr

TITLE = "exchange test"
TOGETHER = 100
"""Permutations in a piece."""
TIMED = 3


class Exchange(Analysis):
    """[encoding] n_permutations: adds the variables above."""

    name: ClassVar[str] = "exchange"
    variable: ClassVar[str] = "p_max"

    def wanted(self, study: Study) -> bool:
        """Return whether there are permutations."""
        return study.encoding.n_permutations > 0

    def check(self, session: Session) -> None:
        """Check that there are stimuli to exchange."""
        try:
            for part in _parts(session):
                permuter_of(part.group, part.blocks)
        except InputError as error:
            raise InputError(
                "encoding.n_permutations", error.found,
                "two or more stimuli heard equally often (in the same sessions, where there are any)",
                "Set it to 0 to do without the exchange test.",
            ) from error  # fmt: skip

    def stages(self, session: Session) -> list[Stage]:
        """Return a piece per layer, group (of subjects with the same sessions) and hundred permutations."""
        return session.kept("stages of the exchange test", lambda: self._stages(session))

    def _stages(self, session: Session) -> list[Stage]:
        encoding, rate, parts = session.study.encoding, session.grid.rate, _parts(session)
        pieces = []
        targets = [digest(part.group.y, part.group.segments, part.group.folds, part.blocks) for part in parts]
        for space, features in session.features.items():
            key = features.key
            for i, layer in enumerate(features.layers):
                for g, (part, target) in enumerate(zip(parts, targets, strict=True)):
                    for draws in _draws(session, g):
                        make = partial(write_exchange, features, i, part.group, part.blocks, encoding, rate, draws)
                        name = f"{self.name}/{space}/{layer}.npz"
                        inputs = key, features.chosen[i], target, encoding.decides(), rate, *reduction(features.space)
                        pieces.append(Piece.of(name, make, *inputs, CHOSEN_BY, asdict(draws)))
        return [Stage(TITLE, tuple(pieces))]

    def costs(self, session: Session, known: Mapping[str, StageCost]) -> list[StageCost]:
        """Time a few permutations of noise in the shape of a layer."""
        encoding = session.study.encoding
        n_layers = sum(len(features.layers) for features in session.features.values())
        widest = max(source.description.width for source in session.sources.values())
        width = min(MOST_COMPONENTS, widest * len(encoding.lags(session.grid.rate)))
        seconds = memory = 0.0
        for part in _parts(session):
            group = part.group
            X = np.random.default_rng(0).standard_normal((len(group.y), width), dtype=np.float32)
            begin = time.perf_counter()
            exchanged(X, group, permuter_of(group, part.blocks), Draws((0, 0), 0, TIMED), encoding)
            seconds += (time.perf_counter() - begin) * (encoding.n_permutations + 1) / TIMED * n_layers
            memory = max(memory, 2.0 * (1 << 30) if group.y.nbytes * TOGETHER > (1 << 30) else 12.0 * group.y.nbytes)
        n_pieces = len(self.stages(session)[0].pieces)
        disk = 8.0 * n_layers * encoding.n_permutations * encoding.folds * sum(g.y.shape[1] for g in session.groups)
        how = f"{encoding.n_permutations} permutations, timed on {TIMED}: encoding.n_permutations = 0 does without"
        return [StageCost(TITLE, n_pieces, seconds, memory, disk, how)]

    def add(self, results: xr.Dataset, session: Session) -> xr.Dataset:
        """Return the results with the variables above."""
        (stage,) = self.stages(session)
        paths = iter(session.cache.paths(stage.pieces, session.report))
        split = _parts(session)
        order = np.argsort(np.concatenate([part.columns for part in split]))
        by_layer, best = [], []
        for features in session.features.values():
            own = []
            for _ in features.layers:
                groups = []
                for g in range(len(split)):
                    parts = [load_arrays(next(paths)) for _ in _draws(session, g)]
                    groups.append({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
                joined = {name: np.concatenate([group[name] for group in groups], axis=-1) for name in groups[0]}
                own.append({name: values[..., order] for name, values in joined.items()})
            by_layer += [best_statistic([layer]) for layer in own]
            best.append(best_statistic(own))
        spaces, models = _tested(best), _tested(by_layer)
        shape = (len(best), results.sizes["electrode"])
        found = {
            "follows": spaces.observed, "p": spaces.p_fitted, "p_low": spaces.p_limits[:, 0],
            "p_high": spaces.p_limits[:, 1], "p_max": spaces.p_fitted_max, "q": spaces.q_values,
        }  # fmt: skip
        out = results.assign({name: (("space", "electrode"), v.reshape(shape)) for name, v in found.items()})
        shape = (len(by_layer), results.sizes["electrode"])
        for name, values in (("layer_p", models.p_fitted), ("layer_p_max", models.p_fitted_max)):
            out[name] = (("model", "electrode"), values.reshape(shape))
        permuters = [permuter_of(part.group, part.blocks) for part in split]
        return out.assign_attrs(
            exchange_cropped=max(permuter.cropped for permuter in permuters),
            exchange_staying=max(permuter.staying for permuter in permuters),
            exchange_arrangements=min(permuter.arrangements for permuter in permuters),
        )

    def methods(self, results: xr.Dataset, study: Study) -> str:
        """Return how the test was done, and over what its maximum runs."""
        m, n_models = study.encoding.n_permutations, results.sizes["model"]
        n_spaces, n_electrodes = results.sizes["space"], results.sizes["electrode"]
        tail = (
            "p values that fewer than ten permutations reach come from a generalised Pareto distribution fitted to the "
            "tail of the null distribution"
            if m >= 160
            else f"p values are counted, so that none lies below {1 / (1 + m):.2g}"
        )
        within = " within the same recording sessions" if several_sessions(results) else ""
        return (
            f"Which electrodes follow which features was tested by {m} permutations: the responses to whole stimuli "
            f"were exchanged among stimuli heard equally often{within} and of nearly the same length (cropped at their "
            "end to the shortest of a bin; "
            f"{results.attrs['exchange_cropped']:.0%} of the frames), all electrodes together, and the analysis was "
            "repeated on each, λ and layer chosen anew on its inner folds, by r. The null hypothesis is that which of "
            "the stimuli evoked a response has nothing to do with its features; what all stimuli evoke alike at a time "
            "since their onset or before their end, and how responses grow with their length, belongs to it (what "
            "follows linearly from length and time to the end was taken out of the responses first). The statistic is "
            "Pearson's r of out-of-fold prediction and response, mean over folds, one-sided. A "
            f"lagged design was cut to its {MOST_COMPONENTS} leading principal components (of the features alone), "
            "where it has more, for the true alignment as for the others. p max "
            f"of a space is against the maximum over {n_electrodes} electrodes and {n_spaces} spaces, each electrode "
            f"standardised by its own null; that of a layer over {n_electrodes} electrodes and {n_models} layers of "
            f"all spaces. {tail[0].upper()}{tail[1:]}."
        )


@dataclass(frozen=True)
class _Part:
    """Subjects of one group whose responses are exchanged within the same blocks.

    Attributes
    ----------
    group : FitGroup
    columns : array of shape (n_electrodes,), int
        Their electrodes among those of all groups.
    blocks : array of shape (n_segments,), int
    """

    group: FitGroup
    columns: NDArray[np.intp]
    blocks: NDArray[np.intp]


def _parts(session: Session) -> list[_Part]:
    """Cut all groups by the sessions of their subjects."""
    first = np.cumsum([0, *(group.y.shape[1] for group in session.groups)])
    return [
        _Part(part, columns + start, blocks)
        for group, start in zip(session.groups, first, strict=False) for part, columns, blocks in group.by_sessions()
    ]  # fmt: skip


def several_sessions(results: xr.Dataset) -> dict[str, int]:
    """Return how many sessions each subject has, of those known to have more than one."""
    counts: dict[str, int] = json.loads(results.attrs.get("sessions", "{}"))
    return {subject: n for subject, n in counts.items() if n > 1}


def _draws(session: Session, group: int) -> list[Draws]:
    """Cut the true alignment and all permutations into pieces."""
    last, seed = session.study.encoding.n_permutations + 1, (session.study.seed, group)
    return [Draws(seed, first, min(first + TOGETHER, last)) for first in range(0, last, TOGETHER)]


def _tested(statistics: list[NDArray[np.float64]]) -> NullDistribution:
    """Compare the first row with all others, over everything together."""
    flat = np.concatenate(statistics, axis=1)
    return NullDistribution.of(SCORES["r"], flat[0], flat[1:], balanced=True)
