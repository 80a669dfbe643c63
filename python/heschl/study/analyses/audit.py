"""The audit that measures: what is learned without test rows, and whether words stand where they are heard.

It does not say how the study is made; it breaks a part of the study on purpose and looks at what follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from heschl.files import digest
from heschl.study.analyses.analysis import Analysis, Stage, StageCost
from heschl.study.analyses.costs import per_fit
from heschl.study.analyses.encoding import encoding_done, encoding_title, group_fits
from heschl.study.analyses.fits.audit import (
    OUTER,
    STIMULI,
    layers_by_test_scores,
    part_of,
    worse,
    write_shared,
    write_space,
)
from heschl.study.analyses.fits.encoding import LayerFit
from heschl.study.analyses.fits.shared import Split
from heschl.study.analyses.shared import splits
from heschl.study.config.study import Study
from heschl.study.inputs.audit import Finding
from heschl.study.session import Session
from heschl.study.work.cache import Piece, load_arrays

if TYPE_CHECKING:
    import xarray as xr

TITLE = "audit"
DONE = "audited"
MOVED = 1e-2
"""What may move by rounding where nothing leaks: relative errors, inner scores, shares of the size of variates."""
FITS = 4
"""Of a space: as it is, test rows spoilt, words moved either way."""


class Audit(Analysis):
    """Spoils test rows and moves words, on a part of the study, and says what moved with them."""

    name: ClassVar[str] = "audit"
    variable: ClassVar[str] = DONE
    needs: ClassVar[tuple[str, ...]] = ("encoding",)

    def wanted(self, study: Study) -> bool:
        """Return True: every study is audited."""
        return True

    def present(self, results: xr.Dataset) -> bool:
        """Return whether results have been audited."""
        return DONE in results.attrs

    def stages(self, session: Session) -> list[Stage]:
        """Return a piece per space, and with [shared] one of its variates."""
        encoding, rate, group = session.study.encoding, session.grid.rate, session.groups[0]
        part = session.kept("part for the audit", lambda: part_of(group))
        pieces = [
            Piece.of(
                f"{self.name}/{space}.npz", partial(write_space, features, part, encoding, rate),
                features.key, digest(part.y, part.segments, part.folds), encoding.decides(), rate,
            )
            for space, features in session.features.items()
        ]  # fmt: skip
        return [Stage(TITLE, (*pieces, *self._shared(session)))]

    def _shared(self, session: Session) -> list[Piece]:
        settings, name = session.study.shared, f"{self.name}/shared.npz"
        if settings is None:
            return []
        if not encoding_done(session):
            return [Piece.unknown(name)]
        split, fits = splits(session)[0], group_fits(session)[0]
        other = Split(fits, session.features, settings, session.study.encoding)
        keys = [features.key for features in split.spaces.values()]
        inputs = [settings.model_dump(), split.layers, keys, split.group.segments, split.group.folds]
        return [Piece.of(name, partial(write_shared, split, other), *inputs)]

    def costs(self, session: Session, known: Mapping[str, StageCost]) -> list[StageCost]:
        """Scale the cost of a layer of each space by the stimuli of the part."""
        share = min(1.0, STIMULI / max(1, len(session.groups[0].segments)))
        fits = [per_fit(known, encoding_title(space)) for space in session.sources]
        seconds = 0.1 + FITS * share * sum(each for each, _ in fits)
        (stage,) = self.stages(session)
        memory = max((peak for _, peak in fits), default=0.0)
        return [StageCost(TITLE, len(stage.pieces), seconds, memory, 1e4 * len(stage.pieces), "as the layers, in part")]

    def add(self, results: xr.Dataset, session: Session) -> xr.Dataset:
        """Return the results, marked as audited: what was found stands with the other findings."""
        return results.assign_attrs({DONE: True})

    def audit(self, session: Session) -> list[Finding]:
        """Return what was measured."""
        (stage,) = self.stages(session)
        paths = session.cache.paths(stage.pieces, session.report)
        arrays = {piece.name: load_arrays(path) for piece, path in zip(stage.pieces, paths, strict=True)}
        found = []
        for space in session.features:
            found.append(_moved(f"{space}: what a fold learned", float(arrays[f"{self.name}/{space}.npz"]["moved"])))
        found += _layers(session)
        part = session.kept("part for the audit", lambda: part_of(session.groups[0]))
        for space in session.features:
            losses = arrays[f"{self.name}/{space}.npz"].get("shifted")
            if losses is not None:
                late, early = (float(t) for t in losses)
                wrong = worse(min(late, early), len(part.stimuli))
                text = f"errors grow by t = {late:.1f} (a word late) and {early:.1f} (a word early) over stimuli"
                found.append(Finding(f"{space}: words moved by one", text, not wrong))
        if (shared := arrays.get(f"{self.name}/shared.npz")) is not None:
            found.append(_moved("weights of [shared]", float(shared["moved"])))
        return found


def _moved(what: str, by: float) -> Finding:
    text = f"moves by {by:.1g} with the test rows of fold {OUTER} spoilt"
    return Finding(what, f"{text} (rounding up to {MOVED:g})", by <= MOVED)


def _layers(session: Session) -> list[Finding]:
    """Return whether the choice of a layer follows scores on test folds."""
    moved = chosen = 0
    for fits in group_fits(session):
        for space, features in session.features.items():
            if len(features.layers) > 1:
                layers = [LayerFit.load(fits.layers[space, layer]) for layer in features.layers]
                moved += layers_by_test_scores(layers, fits.group)
                chosen += fits.best[space].layer.size
    if not chosen:
        return []
    text = f"{moved} of {chosen} choices move when scores on test folds are turned upside down"
    return [Finding("the layer of a fold and electrode", text, moved == 0)]
