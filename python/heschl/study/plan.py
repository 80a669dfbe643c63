"""Before any work: how many fits, by which solver, how long, how much memory and disk; and whether that fits.

Time is estimated from trials on this machine: fits of the study's own shapes, with fewer frames where a whole one would
take long, and the extraction of one stimulus.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from heschl.checks import InputError
from heschl.features.store import FeatureStore
from heschl.files import digest, replacing
from heschl.study.analyses.analysis import Analysis, StageCost
from heschl.study.analyses.registry import wanted
from heschl.study.config.study import Study
from heschl.study.savings import savings
from heschl.study.session import Session
from heschl.study.work.layout import RESULTS_TITLE, Layout
from heschl.study.work.machine import free_disk, free_memory
from heschl.study.work.progress import Reporter

LONG_TRIAL_S = 3.0
"""An extraction that takes longer is not timed again."""
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
    study : str
        Hash of the settings that it is a plan of.
    knobs : tuple of str
        Settings that would save much of the time.
    """

    stages: tuple[StageCost, ...]
    free_memory: float
    free_disk: float
    study: str = ""
    knobs: tuple[str, ...] = ()

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
        Where results would be written. Features and fits that exist already take no time.
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
        for analysis in wanted(session.study):
            analysis.check(session)
    plan = estimate(session)
    _refuse(plan)
    try:
        with replacing(session.layout.plan) as temporary:
            temporary.write_text(json.dumps(asdict(plan)), encoding="utf-8")
    except InputError as error:
        session.report.say(f"the plan is not kept, a run cannot be compared with it: {error.argument}: {error.found}")
    return plan


def estimate(session: Session) -> Plan:
    """Estimate what every stage of a study that is checked will take, by trials on this machine."""
    analyses = wanted(session.study)
    costs: dict[str, StageCost] = {}
    with session.report.stage("trying this machine", len(session.sources) + len(analyses)) as advance:
        whose: dict[str, str] = {}
        for name, source in session.sources.items():
            cost = _extraction(session, name, whose.setdefault(source.key, name))
            costs[cost.name] = cost
            advance(len(costs))
        for i, analysis in enumerate(analyses):
            costs |= {cost.name: cost for cost in analysis.costs(session, costs)}
            advance(len(session.sources) + i + 1)
    stages = (*_left(session, analyses, costs).values(), RESULTS_COST)
    knobs = savings(session.study, {name: source.description for name, source in session.sources.items()}, stages)
    return Plan(stages, free_memory(), free_disk(session.layout.out), study_key(session.study), knobs)


def read_plan(layout: Layout, study: Study) -> dict[str, StageCost]:
    """Return the cost of each stage in the plan of a study with these settings; none where there is no such plan."""
    try:
        plan = json.loads(layout.plan.read_bytes())
        return {stage["name"]: StageCost(**stage) for stage in plan["stages"] if plan["study"] == study_key(study)}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def study_key(study: Study) -> str:
    """Hash the settings that a plan is of."""
    return digest(study.model_dump(mode="json"))


def _left(session: Session, analyses: Sequence[Analysis], costs: Mapping[str, StageCost]) -> dict[str, StageCost]:
    """Return the costs of what is not done yet."""
    out = dict(costs)
    for analysis in analyses:
        for stage in analysis.stages(session):
            done = sum(session.cache.has(piece) for piece in stage.pieces)
            if done and stage.title in out:
                cost, share = out[stage.title], 1 - done / len(stage.pieces)
                how = f"{done} of {len(stage.pieces)} pieces are done; {cost.how}"
                out[stage.title] = replace(cost, seconds=share * cost.seconds, disk=share * cost.disk, how=how)
    return out


def compare_with_plan(layout: Layout, actual: Mapping[str, float], study: Study | None = None) -> list[str]:
    """Compare a run's seconds with the plan that was made for it; written to ``timing.json``.

    Parameters
    ----------
    layout : Layout
        The results folder.
    actual : mapping of stage to float
        s.
    study : Study, optional
        The settings: a plan of others is not compared with.

    Returns
    -------
    list of str
        A sentence, where there is a plan.
    """
    estimated, of = _estimates(layout.plan)
    edited = bool(estimated) and study is not None and of != study_key(study)
    if edited:
        estimated = {}
    rows = {name: {"seconds": seconds, "estimated": estimated.get(name)} for name, seconds in actual.items()}
    with replacing(layout.timing) as temporary:
        temporary.write_text(json.dumps(rows, indent=2), encoding="utf-8")
    both = [name for name in actual if name in estimated]
    if edited:
        return ["the study was edited since it was planned: the plan is not compared with"]
    if not both:
        return []
    total, expected = sum(actual[name] for name in both), sum(estimated[name] for name in both)
    return [f"took {total:.0f} s, estimated {expected:.0f} s: {total / max(expected, 1e-9):.2f} of it"]


def _estimates(path: Path) -> tuple[dict[str, float], str]:
    """Return the seconds of each stage in a plan, and of which settings it is; nothing where none can be read."""
    try:
        plan = json.loads(path.read_bytes())
        return {str(stage["name"]): float(stage["seconds"]) for stage in plan["stages"]}, str(plan.get("study", ""))
    except (OSError, ValueError, KeyError, TypeError):
        return {}, ""


def _extraction(session: Session, name: str, first: str) -> StageCost:
    """Time one stimulus of middle length, and writing it, and count the others by their lengths.

    Where ``first`` is another space, its features are the same.
    """
    source, inputs, store = session.sources[name], session.inputs, session.store
    about, lengths = source.description, inputs.lengths
    total = sum(lengths.values())
    rows = total * about.grid.rate if about.grid else sum(len(s.words) + len(s.phones) for s in inputs.stimuli.values())
    disk = rows * about.width * len(about.layers) * (2 if about.dtype == "float16" else 4)
    stored = store.find(source.key)
    if stored is not None and stored.index():
        return StageCost(source.title, len(lengths), 0.0, 0.0, 0.0, "in the store, all or in part")
    if first != name:
        return StageCost(source.title, len(lengths), 0.0, 0.0, 0.0, f"the features of {first}")
    space = session.spaces.take(name)
    middle = sorted(lengths, key=lambda stimulus: lengths[stimulus])[len(lengths) // 2]
    for _ in range(2):  # the first one loads libraries
        begin = time.perf_counter()
        blocks = list(next(iter(space.extract([inputs.stimuli[middle]], lengths))))
        seconds = time.perf_counter() - begin
        if seconds > LONG_TRIAL_S:
            break
    n_copies = int(min(len(lengths), 1 + TRIAL_BYTES // max(1, sum(block.nbytes for block in blocks))))
    folder = store.folder
    while not folder.exists():
        folder = folder.parent
    if not os.access(folder, os.W_OK):
        folder = Path(tempfile.gettempdir())
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
