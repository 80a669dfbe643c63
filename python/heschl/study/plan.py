"""Before any work: how many fits, by which solver, how long, how much memory and disk; and whether that fits.

Time is estimated from trials on this machine: fits of the study's own shapes, with fewer frames where a whole one would
take long, and the extraction of one stimulus.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from heschl.checks import InputError
from heschl.features.store import FeatureStore
from heschl.files import replacing
from heschl.study.analyses.analysis import StageCost
from heschl.study.analyses.registry import wanted
from heschl.study.session import Session
from heschl.study.work.layout import RESULTS_TITLE, Layout
from heschl.study.work.machine import free_disk, free_memory
from heschl.study.work.progress import Reporter

TRIAL_BYTES = 64e6
"""Written to the disk to see how fast it is."""
OVERHEAD_BYTES = 600e6
"""Python, NumPy, torch and their libraries."""
RESULTS_COST = StageCost(RESULTS_TITLE, 1, 15.0, 200e6, 20e6, "about the same for every study")


@dataclass(frozen=True)
class Plan:
    """All stages of a study.

    Attributes
    ----------
    stages : tuple of StageCost
    free_memory, free_disk : float
        Bytes that this machine has to give.
    """

    stages: tuple[StageCost, ...]
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
    """Estimate what `run_study` will take; everything is checked, none of it is done.

    Parameters
    ----------
    path : str or Path
        The study.toml.
    out : str or Path, optional
        Where results would be written. What exists already (features, fits) counts as not done, but for features.
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
    session = Session(path, out, report)
    with session.report.stage("checking", 0):
        session.check()
        analyses = wanted(session.study)
        for analysis in analyses:
            analysis.check(session)
    costs: dict[str, StageCost] = {}
    with session.report.stage("trying this machine", len(session.sources) + len(analyses)) as advance:
        for name in session.sources:
            cost = _extraction(session, name)
            costs[cost.name] = cost
            advance(len(costs))
        for i, analysis in enumerate(analyses):
            costs |= {cost.name: cost for cost in analysis.costs(session, costs)}
            advance(len(session.sources) + i + 1)
    plan = Plan((*costs.values(), RESULTS_COST), free_memory(), free_disk(session.layout.out))
    _refuse(plan)
    with replacing(session.layout.plan) as temporary:
        temporary.write_text(json.dumps(asdict(plan)), encoding="utf-8")
    return plan


def compare_with_plan(layout: Layout, actual: Mapping[str, float]) -> list[str]:
    """Compare a run's seconds with the plan that was made for it; written to ``timing.json``.

    Parameters
    ----------
    layout : Layout
        The results folder.
    actual : mapping of stage to float
        s.

    Returns
    -------
    list of str
        A sentence, where there is a plan.
    """
    estimated = _estimates(layout.plan)
    rows = {name: {"seconds": seconds, "estimated": estimated.get(name)} for name, seconds in actual.items()}
    with replacing(layout.timing) as temporary:
        temporary.write_text(json.dumps(rows, indent=2), encoding="utf-8")
    both = [name for name in actual if name in estimated]
    if not both:
        return []
    total, expected = sum(actual[name] for name in both), sum(estimated[name] for name in both)
    return [f"took {total:.0f} s, estimated {expected:.0f} s: {total / max(expected, 1e-9):.2f} of it"]


def _estimates(path: Path) -> dict[str, float]:
    """Return the seconds of each stage in a plan; none where there is no plan, or none that can be read."""
    try:
        return {str(stage["name"]): float(stage["seconds"]) for stage in json.loads(path.read_bytes())["stages"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _extraction(session: Session, name: str) -> StageCost:
    """Time one stimulus of middle length, and writing it, and count the others by their lengths."""
    source, inputs, store = session.sources[name], session.inputs, session.store
    about, lengths = source.description, inputs.lengths
    total = sum(lengths.values())
    rows = total * about.grid.rate if about.grid else sum(len(s.words) + len(s.phones) for s in inputs.stimuli.values())
    disk = rows * about.width * len(about.layers) * (2 if about.dtype == "float16" else 4)
    stored = store.find(source.key)
    if stored is not None and stored.index():
        return StageCost(source.title, len(lengths), 0.0, 0.0, 0.0, "in the store, all or in part")
    space = session.spaces.take(name)
    middle = sorted(lengths, key=lambda stimulus: lengths[stimulus])[len(lengths) // 2]
    begin = time.perf_counter()
    blocks = list(next(iter(space.extract([inputs.stimuli[middle]], lengths))))
    seconds = time.perf_counter() - begin
    n_copies = int(min(len(lengths), 1 + TRIAL_BYTES // max(1, sum(block.nbytes for block in blocks))))
    folder = store.folder
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
    memory = 2 * disk / max(1, len(lengths)) + 1e8
    return StageCost(source.title, len(lengths), seconds, memory, disk, "timed on one stimulus")


def _refuse(plan: Plan) -> None:
    """Refuse a study that cannot fit."""
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
