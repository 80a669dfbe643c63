"""The commands ``heschl run``, ``heschl check``, ``heschl demo`` and others.

What a command needs is imported when it runs, so that ``heschl --help`` is quick.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from heschl.checks import InputError
from heschl.console import BAD_INPUT, SHELL, plainly

app = typer.Typer(
    name="heschl",
    help=(
        "Encoding models of human auditory cortex: how much of the activity of ECoG / iEEG electrodes the "
        "hidden states of speech and language models predict.\n\n"
        "To see it work, without any data of your own: `heschl demo --out demo`\n\n"
        "To start a study: `heschl init` writes a commented `study.toml`; `heschl simulate --out cohort` writes "
        "simulated "
        "sounds, words, responses and models with theirs, to look at. Then `heschl check`, `heschl plan` and `heschl "
        "run`."
    ),
    rich_markup_mode="markdown",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(asked: bool) -> None:
    if asked:
        from heschl import __version__

        typer.echo(f"heschl {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Say which version this is.", callback=_version, is_eager=True)
    ] = False,
    traceback: Annotated[bool, typer.Option("--traceback", help="Show where in the code an error arose.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print errors alone.")] = False,
) -> None:
    SHELL.traceback, SHELL.quiet = traceback, quiet


@app.command()
def run(
    study: Annotated[Path, typer.Argument(help="The study.toml: stimuli, responses, feature spaces, encoding.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Where to write.", show_default="the folder 'results' beside the study.toml"),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only list what is done already, and what is left.")
    ] = False,
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="Do only this stage (features, encoding, exchange, time_course, ceilings, joint, shared, components, "
            "commonality, layer_map, published, words, audit) or space; may be given again. No results are written.",
            show_default="everything",
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            help="Processes to share the work among; pays where fits are many and small.",
            show_default='1; with device = "cuda" in [encoding] one for each GPU',
            min=1,
        ),
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(
            help="Do the work on a cluster: a scheduler's address, local[:N] for N processes here, or the .toml of a "
            "batch system (`heschl cluster --example slurm`).",
            show_default="here",
        ),
    ] = None,
) -> None:
    """Run a study: extract features, fit, score, and draw.

    All inputs are checked before any work. Finished work is kept in OUT/cache: after an interruption, or with
    other settings, the same command does only what is missing. The same command in several terminals, or in the tasks
    of an array job on a shared file system, shares the work out.

    Writes OUT/report.html (open this first), summary.md, scores.csv, best_layers.csv, contrasts.csv, figures/*.png and
    *.pdf, and results.zarr, which `heschl.open_results` opens as a labelled dataset.
    """
    with plainly() as console:
        from heschl.study import run_study
        from heschl.study.work.layout import Layout

        if dry_run:
            from heschl.study.manifest import manifest

            for item in manifest(study, out):
                lines = [str(item)]
                lines += [f"    {word}: {', '.join(names)}" for word, names in item.listed() if names]
                console.print(escape("\n".join(lines)), highlight=False, soft_wrap=True)
            return
        folder = run_study(study, out, only=only or (), jobs=jobs, dask=dask, console=console)
        if only:
            return
        console.print(
            f"results in {escape(str(folder))}; begin with {escape(str(Layout(folder).report))}",
            highlight=False,
            soft_wrap=True,
        )


@app.command()
def init(
    study: Annotated[Path, typer.Argument(help="Where to write; nothing is overwritten.")] = Path("study.toml"),
) -> None:
    """Write a commented study.toml to start from: every section, with what it means and its defaults."""
    with plainly() as console:
        from heschl.study.config.template import write_template

        console.print(f"wrote {escape(str(write_template(study)))}", highlight=False, soft_wrap=True)


@app.command()
def plan(
    study: Annotated[Path, typer.Argument(help="The study.toml.")],
    out: Annotated[Path | None, typer.Option(help="Where `heschl run` would write.")] = None,
    dask: Annotated[
        bool, typer.Option("--dask", help="Also say how the work would spread over the workers of a cluster.")
    ] = False,
) -> None:
    """Estimate what a run will take before any of it is done: fits, time, memory, disk, and the solver of each stage.

    Tries this machine for some seconds. A study that cannot fit is refused, with the settings that would help. A run
    in the same folder is compared with its plan when it ends.
    """
    with plainly() as console:
        from rich.table import Table

        from heschl.study.plan import plan_study
        from heschl.study.work.progress import Reporter

        found = plan_study(study, out, Reporter(console))
        heads = ("stage", "fits", "time", "memory", "disk", "how")
        rows = [
            (stage.name, str(stage.fits), f"{stage.seconds:,.0f} s", f"{stage.memory / 1e6:,.0f} MB",
             f"{stage.disk / 1e6:,.0f} MB", stage.how)
            for stage in found.stages
        ]  # fmt: skip
        if console.is_terminal:
            table = Table()
            for head in heads:
                table.add_column(head, justify="left" if head in ("stage", "how") else "right")
            for row in rows:
                table.add_row(*row)
            console.print(table)
        else:  # for a program or a log: a line for each stage, tabs between
            for row in (heads, *rows):
                console.print(escape("\t".join(row)), highlight=False, soft_wrap=True)
        text = (
            f"in all {found.seconds / 60:,.1f} minutes; at most {found.memory / 1e9:.1f} GB of memory "
            f"({found.free_memory / 1e9:.1f} free), {found.disk / 1e9:.2f} GB on disk "
            f"({found.free_disk / 1e9:.0f} free)"
        )
        console.print(text, highlight=False, soft_wrap=True)
        if found.knobs:
            console.print("what would save much of it:")
        for knob in found.knobs:
            console.print(f"  {escape(knob)}", highlight=False, soft_wrap=True)
        if dask:
            from heschl.study.cluster.spread import spread_study

            table = Table(title="over the workers of a cluster, each as fast as this machine")
            for head in ("workers", "time", "efficiency", "bounded by"):
                table.add_column(head, justify="left" if head == "bounded by" else "right")
            for each in spread_study(study, out, found.stages):
                time = f"{each.seconds / 60:,.1f} min"
                table.add_row(str(each.n_workers), time, f"{each.efficiency:.0%}", each.bound)
            console.print(table)


@app.command()
def cluster(
    example: Annotated[str, typer.Option(help="slurm, pbs, sge or lsf.")],
    out: Annotated[Path, typer.Option(help="Where to write; nothing is overwritten.")] = Path("cluster.toml"),
) -> None:
    """Write a commented cluster.toml, for `heschl run study.toml --dask cluster.toml` on a batch system."""
    with plainly() as console:
        from heschl.study.cluster.config import write_example

        console.print(f"wrote {escape(str(write_example(example, out)))}", highlight=False, soft_wrap=True)


@app.command()
def figures(
    results: Annotated[Path, typer.Argument(help="The folder that `heschl run` wrote.")],
) -> None:
    """Draw a study's figures and its report again, from the results alone: nothing is fitted."""
    with plainly() as console:
        from heschl.study.report.figures import write_figures
        from heschl.study.report.html import write_report
        from heschl.study.results.dataset import open_results
        from heschl.study.work.layout import Layout

        found = open_results(results)
        layout = Layout(results.parent if results.suffix == ".zarr" else results)
        paths = write_figures(found, layout.figures)
        report = write_report(found, layout)
        text = f"{len(paths)} files in {layout.figures}; report in {report}"
        console.print(escape(text), highlight=False, soft_wrap=True)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Where to write: the cohort, its results and the table.")],
    seed: Annotated[int, typer.Option(help="Seed of the simulation.")] = 0,
) -> None:
    """Simulate a cohort of known truth, run the study on it, and say whether the truth was found.

    Simulated responses and models with random weights: it shows that the tool works, not how brains do. Needs
    no download and about four minutes. The exit code is 1 where planted truth was missed.
    """
    with plainly() as console:
        from heschl.study.demo import run_demo

        found = run_demo(out, seed=seed, console=console)
    if not found:
        raise typer.Exit(1)


@app.command()
def simulate(
    out: Annotated[Path, typer.Option(help="Where to write: sounds, words, responses, models, study.toml.")],
    seed: Annotated[int, typer.Option(help="Seed of the simulation.")] = 0,
    paper: Annotated[
        bool, typer.Option("--paper", help="The paper at its own size: 16 subjects, 4,388 electrodes, 599 sentences.")
    ] = False,
    scale: Annotated[
        str | None, typer.Option(help="With --paper: so much of its size, as 0.05 or 1/20.", show_default="1")
    ] = None,
) -> None:
    """Write the demo's simulated cohort as files, with the study.toml that runs it.

    A place to start from: every kind of input file is there to look at. With --paper, a cohort in which the findings of
    the paper are true, of the paper's size (5 GB, minutes) or a part of it.
    """
    with plainly() as console:
        if scale is not None and not paper:
            raise InputError("--scale", "no --paper", "both, or neither", "The demo's cohort has one size.")
        if paper:
            from heschl.study.simulate import simulate_paper

            study = simulate_paper(out, seed=seed, scale=_fraction(scale or "1"))
        else:
            from heschl.study.simulate import simulate_cohort

            study = simulate_cohort(out, seed=seed)
        console.print(f"next: heschl run {escape(str(study))}", highlight=False, soft_wrap=True)


def _fraction(text: str) -> Fraction:
    """Read a number such as 0.05 or 1/20."""
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise InputError("--scale", repr(text), "a number such as 0.05 or 1/20") from None


@app.command()
def check(study: Annotated[Path, typer.Argument(help="The study.toml.")]) -> None:
    """Check all that a study.toml names, without any work: one list of errors, warnings and notes, with what to change.

    Settings in other units, words in ms or samples, responses that do not fit their sounds, names without a sound,
    models that are none or of another kind, arrays of another length, more components than rows. No model is loaded
    and nothing is asked of the Hub. The exit code is 2 where there is an error.
    """
    with plainly() as console:
        from heschl.study.check import check_study

        found = check_study(study)
        for problem in found.problems:
            console.print(escape(str(problem)), highlight=False, soft_wrap=True)
        console.print(found.verdict, highlight=False, soft_wrap=True)
    if found.count("error"):
        raise typer.Exit(BAD_INPUT)


features = typer.Typer(
    help=(
        "The features of a study on disk: extract them ahead of a run, list them with every choice that was made, "
        "delete what is no longer needed.\n\n"
        "They lie in the folder that `[store] folder` of the study.toml names, or with the results, and are found "
        "again by the content of model, sound and text: a study never extracts the same twice."
    ),
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
app.add_typer(features, name="features")

Where = Annotated[Path, typer.Argument(help="A study.toml, a folder of results, or a feature store's own folder.")]


@features.command("extract")
def extract_features(study: Annotated[Path, typer.Argument(help="The study.toml.")]) -> None:
    """Extract all features of a study that its store does not hold yet."""
    with plainly() as console:
        from heschl.study.run import extract_study
        from heschl.study.work.progress import Reporter

        store = extract_study(study, Reporter(console))
        console.print(f"features in {escape(str(store.folder))}", highlight=False, soft_wrap=True)


@features.command("list")
def list_features(where: Where) -> None:
    """List the feature sets of a store: key, layers, stimuli, size, age, and every choice behind them."""
    with plainly() as console:
        from heschl.study.extraction.inventory import describe, find_store

        store = find_store(where)
        sets = store.sets()
        for found in sets:
            line, choices = describe(found)
            text = "\n    ".join([line, *choices])
            console.print(escape(text), highlight=False, soft_wrap=True)
        total = sum(found.n_bytes() for found in sets) / 1e6
        text = f"{len(sets)} sets, {total:.1f} MB in {store.folder}"
        console.print(escape(text), highlight=False, soft_wrap=True)


@features.command("prune")
def prune_features(
    where: Where,
    keys: Annotated[list[str] | None, typer.Argument(help="Keys, or the first letters of them.")] = None,
    keep: Annotated[list[Path] | None, typer.Option(help="Delete what this study.toml does not use.")] = None,
    older_than: Annotated[float | None, typer.Option(help="Only what was begun so many days ago.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete; without it, only say what would go.")] = False,
) -> None:
    """Delete feature sets: by key, by age, or all that a study does not use."""
    with plainly() as console:
        from heschl.study.extraction.inventory import describe, find_store, removable

        store = find_store(where)
        for found in removable(store, keys=keys or (), keep=keep or (), older_than=older_than):
            line = describe(found)[0]
            if yes:
                store.remove(found.key)
            word = "deleted" if yes else "would delete"
            console.print(f"{word} {escape(line)}", highlight=False, soft_wrap=True)


ecog = typer.Typer(
    help="Raw recordings: from EDF, BrainVision, FIF, NWB, MATLAB or NumPy files to the responses that a study reads.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
app.add_typer(ecog, name="ecog")


@ecog.command("prepare")
def prepare_recording(recording: Annotated[Path, typer.Argument(help="The recording.toml.")]) -> None:
    """Prepare one recording: cleaning, high gamma, onsets, trials, choice of electrodes, noise ceilings.

    A recording.toml names the `subject`, the `file`, where to write (`out`, a .zarr) and, if the file has none,
    `events` (onset, duration, stimulus) and `electrodes`; with `audio` and `sounds` onsets are found in the recorded
    sound, with [trigger] in a trigger channel. [clean], [high_gamma], [epochs] and [select] have sound defaults.
    `heschl ecog simulate` writes a recording and a recording.toml to start from.

    Writes OUT.zarr, which [responses.subjects] of a study.toml takes as it is, and a report, OUT.md and OUT.png.
    """
    with plainly() as console:
        from heschl.study.prepare.recording import prepare
        from heschl.study.work.progress import Reporter

        out = prepare(recording, Reporter(console))
        console.print(
            f"responses in {escape(str(out))}, report in {escape(str(out.with_suffix('.md')))}", soft_wrap=True
        )


@ecog.command("simulate")
def simulate_recording(
    out: Annotated[Path, typer.Option(help="A new folder.")],
    format: Annotated[str, typer.Option(help="bids, nwb, edf, fif, npz or mat.")] = "bids",
    seed: Annotated[int, typer.Option(help="Everything follows from it.")] = 0,
) -> None:
    """Write a raw recording of known truth (sounds, channels, clock drift, bad electrodes) and its recording.toml."""
    with plainly() as console:
        from heschl.study.simulate.recording import simulate_raw

        path = simulate_raw(out, format=format, seed=seed)
        console.print(f"now: heschl ecog prepare {escape(str(path))}", highlight=False, soft_wrap=True)
