"""A study from its study.toml to its results: the stages, in order."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from heschl.features.store import FeatureStore
from heschl.files import only_writer
from heschl.linear.device.place import check_device
from heschl.study.analyses.ceilings import add_electrodes, maximum_over_layers
from heschl.study.analyses.encoding import fit_encoding, fit_layers, most_chosen
from heschl.study.analyses.published import add_published, fft_resampled, fit_published, published_table
from heschl.study.analyses.shared import fit_shared, layer_map
from heschl.study.analyses.shared_results import add_shared, shared_table
from heschl.study.analyses.word_lags import add_word_lags, fit_word_lags
from heschl.study.extraction.features import Features, RefusedStimuli, extract_features, look_at_spaces, study_grid
from heschl.study.extraction.stored import store_of
from heschl.study.inputs.audit import audit
from heschl.study.inputs.load import Inputs, leave_out, load_inputs
from heschl.study.inputs.targets import fit_groups
from heschl.study.plan import compare_with_plan
from heschl.study.report.figures import write_figures
from heschl.study.report.html import write_report
from heschl.study.report.summary import write_summary
from heschl.study.results.dataset import build_results, open_results, write_results
from heschl.study.results.tables import best_table, layer_table, write_table
from heschl.study.work.cache import Cache
from heschl.study.work.progress import Reporter
from heschl.study.work.sharing import Part, workers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import xarray as xr
    from rich.console import Console

    from heschl.features.store import Description, FeatureStore
    from heschl.study.analyses.encoding import GroupFits
    from heschl.study.inputs.targets import FitGroup
    from heschl.timing.grid import FrameGrid


def run_study(
    path: str | Path,
    out: str | Path | None = None,
    *,
    only: Sequence[str] = (),
    jobs: int = 1,
    console: Console | None = None,
) -> Path:
    """Run a study: load, extract, fit, score, and write results, tables, summary and figures.

    Everything is checked before any work. Finished features and fits are kept in ``cache`` under ``out``, by
    the hash of what they depend on: a run that was interrupted, or is started again with other settings, does
    only what is missing.

    Parameters
    ----------
    path : str or Path
        The study.toml.
    out : str or Path, optional
        Where to write; the folder ``results`` beside the study.toml by default.
    only : sequence of str
        Do only these stages ("features", "encoding", "shared", "published", "words") or spaces, and write no results.
    jobs : int
        Processes on this machine to share the work among; it pays where fits are many and small.
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
    from heschl.study.statistics.contrasts import contrast_table, with_statistics

    report = Reporter(console)
    out = Path(out) if out is not None else Path(path).resolve().parent / "results"
    cache = Cache(out / "cache")
    with report.stage("inputs", 0):
        inputs = load_inputs(path)
        part = Part.of(inputs.study, only)
        check_device(inputs.study.encoding.device)
        store = store_of(inputs.study, inputs.folder, out)
        spaces = look_at_spaces(inputs, store)
        grid = study_grid(inputs, spaces)
        fit_groups(inputs, grid)  # what is wrong with the responses is said before any work
    inputs, features = _extracted(inputs, {name: spaces[name] for name in part.spaces}, grid, store, report)
    groups = fit_groups(inputs, grid)
    with workers(Path(path), out, part, jobs if part.stages != ("features",) else 1, report):
        fits, additions = _fitted(part, inputs, groups, features, grid, cache, report)
    if not part.whole:
        _say_what_is_left(path, out, report)
        return out
    with only_writer(out, lambda: report.say("another run is writing the results; waiting")):
        with report.stage("results, tables, summary, figures", 0):
            built = add_electrodes(build_results(inputs, grid, features, fits), inputs, groups, grid)
            built = with_statistics(maximum_over_layers(built), inputs.study.seed)
            for add in additions:
                built = add(built)
            findings = audit(inputs, groups)
            built.attrs["broken"] = json.dumps(inputs.broken)
            built.attrs["audit"] = json.dumps([asdict(finding) for finding in findings])
            write_results(built, out / "results.zarr")
            results = open_results(out).load()
            write_table(layer_table(results), out / "scores.csv")
            write_table(best_table(results), out / "best_layers.csv")
            write_table(contrast_table(results, seed=inputs.study.seed), out / "contrasts.csv")
            if "shared_r2" in results:
                write_table(shared_table(results), out / "shared.csv")
            write_summary(results, out / "summary.md")
            write_figures(results, out / "figures")
            write_report(results, out)
        if "published_max" in results:
            for space, then, now, _ in published_table(results).itertuples(index=False):
                report.say(f"{space}: {then:.3f} as published (maximum over layers, mean r²), R² {now:.3f} by default")
        left_out = [f"left out: {name}: {reason}" for name, reason in inputs.broken.items()]
        for line in [*left_out, *map(str, findings), *compare_with_plan(out, report.seconds)]:
            report.say(line)
    return out


