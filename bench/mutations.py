"""Mistakes made on purpose in a copy of the package, and whether the tests named here find them.

    python bench/mutations.py [NAME ...] [--demo]

Each mistake is one that makes results look better than they are, or moves features against responses. A copy of the
package (with its compiled core) and of the tests is changed in one place and the tests are run on it: they must fail.
With `--demo` (minutes for each) it also says whether `heschl demo` itself misses the planted truth then.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]


class Mistake(NamedTuple):
    """Where it is made: a file of the package, what stands there, what is put there; and the tests that must see it."""

    file: str
    right: str
    wrong: str
    tests: str


MISTAKES = {
    "λ chosen on the test fold": Mistake(
        "linear/crossval/nested.py",
        "        return settle(sums[j], alphas, best, again)",
        "        sums[j].values[:, j] = sums[(j + 1) % n_folds].values[:, j]\n"
        "        sums[j].sst = np.where(np.arange(n_folds)[:, None] != j, np.nan, sst)\n"
        "        return settle(sums[j], alphas, best, again)",
        "tests/linear/crossval/test_nested.py",
    ),
    "layer chosen by test scores": Mistake(
        "study/analyses/fits/encoding.py",
        "        better = fit.inner_score > inner  # False where there is no inner score (NaN)\n"
        "        inner[better] = fit.inner_score[better]",
        "        better = fit.r2 > inner\n        inner[better] = fit.r2[better]",
        "tests/study/analyses/test_scoring.py tests/study/analyses/test_audit.py",
    ),
    "p halved": Mistake(
        "linear/nulls/distribution.py", "(1.0 + reached) / (1.0 + m),", "(1.0 + reached) / (1.0 + m) / 2,",
        "tests/linear/nulls/test_exchange.py",
    ),
    "p of the maximum halved": Mistake(
        "linear/nulls/distribution.py", "(1.0 + reached_max) / (1.0 + m),", "(1.0 + reached_max) / (1.0 + m) / 2,",
        "tests/linear/nulls/test_exchange.py",
    ),
    "fitted tail halved": Mistake(
        "linear/nulls/tail.py", "found[fits] = share * _survival", "found[fits] = share / 2 * _survival",
        "tests/linear/nulls/test_tail.py",
    ),
    "residual context that still holds the words": Mistake(
        "linear/cca/parts.py", "        out -= cross((np.asarray(base", "        out -= 0 * cross((np.asarray(base",
        "tests/linear/cca/test_parts.py",
    ),
    "CCA learned on all rows": Mistake(
        "linear/cca/parts.py",
        "level(side, train & known, words if words is None else words[train[words[:, 0]]])",
        "level(side, known, words)",
        "tests/linear/cca/test_parts.py tests/study/analyses/test_audit.py",
    ),
    "words shifted by one": Mistake(
        "timing/align.py", "    return np.asarray(found, dtype=np.int64)\n\n\ndef words_to_frames",
        "    return np.asarray(np.where(found > 0, found - 1, found), dtype=np.int64)\n\n\ndef words_to_frames",
        "tests/timing/test_align.py",
    ),
    "sessions ignored": Mistake(
        "study/analyses/fits/exchange.py", "dtype=object), blocks)", "dtype=object))",
        "tests/study/analyses/test_exchange.py",
    ),
}  # fmt: skip


def make(mistake: Mistake, copy: Path) -> dict[str, str]:
    """Make a mistake in a copy of package and tests; return the environment that imports the copy."""
    for name in ("python", "tests"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    file = copy / "python" / "heschl" / mistake.file
    text = file.read_text(encoding="utf-8")
    if text.count(mistake.right) != 1:
        raise SystemExit(f"{mistake.file} has changed: {mistake.right!r} is there {text.count(mistake.right)} times")
    file.write_text(text.replace(mistake.right, mistake.wrong), encoding="utf-8")
    return {**os.environ, "PYTHONPATH": str(copy / "python")}


def found_by_tests(mistake: Mistake, copy: Path, environment: dict[str, str]) -> tuple[bool, str]:
    """Run a mistake's tests on the copy: whether one failed, and which."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *mistake.tests.split()]
    out = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True)
    failed = [line.split()[1] for line in out.stdout.splitlines() if line.startswith("FAILED")]
    return bool(failed) and out.returncode == 1, failed[0] if failed else out.stdout[-300:]


def found_by_demo(copy: Path, environment: dict[str, str]) -> str:
    """Run `heschl demo` on the copy, and return what of the planted truth it misses."""
    folder = copy / "demo"
    out = subprocess.run(
        [sys.executable, "-m", "heschl", "demo", "--out", str(folder)],
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
    )
    if not (folder / "demo.md").is_file():
        return f"ends with an error: {(out.stderr or out.stdout)[-200:]}"
    lines = (folder / "demo.md").read_text(encoding="utf-8").splitlines()
    return "; ".join(line.strip("| ").rsplit(" | ", 1)[0] for line in lines if line.endswith("| **no** |")) or "nothing"


def main() -> None:
    """Print a row for each mistake; the exit code is 1 where one goes unseen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MISTAKES))
    parser.add_argument("--demo", action="store_true", help="also by the demo's own verdict")
    given = parser.parse_args()
    names = given.names or list(MISTAKES)
    unknown = [name for name in names if name not in MISTAKES]
    if unknown:
        parser.error(f"{unknown[0]!r}: no mistake of that name")
    print("| mistake | found by | missed by the demo |\n| --- | --- | --- |")
    unseen = 0
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            environment = make(MISTAKES[name], Path(folder))
            found, by = found_by_tests(MISTAKES[name], Path(folder), environment)
            demo = found_by_demo(Path(folder), environment) if given.demo else ""
        unseen += not found
        print(f"| {name} | {f'`{by}`' if found else f'NOT FOUND: {by}'} | {demo} |", flush=True)
    raise SystemExit(1 if unseen else 0)


if __name__ == "__main__":
    main()
