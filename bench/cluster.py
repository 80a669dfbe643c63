"""How a study spreads over workers: measured with 1, 2 and 4 here, simulated for 1 to 256.

    python bench/cluster.py measure OUT     a study of the paper's form, a part of its size, by 1, 2 and 4 workers
    python bench/cluster.py simulate        the paper, and a cohort ten times as large, by 1 to 256 workers

Measuring asserts that the pieces are the same, byte for byte, with any number of workers, and where all fits are made
in shares. Simulating goes through the tasks of the paper (`heschl.study.cluster.spread`): its spaces, layers and parts,
each with the seconds that such a piece takes one thread, measured or by count from full-size layers that were (see
README.md); with what a task costs client and scheduler, what each worker reads before it begins, and what each share of
a piece takes beside its work.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import heschl.study.cluster.work as cluster_work
from heschl.study.cluster.cuts import in_shares
from heschl.study.cluster.spread import Job, makespan

SCALE = Fraction(1, 40)
FOLDS = 5
# The paper's spaces: layers, CPU seconds of a layer's nested fit (README.md: plain fits measured, nested 2.6 times as
# much by count), of its moments among them, and of extracting its features.
SPACES = {
    "mel": (1, 42.0, 2.0, 60.0),
    "wav2vec2": (12, 671.0, 20.0, 400.0),
    "gpt2": (48, 1310.0, 40.0, 1600.0),
    "glove": (1, 450.0, 10.0, 5.0),
}
# [shared]: features learned in each outer fold, so 25 training sets instead of 15. Parts as wide as a layer take what
# a layer does; the language model's at the rate of frames, whose moments take 170 s in each outer fold. Parts that are
# scored over the common time course, too, are two.
LEARNED = 25 / 15
SPEECH_PART, LANGUAGE_PART = LEARNED * 671.0, LEARNED * 1310.0 + FOLDS * 150.0
# Seconds, and how often a part is scored; as they are submitted, the longest first.
PARTS = ((LANGUAGE_PART, 2), (LANGUAGE_PART, 1), (SPEECH_PART, 2), (LEARNED * 1310.0, 1), (SPEECH_PART, 1),
         (SPEECH_PART, 1), *[(20.0, 1)] * 9)  # fmt: skip
# One layer of each space beyond the common time course: again 25 training sets, and no variates to be learned.
COURSE = tuple((name, LEARNED * fit) for name, (_, fit, _, _) in SPACES.items())
# Layers with layers: 576 pairs of 8.8 s, fitted and held out, in pieces of eight language layers that whiten all speech
# layers anew (some 100 s each).
MAP = [(2 * 576 * 8.8 + 12 * 100.0) / 12] * 12
# The exchange test of each layer: 40 permutations of 3.2 s, measured on a quarter of the rows (without the principal
# components of the lagged design).
EXCHANGE = 40 * 3.2
GROUPS_OF_STIMULI = 10  # that the features of a model are extracted in
SUBMITTING = 0.006  # s of client and scheduler for each task
DATA_BYTES = 0.2e9  # responses on the grid (58,943 x 822): read before the first fit
BANDWIDTH = 1e9  # bytes/s that the shared disk gives to all workers together
# What a share takes beside its work: a second to read and check the layer, and the moments of all folds (w d^2 numbers
# for features, w d c for responses, edges of sentences) from other workers, each of which gives 1 GB/s.
SHARING = {"mel": 1.1, "wav2vec2": 1.6, "gpt2": 2.7, "glove": 1.2}
LEARNING = SHARING["gpt2"] + 10.0  # and canonical variates learned anew, where a worker has not learned them before
IMPORTS = 6.0  # s
NUMBERS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


def paper(n_workers: int, cohort: int = 1, shares: bool = True) -> list[Job]:
    """Return the tasks of the paper, or of a cohort so many times as large (as many groups of subjects)."""
    parts = sum(seconds * scores for seconds, scores in PARTS) + sum(seconds for _, seconds in COURSE)
    left = cohort * (sum(n * (fit + EXCHANGE) for n, fit, _, _ in SPACES.values()) + parts) + sum(MAP)

    def cut(seconds: float) -> bool:
        return shares and in_shares(seconds, left, n_workers)

    jobs = []
    for name, (_, _, _, extraction) in SPACES.items():
        n = GROUPS_OF_STIMULI if extraction > 100 else 1
        jobs += [Job(f"features {name}", extraction / n)] * n
    jobs += [Job("layers with layers", seconds, ("features wav2vec2", "features gpt2")) for seconds in MAP]
    for name, (layers, fit, moments, _) in SPACES.items():  # space by space
        pieces = []
        for layer in range(layers * cohort):
            after = (f"features {name}",)
            if cut(fit):
                pieces.append(_nested("encoding", f"{name} {layer}", fit, moments, 10, FOLDS, after, SHARING[name]))
            else:
                pieces.append(([Job("encoding", fit, after)], [], []))
        jobs += _step_by_step(pieces)
    for name, (layers, _, _, _) in SPACES.items():
        jobs += [Job("exchange test", EXCHANGE, (f"features {name}",))] * (layers * cohort)
    pieces = []
    for group in range(cohort):
        for at, (seconds, scores) in enumerate(PARTS):
            pieces += _learned("shared", f"shared {group} {at}", seconds, scores, LEARNING, cut)
        for name, seconds in COURSE:
            pieces += _learned("time course", f"course {group} {name}", seconds, 1, SHARING[name], cut)
    return jobs + _step_by_step(pieces) + [Job("noise ceilings", 5.0)] * (16 * cohort)


Steps = tuple[list[Job], list[Job], list[Job]]


def _step_by_step(pieces: list[Steps]) -> list[Job]:
    """Return the first steps of all pieces, then the second ones: a step is submitted when the one before is over."""
    return [job for step in range(3) for piece in pieces for job in piece[step]]


def _learned(
    title: str, piece: str, seconds: float, scores: int, sharing: float, cut: Callable[[float], bool]
) -> list[Steps]:
    """Return a piece whose features are learned in each outer fold, in shares where it is long."""
    if not cut(seconds * scores):
        return [([Job(title, seconds * scores, ("encoding",))], [], [])]
    each = seconds / FOLDS
    return [
        _nested(title, f"{piece} {score} {fold}", each, 0.1 * each, FOLDS - 1, 1, ("encoding",), sharing)
        for score in range(scores)
        for fold in range(FOLDS)
    ]


def _nested(
    title: str,
    piece: str,
    seconds: float,
    moments: float,
    pairs: int,
    outer: int,
    after: tuple[str, ...],
    sharing: float,
) -> Steps:
    """Return the shares of a fit: moments of folds, pairs of folds left out, outer folds."""
    each = (seconds - moments) / (pairs + outer) + sharing
    first, second = f"{piece} moments", f"{piece} pairs"
    return (
        [Job(first, moments / FOLDS + 1.0, after, 1.0)] * FOLDS,
        [Job(second, each, (first,), sharing)] * pairs,
        [Job(title, each, (second,), sharing)] * outer,
    )


def simulate() -> None:
    """Print the makespan of the paper, and of a cohort ten times as large."""
    for what, cohort in (("the paper", 1), ("ten times its cohort", 10)):
        work = sum(job.seconds for job in paper(1, cohort, shares=False))
        print(f"\n{what}: {work / 3600:.1f} hours of one worker\n")
        print("| workers | tasks | hours | efficiency | bounded by | whole pieces |\n|---|---|---|---|---|---|")
        for n in NUMBERS:
            start = IMPORTS + n * DATA_BYTES / BANDWIDTH
            jobs = paper(n, cohort)
            found, whole = (makespan(each, n, SUBMITTING, start) for each in (jobs, paper(n, cohort, shares=False)))
            print(
                f"| {n} | {len(jobs)} | {found.seconds / 3600:.2f} | {found.efficiency:.0%} | {found.bound} "
                f"| {whole.efficiency:.0%} |"
            )


def measure(out: Path) -> None:
    """Run a part of the paper by 1, 2 and 4 workers, each of one thread, features there already."""
    from heschl.study.session import Session
    from heschl.study.simulate import simulate_paper

    study = out / "study.toml"
    if not study.exists():
        simulate_paper(out, scale=SCALE)
    Session(study, out / "results").extracted()
    one, first = 0.0, None
    for n, shares in ((1, False), (2, False), (2, True), (4, False)):
        seconds, of_work, pieces = run_once(study, out / "results", n, shares)
        first = first or pieces
        assert pieces == first, "results depend on the workers"
        one = one or seconds
        row = {"workers": n, "in shares": shares, "seconds": round(seconds, 1), "of work": round(of_work, 1)}
        print(json.dumps(row | {"times one": round(one / seconds, 2), "pieces": len(pieces)}), flush=True)


def run_once(study: Path, out: Path, n: int, shares: bool) -> tuple[float, float, dict[str, bytes]]:
    """Make all pieces of a study by so many workers: seconds, seconds of work, and the pieces."""
    from distributed import Client, LocalCluster

    from heschl.study.analyses.registry import wanted
    from heschl.study.session import Session
    from heschl.study.work.progress import Reporter

    cluster_work.in_shares = (lambda *_: True) if shares else in_shares
    # `local:N` would share the cores out among the workers, and one worker have them all.
    with LocalCluster(n_workers=n, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        session = Session(study, out, Reporter(None))
        session.check()
        shutil.rmtree(session.layout.cache, ignore_errors=True)
        client.run(_warm)
        work = cluster_work.Work(session, wanted(session.study), list(session.study.features), None, {}, client)
        begin = time.perf_counter()
        work.run()
        seconds = time.perf_counter() - begin
        assert not work.failed(), work.failed()
    pieces = {str(p.relative_to(session.layout.cache)): p.read_bytes() for p in session.layout.cache.rglob("*.npz")}
    return seconds, sum(session.report.seconds.values()), pieces


def _warm() -> None:
    """Import what pieces need, so that it is not counted."""
    import heschl.study.analyses.registry  # noqa: F401


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["measure", "simulate"])
    parser.add_argument("out", type=Path, nargs="?", default=Path("cluster-study"))
    given = parser.parse_args()
    measure(given.out) if given.what == "measure" else simulate()
