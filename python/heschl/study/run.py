"""A study from its study.toml to its results: extract, analyse, write."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from heschl.checks import InputError
from heschl.features.store import DamagedFeatures, FeatureStore
from heschl.files import only_writer
from heschl.study.analyses.analysis import Analysis
from heschl.study.analyses.failures import needing, reason, together, why, without_failed
from heschl.study.analyses.registry import present, wanted, with_needs
from heschl.study.cluster.connect import check_installed, connected
from heschl.study.cluster.work import Work
from heschl.study.config.study import Study
from heschl.study.extraction.extract import RefusedStimuli
from heschl.study.inputs.audit import Finding, audit
from heschl.study.manifest import missing_pieces
from heschl.study.plan import compare_with_plan, estimate, read_plan
from heschl.study.report.figures import write_figures
from heschl.study.report.html import write_report
from heschl.study.report.summary import write_summary
from heschl.study.results.dataset import build_results, open_results, write_results
from heschl.study.results.tables import all_tables, write_table
from heschl.study.session import Session
from heschl.study.work.layout import RESULTS_TITLE
from heschl.study.work.machine import gpus
from heschl.study.work.progress import Reporter
from heschl.study.work.workers import FEATURES, SPACE_BY_SPACE, Part, workers

if TYPE_CHECKING:
    import xarray as xr
    from rich.console import Console

T = TypeVar("T")
ATTEMPTS = 100
"""Times that damaged features are extracted again: each layer that is read may name other stimuli."""


def run_study(
    path: str | Path,
    out: str | Path | None = None,
    *,
    only: Sequence[str] = (),
    jobs: int | None = None,
    dask: str | None = None,
    console: Console | None = None,
) -> Path:
    """Run a study: load, extract, fit, score, and write results, tables, summary and figures.

    Everything is checked before any work. Finished features and fits are kept in ``cache`` under ``out``, by
    the hash of what they depend on: a run that was interrupted, or is started again with other settings, does
    only what is missing. Where a space, a joint model or another analysis fails, the results of all that does not
    need it are written before the error is raised.

    Parameters
    ----------
    path : str or Path
        The study.toml.
    out : str or Path, optional
        Where to write; the folder ``results`` beside the study.toml by default.
    only : sequence of str
        Do only these stages ("features", and the names of analyses: "encoding", "exchange", "time_course", "ceilings",
        "joint", "shared", "components", "commonality", "layer_map", "published", "words", "audit") or spaces, and write
        no results.
    jobs : int, optional
        Processes on this machine to share the work among; it pays where fits are many and small. By default one, or
        with ``device = "cuda"`` in [encoding] one for each GPU that CUDA_VISIBLE_DEVICES shows: every process fits on
        one GPU, those of several in turn.
    dask : str, optional
        Do the work on a cluster: the address of a scheduler of dask.distributed, "local[:N]", or the .toml file of a
        batch system (see `heschl.study.cluster.connect.connected`). What a piece finds does not depend on it.
    console : rich.console.Console, optional
        Where to show progress; nothing is shown without one.

    Returns
    -------
    Path
        The folder with ``results.zarr`` (see `heschl.study.open_results`), ``scores.csv`` (electrode ×
        layer), ``best_layers.csv`` (electrode × space), ``contrasts.csv``, with [shared] ``shared.csv`` (electrode ×
        part), ``report.html``, ``summary.md`` and ``figures``.

    Raises
    ------
    InputError
        For any bad input; nothing has been written then.
    """
    report = Reporter(console)
    session = Session(path, out, report)
    with report.stage("inputs", 0):
        analyses = wanted(session.study)
        part = Part.of([FEATURES, *(a.name for a in analyses)], list(session.study.features), only)
        session.check()
        for analysis in analyses:
            analysis.check(session)
    planned = session.study
    if dask is not None:
        if jobs not in (None, 1):
            raise InputError("jobs", str(jobs), "no --jobs with --dask", "Workers of the cluster are the jobs.")
        session, failed = _on_cluster(session, with_needs(analyses, part.stages), part, dask)
    else:
        session, failed = _extracted(session, part)
        with _workers(session, part, jobs):
            session, more = _analyse(session, with_needs(analyses, part.stages), part)
        failed |= more
    if part.whole:
        failed |= _write(session, [a for a in wanted(session.study) if a.name not in failed], failed, planned)
    else:
        missing, pieces = missing_pieces(session)
        report.say(f"{missing} of {pieces} pieces are missing; heschl run {path} makes them and writes the results")
    if failed:
        raise together(failed)
    return session.layout.out


def _workers(session: Session, part: Part, jobs: int | None) -> AbstractContextManager[None]:
    """Share the pieces out among processes, and these among the GPUs, where fits may run on one."""
    device = session.study.encoding.device
    found = gpus() if device != "cpu" and jobs != 1 and (jobs or device == "cuda") else []
    jobs = (len(found) or 1) if jobs is None else jobs
    only_features = part.stages == (FEATURES,)
    return workers(session.path, session.layout.out, part, 1 if only_features else jobs, session.report, found)


def _extracted(session: Session, part: Part) -> tuple[Session, dict[str, Exception]]:
    """Extract what is missing of the features; return the study without the spaces that failed, and why they did."""
    failed: dict[str, Exception] = {}
    for name in part.spaces:
        try:
            session = session.extracted([name])
        except (RefusedStimuli, OSError):
            raise
        except Exception as error:
            title = session.sources[name].title
            if isinstance(error.__cause__, OSError) or len(session.study.features) == 1:
                raise
            session.report.say(f"{title} failed, all else goes on: {reason(error)}")
            less = session.without([name])
            session, failed = less, failed | {title: error} | needing(session, less, [title])
    return session, failed


def _analyse(session: Session, analyses: Sequence[Analysis], part: Part) -> tuple[Session, dict[str, Exception]]:
    """Make the pieces of analyses; return the study without what failed, and why it did."""
    failed: dict[str, Exception] = {}
    spaces = part.spaces if set(part.stages) <= set(SPACE_BY_SPACE) else None
    for analysis in analyses:
        if not analysis.wanted(session.study):
            continue  # what it needs has failed
        try:
            errors = _with_whole_features(session, partial(analysis.run, session, spaces), part)
            session, more = without_failed(session, analysis, errors, spaces)
            failed |= more
        except Exception as error:
            if not analysis.optional:
                raise
            failed[analysis.name] = error
            session.report.say(f"{analysis.name} failed, all else goes on: {reason(error)}")
    return session, failed


def _on_cluster(
    session: Session, analyses: Sequence[Analysis], part: Part, where: str
) -> tuple[Session, dict[str, Exception]]:
    """Do the same on a cluster; return the study, without what was refused or failed, and what failed."""
    check_installed()
    spaces = part.spaces if set(part.stages) <= set(SPACE_BY_SPACE) else None
    failed: dict[str, Exception] = {}
    with connected(where, session.report) as client:
        costs = read_plan(session.layout, session.study) or {stage.name: stage for stage in estimate(session).stages}
        while True:
            names = [name for name in part.spaces if name in session.study.features]
            work = Work(session, analyses, names, None if spaces is None else names, costs, client)
            whole = session = work.run()
            for analysis in analyses:
                if analysis.wanted(session.study):
                    session, more = without_failed(session, analysis, work.reasons(), spaces)
                    failed |= more
                if session is not whole:
                    break  # what waited for the spaces that failed is done without them
            if session is whole:
                return session, failed | ({} if analyses else work.failed())
            analyses = [a for a in analyses if a.wanted(session.study) and a.name not in failed]


def _with_whole_features(session: Session, work: Callable[[], T], part: Part) -> T:
    """Do work that reads features; those found damaged are said, extracted again, and the work goes on."""
    for _ in range(ATTEMPTS):
        try:
            return work()
        except DamagedFeatures as error:
            session.report.say(f"{error.argument}: {error.found}; they are extracted again")
            session.extracted([name for name in part.spaces if name in session.study.features])
    return work()


def _write(
    session: Session, analyses: Sequence[Analysis], failed: Mapping[str, Exception], planned: Study
) -> dict[str, Exception]:
    """Write results, tables, summary, figures and report; return the analyses that could not be put in.

    ``planned`` are the settings before anything failed, to which the plan belongs.
    """
    layout, report = session.layout, session.report
    with only_writer(layout.out, lambda: report.say("another run is writing the results; waiting")):
        with report.stage(RESULTS_TITLE, 0):
            built, left_out = build_results(session, analyses)
            findings = _audit(session, built)
            errors = {name: why(error) for name, error in {**failed, **left_out}.items()}
            built.attrs |= {"audit": json.dumps([asdict(f) for f in findings]), "failed": json.dumps(errors)}
            write_results(built, layout.results)
            results = open_results(layout.out).load()
            for name, table in all_tables(results).items():
                write_table(table, layout.table(name))
            write_summary(results, layout.summary)
            write_figures(results, layout.figures)
            write_report(results, layout)
        lines = [line for analysis in present(results) for line in analysis.lines(results)]
        lines += [f"left out: {name}: {reason}" for name, reason in session.inputs.broken.items()]
        for line in [*lines, *map(str, findings), *compare_with_plan(layout, report.seconds, planned)]:
            report.say(line)
    return left_out


def _audit(session: Session, results: xr.Dataset) -> list[Finding]:
    """Look for test data that a model could know: in the folds, and in each analysis that was done."""
    findings = audit(session.inputs, session.groups)
    return findings + [finding for analysis in present(results) for finding in analysis.audit(session)]


def extract_study(path: str | Path, report: Reporter) -> FeatureStore:
    """Extract the features of a study, all that is missing in its store, and nothing else."""
    return Session(path, report=report).extracted().store
