"""How a study spreads over workers: measured with 1, 2 and 4 here, simulated for 8 to 256.

    python bench/cluster.py measure OUT     a study of the paper's form, a part of its size, by 1, 2 and 4 workers
    python bench/cluster.py simulate        the paper, and a cohort ten times as large, by 1 to 256 workers

Measuring asserts that the pieces are the same, byte for byte, with any number of workers. Simulating goes through the
tasks of the paper as it is (`heschl.study.cluster.spread`): its spaces, layers and analyses; each with the seconds that
such a piece takes by one thread, scaled by operations from the fit of a full-size layer
(`bench/full_size_layer.py`); with what each task costs client and scheduler, and what each worker must read before it
begins, both as measured here.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from fractions import Fraction
from pathlib import Path

from heschl.study.cluster.spread import Job, makespan

SCALE = Fraction(1, 40)
# A layer's nested fit: 5 folds, 15 training sets, 10 λ, all electrodes of a group and their shuffled twins.
FULL_LAYER_SECONDS = 600.0
SUBMITTING = 0.006  # s of client and scheduler for each task, measured by `measure`
DATA_BYTES = 2.2e9  # responses of the paper on the grid, and shuffled: what every worker reads once
BANDWIDTH = 1e9  # bytes/s that the shared disk gives to all workers together
IMPORTS = 6.0  # s
# The paper's spaces: layers, and the width of a layer against 768.
SPACES = {"mel": (1, 0.1), "wav2vec2": (13, 1.0), "hubert": (13, 1.0), "whisper": (13, 1.0), "gpt2": (13, 1.0),
          "bert": (13, 1.0), "glove": (1, 0.4)}  # fmt: skip
NUMBERS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


def paper(cohort: int = 1) -> list[Job]:
    """Return the tasks of the paper, or of a cohort so many times as large (as many groups of subjects)."""
    jobs = []
    for name, (layers, width) in SPACES.items():
        jobs += [Job(f"features {name}", 60.0 * width)] * (16 if layers > 1 else 1)
        each = FULL_LAYER_SECONDS * width**2
        jobs += [Job(f"encoding {name}", each, (f"features {name}",))] * (layers * cohort)
    encoded = tuple(f"encoding {name}" for name in SPACES)
    jobs += [Job("shared", 2.0 * FULL_LAYER_SECONDS, encoded)] * (14 * cohort)
    jobs += [Job("noise ceilings", 5.0)] * (16 * cohort)
    return jobs


def simulate() -> None:
    """Print the makespan of the paper, and of a cohort ten times as large."""
    for what, cohort in (("the paper", 1), ("ten times its cohort", 10)):
        jobs = paper(cohort)
        print(f"\n{what}: {len(jobs)} tasks, {sum(job.seconds for job in jobs) / 3600:.1f} hours of one worker\n")
        print("| workers | hours | efficiency | bounded by |\n|---|---|---|---|")
        for n in NUMBERS:
            found = makespan(jobs, n, SUBMITTING, IMPORTS + n * DATA_BYTES / BANDWIDTH)
            print(f"| {n} | {found.seconds / 3600:.2f} | {found.efficiency:.0%} | {found.bound} |")


def measure(out: Path) -> None:
    """Run a part of the paper by 1, 2 and 4 workers, each of one thread, features there already."""
    from heschl.study.analyses.registry import wanted
    from heschl.study.cluster.connect import connected
    from heschl.study.cluster.work import Work
    from heschl.study.session import Session
    from heschl.study.simulate import simulate_paper
    from heschl.study.work.progress import Reporter

    study = out / "study.toml"
    if not study.exists():
        simulate_paper(out, scale=SCALE)
    Session(study, out / "results").extracted()
    rows, first = [], None
    for n in (1, 2, 4):
        with connected(f"local:{n}", Reporter(None)) as client:
            session = Session(study, out / "results", Reporter(None))
            session.check()
            shutil.rmtree(session.layout.cache, ignore_errors=True)
            client.run(_warm)
            work = Work(session, wanted(session.study), list(session.study.features), None, {}, client)
            begin = time.perf_counter()
            work.run()
            seconds = time.perf_counter() - begin
        pieces = {str(p.relative_to(session.layout.cache)): p.read_bytes() for p in session.layout.cache.rglob("*.npz")}
        first = first or pieces
        assert pieces == first, "results depend on the number of workers"
        of_work = sum(session.report.seconds.values())
        rows.append({"workers": n, "seconds": seconds, "work": of_work, "pieces": len(pieces)})
        print(json.dumps(rows[-1]), flush=True)
    for row in rows[1:]:
        print(f"{row['workers']} workers: {rows[0]['seconds'] / row['seconds']:.2f} times one")


def _warm() -> None:
    """Import what pieces need, so that it is not counted."""
    import heschl.study.analyses.registry  # noqa: F401


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["measure", "simulate"])
    parser.add_argument("out", type=Path, nargs="?", default=Path("cluster-study"))
    given = parser.parse_args()
    measure(given.out) if given.what == "measure" else simulate()
