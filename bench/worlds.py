"""The worlds of `heschl.study.simulate.worlds`, larger and many times over: what is found, beside what is true.

    python bench/worlds.py [--seeds 20] [--scale 2] [--permutations 99] [--only NAME]

Prints a row for each question: the mean over worlds with its 95 % interval, what is true (mean over worlds of its
limits), in how many worlds the answer lies within it, and what the usual analysis says of the first world.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict

import numpy as np

from heschl.study.simulate.questions import Answer, ask
from heschl.study.simulate.worlds import WORLDS

SIZES = {
    "few_repeats": lambda scale: {"n_electrodes": 200 * scale},
    "twins": lambda scale: {"n_texts": 20 * scale},
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--scale", type=int, default=2, help="times the stimuli of the tests")
    parser.add_argument("--permutations", type=int, default=99)
    parser.add_argument("--only", choices=WORLDS)
    args = parser.parse_args()
    print("| world | question | found | true | worlds | the usual analysis |")
    print("| --- | --- | ---: | --- | ---: | --- |")
    for name, make in WORLDS.items():
        if args.only not in (None, name):
            continue
        begin = time.perf_counter()
        answers: dict[str, list[Answer]] = defaultdict(list)
        for seed in range(args.seeds):
            size = SIZES.get(name, lambda scale: {"n_stimuli": 40 * scale})(args.scale)
            for answer in ask(make(seed, **size), n_permutations=args.permutations, seed=seed):
                answers[answer.question].append(answer)
        for question, found in answers.items():
            values = np.array([answer.found for answer in found])
            half = 1.96 * values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else float("nan")
            right = sum(answer.passed for answer in found)
            low, high = (float(np.mean([getattr(answer, end) for answer in found])) for end in ("low", "high"))
            cells = [name, question, f"{values.mean():.3f} ± {half:.3f}", f"{low:.3f} to {high:.3f}",
                     f"{right} of {len(found)}", found[0].misleading]  # fmt: skip
            print(f"| {' | '.join(cells)} |", flush=True)
        print(f"{name}: {time.perf_counter() - begin:.0f} s", flush=True) if args.only else None


if __name__ == "__main__":
    main()
