"""What an analysis is: its pieces, their price, and what it says in results, tables, report and summary."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar, TypeVar

import numpy as np

from heschl.checks import InputError
from heschl.features.store import DamagedFeatures
from heschl.study.config.study import Study
from heschl.study.inputs.audit import Finding
from heschl.study.session import Session
from heschl.study.work.cache import Piece
from heschl.study.work.progress import Reporter

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

Failure = TypeVar("Failure", bound=BaseException)


@dataclass(frozen=True)
class Stage:
    """A part of an analysis that is reported, planned and shared out as one.

    Attributes
    ----------
    title : str
        As a run and its plan call it.
    pieces : tuple of Piece
        What is kept of it.
    space : str or None
        The feature space whose features are enough for it; None where it takes several.
    weights : tuple of float
        How long each piece takes, beside the others; nothing where all are alike.
    """

    title: str
    pieces: tuple[Piece, ...]
    space: str | None = None
    weights: tuple[float, ...] = ()

    def by_length(self) -> list[tuple[Piece, float]]:
        """Return each piece with its share of the stage's time, the longest first: the short ones fill up the end."""
        weights = self.weights or (1.0,) * len(self.pieces)
        shares = [(piece, weight / sum(weights)) for piece, weight in zip(self.pieces, weights, strict=True)]
        return sorted(shares, key=lambda each: -each[1])


@dataclass(frozen=True)
class StageCost:
    """What a stage will take.

    Attributes
    ----------
    name : str
        The stage's title.
    fits : int
        Pieces, or stimuli.
    seconds : float
    memory, disk : float
        Bytes: at the peak, above what is loaded at the start; left behind.
    how : str
        The solver, and why; or how the time was found.
    """

    name: str
    fits: int
    seconds: float
    memory: float
    disk: float
    how: str


@dataclass(frozen=True)
class Section:
    """A table of the report.

    Attributes
    ----------
    name : str
        Its anchor in the file.
    title : str
    table : DataFrame
    text : str
        What the columns are.
    """

    name: str
    title: str
    table: pd.DataFrame
    text: str


class Analysis(ABC):
    """One analysis: a file in this folder and a row of `heschl.study.analyses.registry.ANALYSES`.

    Attributes
    ----------
    name : str
        As ``--only`` takes it; the folder of its pieces in the cache.
    variable : str
        A variable that results have where the analysis was done.
    needs : tuple of str
        Analyses that must be done before it is known what its pieces depend on.
    optional : bool
        Whether results can be written where it fails.
    in_shares : bool
        Whether its pieces are fits by nested cross-validation, a long one of which several machines can make together.
    """

    name: ClassVar[str]
    variable: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ()
    optional: ClassVar[bool] = True
    in_shares: ClassVar[bool] = False

    @abstractmethod
    def wanted(self, study: Study) -> bool:
        """Return whether a study asks for it."""

    @abstractmethod
    def stages(self, session: Session) -> list[Stage]:
        """Return all its pieces, stage by stage; none of them is made yet."""

    @abstractmethod
    def costs(self, session: Session, known: Mapping[str, StageCost]) -> list[StageCost]:
        """Estimate what its stages will take, given the costs of earlier stages by title."""

    @abstractmethod
    def add(self, results: xr.Dataset, session: Session) -> xr.Dataset:
        """Return the results with what was found; all pieces exist."""

    def check(self, session: Session) -> None:  # noqa: B027 (most analyses fit every study)
        """Check before any work that the analysis can be done.

        Raises
        ------
        InputError
            For settings that do not fit the features or the responses.
        """

    def present(self, results: xr.Dataset) -> bool:
        """Return whether results have it."""
        return self.variable in results

    def audit(self, session: Session) -> list[Finding]:
        """Check whether it could know test data."""
        return []

    def tables(self, results: xr.Dataset) -> dict[str, pd.DataFrame]:
        """Return the tables that are written as CSV, by name."""
        return {}

    def sections(self, results: xr.Dataset) -> list[Section]:
        """Return the tables of the report."""
        return []

    def methods(self, results: xr.Dataset, study: Study) -> str:
        """Return a paragraph of the methods text."""
        return ""

    def summary(self, results: xr.Dataset, study: Study) -> str:
        """Return a section of the summary, in Markdown."""
        return ""

    def lines(self, results: xr.Dataset) -> Sequence[str]:
        """Return what a run says of it at its end."""
        return ()

    def done(self, session: Session) -> bool:
        """Return whether all its pieces exist."""
        return all(session.cache.has(piece) for stage in self.stages(session) for piece in stage.pieces)

    def without(self, session: Session, stages: Sequence[Stage]) -> Session | None:
        """Return a study without what some stages are of; None where the analysis has no meaning without them."""
        return None

    def run(self, session: Session, spaces: Sequence[str] | None = None) -> dict[str, Exception]:
        """Make every piece that is missing, or wait for the process that has claimed it.

        A piece that fails does not keep the others from being made.

        Parameters
        ----------
        session : Session
            With the features extracted.
        spaces : sequence of str, optional
            Only the stages of these spaces.

        Returns
        -------
        dict of str to exception
            Why pieces could not be made, by their names.

        Raises
        ------
        DamagedFeatures, OSError, InputError
            For features that are to be extracted again, and files that cannot be written: no other piece would fare
            better.
        """
        stages = [stage for stage in self.stages(session) if spaces is None or stage.space in (None, *spaces)]
        errors: dict[str, Exception] = {}
        tried: set[str] = set()
        attempt = partial(_attempt, errors, tried, session.report)
        for stage in stages:
            with session.report.stage(stage.title, len(stage.pieces)) as advance:
                session.cache.share(stage.pieces, advance, attempt)
        for stage in stages:
            left = [piece for piece in stage.pieces if str(piece.key) not in tried]
            session.cache.paths(left, session.report, attempt)
        return errors


@contextmanager
def _attempt(errors: dict[str, Exception], tried: set[str], report: Reporter, piece: Piece) -> Iterator[None]:
    """Note why a piece cannot be made, and say so."""
    try:
        yield
    except (DamagedFeatures, OSError):
        raise
    except Exception as error:
        if isinstance(error.__cause__, OSError):
            raise
        errors[piece.name] = explained(error)
        tried.add(str(piece.key))
        report.say(f"{piece.name} failed, all else goes on: {errors[piece.name]}")


def explained(error: Failure) -> Failure | InputError:
    """Say of a fit that cannot be solved which keys would cure it."""
    if not isinstance(error, ArithmeticError | np.linalg.LinAlgError):
        return error
    told = InputError(
        "the fit", f"{type(error).__name__}: {error}", "one that can be solved",
        "Larger penalties (encoding.alphas), or fewer features (pca of the space).",
    )  # fmt: skip
    told.__cause__ = error
    return told