def _say_what_is_left(path: str | Path, out: Path, report: Reporter) -> None:
    """Say how many fits are missing, and which command goes on."""
    from heschl.study.manifest import manifest

    items = manifest(path, out)
    missing, fits = sum(item.fits - item.fitted for item in items), sum(item.fits for item in items)
    report.say(f"{missing} of {fits} fits are missing; heschl run {path} does what is left and writes the results")


def _fitted(
    part: Part,
    inputs: Inputs,
    groups: list[FitGroup],
    features: dict[str, Features],
    grid: FrameGrid,
    cache: Cache,
    report: Reporter,
) -> tuple[list[GroupFits], list[Callable[[xr.Dataset], xr.Dataset]]]:
    """Do the stages of a part that fit something."""
    settings = inputs.study.encoding
    if set(part.stages) <= {"features", "encoding"} and not part.whole:
        if "encoding" in part.stages:
            fit_layers(groups, features, settings, grid.rate, cache, report)
        return [], []
    fits = fit_encoding(groups, features, settings, grid.rate, cache, report)
    return fits, _beside(part, inputs, groups, features, fits, grid, cache, report)


def _beside(
    part: Part,
    inputs: Inputs,
    groups: list[FitGroup],
    features: dict[str, Features],
    fits: list[GroupFits],
    grid: FrameGrid,
    cache: Cache,
    report: Reporter,
) -> list[Callable[[xr.Dataset], xr.Dataset]]:
    """Do the analyses asked for beside the encoding; give what each adds to the results."""
    study = inputs.study
    additions: list[Callable[[xr.Dataset], xr.Dataset]] = []
    if study.shared is not None and "shared" in part.stages:
        shared = fit_shared(fits, features, study.shared, study.encoding, cache, report)
        device, layers = study.encoding.device, None
        if study.shared.layer_map:
            layers = layer_map(fits[0].group, features, study.shared, cache, report, device)
        additions.append(partial(add_shared, fits=shared, settings=study.shared, features=features, layers=layers))
    if study.preset is not None and "published" in part.stages:
        by_fft = fit_groups(inputs, grid, fft_resampled)
        scores = fit_published(by_fft, features, study.encoding, grid.rate, cache, report)
        additions.append(partial(add_published, scores=scores))
    if study.word_lags is not None and "words" in part.stages:
        chosen = [most_chosen(fit, features) for fit in fits]
        words = fit_word_lags(groups, features, chosen, study.word_lags, study.encoding, grid.rate, cache, report)
        additions.append(partial(add_word_lags, fits=words, settings=study.word_lags))
    return additions


def _extracted(
    inputs: Inputs,
    spaces: Mapping[str, tuple[str, Description]],
    grid: FrameGrid,
    store: FeatureStore,
    report: Reporter,
) -> tuple[Inputs, dict[str, Features]]:
    """Extract all features; the few stimuli that a model refuses are left out, and the study goes on without them."""
    while True:
        try:
            return inputs, extract_features(inputs, spaces, grid, store, report)
        except RefusedStimuli as error:
            without = leave_out(inputs, error.stimuli)
            if without is None:
                raise
            inputs = without


def extract_study(path: str | Path, report: Reporter) -> FeatureStore:
    """Extract the features of a study, all that is missing in its store, and nothing else."""
    from heschl.study.extraction.features import extract_features, look_at_spaces, study_grid

    path = Path(path)
    inputs = load_inputs(path)
    store = store_of(inputs.study, inputs.folder)
    spaces = look_at_spaces(inputs, store)
    extract_features(inputs, spaces, study_grid(inputs, spaces), store, report)
    return store
