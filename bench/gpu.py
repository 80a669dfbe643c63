"""heschl on one GPU: what the card can do, then each case against it, the answers checked; a table last.

python bench/gpu.py                      # what is installed, in under 8 minutes; kept in results/
python bench/gpu.py --build --tests      # build heschl with CUDA into build/gpu first, and run tests/cuda
python bench/gpu.py --small              # tiny problems: only tries the code; nothing is kept

Cases that the minutes left do not hold are named in the table as not reached. Seconds are medians where a case is short
enough to be repeated, else of one run.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
ROOT = HERE.parent
BUILT = ROOT / "build" / "gpu"
ALPHAS = np.logspace(2, 8, 10)
N_FOLDS = 5


@dataclass
class Row:
    """One line of the table; `fraction` of the measured product rate that the counted operations were done at."""

    case: str
    seconds: float
    rate: float = 0.0  # operations per second, or bytes
    fraction: float = 0.0
    target: str = ""
    met: str = ""
    note: str = ""


def build() -> None:
    """Build and install heschl with CUDA beside the checkout, without an index."""
    arguments = ["--no-build-isolation", "--no-index", "--no-deps", "--upgrade", "--target", str(BUILT)]
    options = ["-C", "cmake.define.HESCHL_CUDA=ON", "-C", "cmake.define.CMAKE_CUDA_ARCHITECTURES=native"]
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", *arguments, str(ROOT), *options], check=True)


class Bench:
    """Cases, one after the other, while there is time."""

    def __init__(self, minutes: float, small: bool) -> None:
        from heschl.linear.device.cuda import cuda_backend, cuda_status

        self.end, self.small = time.perf_counter() + 60 * minutes, small
        self.device = cuda_backend()
        self.name = cuda_status().devices[0]
        self.rows: list[Row] = []
        self.rates: dict[str, float] = {}
        self.rng = np.random.default_rng(0)

    def seconds(self, work: Callable[[], Any], repeats: int = 1) -> float:
        """Median seconds of some work on the device, done when it returns."""
        taken = []
        for _ in range(repeats):
            self.device.context.synchronize()
            start = time.perf_counter()
            work()
            self.device.context.synchronize()
            taken.append(time.perf_counter() - start)
        return float(np.median(taken))

    def add(self, row: Row) -> None:
        """Keep and show a row."""
        self.rows.append(row)
        print(f"{row.case}: {row.seconds:.4g} s {row.note}", flush=True)

    def left(self) -> float:
        """Seconds that are left."""
        return self.end - time.perf_counter()

    def run(self, case: str, work: Callable[[], None], needs: float) -> None:
        """Run one case, if its expected seconds are left; a case that fails is a line of the table, not the end."""
        if self.left() < needs:
            self.add(Row(case, float("nan"), note=f"not reached: {self.left():.0f} s left, about {needs:.0f} needed"))
            return
        try:
            work()
        except (ArithmeticError, MemoryError, RuntimeError, ValueError, AssertionError) as error:
            self.add(Row(case, float("nan"), met="no", note=f"{type(error).__name__}: {error}"[:300]))

    def ceilings(self) -> None:
        """Product rate by precision, and bandwidths."""
        from heschl.linear.device.cuda import cuda_backend

        n = 256 if self.small else 8192
        for precision, dtype, tf32 in (("float32", "f4", False), ("tf32", "f4", True), ("float64", "f8", False)):
            there = cuda_backend(tf32=tf32)
            a, b = (there.put(self.rng.standard_normal((n, n)).astype(dtype)) for _ in range(2))
            until = time.perf_counter() + (0.0 if self.small else 0.5)  # clocks rise with work
            while True:
                there.product(a, b)
                there.context.synchronize()
                if time.perf_counter() >= until:
                    break
            start = time.perf_counter()
            for _ in range(5):
                there.product(a, b)
            there.context.synchronize()
            taken = (time.perf_counter() - start) / 5
            self.rates[precision] = 2.0 * n**3 / taken
            self.add(
                Row(f"product {precision}, {n}", taken, self.rates[precision], note=f"{self.rates[precision]:.3g}/s")
            )
        host = np.zeros((16 if self.small else 1 << 15, 1 << 13), np.float32)
        there = self.device.put(host)
        up = self.seconds(lambda: self.device.put(host), 3)
        copied = self.seconds(lambda: self.device.copy(there), 3)
        self.add(Row("host to device", up, host.nbytes / up, note=f"{host.nbytes / up / 1e9:.3g} GB/s"))
        rate = 2 * host.nbytes / copied
        self.add(Row("copy within the device", copied, rate, note=f"{rate / 1e9:.4g} GB/s, read and written"))

    def factorisations(self) -> None:
        """One λ by Cholesky, and an eigendecomposition, in products of as many operations: for the cost model."""
        for p, with_eigh in ((2_560, True), (15_360, False)) if not self.small else ((40, True),):
            gram = self.device.empty((p, p), np.float32)
            A = self.device.put(self.rng.standard_normal((p // 4, p)).astype(np.float32))
            self.device.assign(gram, self.device.product(A, A, transpose=True))
            diagonal, cross = self.device.diagonal(gram), self.device.zeros((p, 1), np.float32)
            solve = partial(self.device.kernels.ridge_solve, gram, diagonal, float(p), cross, self.device.handle())
            solve()
            taken = self.seconds(solve, 3)
            slowness = taken * self.rates["float32"] / (p**3 / 3)
            self.add(Row(f"Cholesky, p = {p}", taken, note=f"{slowness:.3g} × its operations as products"))
            if with_eigh:
                taken = self.seconds(lambda g=gram: self.device.eigh(g))
                cubes = taken * self.rates["float32"] / p**3
                self.add(Row(f"eigendecomposition, p = {p}", taken, note=f"{cubes:.3g} p³ operations as products"))

    def data(self, d: int, c: int, n: int = 58_943) -> tuple[Any, Any, list[int]]:
        """Features that correlate in time, and responses that some of them drive."""
        n = 1500 if self.small else n
        H = self.rng.standard_normal((n, d)).astype(np.float32)
        for _ in range(2):
            H[1:] += 0.7 * H[:-1]
        Y = H[:, : min(d, 40)] @ self.rng.standard_normal((min(d, 40), c)).astype(np.float32)
        Y = np.roll(Y, 3, axis=0) + 10 * self.rng.standard_normal((n, c)).astype(np.float32)
        lengths = [n // 20] * 19 if self.small else [98] * (n // 98 - 1)
        return H, Y, [*lengths, n - sum(lengths)]

    def moments(self, d: int) -> None:
        """Lagged moments of one layer, features already there."""
        from heschl.linear.design.frames import Frames
        from heschl.linear.design.segments import segment_bounds
        from heschl.linear.moments.lagged import LaggedMoments
        from heschl.linear.moments.shift import Shift

        w = 20
        d = 16 if self.small else d
        H, Y, lengths = self.data(d, 1)
        X = Frames.of(H)
        shift, bounds, there, y = Shift.near_mean(X, Y), segment_bounds(lengths, len(H)), X.to(self.device), Y[:, :0]

        def gather() -> Any:
            return LaggedMoments.of_rows(there, self.device.put(y), bounds, range(w), "zero", shift)

        found = gather()
        taken = self.seconds(gather, 3)
        some = LaggedMoments.of_rows(
            Frames.of(H.astype(np.float64)[:, :8]), y.astype(np.float64), bounds, range(w), "zero",
            Shift(shift.features[:8].astype(np.float64), shift.targets[:0].astype(np.float64)),
        )  # fmt: skip
        first = self.device.get(found.first_column)[:8, :8]
        assert np.abs(first - some.first_column[:8]).max() < 1e-3 * np.abs(some.first_column).max()
        operations = 2.0 * len(H) * w * d * d
        fraction = operations / taken / self.rates["float32"]
        met = "yes" if fraction >= 0.7 else "no"
        self.add(Row(f"moments, d = {d}, w = {w}", taken, operations / taken, fraction, "≥ 0.70 of product rate", met))

    def layer(self, case: str, d: int, target: float, dtype: str = "float32") -> None:
        """One layer by cross-validation: 20 lags, 822 electrodes, 5 folds, 10 λ, from the host's arrays."""
        from heschl import LaggedRidgeCV

        w, c = 20, 822
        if self.small:
            d, c, w = 6, 5, 4
        H, Y, lengths = self.data(d, c)
        model = LaggedRidgeCV(range(w), alphas=ALPHAS, cv=N_FOLDS, solver="cholesky", device="cuda", dtype=dtype)
        few = sum(lengths[: len(lengths) // 20 + 5])  # libraries load their code at its first use
        model.fit(H[:few], Y[:few], segments=lengths[: len(lengths) // 20 + 5])
        taken = self.seconds(lambda: model.fit(H, Y, segments=lengths))
        assert np.isfinite(model.cv_scores_).all() and np.median(model.cv_scores_.max(axis=0)) > 0.02
        p, n = w * d, len(H)
        n_final = len(np.unique(model.alpha_))
        solves = (N_FOLDS * len(ALPHAS) + n_final) * (p**3 / 3 + 2.0 * p * p * c)
        operations = 2.0 * n * p * (d + c) + solves + len(ALPHAS) * 2.0 * n * p * c
        fraction = operations / taken / self.rates["tf32" if dtype == "tf32" else "float32"]
        met = "yes" if taken <= target else "no"
        note = f"{model.dtype_}, {n_final} λ chosen"
        self.add(Row(f"{case}, p = {p}, {dtype}", taken, operations / taken, fraction, f"≤ {target:g} s", met, note))

    def grid(self) -> None:
        """The paper's 12 + 48 layers, from the layers above."""
        speech, language = (
            next((row.seconds for row in self.rows if row.case.startswith(case) and "float32" in row.case), np.nan)
            for case in ("speech layer", "language layer")
        )
        total = 12 * speech + 48 * language
        met = "yes" if total <= 1200 else "no"
        note = "extrapolated: 12 and 48 times the layers above"
        self.add(Row("the paper's grid, plain CV", total, target="≤ 20 min", met=met, note=note))

    def cca(self) -> None:
        """Canonical correlations of a row of the grid: one layer of 1,600 with 12 of 768."""
        from heschl import cca_grid

        a, b, n = (768, 1600, 58_943) if not self.small else (8, 12, 500)
        count = 12 if not self.small else 2
        shared = self.rng.standard_normal((n, 5)).astype(np.float32)

        def layer(d: int) -> Any:
            H = self.rng.standard_normal((n, d)).astype(np.float32)
            H[:, :5] += 3 * shared
            return H

        left = {str(i): layer(a) for i in range(count)}
        grids = []
        taken = self.seconds(lambda: grids.append(cca_grid(left, {"b": layer(b)}, device="cuda")))
        assert (np.abs(grids[0].values[..., :5] - 0.9) < 0.1).all()
        # A second layer finds the bases of the first model made: what each further one costs.
        two = self.seconds(lambda: cca_grid(left, {"b": layer(b), "c": layer(b)}, device="cuda"))
        total = taken + 47 * (two - taken)
        few = dict(list(left.items())[:2])
        b_layer = layer(b)
        on_cpu, on_gpu = (self.seconds(lambda d=d: cca_grid(few, {"b": b_layer}, device=d)) for d in ("cpu", "cuda"))
        note = (
            f"extrapolated from {count} and {2 * count} pairs; two pairs {on_cpu / on_gpu:.1f} × this CPU (target 20)"
        )
        self.add(
            Row(f"576 CCA pairs ({a} × {b})", total, target="≤ 180 s", met="yes" if total <= 180 else "no", note=note)
        )

    def singular_values(self) -> None:
        """The 50 largest of many products of whitened sides: all in one call, and one by one."""
        from heschl.linear.cca.whitening import largest_singular_values

        for count, rows, cols in ((576, 50, 300), (12, 768, 1600)) if not self.small else ((5, 4, 6),):
            M = self.rng.standard_normal((count * rows, cols))
            there, k = self.device.put(M), min(50, rows)
            edges = rows * np.arange(count + 1)
            each = [there.part(i * rows, rows, 0, cols) for i in range(count)]
            found = largest_singular_values(there, edges, k)
            assert np.allclose(found[-1], np.linalg.svd(M[-rows:], compute_uv=False)[:k], rtol=1e-9)
            together = self.seconds(lambda there=there, edges=edges, k=k: largest_singular_values(there, edges, k), 3)
            apart = self.seconds(lambda each=each, e=edges[:2], k=k: [largest_singular_values(m, e, k) for m in each])
            note = f"one by one {apart:.3g} s"
            self.add(Row(f"{k} singular values of {count} matrices {rows} × {cols}", together, note=note))

    def himalaya(self) -> None:
        """himalaya's RidgeCV on the same card, the design given to it."""
        import himalaya.backend
        import torch
        from himalaya.ridge import RidgeCV
        from himalaya.scoring import r2_score

        from heschl import LaggedRidgeCV, lagged_design

        n, d, w, c = (12_000, 64, 20, 822) if not self.small else (600, 4, 3, 5)
        H, Y, _ = self.data(d, c, n)
        H, Y = H[:n], Y[:n]
        lengths = [n // 20] * 20
        H, Y = H[: sum(lengths)], Y[: sum(lengths)]
        fold = np.repeat(np.arange(20) % N_FOLDS, lengths)
        splits = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(N_FOLDS)]
        model = LaggedRidgeCV(range(w), alphas=ALPHAS, cv=splits, device="cuda", dtype="float32")
        fit = lambda: model.fit(H, Y, segments=lengths)  # noqa: E731
        fit()
        taken = self.seconds(fit, 3)
        X = lagged_design(H, range(w), segments=lengths)
        where = "torch_cuda" if torch.cuda.is_available() else "torch"
        himalaya.backend.set_backend(where)
        rival = RidgeCV(alphas=ALPHAS, fit_intercept=True, cv=splits, solver_params={"score_func": r2_score})

        def other() -> None:
            rival.fit(X, Y)
            if torch.cuda.is_available():
                torch.cuda.synchronize()

        other()
        theirs = self.seconds(other, 2)
        same = float(np.mean(np.isclose(model.alpha_, np.asarray(rival.best_alphas_.cpu(), dtype=float), rtol=1e-3)))
        assert same > 0.9, f"the same λ for {same:.0%} of the targets"
        ratio, met = theirs / taken, "yes" if theirs >= 20 * taken else "no"
        note = f"himalaya ({where}) {theirs:.3g} s, same λ {same:.0%}"
        self.add(Row(f"n = {len(H)}, d = {d}: {ratio:.1f} × himalaya", taken, target="≥ 20 ×", met=met, note=note))

    def all(self) -> None:
        """Every case, the ones asked for most first."""
        self.run("ceilings", self.ceilings, 5)
        self.run("factorisations", self.factorisations, 10)
        for d in (768, 1600):
            self.run(f"moments, d = {d}", lambda d=d: self.moments(d), 15)
        self.run("speech layer", lambda: self.layer("speech layer", 768, 5.0), 30)
        self.run("language layer", lambda: self.layer("language layer", 1600, 22.0), 80)
        self.run("himalaya", self.himalaya, 60) if importlib.util.find_spec("himalaya") else self.add(
            Row("himalaya", float("nan"), note="not reached: himalaya is not installed")
        )
        self.run("CCA", self.cca, 60)
        self.run("singular values", self.singular_values, 30)
        self.run("speech layer, tf32", lambda: self.layer("speech layer", 768, 5.0, "tf32"), 30)
        self.grid()


def table(bench: Bench) -> str:
    """Markdown, one line a case."""
    lines = ["| case | seconds | rate | of product rate | target | met | note |", "|---|---|---|---|---|---|---|"]
    for row in bench.rows:
        rate = f"{row.rate:.3g}" if row.rate else ""
        fraction = f"{row.fraction:.2f}" if row.fraction else ""
        cells = (row.case, f"{row.seconds:.4g}", rate, fraction, row.target, row.met, row.note)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> int:
    """Build, test, measure, keep, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", action="store_true", help="build heschl with CUDA into build/gpu first")
    parser.add_argument("--tests", action="store_true", help="run tests/cuda before anything is timed")
    parser.add_argument("--small", action="store_true", help="tiny problems, nothing kept")
    parser.add_argument("--minutes", type=float, default=7.5, help="for all of it (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="where to keep the figures (default: bench/results/<device>.json)")
    asked = parser.parse_args()
    start = time.perf_counter()
    if asked.build:
        build()
    if BUILT.is_dir():
        sys.path.insert(0, str(BUILT))
        os.environ["PYTHONPATH"] = os.pathsep.join([str(BUILT), os.environ.get("PYTHONPATH", "")])
    passed = "not run"
    if asked.tests:
        command = [sys.executable, "-m", "pytest", "-q", str(ROOT / "tests" / "cuda")]
        passed = "passed" if subprocess.run(command, check=False).returncode == 0 else "FAILED"
    bench = Bench(asked.minutes - (time.perf_counter() - start) / 60, asked.small)
    bench.all()
    if not asked.small:
        name = re.sub(r"[^a-z0-9]+", "-", bench.name.lower()).strip("-")
        out = asked.out or HERE / "results" / f"{name}.json"
        kept = {"device": bench.name, "python": platform.python_version(), "tests": passed}
        out.write_text(json.dumps(kept | {"rows": [asdict(row) for row in bench.rows]}, indent=1) + "\n")
    print(f"\n{bench.name}; tests/cuda: {passed}\n\n{table(bench)}")
    return 1 if passed == "FAILED" else 0


if __name__ == "__main__":
    raise SystemExit(main())
