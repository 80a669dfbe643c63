"""How a study spreads over workers: measured with 1, 2 and 4 here, simulated for 8 to 256.

    python bench/cluster.py measure OUT     a study of the paper's form, a part of its size, by 1, 2 and 4 workers
    python bench/cluster.py simulate        the paper, and a cohort ten times as large, by 1 to 256 workers

Measuring asserts that the pieces are the same, byte for byte, with any number of workers. Simulating goes through the
tasks of the paper (`heschl.study.cluster.spread`): its spaces, layers and parts, each with the seconds that such a
piece takes one thread, by count from full-size layers that were measured; with what a task costs client and scheduler,
and what each worker reads before it begins.
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
# The paper's spaces: layers, s that a layer's nested fit takes one thread, s to extract its features. Fits are
# extrapolated: by the counts of operations, from layers of p = 15,360 (speech) and p = 32,000 (language) in README.md.
SPACES = {
    "mel": (1, 60.0, 60.0),
    "wav2vec2": (12, 1200.0, 400.0),
    "gpt2": (48, 2600.0, 1600.0),
    "glove": (1, 300.0, 5.0),
}
N_PARTS, PART_SECONDS = 14, 1500.0  # of [shared], for each group of subjects
GROUPS_OF_STIMULI = 10  # that the features of a model are extracted in
SUBMITTING = 0.006  # s of client and scheduler for each task
DATA_BYTES = 2.2e9  # responses on the grid, and a layer: what every worker reads before its first fit
BANDWIDTH = 1e9  # bytes/s that the shared disk gives to all workers together
IMPORTS = 6.0  # s
NUMBERS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


def paper(cohort: int = 1) -> list[Job]:
    """Return the tasks of the paper, or of a cohort so many times as large (as many groups of subjects)."""
    jobs = []
    for name, (layers, fit, extraction) in SPACES.items():
        n = GROUPS_OF_STIMULI if layers > 1 else 1
        jobs += [Job(f"features {name}", extraction / n)] * n
        jobs += [Job(f"encoding {name}", fit, (f"features {name}",))] * (layers * cohort)
    encoded = tuple(f"encoding {name}" for name in SPACES)
    jobs += [Job("shared", PART_SECONDS, encoded)] * (N_PARTS * cohort)
    jobs += [Job("noise ceilings", 5.0)] * (16 * cohort)
    return jobs


def simulate() -> None:
    """Print the makespan of the paper, and of a cohort ten times as large."""
    for what, cohort in (("the paper", 1), ("ten times its cohort", 10)):
        jobs = paper(cohort)
        print(f"\n{what}: {len(jobs)} tasks, {sum(job.seconds for job in jobs) / 3600:.1f} hours of one worker\n")
        print("| workers | hours | efficiency | bounded by |\n|---|---|---|---|")
        for n in NUMBERS:
            found = makespan(jobs, n, SUBMITTING, IMPORTS + min(n, len(jobs)) * DATA_BYTES / BANDWIDTH)
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
