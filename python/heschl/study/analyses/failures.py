"""What of a study could not be made, by name and with its reason; and the study without it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from heschl.checks import InputError
from heschl.study.analyses.analysis import Analysis, Stage
from heschl.study.analyses.joint import joint_title
from heschl.study.analyses.registry import wanted
from heschl.study.session import Session

KEPT = "All that was finished is kept: the same command does what is left."
SHOWN = 3
"""Pieces whose reasons are told."""


def not_made(
    session: Session, title: str, stages: Sequence[Stage], errors: Mapping[str, BaseException]
) -> InputError | None:
    """Return an error that says which pieces of some stages are missing, and why; None where none is.

    Parameters
    ----------
    session : Session
    title : str
        What the stages are, for the message.
    stages : sequence of Stage
    errors : mapping of str to exception
        Why a piece, or the features that it takes, could not be made, by name.
    """
    missing = [piece for stage in stages for piece in stage.pieces if not session.cache.has(piece)]
    if not missing:
        return None
    features = [session.sources[stage.space].title for stage in stages if stage.space is not None]
    names = list(dict.fromkeys(name for name in (*(piece.name for piece in missing), *features) if name in errors))
    names = names or list(errors)
    reasons = "; ".join(f"{name}: {reason(errors[name])}" for name in names[:SHOWN])
    number = f"{len(missing)} piece{'s' if len(missing) > 1 else ''} of {title}"
    error = InputError(number, reasons or "pieces before them that failed", "pieces that can be made", KEPT)
    error.__cause__ = errors[names[0]] if names else None
    return error


def without_failed(
    session: Session, analysis: Analysis, errors: Mapping[str, BaseException], spaces: Collection[str] | None = None
) -> tuple[Session, dict[str, Exception]]:
    """Take out of a study what of an analysis could not be made, and what needs that.

    Parameters
    ----------
    session : Session
    analysis : Analysis
        Of which all that could be made has been.
    errors : mapping of str to exception
        See `not_made`.
    spaces : collection of str, optional
        Only the stages of these spaces were to be made.

    Returns
    -------
    Session
        The study without it.
    dict of str to exception
        What is left out, and why.

    Raises
    ------
    InputError
        Where nothing is left without it.
    """
    stages = [stage for stage in analysis.stages(session) if spaces is None or stage.space in (None, *spaces)]
    whole = not_made(session, analysis.name, stages, errors)
    if whole is None:
        return session, {}
    found: dict[str, Exception] = {}
    for stage in stages:
        error = not_made(session, stage.title, [stage], errors)
        if error is not None:
            found[stage.title] = error
    less = analysis.without(session, [stage for stage in stages if stage.title in found])
    if less is not None:
        return less, found | needing(session, less, found)
    if analysis.optional:
        return session, {analysis.name: whole}
    raise whole


def needing(session: Session, less: Session, failed: Collection[str]) -> dict[str, Exception]:
    """Return what a study asks for and the same study, less what failed, cannot do any more."""
    analyses = [analysis.name for analysis in wanted(session.study) if not analysis.wanted(less.study)]
    joints = [joint_title(name) for name in session.study.joint if name not in less.study.joint]
    names = [name for name in (*joints, *analyses) if name not in failed and not (joints and name == "joint")]
    return {
        name: InputError(name, f"failed before it: {', '.join(failed)}", "all spaces that it takes", KEPT)
        for name in names
    }  # fmt: skip


def reason(error: BaseException) -> str:
    """Return what an error says, with its type where it is none of heschl's."""
    text = str(error).strip()
    return text if isinstance(error, InputError) else f"{type(error).__name__}: {text}"


def why(error: BaseException) -> str:
    """Return why something that is named beside it failed."""
    text = error.found if isinstance(error, InputError) and error.advice == KEPT else reason(error)
    return text.removesuffix(".")


def together(failed: Mapping[str, Exception]) -> Exception:
    """Return one error of all that failed."""
    first = next(iter(failed.values()))
    if len(failed) == 1:
        return first
    text = "; ".join(f"{name} ({why(error)})" for name, error in failed.items())
    error = InputError(f"{len(failed)} parts of the study", text, "parts that can be done", KEPT)
    error.__cause__ = first
    return error
