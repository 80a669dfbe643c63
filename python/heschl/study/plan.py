"""Before any work: how many fits, by which solver, how long, how much memory and disk; and whether that fits.

Time is foretold from trials of this machine: fits of the study's own shapes, with fewer frames where a whole one would
take long, and the extraction of one stimulus.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from heschl.checks import InputError
from heschl.features.store import Description, FeatureStore
from heschl.files import replacing
from heschl.linear import Repeated, cca_grid, nested_cv
from heschl.linear.cca.costs import device_of_pairs, map_operations
from heschl.linear.ridge.size import FitSize
from heschl.linear.ridge.solvers import choose_solver, place
from heschl.study.config.study import Study
from heschl.study.extraction.features import look_at_spaces, study_grid
from heschl.study.extraction.spaces import open_space
from heschl.study.extraction.stored import store_of
from heschl.study.inputs.load import Inputs, load_inputs
from heschl.study.inputs.targets import FitGroup, fit_groups
from heschl.study.work.progress import Reporter

TRIAL_OPERATIONS = 4e10
"""Of one trial fit: about a second on two cores."""
TRIAL_BYTES = 64e6
"""Written to the disk to see how fast it is."""
OVERHEAD_BYTES = 600e6
"""Python, NumPy, torch and their libraries."""
NAME = "plan.json"


@dataclass(frozen=True)
class Stage:
    """What one stage will take.

    Attributes
    ----------
    name : str
        As the run says it.
    fits : int
        Layers × groups, or stimuli.
    seconds : float
    memory, disk : float
        Bytes: at the peak, above what is loaded at the start; left behind.
    how : str
        The solver, and why; or what is extracted.
    """

    name: str
    fits: int
    seconds: float
    memory: float
    disk: float
    how: str


@dataclass(frozen=True)
class Plan:
    """All stages of a study.

    Attributes
    ----------
    stages : tuple of Stage
    free_memory, free_disk : float
        Bytes that this machine has to give.
    """

    stages: tuple[Stage, ...]
    free_memory: float
    free_disk: float

    @property
    def seconds(self) -> float:
        """Of all stages."""
        return sum(stage.seconds for stage in self.stages)

    @property
    def memory(self) -> float:
        """At the peak of the stage that takes most, with Python and its libraries."""
        return OVERHEAD_BYTES + max((stage.memory for stage in self.stages), default=0.0)

    @property
    def disk(self) -> float:
        """Left behind by all stages."""
        return sum(stage.disk for stage in self.stages)


def plan_study(path: str | Path, out: str | Path | None = None, report: Reporter | None = None) -> Plan:
    """Foretell what `run_study` will take; everything is checked, nothing of it is done.

    Parameters
    ----------
    path : str or Path
        The study.toml.
    out : str or Path, optional
        Where results would be written. What is there already (features, fits) counts as not done, but for features.
    report : Reporter, optional

    Returns
    -------
    Plan
        Also written to ``plan.json`` under `out`: a run that ends there is compared with it.

    Raises
    ------
    InputError
        As `run_study`; and where the study cannot fit into memory or on the disk, with the settings that would help.
    """
    report = report or Reporter(None)
    out = Path(out) if out is not None else Path(path).resolve().parent / "results"
    with report.stage("looking", 0):
        inputs = load_inputs(path)
        store = store_of(inputs.study, inputs.folder, out)
        spaces = look_at_spaces(inputs, store)
        groups = fit_groups(inputs, study_grid(inputs, spaces))
    stages: list[Stage] = []
    with report.stage("trying this machine", 2.0 * len(spaces)) as advance:
        for i, (name, (key, about)) in enumerate(spaces.items()):
            known = store.find(key)
            there = known is not None and len(known.index()) > 0
            stages.append(_extraction(name, inputs, about, there, store.folder))
            advance(2 * i + 1)
        rate = study_grid(inputs, spaces).rate
        for i, (name, (_, about)) in enumerate(spaces.items()):
            stages.append(_encoding(name, inputs, about, groups, rate))
            advance(len(spaces) + i + 1)
    if inputs.study.shared is not None:
        stages.append(_shared(inputs.study, stages, spaces))
        if inputs.study.shared.layer_map:
            stages.append(_layer_map(inputs.study, groups[0], spaces))
    stages.append(Stage("results, tables, summary, figures", 1, 15.0, 200e6, 20e6, "about the same for every study"))
    found = Plan(tuple(stages), _free_memory(), _free_disk(out))
    _refuse(found, inputs.study)
    with replacing(out / NAME) as temporary:
        temporary.write_text(json.dumps(asdict(found)), encoding="utf-8")
    return found


def compare_with_plan(out: Path, actual: dict[str, float]) -> list[str]:
    """Hold a run's seconds against the plan that was made for it; written to ``timing.json``.

    Parameters
    ----------
    out : Path
        The results folder.
    actual : mapping of stage to float
        s. Stages that found their work done already say nothing, and are left out.

    Returns
    -------
    list of str
        A sentence, where there is a plan.
    """
    path = out / NAME
    foretold = {}
    if path.exists():
        foretold = {stage["name"]: stage["seconds"] for stage in json.loads(path.read_text())["stages"]}
    rows = {name: {"seconds": seconds, "foretold": foretold.get(name)} for name, seconds in actual.items()}
    with replacing(out / "timing.json") as temporary:
        temporary.write_text(json.dumps(rows, indent=2), encoding="utf-8")
    both = [name for name in actual if name in foretold]
    if not both:
        return []
    total, said = sum(actual[name] for name in both), sum(foretold[name] for name in both)
    return [f"took {total:.0f} s, foretold {said:.0f} s: {total / max(said, 1e-9):.2f} of it"]


def _extraction(name: str, inputs: Inputs, about: Description, there: bool, folder: Path) -> Stage:
    """Time one stimulus of middle length, and writing it, and count the others by their lengths."""
    lengths = inputs.lengths
    total = sum(lengths.values())
    rows = total * about.grid.rate if about.grid else sum(len(s.words) + len(s.phones) for s in inputs.stimuli.values())
    disk = rows * about.width * len(about.layers) * (2 if inputs.study.store.dtype == "float16" else 4)
    title = f"features {name} ({len(about.layers)} layer{'s' * (len(about.layers) > 1)} × {about.width})"
    if there:
        return Stage(title, len(lengths), 0.0, 0.0, 0.0, "in the store, all or in part")
    space = open_space(name, inputs)
    middle = sorted(lengths, key=lambda stimulus: lengths[stimulus])[len(lengths) // 2]
    begin = time.perf_counter()
    blocks = list(next(iter(space.extract([inputs.stimuli[middle]], lengths))))
    seconds = time.perf_counter() - begin
    n_copies = int(min(len(lengths), 1 + TRIAL_BYTES // max(1, sum(block.nbytes for block in blocks))))
    while not folder.exists():
        folder = folder.parent
    with tempfile.TemporaryDirectory(dir=folder, prefix=".trial-") as trial:
        features = FeatureStore(trial).create("trial", about)
        begin = time.perf_counter()
        with features.writing() as writer:
            for copy in range(n_copies):
                writer.add(str(copy), blocks)
        seconds += (time.perf_counter() - begin) / n_copies
    seconds *= total / lengths[middle]
    return Stage(title, len(lengths), seconds, 2 * disk / max(1, len(lengths)) + 1e8, disk, "timed on one stimulus")


def _encoding(name: str, inputs: Inputs, about: Description, groups: Sequence[FitGroup], rate: float) -> Stage:
    settings = inputs.study.encoding
    n_lags, alphas = len(settings.lags(rate)), settings.alpha_grid()
    placement = inputs.study.features[name].placement
    spoken = placement is not None and placement.at == "word"
    seconds, memory, solvers = 0.0, 0.0, set()
    for group in groups:
        n, c = int(group.lengths.sum()), group.targets.shape[1]
        runs = float(2 * sum(len(inputs.stimuli[s].words) for s, _ in group.segments) + 1) if spoken else float(n)
        folds = settings.folds
        work = FitSize(
            n, min(runs, n), about.width, n_lags, c, len(alphas), folds, len(group.segments), folds * (folds + 1) // 2,
            settings.standardize, 4,
        )  # fmt: skip
        work = replace(work, device=place(settings.device, work, "auto"))
        method, block = choose_solver(work, "auto", None)
        solvers.add(method.name)
        operations = method.operations(work)
        fit = method.n_bytes(replace(work, n_targets=block)) if work.device == "cpu" else 0.0
        memory = max(memory, fit + 4.0 * n * (2 * about.width + 4 * c))
        share = min(1.0, TRIAL_OPERATIONS / operations)
        seconds += _trial(group, about.width, n_lags, alphas, settings.standardize, spoken, share, work.device)
    n_fits = len(about.layers) * len(groups)
    disk = n_fits * groups[0].targets.shape[1] * (8.0 * len(groups[0].stimuli) + 40 * settings.folds)
    how = f"{' and '.join(sorted(solvers))}: fewest operations by count"
    return Stage(f"encoding {name}", n_fits, seconds * len(about.layers), memory, disk, how)


def _trial(
    group: FitGroup,
    width: int,
    n_lags: int,
    alphas: np.ndarray,
    standardize: bool,
    spoken: bool,
    share: float,
    device: str,
) -> float:
    """Seconds of one fit of noise: of the study's shape, with fewer targets and λ where a whole one would take long."""
    n_targets = max(1, round(group.targets.shape[1] * min(1.0, 2 * share)))
    n_alphas = max(1, round(len(alphas) * min(1.0, 2 * share)))
    # What is cut from targets and λ need not be cut from features, down to the share asked for.
    done = (n_targets / group.targets.shape[1] + n_alphas / len(alphas)) / 2
    columns = max(1, round(width * min(1.0, np.sqrt(share / max(done, share)))))
    rng = np.random.default_rng(0)
    n = int(group.lengths.sum())
    X: np.ndarray | Repeated = rng.standard_normal((n, columns), dtype=np.float32)
    if spoken:
        counts = np.full(max(1, n // 10), 10, dtype=np.int64)
        counts[-1] += n - counts.sum()
        X = Repeated(rng.standard_normal((len(counts), columns), dtype=np.float32), counts)
    begin = time.perf_counter()
    nested_cv(
        X, rng.standard_normal((n, n_targets), dtype=np.float32), segments=group.lengths, folds=group.folds,
        lags=range(n_lags), alphas=alphas[:n_alphas], standardize=standardize, device=device,
    )  # fmt: skip
    took = time.perf_counter() - begin
    # What was timed against what was asked for, by the leading terms: columns squared, λ, targets.
    shrunk = (columns / width) ** 2 * (n_alphas / len(alphas) + n_targets / group.targets.shape[1]) / 2
    return took / float(max(shrunk, 1e-12))


def _shared(study: Study, stages: Sequence[Stage], spaces: dict[str, tuple[str, Description]]) -> Stage:
    """Each part is fitted anew in each outer fold: as a layer, 5 thirds as often for 5 folds."""
    shared, k = study.shared, study.encoding.folds
    assert shared is not None, "asked for"
    seconds = memory = 0.0
    for name in (shared.speech, shared.language):
        own = next(stage for stage in stages if stage.name == f"encoding {name}")
        one = own.seconds / max(1, own.fits)
        seconds += one * (3 + len(shared.sweep) * 0.3) * k * k / (k * (k + 1) / 2)
        memory = max(memory, own.memory + 8.0 * spaces[name][1].width ** 2 * 3)
    if shared.acoustic:
        own = next(stage for stage in stages if stage.name == f"encoding {shared.acoustic}")
        seconds += own.seconds * 2
    return Stage(
        f"shared by {shared.speech} and {shared.language}", 8 + 2 * len(shared.sweep), seconds, memory, 1e6,
        "as the layers that it splits",
    )  # fmt: skip


def _layer_map(study: Study, group: FitGroup, spaces: dict[str, tuple[str, Description]]) -> Stage:
    """Time one pair of layers of noise, of fewer rows than the study's where these are many."""
    shared = study.shared
    assert shared is not None, "asked for"
    a, b = (spaces[name][1] for name in (shared.speech, shared.language))
    n = int(group.lengths.sum())
    m = min(n, 4 * max(a.width, b.width))
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal((m, side.width)) for side in (a, b))
    shapes = (len(a.layers), a.width), (len(b.layers), b.width)
    device = device_of_pairs(study.encoding.device, *shapes, n)
    took = 0.0
    for _ in range(2):  # the first one loads libraries
        begin = time.perf_counter()
        cca_grid({"0": x}, {"0": y}, n_components=min(shared.n_components, a.width, b.width), device=device)
        took = time.perf_counter() - begin
    seconds = took * map_operations(*shapes, n) / map_operations((1, a.width), (1, b.width), m)
    memory = 8.0 * n * (len(a.layers) * a.width + 3 * b.width)
    return Stage("layers with layers", len(a.layers) * len(b.layers), seconds, memory, 1e6, "timed on one pair")


def _refuse(plan: Plan, study: Study) -> None:
    worst = max(plan.stages, key=lambda stage: stage.memory)
    if plan.memory > plan.free_memory:
        raise InputError(
            f"memory for {worst.name}", f"{plan.memory / 1e9:.1f} GB",
            f"{plan.free_memory / 1e9:.1f} GB, which is free here",
            "Fewer lags (encoding.tmax), a model of fewer units, or a machine with more memory.",
        )  # fmt: skip
    if plan.disk > plan.free_disk:
        raise InputError(
            "disk", f"{plan.disk / 1e9:.1f} GB", f"{plan.free_disk / 1e9:.1f} GB, which is free there",
            "store.dtype = 'float16' halves the features; store.folder puts them elsewhere.",
        )  # fmt: skip


def _free_memory() -> float:
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return float(line.split()[1]) * 1024
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def _free_disk(folder: Path) -> float:
    import shutil

    while not folder.exists():
        folder = folder.parent
    return float(shutil.disk_usage(folder).free)
