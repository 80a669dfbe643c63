"""Mistakes made on purpose in the kernels (csrc/cpu), and whether the tests named here find them.

    python bench/kernel_mutations.py [NUMBER ...]

All mistakes are built at once into a copy of the package; the environment variable HESCHL_MISTAKE then says which one
is made. Needs what an editable install needs: cmake, ninja and pybind11.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
SWITCH = """
#include <cstdlib>
namespace heschl {
inline int mistake() {
    static const int number = std::getenv("HESCHL_MISTAKE") ? std::atoi(std::getenv("HESCHL_MISTAKE")) : -1;
    return number;
}
}  // namespace heschl
"""
KERNELS = "tests/linear/test_kernels.py"
MOMENTS = f"{KERNELS} tests/linear/moments tests/linear/design/test_word_rate.py"


class Mistake(NamedTuple):
    """A file in csrc/cpu; what stands there, with marks around an expression; what is put in its place; its tests."""

    file: str
    right: str
    wrong: str
    tests: str = MOMENTS


CCA = f"{KERNELS} tests/linear/cca"
SCORES = "tests/linear/crossval/test_scores.py tests/linear/crossval/test_every_score.py"
RIDGE = "tests/linear/test_kernels.py tests/linear/ridge"
MISTAKES = [
    Mistake("rows.hpp", "u < row.low || «u >= row.high»", "u > row.high"),
    Mistake("rows.hpp", "++f) out[f] = «v[f] - shift[f]»;", "v[f]"),
    Mistake("gram.cpp", "if («entering.rows > 0»)", "entering.rows > 1"),
    Mistake("gram.cpp", "pairs * n - sums.count(i) * «sums.count(j)»", "sums.count(i)"),
    Mistake("gram.cpp", "u_ij[f] - «m» * sums.count(j) * s_i[f]", "0.0"),
    Mistake("gram.cpp", "v[j] - «n_i * y_mean[j]»", "0.0"),
    Mistake("sums.hpp", "«i - j - after»", "j - i - after"),
    Mistake("sums.hpp", "ranges.end(r) - ranges.begin(r), «2 * reach»", "reach / 2"),
    Mistake("sums.hpp", "std::max<int64_t>(0, «-lags[i] - after»)", "-lags[i] - after - 1"),
    Mistake("runs.hpp", "static_cast<T>(«next - first»)", "1"),
    Mistake("runs.hpp", "std::max(«ranges.begin(r) - greatest», ranges.low(r))", "ranges.begin(r) - greatest + 1"),
    Mistake("moments.cpp", "std::min(w - 1, «t - first - lags[0]»)", "t - first - lags[0] - 1"),
    Mistake("moments.cpp", "(at_end ? ranges.end(r) : «ranges.begin(r)») - 1", "ranges.begin(r) + 1"),
    Mistake("moments.cpp", "ranges.begin(r) + 1; t < «ranges.end(r)»", "ranges.end(r) - 1"),
    Mistake("predict.cpp", "std::min(last + lags[k], «ranges.end(r)»)", "ranges.end(r) - 1"),
    Mistake("predict.cpp", "- «static_cast<double>(b[j])»", "0.0", RIDGE),
    Mistake("bins.cpp", "window = {«last - reach», last, window.last};", "last - reach + 1"),
    Mistake("bins.cpp", "product == Product::responses ? «reach» : 0", "0"),
    Mistake("spectral.cpp", "(«f == 0 || f == size / 2» ? 1.0 : 2.0)", "f == 0"),
    Mistake("spectral.cpp", "i0 == j0 ? «first + i + 1» : tile.cols", "first + i"),
    Mistake("spectral.cpp", "if («removed.bins() > 0») multiply(cpu, removed", "removed.bins() > 1"),
    Mistake("spectra.hpp", "odd_sine[f] = «down + far_down»;", "down - far_down"),
    Mistake("dual.cpp", "std::min(stops, «b.high(q) + lags[k]»)", "b.high(q) + lags[k] - 1", RIDGE),
    Mistake("leave_out.cpp", "own.row(i)[j]) - «less»)", "0.0", RIDGE),
    Mistake("leave_out.cpp", "std::copy_n(A.row(«starts[h] + i»), c", "starts[g] + i", RIDGE),
    Mistake("cca.cpp", "vector.data() + «(found - 1 - i)» * size", "i", CCA),
    Mistake(
        "cca.cpp", "«static_cast<double>(out[j] = static_cast<T>(q[j]))»", "(out[j] = static_cast<T>(q[j]), q[j])", CCA
    ),
    Mistake("cca.cpp", "if («own.rows <= own.cols»)", "own.rows < own.cols - 1", CCA),
    Mistake("scores.cpp", "P.row(t) + «first», count", "from", SCORES),
    Mistake("ridge.cpp", "y[g + lane] += «value * x[r]»;", "0.0", RIDGE),
    Mistake("ridge.cpp", "if («from > 0»)", "from > rows", RIDGE),
    Mistake("triangle.hpp", "std::max(r + 1, «b * tile»)", "b * tile + (b > a)", RIDGE),
    Mistake("products.cpp", "values[j] + «keep * out[j]»", "out[j]", RIDGE),
    Mistake("products.cpp", "x.row(i)[j] + «y.row(i)[j]»", "-y.row(i)[j]", RIDGE),
]  # fmt: skip


def build(copy: Path) -> None:
    """Make every mistake in a copy of the package, each behind a switch, and build its core."""
    for name in ("python", "tests", "csrc"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    for name in ("pyproject.toml", "CMakeLists.txt", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for number, mistake in enumerate(MISTAKES):
        file = copy / "csrc" / "cpu" / mistake.file
        text = file.read_text(encoding="utf-8")
        before, part, after = re.split("[«»]", mistake.right)
        right = before + part + after
        if text.count(right) != 1:
            raise SystemExit(f"{mistake.file} has changed: {right!r} is there {text.count(right)} times")
        either = f"(heschl::mistake() == {number} ? ({mistake.wrong}) : ({part}))"
        file.write_text(text.replace(right, before + either + after), encoding="utf-8")
    header = copy / "csrc" / "include" / "heschl" / "view.hpp"
    header.write_text(header.read_text(encoding="utf-8") + SWITCH, encoding="utf-8")
    hints = subprocess.run([sys.executable, "-m", "pybind11", "--cmakedir"], capture_output=True, text=True)
    options = {"CMAKE_BUILD_TYPE": "Release", "SKBUILD_PROJECT_NAME": "heschl", "SKBUILD_PROJECT_VERSION": "0",
               "Python_EXECUTABLE": sys.executable}  # fmt: skip
    if hints.returncode == 0:  # else CMake may find it by itself
        options["pybind11_DIR"] = hints.stdout.strip()
    settings = [f"-D{name}={value}" for name, value in options.items()]
    cmake = (
        shutil.which("cmake", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])) or "cmake"
    )
    subprocess.run([cmake, "-G", "Ninja", "-S", copy, "-B", copy / "build", *settings], check=True, capture_output=True)
    subprocess.run([cmake, "--build", copy / "build", "--target", "_core"], check=True, stdout=subprocess.DEVNULL)
    for module in (copy / "build").rglob("_core*.so"):
        shutil.copy(module, copy / "python" / "heschl")


def found_by_tests(copy: Path, number: int, tests: str) -> tuple[bool, str]:
    """Run the tests of one mistake: whether one failed, and which."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests.split()]
    environment = {**os.environ, "PYTHONPATH": str(copy / "python"), "HESCHL_MISTAKE": str(number)}
    out = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True)
    failed = [line.split()[1] for line in out.stdout.splitlines() if line.startswith("FAILED")]
    return (bool(failed) and out.returncode == 1) or out.returncode < 0, failed[0] if failed else out.stdout[-300:]


def main() -> None:
    """Print a row for each mistake; the exit code is 1 where one goes unseen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("numbers", nargs="*", type=int, metavar="NUMBER", help=f"0 to {len(MISTAKES) - 1}")
    parser.add_argument("--built", type=Path, help="a copy that an earlier call built")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        copy = given.built or Path(folder)
        if not (copy / "build").is_dir():
            build(copy)
        print("| mistake | found by |\n| --- | --- |")
        unseen = 0
        for number in given.numbers or range(len(MISTAKES)):
            mistake = MISTAKES[number]
            found, by = found_by_tests(copy, number, mistake.tests)
            unseen += not found
            text = f"{number}: {mistake.file}, `{mistake.wrong}`"
            print(f"| {text} | {f'`{by}`' if found else f'NOT FOUND: {by}'} |", flush=True)
    raise SystemExit(1 if unseen else 0)


if __name__ == "__main__":
    main()
