"""The demo: simulate a cohort, study it by the very code of `heschl run`, and say whether the truth was found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from heschl.files import replacing
from heschl.study.results.dataset import open_results
from heschl.study.run import run_study
from heschl.study.simulate import simulate_cohort
from heschl.study.simulate.questions import Answer, ask
from heschl.study.simulate.truth import Check, Findings, compare_with_truth, judge
from heschl.study.simulate.worlds import WORLDS
from heschl.study.work.layout import Layout

if TYPE_CHECKING:
    from rich.console import Console

KINDS = ("envelope", "word", "context", "accent", "timbre", "unmodelled", "silent")
COUNTER_WORLDS = ("common_time_course", "word_types")
"""In which figures of the same kind come out, and are false."""
OTHERS = "Two other worlds, in which the usual figures come out and are false"
COUNTER_HEAD = ("world", "true in it", "asked", "the usual analysis", "found")
NOTE = "Simulated responses, random-weight models: what the tool can find, not what brains do."


def run_demo(out: Path, *, seed: int = 0, console: Console) -> bool:
    """Simulate, run, compare, and show.

    Parameters
    ----------
    out : Path
        A new or empty folder (or an earlier demo's): gets the cohort, its results, and ``demo.md``.
    seed : int
        Of the simulation.
    console : rich.console.Console
        Where progress and the table go.

    Returns
    -------
    bool
        Whether all planted truth was found.
    """
    out = Path(out)
    console.print(f"simulating a cohort in {out} ...", highlight=False, soft_wrap=True)
    study = simulate_cohort(out, seed=seed)
    results = run_study(study, console=console)
    findings = compare_with_truth(out, results)
    answers = {name: ask(WORLDS[name](seed)) for name in COUNTER_WORLDS}
    checks = [*judge(findings), _audit_check(results), *_counter_checks(answers)]
    _show(findings, checks, answers, console)
    report = out / "demo.md"
    with replacing(report) as temporary:
        temporary.write_text(_markdown(findings, checks, answers), encoding="utf-8")
    passed = all(check.passed for check in checks)
    verdict = "planted truth found" if passed else "PLANTED TRUTH MISSED"
    console.print(f"{verdict}; see {report} and {Layout(results).figures}", highlight=False, soft_wrap=True)
    return passed


def _audit_check(results: Path) -> Check:
    """Check that the study's own audit found nothing that leaks."""
    leaks = [each["what"] for each in json.loads(open_results(results).attrs["audit"]) if not each["clean"]]
    return Check("the audit: what leaks", "; ".join(leaks) or "nothing", "nothing", not leaks)


def _counter_checks(answers: dict[str, list[Answer]]) -> list[Check]:
    """Check that in worlds where nothing of the kind is true nothing is found."""
    return [
        Check(
            f"the world {name}: {answer.question}", f"{answer.found:.3f}", f"{answer.low:.2f} to {answer.high:.2f}",
            answer.passed,
        )
        for name, found in answers.items()
        for answer in found
    ]  # fmt: skip


def _cells(findings: Findings) -> tuple[list[str], list[list[str]]]:
    """Return the median R² of each kind in each space, with a 95 % bootstrap interval over electrodes, and shuffled."""
    from scipy.stats import bootstrap

    scores = findings.scores
    spaces = list(dict.fromkeys(scores["space"]))
    rows = []
    for kind in KINDS:
        row = [kind, str(int((scores["kind"] == kind).sum() / len(spaces)))]
        for space in spaces:
            cell = scores[(scores["kind"] == kind) & (scores["space"] == space)]
            interval = bootstrap(
                (cell["r2"].to_numpy(),), np.median, n_resamples=2000, method="percentile", rng=0, vectorized=True
            ).confidence_interval
            middle, shuffled = cell["r2"].median(), cell["r2_shuffled"].median()
            row.append(f"{middle:.3f} [{interval.low:.3f}, {interval.high:.3f}] ({shuffled:.3f})")
        row.append(f"{scores.loc[scores['kind'] == kind, 'ceiling'].median():.2f}")
        rows.append(row)
    return ["driven by", "n", *spaces, "ceiling"], rows


def _timing(findings: Findings) -> str:
    agreement = findings.agreement
    return (
        f"{agreement.electrode}, λ by 3 folds and fit, float64: heschl {agreement.seconds:.2f} s, scikit-learn on the "
        f"materialised design {agreement.seconds_scikit_learn:.2f} s: "
        f"{agreement.seconds_scikit_learn / agreement.seconds:.1f} times"
    )


CAPTION = (
    "R² on held-out sentences, best layer: median over electrodes [95 % bootstrap interval over electrodes] "
    "(with the sounds shuffled)"
)


def _show(findings: Findings, checks: list[Check], answers: dict[str, list[Answer]], console: Console) -> None:
    from rich.table import Table

    head, rows = _cells(findings)
    table = Table(title=NOTE, caption=CAPTION)
    for name in head:
        table.add_column(name)
    for row in rows:
        table.add_row(*(cell.replace("] (", "]\n(") for cell in row))
    console.print(table)
    table = Table()
    for name in ("planted truth", "found", "wanted", ""):
        table.add_column(name)
    for check in checks:
        table.add_row(check.what, check.found, check.wanted, "[green]yes[/]" if check.passed else "[bold red]NO[/]")
    console.print(table)
    table = Table(title=OTHERS)
    for name in COUNTER_HEAD:
        table.add_column(name)
    for row in _counter_rows(answers):
        table.add_row(*row)
    console.print(table)
    console.print(_timing(findings), highlight=False, soft_wrap=True)


def _counter_rows(answers: dict[str, list[Answer]]) -> list[list[str]]:
    return [
        [name.replace("_", " "), WORLDS[name](0).truth, answer.question, answer.misleading, f"{answer.found:.3f}"]
        for name, found in answers.items()
        for answer in found
    ]


def _markdown(findings: Findings, checks: list[Check], answers: dict[str, list[Answer]]) -> str:
    head, rows = _cells(findings)
    verdicts = [[check.what, check.found, check.wanted, "yes" if check.passed else "**no**"] for check in checks]
    latencies = [
        [f"{subject}/{electrode}", f"{1e3 * planted:.0f}", f"{1e3 * found:.0f}"]
        for subject, electrode, planted, found in zip(
            *(findings.latencies[name] for name in ("subject", "electrode", "planted", "found")), strict=True
        )
    ]
    parts = [
        "# heschl demo",
        NOTE,
        CAPTION + ".",
        _table(head, rows),
        _table(["planted truth", "found", "wanted", ""], verdicts),
        OTHERS + " (`heschl.study.simulate.worlds` has more):",
        _table(list(COUNTER_HEAD), _counter_rows(answers)),
        "Peak latency of the temporal response to the mel spectrum:",
        _table(["electrode", "planted, ms", "found, ms"], latencies),
        _timing(findings) + ".",
    ]
    return "\n\n".join(parts) + "\n"


def _table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *rows])
