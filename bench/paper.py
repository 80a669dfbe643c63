"""The paper at its own size: as much of the study as a time budget allows, and how long the rest would take.

python bench/paper.py                            # 599 sentences, 822 electrodes, 12 + 48 layers; a quarter of an hour
python bench/paper.py --budget 90                # a speech layer, too
python bench/paper.py --scale 1/4 --budget 10    # a part of the paper's size
python bench/paper.py --folder DIR               # a cohort of `heschl simulate --paper` that is there, or is to be kept

The very functions of `heschl run`: features from the store, `fit_layer` (nested cross-validation, λ on inner folds) for
all electrodes of all subjects at once, `cca_grid` for a pair of layers. Only complete layers count as measured: one of
each space first, from the narrowest on, then the others, as long as the next would end within the budget. A space of
which no layer was measured is extrapolated by the count of operations of the solver that it gets, at the rate of the
costliest layer that was. Where all layers were, and time is left, the whole study is run and its findings are judged.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cpuinfo
import numpy as np
from memory import Watch
from run import HERE, machine_name

from heschl.linear import Repeated
from heschl.linear.cca.costs import map_operations
from heschl.linear.cca.grid import cca_grid
from heschl.linear.cca.parts import level
from heschl.linear.crossval.nested import n_training_sets
from heschl.linear.ridge.size import FitSize
from heschl.linear.ridge.solvers import choose_solver
from heschl.study import open_results, run_study
from heschl.study.analyses.fits.encoding import fit_layer
from heschl.study.config.encoding import Encoding
from heschl.study.extraction.features import Features, expanded, spoken_rows
from heschl.study.inputs.groups import FitGroup
from heschl.study.session import Session
from heschl.study.simulate import simulate_paper
from heschl.study.simulate.paper_truth import judge_paper

STUDY_OVER_ENCODING = 4.0  # of the seconds of all layers, at most: encoding again, [shared], results
MEASURED, SCALED, COUNTED = "measured", "extrapolated from its own items", "extrapolated by operations"


@dataclass(frozen=True)
class Row:
    """A stage: how many items it has, how many were done, and seconds of one of them."""

    stage: str
    items: int
    done: int
    seconds: float
    how: str

    @property
    def total(self) -> float:
        """Seconds of all items."""
        return self.items * self.seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=Fraction, default=Fraction(1), help="part of the paper's size, such as 1/4")
    parser.add_argument("--budget", type=float, default=15.0, metavar="MINUTES", help="for encoding and correlations")
    parser.add_argument("--folder", type=Path, help="the cohort: made where it is not there, and kept")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary, Watch() as watch:
        rows, facts = measure(options.folder or Path(temporary) / "cohort", options.scale, 60 * options.budget)
    cpu = cpuinfo.get_cpu_info()
    machine = machine_name({"machine": cpu["arch"], "cpu": cpu})
    facts |= {"machine": machine, "scale": str(options.scale), "peak_bytes": watch.peak}
    part = "" if options.scale == 1 else f"-{options.scale}".replace("/", "-of-")
    kept = HERE / "results" / f"{machine}-paper{part}.json"
    kept.parent.mkdir(exist_ok=True)
    kept.write_text(
        json.dumps({**facts, "rows": [asdict(row) | {"total": row.total} for row in rows]}, indent=1) + "\n"
    )
    print(f"kept in {kept.relative_to(HERE.parent)}\n\n{table(rows, facts)}")
    return 0


def measure(folder: Path, scale: Fraction, budget: float) -> tuple[list[Row], dict[str, Any]]:
    """Do what the budget (s) allows."""
    rows: list[Row] = []
    path = folder / "study.toml"
    if not path.exists():
        _, seconds = timed(lambda: simulate_paper(folder, scale=scale))
        rows.append(Row("simulation (no part of the study)", 1, 1, seconds, MEASURED))
    session = Session(path)
    inputs, seconds = timed(lambda: session.inputs)
    rows.append(Row("inputs", 1, 1, seconds, MEASURED))
    store, grid = session.store, session.grid
    stored = {source.title for source in session.sources.values() if (s := store.find(source.key)) and s.index()}
    features = session.extracted().features
    rows += [Row(t, 1, 1, seconds, MEASURED) for t, seconds in session.report.seconds.items() if t not in stored]
    (group,), seconds = timed(lambda: session.groups)
    rows.append(Row("targets", 1, 1, seconds, MEASURED))
    encoding = session.study.encoding
    until = time.perf_counter() + budget
    shared = session.study.shared
    assert shared is not None, "a cohort of simulate_paper asks for it"
    a, b = features[shared.speech], features[shared.language]
    pair, seconds = timed(lambda: correlate(a, b, group))
    print(f"layers with layers, a pair: {seconds:.1f} s", flush=True)
    shapes = [(len(side.layers), side.description.width) for side in (a, b)]
    n, n_pairs = int(group.lengths.sum()), shapes[0][0] * shapes[1][0]
    seconds *= map_operations(shapes[0], shapes[1], n) / map_operations((1, shapes[0][1]), (1, shapes[1][1]), n)
    rows.append(Row("layers with layers, a pair", n_pairs, 1, seconds / n_pairs, f"{COUNTED}, from one pair"))
    work = {name: work_of(found, group, encoding, grid.rate) for name, found in features.items()}
    taken = encode(features, group, encoding, grid.rate, work, until)
    rows += encoding_rows(features, work, taken)
    complete = all(len(taken[name]) == len(found.layers) for name, found in features.items())
    findings = "not judged: not all layers were measured"
    if complete and time.perf_counter() + STUDY_OVER_ENCODING * sum(map(sum, taken.values())) < until:
        out, seconds = timed(lambda: run_study(path))
        rows.append(Row("the whole study, features in the store", 1, 1, seconds, MEASURED))
        checks = judge_paper(folder, open_results(out).load())
        missed = [check.what for check in checks if not check.passed]
        findings = f"{len(checks) - len(missed)} of {len(checks)} planted findings made{': not ' if missed else ''}"
        findings += "; ".join(missed)
    n_layers = sum(len(found.layers) for found in features.values())
    plain = {name: operations(replace(own, n_sets=encoding.folds)) / operations(own) for name, own in work.items()}
    plain_seconds = sum(
        len(found.layers) * expected(name, work, taken)[0] * plain[name] for name, found in features.items()
    )
    facts = {
        "sentences": len(group.stimuli), "frames": int(group.lengths.sum()), "electrodes": len(group.electrodes),
        "subjects": len(inputs.subjects), "layers": n_layers, "folds": encoding.folds,
        "alphas": len(encoding.alpha_grid()), "lags": len(encoding.lags(grid.rate)), "cross_validation": "nested",
        "canonical_correlations": pair, "layers_measured": sum(map(len, taken.values())),
        "plain_seconds": plain_seconds,
        "findings": findings,
    }  # fmt: skip
    return rows, facts


def encode(
    features: Mapping[str, Features],
    group: FitGroup,
    encoding: Encoding,
    rate: float,
    work: Mapping[str, FitSize],
    until: float,
) -> dict[str, list[float]]:
    """Fit layers until the time is up: seconds of each that was, by space."""
    taken: dict[str, list[float]] = {name: [] for name in features}
    cheap = sorted(features, key=lambda name: operations(work[name]))
    first = [(name, 0) for name in cheap]
    others = [(name, layer) for name in cheap for layer in range(1, len(features[name].layers))]
    for name, layer in [*first, *others]:
        seconds, _ = expected(name, work, taken)
        if time.perf_counter() + seconds > until:
            continue
        X, reading = timed(lambda name=name, layer=layer: features[name].layer(layer, group.segments))
        fit, fitting = timed(lambda X=X: fit_layer(X, group, encoding, rate))
        if not np.isfinite(fit.r2).all():
            raise RuntimeError(f"{name}/{layer}: scores that are not finite")
        taken[name].append(reading + fitting)
        print(f"{name}/{layer}: {reading + fitting:.1f} s, mean R² {fit.r2.mean():.3f}", flush=True)
    return taken


def work_of(found: Features, group: FitGroup, encoding: Encoding, rate: float) -> FitSize:
    """How large the nested fit of one layer is: K (K + 1) / 2 training sets."""
    X, k = found.layer(0, group.segments), encoding.folds
    n_products = float(len(X.counts)) if isinstance(X, Repeated) else float(len(X))
    return FitSize(
        len(X), n_products, X.shape[1], len(encoding.lags(rate)), group.targets.shape[1], len(encoding.alpha_grid()), k,
        len(group.segments), n_training_sets(k), encoding.standardize, 4,
    )  # fmt: skip


def operations(work: FitSize) -> float:
    """Of the solver that "auto" takes."""
    return choose_solver(work, "auto", None)[0].operations(work)


def expected(name: str, work: Mapping[str, FitSize], taken: Mapping[str, list[float]]) -> tuple[float, str]:
    """Seconds of one layer of a space, and by what."""
    if taken[name]:
        return float(np.mean(taken[name])), SCALED
    known = [other for other in taken if taken[other]]
    if not known:
        return 0.0, COUNTED
    costliest = max(known, key=lambda other: operations(work[other]))
    rate = operations(work[costliest]) / float(np.mean(taken[costliest]))
    return operations(work[name]) / rate, f"{COUNTED}, {rate / 1e9:.0f} G/s as {costliest}"


def encoding_rows(
    features: Mapping[str, Features], work: Mapping[str, FitSize], taken: Mapping[str, list[float]]
) -> list[Row]:
    """A row for each space."""
    rows = []
    for name, found in features.items():
        n = len(found.layers)
        seconds, how = expected(name, work, taken)
        solver = choose_solver(work[name], "auto", None)[0].name
        title = f"encoding {name}, a layer (p = {work[name].n_columns:,}, {solver})"
        rows.append(Row(title, n, len(taken[name]), seconds, MEASURED if len(taken[name]) == n else how))
    return rows


def correlate(a: Features, b: Features, group: FitGroup) -> list[float]:
    """Canonical correlations of one pair of layers, past the middle of each, over all words: the first five."""
    spoken, _ = spoken_rows(b, group)

    def loader(found: Features) -> Callable[[], Any]:
        def load() -> Any:
            values = found.layer(int(0.6 * len(found.layers)), group.segments)
            return level(expanded(values), spoken, None)

        return load

    found = cca_grid({"a": loader(a)}, {"b": loader(b)}, n_components=5)
    return [round(float(r), 4) for r in np.asarray(found).ravel()]


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """Give what a call gives, and the seconds it took."""
    begin = time.perf_counter()
    return call(), time.perf_counter() - begin


def table(rows: list[Row], facts: Mapping[str, Any]) -> str:
    """Give the rows in Markdown, and the whole."""
    lines = [
        f"{facts['machine']}, scale {facts['scale']}: {facts['subjects']} subjects, {facts['electrodes']} electrodes, "
        f"{facts['sentences']} sentences, {facts['frames']:,} frames, {facts['lags']} lags, {facts['folds']} folds "
        f"({facts['cross_validation']}), {facts['alphas']} λ; {facts['layers_measured']} of {facts['layers']} layers "
        f"measured; peak {facts['peak_bytes'] / 1e9:.1f} GB\n",
        "| stage | items | done | s an item | s in all | how |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    lines += [
        f"| {row.stage} | {row.items} | {row.done} | {row.seconds:,.1f} | {row.total:,.0f} | {row.how} |"
        for row in rows
    ]
    encoding = [row for row in rows if row.stage.startswith("encoding")]
    total = sum(row.total for row in encoding)
    done = sum(row.done * row.seconds for row in encoding)
    lines += [
        f"| **encoding, the whole grid** | {facts['layers']} | {facts['layers_measured']} | | **{total:,.0f}** | "
        f"{done / total:.0%} of it measured: {total / 3600:,.1f} hours |",
        f"| the same by plain cross-validation, {facts['folds']} training sets a layer | {facts['layers']} | 0 | | "
        f"{facts['plain_seconds']:,.0f} | {COUNTED}: {facts['plain_seconds'] / 3600:,.1f} hours |",
        f"\nFindings: {facts['findings']}. The parts of [shared], results and figures are in the table with the whole "
        "study alone. Peak memory: above libraries.",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
