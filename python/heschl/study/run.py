"""A study from its study.toml to its results: the stages, in order."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from heschl.files import only_writer
from heschl.study.audit import audit
from heschl.study.cache import Cache
from heschl.study.ceilings import add_electrodes, maximum_over_layers
from heschl.study.encoding import fit_encoding, most_chosen
from heschl.study.extraction import extract_features, look_at_spaces, study_grid
from heschl.study.figures import write_figures
from heschl.study.inputs import load_inputs
from heschl.study.plan import compare_with_plan
from heschl.study.progress import Reporter
from heschl.study.report import write_report
from heschl.study.results import build_results, open_results, write_results
from heschl.study.shared import fit_shared, layer_map
from heschl.study.shared_results import add_shared, shared_table
from heschl.study.stored import store_of
from heschl.study.summary import write_summary
from heschl.study.tables import best_table, layer_table, write_table
from heschl.study.targets import fit_groups
from heschl.study.word_lags import add_word_lags, fit_word_lags

if TYPE_CHECKING:
    from rich.console import Console


def run_study(path: str | Path, out: str | Path | None = None, *, console: Console | None = None) -> Path:
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
    console : rich.console.Console, optional
        Where to show progress; nothing is shown without one.

    Returns
    -------
    Path
        The folder with ``results.zarr`` (see `heschl.study.open_results`), ``scores.csv`` (electrode ×
        layer), ``best_layers.csv`` (electrode × space), with [shared] ``shared.csv`` (electrode × part),
        ``summary.md`` and ``figures``.

    Raises
    ------
    InputError
        For any bad input; nothing has been written then.
    """
    from heschl.study.contrasts import contrast_table, with_statistics

    report = Reporter(console)
    out = Path(out) if out is not None else Path(path).resolve().parent / "results"
    cache = Cache(out / "cache")
    with report.stage("inputs", 0):
        inputs = load_inputs(path)
        store = store_of(inputs.study, inputs.folder, out)
        spaces = look_at_spaces(inputs, store)
        grid = study_grid(inputs, spaces)
        groups = fit_groups(inputs, grid)
    with only_writer(out):
        features = extract_features(inputs, spaces, grid, store, report)
        fits = fit_encoding(groups, features, inputs.study.encoding, grid.rate, cache, report)
        settings = inputs.study.shared
        shared = layers = None
        if settings is not None:
            shared = fit_shared(fits, features, settings, inputs.study.encoding, cache, report)
            if settings.layer_map:
                layers = layer_map(fits[0].group, features, settings, cache, report)
        at_words = inputs.study.word_lags
        if at_words is not None:
            layers_of = [most_chosen(fit, features) for fit in fits]
            words = fit_word_lags(
                groups, features, layers_of, at_words, inputs.study.encoding, grid.rate, cache, report
            )  # fmt: skip
        with report.stage("results, tables, summary, figures", 0):
            built = add_electrodes(build_results(inputs, grid, features, fits), inputs, groups)
            built = with_statistics(maximum_over_layers(built), inputs.study.seed)
            if at_words is not None:
                built = add_word_lags(built, words, at_words)
            findings = audit(inputs, groups)
            built.attrs["audit"] = json.dumps([asdict(finding) for finding in findings])
            if settings is not None and shared is not None:
                built = add_shared(built, shared, settings, features, layers)
            write_results(built, out / "results.zarr")
            results = open_results(out).load()
            write_table(layer_table(results), out / "scores.csv")
            write_table(best_table(results), out / "best_layers.csv")
            write_table(contrast_table(results, seed=inputs.study.seed), out / "contrasts.csv")
            if shared is not None:
                write_table(shared_table(results), out / "shared.csv")
            write_summary(results, out / "summary.md")
            write_figures(results, out / "figures")
            write_report(results, out)
        for line in [*map(str, findings), *compare_with_plan(out, report.seconds)]:
            report.say(line)
    return out
